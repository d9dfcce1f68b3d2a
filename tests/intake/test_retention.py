"""Keys of repeated requests are forgotten by their term, a channel's own numbers by theirs."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from services.intake.retention import forgetting
from shared.retention import Kept, load_terms
from tests.intake.office import WORDS, Office

TERMS = load_terms(None)


def aged(office: Office, days: float) -> None:
    with office.running.runtime.database.writing() as writer:
        writer.execute(
            text("UPDATE idempotency SET at = at - CAST(:age AS interval)"),
            {"age": timedelta(days=days)},
        )


@pytest.mark.parametrize(
    ("days", "same_by_key", "same_by_number"),
    [(6.9, True, True), (7.1, False, True), (401, False, False)],
)
def test_a_repetition_is_known_for_its_term(
    office: Office, days: float, same_by_key: bool, same_by_number: bool
) -> None:
    assert TERMS[Kept.CHANNEL_NUMBERS] == timedelta(days=400)

    def by_key() -> str:
        answer = office.post("/tickets", {"text": WORDS}, key=f"key-{days}")
        number: str = answer.json()["number"]
        return number

    def by_number() -> str:
        return office.submit(channel="jinxinban", external_id=f"JXB-{days}")

    first = by_key(), by_number()
    aged(office, days)
    forgetting(office.running.runtime.database, TERMS)()
    assert (by_key() == first[0], by_number() == first[1]) == (same_by_key, same_by_number)
