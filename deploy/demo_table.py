"""What the demo shows: where each ticket went and why, and the life of one of them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from deploy.demo_tickets import Sample
from shared.calendar import SHANGHAI
from shared.names import CLOCK_NAMES

WIDTH: Final = 150
"""Of the table where it does not go to a terminal."""
WORDS: Final = 34
TRANSFERRED: Final = "transfer_emergency"

DISPOSITIONS: Final = {
    "dispatch": "派单",
    "manual_dispatch": "转人工",
    "awaiting_info": "待补充",
    "redirect_out": "转出",
    TRANSFERRED: "紧急转接",
}
EVENTS: Final = {
    "hotline.ticket.received.v1": "受理",
    "hotline.classification.classified.v1": "分类",
    "hotline.classification.abstained.v1": "分类存疑",
    "hotline.case.dispatched.v1": "派单",
    "hotline.case.accepted.v1": "签收",
    "hotline.case.contacted.v1": "联系诉求人",
    "hotline.case.replied.v1": "答复",
    "hotline.case.verified.v1": "核实",
    "hotline.ticket.called_back.v1": "回访",
    "hotline.ticket.closed.v1": "热线办结",
    "hotline.case.closed.v1": "工单办结",
}
ACTORS: Final = {
    "model": "模型",
    "rule": "规则",
    "system": "系统",
    "operator": "话务员",
    "dispatcher": "网格中心",
}


class Names:
    """Chinese names of units and leaves."""

    def __init__(
        self, units: Sequence[Mapping[str, Any]], leaves: Sequence[Mapping[str, Any]]
    ) -> None:
        self._units = {str(unit["slug"]): str(unit["name"]) for unit in units}
        self._leaves = {str(leaf["slug"]): str(leaf["name"]) for leaf in leaves}

    def unit(self, slug: str | None) -> str:
        """A unit's name; a dash for none."""
        return self._units.get(slug, slug) if slug else "—"

    def leaf(self, slug: str) -> str:
        """A leaf's name."""
        return self._leaves.get(slug, slug)


def console() -> Console:
    """As wide as the terminal, or WIDTH where there is none."""
    terminal = Console()
    return terminal if terminal.is_terminal else Console(width=WIDTH)


def overview(
    samples: Sequence[Sample], tickets: Sequence[Mapping[str, Any]], names: Names
) -> Table:
    """A row for each ticket: words, leaf, place, what happened, until when, and why."""
    table = Table(title="每一件去了哪里，为什么", title_justify="left", show_lines=True)
    table.add_column("工单", no_wrap=True)
    table.add_column("来电内容 → 依据", ratio=7, overflow="fold")
    table.add_column("事项 / 级别", ratio=3, overflow="fold")
    table.add_column("地点", ratio=2, overflow="fold")
    table.add_column("处理 / 主办单位", ratio=3, overflow="fold")
    table.add_column("首个时限", no_wrap=True)
    for sample, ticket in zip(samples, tickets, strict=True):
        case = ticket["case"]
        table.add_row(
            f"{ticket['number']}\n{sample.about}",
            f"{escape(_short(sample.text))}\n[dim]→{escape(why(ticket))}[/]",
            f"{names.leaf(case['leaf'])}\n{_urgency(case['priority'])}",
            place(case["place"], names),
            f"{outcome(ticket)}\n{names.unit(case['lead_unit'] or case['desk'])}",
            first_deadline(case),
        )
    return table


def outcome(ticket: Mapping[str, Any]) -> str:
    """What the router did; with an amendment or an urge, what came of that."""
    now = DISPOSITIONS[ticket["case"]["disposition"]]
    types = [str(entry["type"]) for entry in ticket["timeline"]]
    if "hotline.case.awaiting_info.v1" in types and now != DISPOSITIONS["awaiting_info"]:
        now = f"{DISPOSITIONS['awaiting_info']}→{now}"
    if "urged" in ticket["case"]["flags"]:
        now = f"{now}，已催办"
    return f"[bold red]{now}[/]" if ticket["case"]["disposition"] == TRANSFERRED else now


def place(found: Mapping[str, Any], names: Names) -> str:
    """Where the router thinks the ticket is, and how sure it is."""
    where = names.unit(found["street"]) if found["street"] else str(found["district"] or "")
    return {
        "exact": f"{where}\n社区明确",
        "street": where,
        "ambiguous": f"{where}\n待核实",
        "unknown": "地点不明",
        "outside": f"{where}\n区外",
        "transferred": f"{where}\n已划出南开",
    }[found["certainty"]]


def why(ticket: Mapping[str, Any]) -> str:
    """The rule that decided, where one did, and the router's last reasons."""
    classification, case = ticket["classification"], ticket["case"]
    ruled = classification["reasons"][:1] if classification["decided_by"] == "rule" else []
    asked = classification["demands"]
    several = [f"含{len(asked)}个诉求"] if len(asked) > 1 else []
    return "；".join((*ruled, *several, *case["reasons"][-2:]))


def first_deadline(case: Mapping[str, Any]) -> str:
    """The next clock to run out."""
    running = [c for c in case["clocks"] if not c["stopped_at"] and not c["cancelled"]]
    if not running:
        return "—"
    first = min(running, key=lambda clock: str(clock["due_at"]))
    due = datetime.fromisoformat(first["due_at"]).astimezone(SHANGHAI)
    return f"{CLOCK_NAMES[first['kind']]}\n{due:%m-%d %H:%M}"


def totals(tickets: Sequence[Mapping[str, Any]]) -> str:
    """How many tickets went which way."""
    went = [str(ticket["case"]["disposition"]) for ticket in tickets]
    parts = [f"{name} {went.count(slug)}" for slug, name in DISPOSITIONS.items() if slug in went]
    return f"共 {len(tickets)} 件：{'，'.join(parts)}。"


def life(ticket: Mapping[str, Any], names: Names) -> Table:
    """The timeline of one ticket."""
    table = Table(
        title=f"{ticket['number']} 从受理到办结：{escape(_short(ticket['text']))}",
        title_justify="left",
    )
    for name in ("时间", "环节", "谁", "说明"):
        table.add_column(name, overflow="fold")
    for entry in ticket["timeline"]:
        at = datetime.fromisoformat(entry["at"]).astimezone(SHANGHAI)
        actor = ACTORS.get(entry["actor"], entry["actor"])
        table.add_row(
            f"{at:%H:%M:%S}.{at.microsecond // 1000:03d}",
            EVENTS.get(entry["type"], entry["type"]),
            names.unit(entry["unit"]) if entry["unit"] else actor,
            escape(entry["note"]),
        )
    return table


def _urgency(priority: str) -> str:
    return f"[bold red]{priority}[/]" if priority in ("P0", "P1") else priority


def _short(text: str) -> str:
    return text if len(text) <= WORDS else f"{text[: WORDS - 1]}…"
