"""What an audit can find wrong, in the words of the table."""

from dataclasses import dataclass
from enum import StrEnum


class Wrong(StrEnum):
    """A ticket was accepted and is nowhere; acted twice; out of order; not where somebody acts."""

    LOST = "lost"
    DOUBLED = "doubled"
    REORDERED = "reordered"
    STUCK = "stuck"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, about a ticket, a unit's queue or a consumer."""

    wrong: Wrong
    subject: str
    what: str

    def __str__(self) -> str:
        return f"{self.wrong}: {self.subject}: {self.what}"
