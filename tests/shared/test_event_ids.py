"""The ids of events: ordered by time, and the same for what is said again."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from shared.calendar import SHANGHAI
from shared.envelope import event_id, new_id

NOON = datetime(2026, 11, 23, 4, tzinfo=UTC)
MOMENTS = st.integers(0, 10**9).map(lambda second: NOON + timedelta(seconds=second))


@given(MOMENTS, st.text(), st.integers())
def test_an_id_is_of_version_7_and_holds_its_time(at: datetime, word: str, version: int) -> None:
    for made in (new_id(at), event_id(at, word, version)):
        assert (made.version, made.variant) == (7, "specified in RFC 4122")
        assert made.int >> 80 == int(at.timestamp() * 1000)


def test_what_is_said_again_has_the_id_it_had() -> None:
    assert event_id(NOON, "closed", "NK1", 3) == event_id(NOON, "closed", "NK1", 3)
    assert event_id(NOON.astimezone(SHANGHAI), "closed") == event_id(NOON, "closed")


def test_another_word_or_moment_is_another_event() -> None:
    others = {
        event_id(NOON, "closed", "NK1", 3),
        event_id(NOON, "closed", "NK1", 4),
        event_id(NOON, "closed", "NK2", 3),
        event_id(NOON, "urged", "NK1", 3),
        event_id(NOON + timedelta(microseconds=1), "closed", "NK1", 3),
    }
    assert len(others) == 5


def test_new_ids_differ_and_follow_time() -> None:
    moments = [NOON + timedelta(milliseconds=n) for n in range(1000)]
    ids = [new_id(at) for at in moments]
    assert ids == sorted(ids)
    assert len({new_id(NOON) for _ in range(1000)}) == 1000
