"""Pictures of the two state machines, drawn from their tables into this folder's README.

`make pictures` writes them; a test says when the README has fallen behind a table.
"""

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from services.router.domain.cases.rules import CASE_MACHINE
from services.router.domain.cases.states import COMMAND_NAMES
from services.router.domain.whistles.states import (
    WHISTLE_COMMAND_NAMES,
    WHISTLE_MACHINE,
    WHISTLE_STATE_NAMES,
)
from shared.events import CaseState, WhistleState
from shared.names import STATE_NAMES
from shared.roles import Role

README: Final = Path(__file__).with_name("README.md")
ROLE_NAMES: Final[Mapping[Role, str]] = {
    Role.UNIT: "单位",
    Role.DISPATCHER: "网格中心",
    Role.SUPERVISOR: "督查",
    Role.OPERATOR: "话务员",
    Role.SYSTEM: "系统",
}

Move = tuple[StrEnum, StrEnum, StrEnum]
"""From a state, by a command, to a state."""


def case_picture() -> str:
    """The case's state machine as a Mermaid diagram."""
    moves = [
        (state, command, to)
        for (state, command), row in CASE_MACHINE.cells.items()
        for to in row.to
    ]
    return _picture(moves, STATE_NAMES, COMMAND_NAMES, CaseState.CLOSED)


def whistle_picture() -> str:
    """The whistle's state machine as a Mermaid diagram."""
    moves = [
        (state, command, to)
        for (state, command), row in WHISTLE_MACHINE.cells.items()
        for to in row.to
    ]
    return _picture(moves, WHISTLE_STATE_NAMES, WHISTLE_COMMAND_NAMES, WhistleState.CLOSED)


def case_commands() -> str:
    """Who may give which command of a case from where, as a Markdown table."""
    sources: dict[StrEnum, list[str]] = {}
    for state, command in CASE_MACHINE.cells:
        sources.setdefault(command, []).append(STATE_NAMES[state])
    return _commands(COMMAND_NAMES, CASE_MACHINE.who, sources)


def whistle_commands() -> str:
    """Who may give which command of a whistle from where, as a Markdown table."""
    sources: dict[StrEnum, list[str]] = {}
    for state, command in WHISTLE_MACHINE.cells:
        sources.setdefault(command, []).append(WHISTLE_STATE_NAMES[state])
    return _commands(WHISTLE_COMMAND_NAMES, WHISTLE_MACHINE.who, sources)


PARTS: Final = {
    "case picture": case_picture,
    "case commands": case_commands,
    "whistle picture": whistle_picture,
    "whistle commands": whistle_commands,
}


def drawn(readme: str) -> str:
    """The README with every generated part as the tables have it now."""
    for name, draw in PARTS.items():
        start, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
        before, _, rest = readme.partition(start)
        _, _, after = rest.partition(end)
        readme = f"{before}{start}{draw()}\n{end}{after}"
    return readme


def write_pictures() -> None:
    """Bring the README up to the tables."""
    README.write_text(drawn(README.read_text(encoding="utf-8")), encoding="utf-8")


def _picture(
    moves: Iterable[Move],
    states: Mapping[Any, str],
    commands: Mapping[Any, str],
    last: StrEnum,
) -> str:
    """One arrow for all commands between two states; what leaves a state as it is has none."""
    arrows: dict[tuple[StrEnum, StrEnum], list[str]] = {}
    for source, command, to in moves:
        if to is not source:
            arrows.setdefault((source, to), []).append(commands[command])
    lines = [
        *(f'  state "{name}" as {state.value}' for state, name in states.items()),
        *(
            f"  {source.value} --> {to.value}: {'、'.join(dict.fromkeys(names))}"
            for (source, to), names in arrows.items()
        ),
        f"  {last.value} --> [*]",
    ]
    return "\n".join(("```mermaid", "stateDiagram-v2", *lines, "```"))


def _commands(
    names: Mapping[Any, str],
    who: Mapping[Any, frozenset[Role]],
    sources: Mapping[StrEnum, Sequence[str]],
) -> str:
    lines = ["| command | 名称 | who | from |", "|---|---|---|---|"]
    for command, name in names.items():
        roles = "、".join(ROLE_NAMES[role] for role in Role if role in who[command])
        lines.append(f"| `{command.value}` | {name} | {roles} | {'、'.join(sources[command])} |")
    return "\n".join(lines)


if __name__ == "__main__":
    write_pictures()
