"""What names a ticket that its reader may not know of goes; everything else stays."""

from collections.abc import Mapping, Sequence

from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from shared.discretion import TICKET, tickets_named, unnaming

HIDDEN, SEEN = "NK20261123-000001", "NK20261123-000002"
PART = f"{HIDDEN}-1"
"""A part of a split ticket is another ticket."""


class Line(BaseModel):
    """A line of a log."""

    note: str = ""
    detail: Mapping[str, str] = {}


class View(BaseModel):
    """A ticket as somebody reads it."""

    text: str = ""
    parent: str | None = None
    earlier: Sequence[str] = ()
    usual_street: str | None = None
    reasons: tuple[str, ...] = ()
    log: Sequence[Line] = ()


def test_each_kind_of_field_loses_what_names_a_hidden_ticket() -> None:
    view = View(
        text=f"我那个{HIDDEN}",
        parent=HIDDEN,
        earlier=[SEEN, HIDDEN, PART],
        usual_street="wanxing",
        reasons=(f"另有2件工单：{SEEN}、{HIDDEN}", f"另有{PART}"),
        log=[
            Line(note=f"并入{HIDDEN}，原{SEEN}", detail={"into": HIDDEN, "from": SEEN}),
            Line(note="到场"),
        ],
    )
    assert unnaming(view, frozenset({HIDDEN})) == View(
        text=f"我那个{HIDDEN}",
        earlier=[SEEN, PART],
        reasons=(f"另有{PART}",),
        log=[Line(note=f"并入{TICKET}，原{SEEN}", detail={"from": SEEN}), Line(note="到场")],
    )


NUMBERS = st.sampled_from([HIDDEN, SEEN, PART, "街道", f"见{HIDDEN}", f"{SEEN}、{PART}"])
LINES = st.builds(Line, note=NUMBERS, detail=st.dictionaries(st.sampled_from("ab"), NUMBERS))
VIEWS = st.builds(
    View,
    parent=st.none() | NUMBERS,
    earlier=st.lists(NUMBERS),
    reasons=st.lists(NUMBERS).map(tuple),
    log=st.lists(LINES),
)


@given(VIEWS, st.frozensets(st.sampled_from([HIDDEN, SEEN, PART])))
def test_no_hidden_number_is_left_and_without_one_nothing_changes(
    view: View, hidden: frozenset[str]
) -> None:
    shown = unnaming(view, hidden)
    assert tickets_named(shown).isdisjoint(hidden)
    assert (shown is view) == tickets_named(view).isdisjoint(hidden)
