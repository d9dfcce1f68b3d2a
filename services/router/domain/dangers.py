"""What a danger (险情) means whatever the matter: whom to call, what to dial, what to say.

The kinds are the vocabulary of `shared/dangers.csv`; what follows from each is policy.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, datetime

from shared.dangers import DangerKind
from shared.events import Alarm, Danger, Priority


@dataclass(frozen=True, slots=True)
class Response:
    """What a kind of danger calls for from one day to another.

    `call` are the units, the leading one first; `street` among them stands for the street
    where it happens. `dial` are the numbers to ring at once, `tell` is for the caller.
    """

    kind: DangerKind
    call: tuple[str, ...]
    dial: tuple[str, ...]
    tell: str
    valid_from: date | None
    valid_to: date | None


def alarm_of(response: Response, danger: Danger, heard_at: datetime) -> Alarm:
    """The alarm of a danger that has been heard."""
    kind = response.kind
    return Alarm(
        kind=kind.slug,
        name=kind.name,
        priority=kind.priority,
        clause=danger.clause,
        dial=response.dial,
        tell_caller=response.tell,
        heard_at=heard_at,
    )


def advice(alarm: Alarm) -> str:
    """What whoever has the caller on the line is to do, as a sentence."""
    dial = f"，立即拨打{'、'.join(alarm.dial)}" if alarm.dial else ""
    return f"险情“{alarm.name}”（“{alarm.clause}”）{dial}；告知来电人：{alarm.tell_caller}"


def with_alarm(alarms: Collection[Alarm], alarm: Alarm) -> tuple[Alarm, ...]:
    """The alarms with one more, the worst first; one of a kind that stands already stays."""
    if any(known.kind == alarm.kind for known in alarms):
        return tuple(alarms)
    return tuple(sorted((*alarms, alarm), key=lambda one: (one.priority, one.heard_at)))


def is_ruled_out(alarm: Alarm, ruled_out: Iterable[Alarm]) -> bool:
    """Whether a person has said of the same words that they tell of no such danger."""
    return any((one.kind, one.clause) == (alarm.kind, alarm.clause) for one in ruled_out)


def priority_with(alarms: Iterable[Alarm], otherwise: Priority) -> Priority:
    """The most urgent of the alarms and of what holds without them."""
    return min((alarm.priority for alarm in alarms), default=otherwise)
