"""Which model is in use and which judges beside it: chosen by people, kept as a history.

The newest row of `model_choice` holds for every process. Nothing is ever overwritten, so
who chose what and when can be read there, and undone; `retention.py` forgets the oldest.
"""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final

from sqlalchemy import text
from sqlmodel import col, select

from services.classifier.tables import ChoiceRow
from shared.database import Reader, Writer

SERVICE: Final = "classifier"
"""Who chose the first model: the service itself."""


class Deed(StrEnum):
    """What somebody did."""

    START = "start"
    SHADOW = "shadow"
    PROMOTE = "promote"
    ROLLBACK = "rollback"


class ChoiceError(Exception):
    """A choice that makes no sense now, in a sentence for who made it."""


def present_choice(reader: Reader) -> ChoiceRow | None:
    """The choice that holds; None before the service has ever started."""
    query = select(ChoiceRow).order_by(col(ChoiceRow.id).desc()).limit(1)
    return reader.execute(query).scalar_one_or_none()


def all_choices(reader: Reader) -> Sequence[ChoiceRow]:
    """Every choice that is kept, oldest first."""
    return reader.execute(select(ChoiceRow).order_by(col(ChoiceRow.id))).scalars().all()


def begin_with(writer: Writer, version: str, now: datetime) -> ChoiceRow:
    """Use this model unless somebody, another process perhaps, has chosen one already."""
    _hold(writer)
    return present_choice(writer) or _choose(writer, version, None, Deed.START, SERVICE, now)


def choose_shadow(writer: Writer, version: str | None, actor: str, now: datetime) -> ChoiceRow:
    """Let a model judge beside the one in use, or none. Raises ChoiceError."""
    choice = _held_choice(writer)
    if version == choice.active:
        raise ChoiceError(f"模型 {version} 是现用模型，不能同时作影子")
    if version == choice.shadow:
        raise ChoiceError(f"影子已经是 {version}" if version else "本来就没有影子模型")
    return _choose(writer, choice.active, version, Deed.SHADOW, actor, now)


def promote(writer: Writer, version: str, actor: str, now: datetime) -> ChoiceRow:
    """Put a model in use; where it was the shadow there is none any more. Raises ChoiceError."""
    choice = _held_choice(writer)
    if version == choice.active:
        raise ChoiceError(f"模型 {version} 已经是现用模型")
    shadow = None if choice.shadow == version else choice.shadow
    return _choose(writer, version, shadow, Deed.PROMOTE, actor, now)


def roll_back(writer: Writer, actor: str, now: datetime) -> ChoiceRow:
    """Put the model back in use that was promoted over. Raises ChoiceError where none was."""
    choice = _held_choice(writer)
    version = before(all_choices(writer))
    if version is None:
        raise ChoiceError(f"在 {choice.active} 之前没有用过别的模型")
    shadow = None if choice.shadow == version else choice.shadow
    return _choose(writer, version, shadow, Deed.ROLLBACK, actor, now)


def before(choices: Sequence[ChoiceRow]) -> str | None:
    """The model a rollback returns to.

    A rolled back model counts as never promoted: a second rollback goes one further back
    and does not return to it.
    """
    used: list[str] = []
    for choice in choices:
        if choice.deed == Deed.ROLLBACK:
            # What it undid may be forgotten already.
            used = used[:-1] or [choice.active]
        elif not used or used[-1] != choice.active:
            used.append(choice.active)
    return used[-2] if len(used) > 1 else None


def _hold(writer: Writer) -> None:
    """Let nobody else choose until the commit; reading goes on."""
    writer.execute(text("LOCK TABLE model_choice IN SHARE ROW EXCLUSIVE MODE"))


def _held_choice(writer: Writer) -> ChoiceRow:
    _hold(writer)
    choice = present_choice(writer)
    if choice is None:
        raise ChoiceError("还没有现用模型：请先启动一次分类服务")
    return choice


def _choose(
    writer: Writer, active: str, shadow: str | None, deed: Deed, actor: str, now: datetime
) -> ChoiceRow:
    choice = ChoiceRow(active=active, shadow=shadow, deed=deed, actor=actor, at=now)
    writer.add(choice)
    writer.flush()
    return choice
