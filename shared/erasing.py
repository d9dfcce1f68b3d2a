"""A ticket without a person: what stays when its words are erased, for the figures alone."""

from typing import Final

from shared.events import Demand, Place, Ticket

ERASED: Final = "（文字已按规定删除）"
"""What stands in the place of a ticket's words."""

KEEP_ERASURE: Final = """
INSERT INTO erased_ticket (number, at) SELECT unnest(CAST(:numbers AS text[])), :at
ON CONFLICT DO NOTHING
"""
ERASE_LETTERS: Final = """
UPDATE dead_letter SET value = '' WHERE key = ANY(:numbers) AND replayed_at IS NOT NULL
"""
"""A parked message that still waits is left: it is to be handled first."""


WORDLESS: Final = """
SET note = '', detail = coalesce((SELECT jsonb_object_agg(key, value) FROM jsonb_each_text(detail)
    WHERE value !~ '[一-鿿]'), '{}')
"""
"""A line of a log keeps what is no word: who, when, and slugs."""


def without_words(ticket: Ticket, version: int) -> Ticket:
    """The ticket as it stands from this version on."""
    return ticket.model_copy(
        update={
            "version": version,
            "title": None,
            "text": ERASED,
            "address": None,
            "location": None,
            "earlier": (),
            "usual_street": None,
            "refers_to": (),
        }
    )


def demands_without_words(demands: tuple[Demand, ...]) -> tuple[Demand, ...]:
    """What was wanted, without how it was said."""
    return tuple(demand.model_copy(update={"text": ""}) for demand in demands)


def place_without_words(place: Place) -> Place:
    """Where it was, without the words that said so."""
    blank = {"reasons": (), "candidates": (), "question": None, "evidence": ()}
    return place.model_copy(update=blank)
