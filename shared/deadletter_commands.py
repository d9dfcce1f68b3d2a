"""`deadletters list` and `deadletters replay`: the commands for messages that were parked."""

import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Annotated

import typer

from shared.consume import Subscription
from shared.database import Database
from shared.messaging import waiting
from shared.replay import replay

OpenDatabase = Callable[[], Database]
OpenConsumers = Callable[[], AbstractContextManager[tuple[Database, Sequence[Subscription]]]]


def deadletter_commands(database: OpenDatabase, consumers: OpenConsumers) -> typer.Typer:
    """The commands over one service's parked messages; what they need is opened when called."""
    cli = typer.Typer(no_args_is_help=True, help="Messages that could not be handled.")

    @cli.command("list")
    def list_waiting() -> None:
        """Show the parked messages, oldest first: event, consumer, key, reason, error."""
        opened = database()
        try:
            with opened.reading() as reader:
                letters = waiting(reader)
        finally:
            opened.close()
        for letter in letters:
            typer.echo(
                f"{letter.event_id or '-'}  {letter.parked_at:%Y-%m-%d %H:%M:%S}Z"
                f"  {letter.consumer}  {letter.key}  {letter.headers.get('ce_type', '-')}"
                f"  attempts={letter.attempts}  {letter.reason}: {letter.error}"
            )
        typer.echo(f"{len(letters)} waiting")

    @cli.command("replay")
    def replay_waiting(
        event_ids: Annotated[list[str] | None, typer.Argument(metavar="EVENT_ID")] = None,
        everything: Annotated[bool, typer.Option("--all", help="All that is parked.")] = False,
    ) -> None:
        """Handle parked messages after all, with the ones of the same key that wait.

        Ends with 1 where some could still not be handled. The service may be running.
        """
        if bool(event_ids) == everything:
            raise typer.BadParameter("name the events to replay, or say --all")
        with consumers() as (opened, subscriptions):
            chosen = None if everything else frozenset(event_ids or ())
            report = replay(opened, subscriptions, chosen, datetime.now(UTC))
        for failure in report.failures:
            typer.echo(
                f"failed  {failure.event_id or '-'}  {failure.consumer}  {failure.key}"
                f"  {failure.error}"
            )
        typer.echo(
            f"{report.replayed} replayed, {len(report.failures)} failed, {report.waiting} waiting"
        )
        if report.failures:
            sys.exit(1)

    return cli
