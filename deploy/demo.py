"""`make demo`: sample calls through the hotline, where each went and why, and one to its end.

Uses the hotline that runs with this installation's settings, or starts one of its own in
a temporary home. Ends with 1 where a ticket did not arrive within twenty seconds.
"""

import contextlib
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from deploy.demo_client import DemoError, Hotline
from deploy.demo_table import Names, console, life, overview, totals
from deploy.demo_tickets import SAMPLES, Sample
from deploy.stack import Stack, StackError, settings_for
from shared.roles import Role
from shared.settings import load_settings

ARRIVAL_SECONDS: Final = 20.0


@contextlib.contextmanager
def hotline() -> Iterator[Hotline]:
    """The hotline that runs already, or one of our own. Raises StackError."""
    with contextlib.closing(Hotline(load_settings())) as running:
        if running.answers():
            print(f"使用正在运行的服务：{running.address('intake')}", flush=True)
            yield running
            return
    print("没有正在运行的服务，启动一套临时的……", flush=True)
    with (
        tempfile.TemporaryDirectory(prefix="hotline-demo-") as home,
        Stack(settings_for(Path(home) / "home")) as stack,
        contextlib.closing(Hotline(stack.settings)) as own,
    ):
        yield own


def send(line: Hotline, samples: Sequence[Sample]) -> Sequence[Mapping[str, Any]]:
    """Send the samples, and what callers say later; each ticket once it has its case.

    Raises DemoError for a ticket that has none in time.
    """
    numbers = [
        str(line.post("intake", "tickets", {"text": sample.text, **sample.fields})["number"])
        for sample in samples
    ]
    until = time.monotonic() + ARRIVAL_SECONDS
    for number in numbers:
        line.wait(number, until, lambda ticket: ticket["case"] is not None, "没有按时派出")
    return [
        _say_more(line, sample, number) for sample, number in zip(samples, numbers, strict=True)
    ]


def _say_more(line: Hotline, sample: Sample, number: str) -> Mapping[str, Any]:
    until = time.monotonic() + ARRIVAL_SECONDS
    if sample.adds is not None:
        version = line.post("intake", f"tickets/{number}/amendments", sample.adds)["version"]
        line.wait(
            number,
            until,
            lambda ticket: int(ticket["case"]["ticket_version"]) >= version,
            "补充后没有按时重新派出",
        )
    if sample.urges is not None:
        line.post("intake", f"tickets/{number}/urges", {"note": sample.urges})
        line.wait(number, until, lambda t: "urged" in t["case"]["flags"], "没有按时催办")
    return line.ticket(number)


def see_through(line: Hotline, ticket: Mapping[str, Any]) -> Mapping[str, Any]:
    """Take a dispatched ticket through accept, contact, reply, verify and call-back.

    Raises DemoError.
    """
    number, unit = str(ticket["number"]), str(ticket["lead_unit"])
    for command, note in (
        ("accept", "已签收，安排人员到场"),
        ("contact", "已电话联系诉求人，约定今日上门"),
        ("reply", "已处理完毕，现场已恢复，并告知诉求人"),
    ):
        line.post("router", f"cases/{number}/{command}", {"note": note}, Role.UNIT, unit)
    line.post("router", f"cases/{number}/verify", {"note": "现场核实属实"}, Role.DISPATCHER)
    _reach(line, number, "callback_pending", "没有按时进入回访")
    answer = {"solved": True, "satisfaction": "satisfied", "comment": "处理得很快，谢谢"}
    line.post("intake", f"tickets/{number}/callbacks", answer)
    return _reach(line, number, "closed", "没有按时办结")


def _reach(line: Hotline, number: str, state: str, what: str) -> Mapping[str, Any]:
    until = time.monotonic() + ARRIVAL_SECONDS
    return line.wait(number, until, lambda ticket: ticket["case"]["state"] == state, what)


def to_follow(tickets: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The first ticket an ordinary unit has to accept. Raises DemoError where none has."""
    for ticket in tickets:
        case = ticket["case"]
        if case["disposition"] == "dispatch" and case["state"] == "dispatched":
            return ticket
    raise DemoError("没有一件派到了单位")


def show(line: Hotline) -> None:
    """Send, print the overview, follow one ticket to its end. Raises DemoError."""
    paper = console()
    names = Names(line.get("router", "units"), line.get("classifier", "taxonomy"))
    tickets = send(line, SAMPLES)
    paper.print(overview(SAMPLES, tickets, names))
    paper.print(totals(tickets), highlight=False)
    paper.print(life(see_through(line, to_follow(tickets)), names))


def main() -> int:
    """Run the demo; the exit status."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        with hotline() as line:
            show(line)
    except (DemoError, StackError) as error:
        print(f"演示没有完成：{error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
