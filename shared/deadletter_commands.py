"""`deadletters list`, `show`, `replay`, `discard`: what to do about messages that were parked."""

import getpass
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from typing import Annotated

import typer

from shared.consume import Subscription
from shared.database import Database, Reader
from shared.messaging import DeadLetterRow, discarded, letters_named, waiting
from shared.replay import Report, replay, throw_away

OpenDatabase = Callable[[], Database]
OpenConsumers = Callable[[], AbstractContextManager[tuple[Database, Sequence[Subscription]]]]

Names = Annotated[list[str], typer.Argument(metavar="LETTER", help="As `list` names them.")]


def deadletter_commands(database: OpenDatabase, consumers: OpenConsumers) -> typer.Typer:
    """The commands over one service's parked messages; what they need is opened when called."""
    cli = typer.Typer(no_args_is_help=True, help="Messages that could not be handled.")

    @cli.command("list")
    def list_waiting(
        thrown: Annotated[
            bool, typer.Option("--discarded", help="Those thrown away instead.")
        ] = False,
    ) -> None:
        """Show the parked messages, oldest first: letter, consumer, key, reason, error."""
        with _reading(database) as reader:
            letters = discarded(reader) if thrown else waiting(reader)
        for letter in letters:
            typer.echo(
                f"{letter.name}  {letter.parked_at:%Y-%m-%d %H:%M:%S}Z"
                f"  {letter.consumer}  {letter.key}  {letter.headers.get('ce_type', '-')}"
                f"  attempts={letter.attempts}  {letter.reason}: {letter.error}"
            )
            if letter.discarded_by is not None:
                typer.echo(f"  {_fate(letter)}")
        typer.echo(f"{len(letters)} {'discarded' if thrown else 'waiting'}")

    @cli.command("show")
    def show(names: Names) -> None:
        """Show letters whole: what failed, what became of them, headers and content."""
        with _reading(database) as reader:
            letters = letters_named(reader, names)
        for letter in letters:
            typer.echo(_whole(letter))
        unknown = set(names).difference(*(letter.names for letter in letters))
        if unknown:
            typer.echo(f"no such letter: {', '.join(sorted(unknown))}", err=True)
            sys.exit(1)

    @cli.command("replay")
    def replay_waiting(
        names: Annotated[list[str] | None, typer.Argument(metavar="LETTER")] = None,
        everything: Annotated[bool, typer.Option("--all", help="All that is parked.")] = False,
    ) -> None:
        """Handle parked messages after all, with the ones of the same key that wait.

        Ends with 1 where some could still not be handled. The service may be running.
        """
        if bool(names) == everything:
            raise typer.BadParameter("name the events to replay, or say --all")
        with consumers() as (opened, subscriptions):
            chosen = None if everything else frozenset(names or ())
            report = replay(opened, subscriptions, chosen, datetime.now(UTC))
        _tell(report)

    @cli.command("discard")
    def discard_waiting(
        names: Names,
        reason: Annotated[str, typer.Option(help="Why they may be lost; kept with them.")],
        by: Annotated[str, typer.Option(help="Who says so; the login name unless given.")] = "",
    ) -> None:
        """Throw parked messages away for good, then handle what waited behind them.

        Who did it and why stays on record. Ends with 1 where nothing of that name waits, or
        where something behind could not be handled. The service may be running.
        """
        if not reason.strip():
            raise typer.BadParameter("say why they may be lost")
        who = by.strip() or getpass.getuser()
        with consumers() as (opened, subscriptions):
            report = throw_away(
                opened, subscriptions, frozenset(names), who, reason.strip(), datetime.now(UTC)
            )
        typer.echo(f"{report.discarded} discarded")
        _tell(report)
        if not report.discarded:
            sys.exit(1)

    return cli


@contextmanager
def _reading(database: OpenDatabase) -> Iterator[Reader]:
    opened = database()
    try:
        with opened.reading() as reader:
            yield reader
    finally:
        opened.close()


def _tell(report: Report) -> None:
    for failure in report.failures:
        typer.echo(
            f"failed  {failure.letter or '-'}  {failure.consumer}  {failure.key}  {failure.error}"
        )
    typer.echo(
        f"{report.replayed} replayed, {len(report.failures)} failed, {report.waiting} waiting"
    )
    if report.failures:
        sys.exit(1)


def _fate(letter: DeadLetterRow) -> str:
    if letter.replayed_at is None:
        return "waiting"
    if letter.discarded_by is None:
        return f"replayed {letter.replayed_at:%Y-%m-%d %H:%M:%S}Z"
    at = f"{letter.replayed_at:%Y-%m-%d %H:%M:%S}Z"
    return f"discarded {at} by {letter.discarded_by}: {letter.discard_reason}"


def _whole(letter: DeadLetterRow) -> str:
    """A letter for people; content that is no JSON is quoted."""
    try:
        content = json.dumps(json.loads(letter.value), ensure_ascii=False, indent=2)
    except ValueError:
        content = repr(letter.value)
    headers = "".join(f"\n  {name}: {value}" for name, value in sorted(letter.headers.items()))
    return (
        f"{letter.name} (#{letter.id})\nconsumer: {letter.consumer}\nkey: {letter.key}\n"
        f"from: {letter.topic}, partition {letter.partition}, offset {letter.offset_}\n"
        f"parked: {letter.parked_at:%Y-%m-%d %H:%M:%S}Z after {letter.attempts} attempts\n"
        f"{letter.reason}: {letter.error}\n{_fate(letter)}\nheaders:{headers}\n{content}\n"
    )
