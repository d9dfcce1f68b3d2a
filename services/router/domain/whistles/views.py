"""A whistle as the bus and the interface show it."""

from services.router.domain.cases.views import clock_view
from services.router.domain.whistles.clocks import UNIT_CLOCKS
from services.router.domain.whistles.records import CalledUnit, WhistleRecord
from shared.events import Whistle, WhistleUnit


def whistle_view(whistle: WhistleRecord) -> Whistle:
    """The payload of a whistle; the called units' clocks stand with their units."""
    summons = whistle.summons
    return Whistle(
        number=whistle.number,
        ticket_number=whistle.ticket_number,
        version=whistle.version,
        kind=summons.kind,
        state=whistle.state,
        street=whistle.street,
        place=whistle.place,
        site=summons.site,
        evidence=summons.evidence,
        done_so_far=summons.done_so_far,
        action=summons.action,
        basis=summons.basis,
        contact=summons.contact,
        cross_district=summons.cross_district,
        in_progress=summons.in_progress,
        confidential=whistle.confidential,
        appointed_at=summons.appointed_at,
        blown_by=whistle.blown_by,
        blown_at=whistle.blown_at,
        signer=whistle.signer,
        signer_title=whistle.signer_title,
        signed_at=whistle.signed_at,
        missing=whistle.missing,
        units=tuple(_unit_view(whistle, called) for called in whistle.units),
        clocks=tuple(clock_view(c) for c in whistle.clocks if c.kind not in UNIT_CLOCKS),
        score=whistle.score,
        flags=tuple(sorted(whistle.flags)),
        policy_version=whistle.policy_version,
        calendar_version=whistle.calendar_version,
    )


def _unit_view(whistle: WhistleRecord, called: CalledUnit) -> WhistleUnit:
    own = (c for c in whistle.clocks if c.kind in UNIT_CLOCKS and c.owner == called.unit)
    return WhistleUnit(
        unit=called.unit,
        lead=called.lead,
        called_at=called.called_at,
        acknowledged_at=called.acknowledged_at,
        arrived_at=called.arrived_at,
        handled_at=called.handled_at,
        note=called.note,
        clocks=tuple(clock_view(clock) for clock in own),
        score=called.score,
        unsolved_by_citizen=called.unsolved_by_citizen,
    )
