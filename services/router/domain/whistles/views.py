"""A whistle as the bus and the interface show it."""

from services.router.domain.cases.views import clock_view
from services.router.domain.whistles.clocks import UNIT_CLOCKS
from services.router.domain.whistles.records import CalledUnit, Summons, WhistleRecord
from shared.events import Whistle, WhistleUnit


def whistle_view(whistle: WhistleRecord) -> Whistle:
    """The payload of a whistle: the fields of the published Whistle, out of record and summons.

    The called units' clocks stand with their units.
    """
    of_summons = Summons.__dataclass_fields__
    shown = {
        name: getattr(whistle.summons if name in of_summons else whistle, name)
        for name in Whistle.model_fields
    }
    shown["flags"] = tuple(sorted(whistle.flags))
    shown["units"] = tuple(_unit_view(whistle, called) for called in whistle.units)
    shown["clocks"] = tuple(clock_view(c) for c in whistle.clocks if c.kind not in UNIT_CLOCKS)
    return Whistle.model_construct(**shown)


def _unit_view(whistle: WhistleRecord, called: CalledUnit) -> WhistleUnit:
    own = (c for c in whistle.clocks if c.kind in UNIT_CLOCKS and c.owner == called.unit)
    shown = {name: getattr(called, name) for name in WhistleUnit.model_fields if name != "clocks"}
    return WhistleUnit.model_construct(**shown, clocks=tuple(map(clock_view, own)))
