"""What the system would do with a call, asked of the three services while it is typed.

Each has its own short time: what does not answer is missing and said, the rest is shown.
"""

from dataclasses import dataclass
from typing import Any, Final

from services.desk.accounts import Visitor
from services.desk.remote import GLANCE_SECONDS, Json, Refused, Services

CERTAIN: Final = ("exact", "street", "ambiguous")
"""Certainties of a place that names something other calls may name too."""


@dataclass(frozen=True, slots=True)
class Preview:
    """The answers: of the classifier, the router, and intake; None for one that did not come."""

    judged: Json | None
    routed: Json | None
    known: Json | None

    @property
    def priority(self) -> str:
        """How urgent it is; empty where nobody said."""
        said = self.routed or self.judged
        return said["priority"] if said else ""

    @property
    def kept(self) -> str:
        """The words that prove the danger, quoted, should later words not say so."""
        alarms = self.routed["alarms"] if self.routed else []
        return "；".join(alarm["clause"] for alarm in alarms if alarm["clause"])

    @property
    def alike(self) -> list[tuple[str, Json]]:
        """Tickets that this one may belong to, with why: each once, the likeliest first."""
        if self.known is None:
            return []
        likely = set(self.known["duplicates"])
        found = [("提到", one) for one in self.known["quoted"]]
        both = [("同号", one) for one in self.known["earlier"]]
        both += [("同地", one) for one in self.known["nearby"]]
        found += [("疑似重复", one) for _, one in both if one["number"] in likely]
        found += [(why, one) for why, one in both if one["status"] != "closed"]
        found += both
        once: dict[str, tuple[str, Json]] = {}
        for why, one in found:
            once.setdefault(one["number"], (why, one))
        return list(once.values())


def look(services: Services, visitor: Visitor, ticket: Json) -> Preview:
    """What would become of a ticket."""

    def ask(service: str, path: str, body: Json) -> Any:
        try:
            return services.post(service, path, visitor, body, seconds=GLANCE_SECONDS)
        except Refused:
            return None

    text, caller = ticket["text"], ticket["caller"]
    judged = ask("classifier", "/classify", {"text": text})
    routed = None
    if judged is not None:
        question = {
            "text": text,
            "address": (ticket["address"] or "")[:200] or None,
            "accused_unit": ticket.get("accused_unit"),
            **{name: judged[name] for name in ("leaf", "priority", "abstained", "danger")},
        }
        routed = ask("router", "/route", question)
    asked = {
        "text": text,
        "phone": caller["phone"],
        "confidential": caller["confidential"],
        "place": _named(routed, ticket["address"]),
        "leaf": judged["leaf"] if judged else None,
    }
    return Preview(judged, routed, ask("intake", "/glance", asked))


def _named(routed: Json | None, address: str | None) -> str | None:
    """The name by which other calls may mean the same place."""
    place = routed["place"] if routed else None
    if place and place["certainty"] in CERTAIN and place["evidence"]:
        named: str = place["evidence"][-1]["name"]
        return named[:200]
    return address[:200] if address else None
