"""Two people, or a person and a clock, on one record: who was first, what becomes of the second.

A reminder that a clock wrote meanwhile is nobody's change: the command is given again. What the
same person has done already is done. Otherwise the second reads who did what and when.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from services.desk.accounts import Visitor
from services.desk.remote import Json, Refused, Services
from services.desk.words import clock_time, happened, who

STALE: Final = "stale-version"
REMINDERS: Final = ("reminded", "urged", "overdue", "escalated")
FACTS: Final[Mapping[str, str]] = {
    "accept": "accepted",
    "contact": "contacted",
    "reply": "replied",
    "verify": "verified",
    "acknowledge": "acknowledged",
    "arrive": "arrived",
    "handle": "handled",
    "sign": "signed",
    "dispatch": "dispatched",
}
"""What stands in the log after a command that one person gives once."""


def give(
    services: Services,
    visitor: Visitor,
    record: str,
    path: str,
    body: Mapping[str, Any],
    key: str | None,
) -> Json | None:
    """Give a command on a record, the last part of `path`; None where it was given before.

    Raises Refused, with who was first for a conflict.
    """
    try:
        answer: Json = services.post("router", path, visitor, body, key=key)
    except Refused as refused:
        if refused.status != 409:
            raise
        found = services.get("router", record, visitor)
        since = _since(found["log"], body.get("version"))
        if refused.slug == STALE and since and not _people(since):
            now = (found.get("whistle") or found["case"])["version"]
            again: Json = services.post("router", path, visitor, {**body, "version": now}, key=key)
            return again
        last = next(reversed(_people(since)), None)
        if last is None:
            raise
        if last["actor"] == visitor.name and last["fact"] == FACTS.get(path.rsplit("/", 1)[-1]):
            return None
        unit = services.names(visitor).unit(last["unit"]) if last["unit"] else ""
        by = f"{who(last['actor'])}（{unit}）" if unit else who(last["actor"])
        did = f"{by}{clock_time(last['at'])} 已“{happened(last['fact'])}”。"
        raise Refused(
            409, f"{did}您写的还在，请看过最新情况再提交。", refused.slug, refused.problem
        ) from None
    return answer


def _since(log: Sequence[Json], version: object) -> Sequence[Json]:
    return [line for line in log if not isinstance(version, int) or line["version"] > version]


def _people(log: Sequence[Json]) -> Sequence[Json]:
    """What was not merely a clock's reminder."""
    return [line for line in log if line["fact"] not in REMINDERS or line["actor"] != "clock"]
