"""What each command does to a whistle once it is known to be allowed from its state.

Every function here takes the whistle, its case, the order and its setting, and gives the
changed whistle and the facts; it raises Refused where a rule beyond the table forbids.
Source of the rules: handbook section 2.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType
from typing import Final

from services.router.domain.aggregate import cancel_clocks, stop_clocks
from services.router.domain.cases.records import CaseRecord
from services.router.domain.clocks import cancel
from services.router.domain.machine import Fact
from services.router.domain.refusals import InvalidField, LimitExceeded, MissingField, WrongState
from services.router.domain.whistles.clocks import (
    UNIT_CLOCKS,
    restart_handling,
    start_clock,
    start_unit_clocks,
    was_in_time,
)
from services.router.domain.whistles.records import (
    CalledUnit,
    Happened,
    WhistleOrder,
    WhistleRecord,
    WhistleSetting,
)
from services.router.domain.whistles.states import SUMMONS_FIELD_NAMES, WhistleCommand
from services.router.domain.whistles.summons import (
    CENTRES,
    centre_for,
    check_summons,
    missing_fields,
    units_of,
)
from shared.events import (
    ClockKind,
    StreetScore,
    UnitScore,
    WhistleFact,
    WhistleKind,
    WhistleState,
)
from shared.roles import Role

WhistleOutcome = tuple[WhistleRecord, tuple[Happened, ...]]
Handler = Callable[[WhistleRecord, CaseRecord, WhistleOrder, WhistleSetting], WhistleOutcome]


def start_check(whistle: WhistleRecord, setting: WhistleSetting) -> WhistleRecord:
    """The grid centre has it to check: danger as soon as it is blown, all else once signed."""
    centre = centre_for(whistle.accused_unit)
    return start_clock(whistle, ClockKind.CHECK, centre, setting.terms.check, setting)


def send_out(whistle: WhistleRecord, setting: WhistleSetting) -> WhistleRecord:
    """The whistle calls its units that were not let go before: each has its clocks from now."""
    units = tuple(
        replace(unit, called_at=setting.now) if unit.released_at is None else unit
        for unit in whistle.units
    )
    whistle = replace(whistle, state=WhistleState.DISPATCHED, units=units)
    return start_unit_clocks(whistle, setting)


def _amend(
    whistle: WhistleRecord, case: CaseRecord, order: WhistleOrder, setting: WhistleSetting
) -> WhistleOutcome:
    """The street says it anew, and what was signed before has to be signed again."""
    summons = order.summons or whistle.summons
    if summons.kind is not whistle.summons.kind:
        raise InvalidField("kind-fixed", "补正不能更改哨的类别，请另行吹哨")
    check_summons(case, whistle.street, summons, setting.units)
    amended = replace(
        whistle,
        state=WhistleState.PROPOSED,
        summons=summons,
        units=units_of(summons),
        signer=None,
        signer_title="",
        signed_at=None,
        missing=(),
    )
    if whistle.state is WhistleState.REJECTED:
        amended = start_clock(amended, ClockKind.SIGN, whistle.street, setting.terms.sign, setting)
    return amended, _stated(WhistleFact.AMENDED, order)


def _sign(
    whistle: WhistleRecord, case: CaseRecord, order: WhistleOrder, setting: WhistleSetting
) -> WhistleOutcome:
    """签发; of an emergency that was sent out on the spoken word, the written record."""
    signers = setting.terms.signers
    if order.signer_title and order.signer_title not in signers:
        raise InvalidField("signer-not-entitled", f"此类哨由{'、'.join(signers)}签发")
    if whistle.signed_at is not None:
        raise WrongState("already-signed", "此哨已签发")
    signed = replace(
        stop_clocks(whistle, (ClockKind.SIGN,), setting.now),
        signer=order.actor,
        signer_title=order.signer_title or signers[0],
        signed_at=setting.now,
    )
    if whistle.state is WhistleState.PROPOSED:
        if whistle.summons.kind is not WhistleKind.EMERGENCY:
            signed = start_check(signed, setting)
        signed = replace(signed, state=WhistleState.SIGNED)
    return signed, _stated(WhistleFact.SIGNED, order)


def _dispatch(
    whistle: WhistleRecord, case: CaseRecord, order: WhistleOrder, setting: WhistleSetting
) -> WhistleOutcome:
    """The grid centre calls the units; danger does not wait for the signature."""
    emergency = whistle.summons.kind is WhistleKind.EMERGENCY
    if whistle.signed_at is None and not emergency:
        raise WrongState("sign-first", "此哨尚未签发，不能派哨")
    missing = missing_fields(whistle.summons, setting.terms)
    if missing and not emergency:
        named = "、".join(SUMMONS_FIELD_NAMES[name] for name in missing)
        raise MissingField("summons-incomplete", f"缺少必填内容（{named}），应退回补正")
    checked = stop_clocks(whistle, (ClockKind.CHECK,), setting.now)
    return send_out(checked, setting), _stated(WhistleFact.DISPATCHED, order)


def _reject(
    whistle: WhistleRecord, case: CaseRecord, order: WhistleOrder, setting: WhistleSetting
) -> WhistleOutcome:
    """The grid centre rejects for mandatory fields that are empty and for nothing else."""
    if whistle.summons.kind is WhistleKind.EMERGENCY:
        raise LimitExceeded("no-veto", "应急处置哨不得退回，须立即派哨")
    empty = missing_fields(whistle.summons, setting.terms)
    if not empty:
        raise LimitExceeded("nothing-missing", "必填内容齐全，不得退回")
    if not set(empty).issuperset(order.missing):
        raise InvalidField("not-missing", "所列内容不是空缺的必填内容")
    missing = order.missing or empty
    rejected = replace(
        stop_clocks(whistle, (ClockKind.CHECK,), setting.now),
        state=WhistleState.REJECTED,
        missing=missing,
    )
    detail = {"missing": ",".join(missing)}
    return rejected, _stated(WhistleFact.REJECTED, order, detail=detail)


def _acknowledge(
    whistle: WhistleRecord, case: CaseRecord, order: WhistleOrder, setting: WhistleSetting
) -> WhistleOutcome:
    own = _called(whistle, order.unit)
    if own.acknowledged_at is not None:
        raise WrongState("already-acknowledged", "本单位已应哨")
    whistle = stop_clocks(whistle, (ClockKind.ACKNOWLEDGE,), setting.now, own.unit)
    own = replace(own, acknowledged_at=setting.now, note=order.note or own.note)
    return _with(whistle, own), _stated(WhistleFact.ACKNOWLEDGED, order, own.unit)


def _arrive(
    whistle: WhistleRecord, case: CaseRecord, order: WhistleOrder, setting: WhistleSetting
) -> WhistleOutcome:
    """Whoever is there has heard the whistle."""
    own = _called(whistle, order.unit)
    if own.arrived_at is not None:
        raise WrongState("already-arrived", "本单位已报到")
    kinds = (ClockKind.ACKNOWLEDGE, ClockKind.ARRIVE)
    whistle = stop_clocks(whistle, kinds, setting.now, own.unit)
    own = replace(
        own,
        acknowledged_at=own.acknowledged_at or setting.now,
        arrived_at=setting.now,
        note=order.note or own.note,
    )
    return _with(whistle, own), _stated(WhistleFact.ARRIVED, order, own.unit)


def _handle(
    whistle: WhistleRecord, case: CaseRecord, order: WhistleOrder, setting: WhistleSetting
) -> WhistleOutcome:
    """A unit has done its part; the lead owns the reply, so it has to say what was done."""
    own = _called(whistle, order.unit)
    if own.handled_at is not None:
        raise WrongState("already-handled", "本单位已反馈处置结果")
    if own.arrived_at is None:
        raise WrongState("arrive-first", "请先到场报到，再反馈处置结果")
    if own.lead and not order.note.strip():
        raise MissingField("missing-field", "主办单位请填写处置结果")
    own = replace(own, handled_at=setting.now, handler=order.actor, note=order.note or own.note)
    whistle = stop_clocks(whistle, (ClockKind.HANDLE,), setting.now, own.unit)
    whistle = _with(whistle, own)
    if whistle.state is WhistleState.DISPATCHED and _is_handled(whistle):
        whistle = _handled(whistle, setting)
    return whistle, _stated(WhistleFact.HANDLED, order, own.unit)


def _confirm(
    whistle: WhistleRecord, case: CaseRecord, order: WhistleOrder, setting: WhistleSetting
) -> WhistleOutcome:
    """On site: it is done, or the lead's (or another unit's) handling is open again."""
    concerned = _called(whistle, order.concerns or whistle.lead.unit)
    whistle = stop_clocks(whistle, (ClockKind.VERIFY,), setting.now)
    if order.approve is not False:
        confirmed = replace(whistle, state=WhistleState.CONFIRMED)
        return confirmed, _stated(WhistleFact.CONFIRMED, order)
    if concerned.handled_at is None:
        raise WrongState("not-handled", "该单位尚未反馈处置结果")
    reopened = _with(whistle, replace(concerned, handled_at=None))
    reopened = restart_handling(reopened, concerned.unit, setting.now, setting.calendar)
    reopened = replace(reopened, state=WhistleState.DISPATCHED)
    return reopened, _stated(WhistleFact.NOT_CONFIRMED, order, concerned.unit)


def _score(
    whistle: WhistleRecord, case: CaseRecord, order: WhistleOrder, setting: WhistleSetting
) -> WhistleOutcome:
    """双考核: the street scores each unit, the grid centre scores the street, each once.

    A street that names no unit scores all it has called and not scored yet. What the person
    leaves out follows the record: who has not come was neither in time nor the right one, and
    has solved nothing.
    """
    if order.concerns is None and order.role is not Role.UNIT and whistle.street not in CENTRES:
        return _score_street(whistle, order, setting)
    if order.concerns is None:
        scored = [unit for unit in whistle.units if unit.is_called and unit.score is None]
    else:
        scored = [_called(whistle, order.concerns)]
    if not scored or scored[0].score is not None:
        raise WrongState("already-scored", "已评价过该单位")
    if not scored[0].is_called:
        raise WrongState("never-called", "此哨未派出，或已解除对该单位的呼叫，不能评价该单位")
    facts: tuple[Happened, ...] = ()
    for called in scored:
        came, handled = called.arrived_at is not None, called.handled_at is not None
        in_time = came and was_in_time(whistle, called.unit, setting.now)
        score = UnitScore(
            in_time=in_time if order.in_time is None else order.in_time,
            right_person=came if order.right_person is None else order.right_person,
            solved=handled if order.solved is None else order.solved,
            note=order.note,
        )
        whistle = _with(whistle, replace(called, score=score))
        facts += _stated(WhistleFact.SCORED, order, called.unit)
    return whistle, facts


def _score_street(
    whistle: WhistleRecord, order: WhistleOrder, setting: WhistleSetting
) -> WhistleOutcome:
    if whistle.score is not None:
        raise WrongState("already-scored", "已评价过该街道")
    complete = not missing_fields(whistle.summons, setting.terms)
    score = StreetScore(
        necessary=order.necessary is not False,
        complete=complete if order.complete is None else order.complete,
        note=order.note,
    )
    return replace(whistle, score=score), _stated(WhistleFact.SCORED, order)


def _close(
    whistle: WhistleRecord, case: CaseRecord, order: WhistleOrder, setting: WhistleSetting
) -> WhistleOutcome:
    """销哨. Who has not come is recorded as absent, and their clocks run out (see `closed_now`)."""
    return closed_now(whistle, setting.now), _stated(WhistleFact.CLOSED, order)


def closed_now(whistle: WhistleRecord, now: datetime) -> WhistleRecord:
    """The whistle ended; what nobody has come for is kept as it is.

    The clocks of a unit that was called and never handled its part run on to their deadline,
    where they are breached and end: closing erases no no-show.
    """
    silent = {called.unit for called in whistle.units if called.is_called and not called.handled_at}
    clocks = tuple(
        clock if clock.owner in silent and clock.kind in UNIT_CLOCKS else cancel(clock, now)
        for clock in whistle.clocks
    )
    units = tuple(
        replace(called, absent=called.is_called and called.arrived_at is None)
        for called in whistle.units
    )
    return replace(whistle, state=WhistleState.CLOSED, clocks=clocks, units=units)


def _withdraw(
    whistle: WhistleRecord, case: CaseRecord, order: WhistleOrder, setting: WhistleSetting
) -> WhistleOutcome:
    """撤哨: it should not have been blown; nobody is scored, and everybody called is told."""
    return withdrawn(whistle, order.reason, setting.now), (
        Fact(WhistleFact.WITHDRAWN, order.reason),
    )


def withdrawn(whistle: WhistleRecord, reason: str, now: datetime) -> WhistleRecord:
    """The whistle taken back, with every task that was open."""
    return replace(
        cancel_clocks(whistle, tuple(ClockKind), now),
        state=WhistleState.WITHDRAWN,
        withdrawn_at=now,
        withdrawal=reason,
    )


def _refuse(
    whistle: WhistleRecord, case: CaseRecord, order: WhistleOrder, setting: WhistleSetting
) -> WhistleOutcome:
    """拒哨: a unit says that it was called wrongly; it is bound until the grid centre rules."""
    own = _called(whistle, order.unit)
    if own.handled_at is not None:
        raise WrongState("already-handled", "本单位已反馈处置结果")
    if own.refused_at is not None:
        raise LimitExceeded("refuse-once", "本单位已对此哨提出过异议")
    whistle = _with(whistle, replace(own, refused_at=setting.now, refusal=order.reason))
    centre = centre_for(whistle.accused_unit)
    whistle = start_clock(whistle, ClockKind.RULE, centre, setting.rule, setting)
    return whistle, (Fact(WhistleFact.REFUSED, order.reason, concerns=own.unit),)


def _release(
    whistle: WhistleRecord, case: CaseRecord, order: WhistleOrder, setting: WhistleSetting
) -> WhistleOutcome:
    """解除呼叫: the grid centre lets a wrongly called unit go, or says that it stays called.

    Another unit leads where the lead is let go; the last one is not let go, the whistle is
    withdrawn instead.
    """
    own = _called(whistle, order.concerns)
    if not own.is_called or own.handled_at is not None:
        raise WrongState("not-called", "该单位已解除呼叫，或已反馈处置结果")
    if order.approve is False:
        if not own.refuses:
            raise WrongState("not-refused", "该单位没有提出异议")
        denied = _stated(WhistleFact.REFUSAL_DENIED, order, own.unit)
        return _ruled(whistle, own, setting.now), denied
    following = next_lead(whistle, own)
    if following is None:
        raise WrongState("last-unit", "此哨只呼叫了该单位，请撤哨")
    lead = (order.lead or following) if own.lead else following
    chosen = whistle.called(lead)
    if chosen is None or not chosen.is_called or chosen.unit == own.unit:
        raise InvalidField("unit-not-called", "此哨未呼叫所指定的主办单位")
    whistle = let_go(whistle, own, lead, setting.now)
    if whistle.state is WhistleState.DISPATCHED and _is_handled(whistle):
        whistle = _handled(whistle, setting)
    return whistle, _stated(WhistleFact.RELEASED, order, own.unit, {"lead": lead})


def next_lead(whistle: WhistleRecord, own: CalledUnit) -> str | None:
    """Who leads without a unit: the lead, or the next where it led; None where nobody is left."""
    others = [called for called in whistle.units if called != own and called.released_at is None]
    if not others:
        return None
    return others[0].unit if own.lead else whistle.lead.unit


def let_go(whistle: WhistleRecord, own: CalledUnit, lead: str, now: datetime) -> WhistleRecord:
    """The whistle with a unit let go, whose tasks fall away; `lead` leads from now on."""
    whistle = cancel_clocks(_ruled(whistle, own, now), UNIT_CLOCKS, now, own.unit)
    whistle = _with(whistle, replace(own, released_at=now))
    units = tuple(replace(called, lead=called.unit == lead) for called in whistle.units)
    return replace(whistle, units=units)


def _ruled(whistle: WhistleRecord, own: CalledUnit, now: datetime) -> WhistleRecord:
    """The whistle once a unit's refusal needs no ruling; another's may."""
    if any(called.refuses for called in whistle.units if called.unit != own.unit):
        return whistle
    return stop_clocks(whistle, (ClockKind.RULE,), now)


def _handled(whistle: WhistleRecord, setting: WhistleSetting) -> WhistleRecord:
    """The work is done: the street confirms it on site."""
    whistle = replace(whistle, state=WhistleState.HANDLED)
    return start_clock(whistle, ClockKind.VERIFY, whistle.street, setting.confirm, setting)


def _called(whistle: WhistleRecord, unit: str | None) -> CalledUnit:
    called = whistle.called(unit)
    if called is None or called.released_at is not None:
        raise InvalidField("unit-not-called", "此哨未呼叫该单位，或已解除对它的呼叫")
    return called


def _with(whistle: WhistleRecord, changed: CalledUnit) -> WhistleRecord:
    units = (changed if unit.unit == changed.unit else unit for unit in whistle.units)
    return replace(whistle, units=tuple(units))


def _is_handled(whistle: WhistleRecord) -> bool:
    """Whether the lead has handled and no unit has to do again what it once handled."""
    again = (unit for unit in whistle.units if unit.handler is not None)
    return whistle.lead.handled_at is not None and all(unit.handled_at for unit in again)


def _stated(
    fact: WhistleFact,
    order: WhistleOrder,
    concerns: str | None = None,
    detail: Mapping[str, str] = MappingProxyType({}),
) -> tuple[Happened, ...]:
    return (Fact(fact, order.note, detail, concerns),)


WHISTLE_HANDLERS: Final[Mapping[WhistleCommand, Handler]] = MappingProxyType(
    {
        WhistleCommand.AMEND: _amend,
        WhistleCommand.SIGN: _sign,
        WhistleCommand.DISPATCH: _dispatch,
        WhistleCommand.REJECT: _reject,
        WhistleCommand.ACKNOWLEDGE: _acknowledge,
        WhistleCommand.ARRIVE: _arrive,
        WhistleCommand.HANDLE: _handle,
        WhistleCommand.CONFIRM: _confirm,
        WhistleCommand.SCORE: _score,
        WhistleCommand.CLOSE: _close,
        WhistleCommand.WITHDRAW: _withdraw,
        WhistleCommand.REFUSE: _refuse,
        WhistleCommand.RELEASE: _release,
    }
)
