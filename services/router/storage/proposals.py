"""Places proposed to the register: kept here until a person accepts or refuses them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, select

from services.router.storage.tables import PlaceProposalRow
from shared.database import Reader, Writer


class ProposalState(StrEnum):
    """What became of a proposal."""

    OPEN = "open"
    ACCEPTED = "accepted"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Proposal:
    """A name as people say it, and where it is; `ticket` is the one in which it was settled."""

    name: str
    street: str
    community: str | None
    ticket: str | None
    by: str


def propose(writer: Writer, proposal: Proposal) -> None:
    """Keep a proposal; the same name in the same street is proposed once at a time."""
    row = {
        "name": proposal.name,
        "street": proposal.street,
        "community": proposal.community,
        "ticket": proposal.ticket,
        "state": ProposalState.OPEN,
        "proposed_by": proposal.by,
        "proposed_at": datetime.now(UTC),
    }
    writer.execute(insert(PlaceProposalRow).values(row).on_conflict_do_nothing())


def open_proposals(reader: Reader) -> Sequence[PlaceProposalRow]:
    """The proposals that nobody has decided, the oldest first."""
    query = select(PlaceProposalRow).where(PlaceProposalRow.state == ProposalState.OPEN)
    found: Sequence[PlaceProposalRow] = (
        reader.execute(query.order_by(col(PlaceProposalRow.id))).scalars().all()
    )
    return found


def open_proposal(reader: Reader, number: int) -> PlaceProposalRow | None:
    """The open proposal of this number, held until the end of a writer's transaction."""
    query = select(PlaceProposalRow).where(
        PlaceProposalRow.id == number, PlaceProposalRow.state == ProposalState.OPEN
    )
    return reader.execute(query.with_for_update()).scalars().first()


def decide(row: PlaceProposalRow, state: ProposalState, by: str, reason: str) -> None:
    """Write on a proposal in hand what a person has decided."""
    row.state = state
    row.decided_by, row.decided_at, row.reason = by, datetime.now(UTC), reason
