"""The pictures of the state machines are those of the tables."""

from services.router.domain.cases.states import COMMAND_NAMES
from services.router.domain.whistles.states import WHISTLE_COMMAND_NAMES, WHISTLE_STATE_NAMES
from services.router.pictures import README, drawn
from shared.names import STATE_NAMES


def test_the_readme_shows_the_tables_as_they_are() -> None:
    readme = README.read_text(encoding="utf-8")
    assert drawn(readme) == readme, "run: make pictures"


def test_every_state_and_every_command_is_shown() -> None:
    readme = README.read_text(encoding="utf-8")
    for name in (*STATE_NAMES.values(), *WHISTLE_STATE_NAMES.values()):
        assert f'"{name}"' in readme
    for command in (*COMMAND_NAMES, *WHISTLE_COMMAND_NAMES):
        assert f"| `{command.value}` |" in readme
