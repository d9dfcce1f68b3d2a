"""One transaction of the router: what is held, decided, followed up and stored.

Whatever changes a case, a whistle or an event goes through a `Work`: routes, messages and
clocks alike. `finish` draws the consequences that one record's change has for the others and
is the only way to the database, so that neither can be forgotten.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

import structlog

from services.router.domain.aggregate import open_clock
from services.router.domain.cases.deciding import decide
from services.router.domain.cases.records import (
    CaseCommand,
    CaseDecision,
    CaseRecord,
    Routing,
    Wait,
)
from services.router.domain.incidents.grouping import (
    DANGER_NEAR,
    STORM,
    Scene,
    accuses_units_of,
    next_of_merged,
    same_danger,
)
from services.router.domain.incidents.records import MemberState
from services.router.domain.incidents.wording import wording
from services.router.domain.refusals import LimitExceeded, Refused
from services.router.domain.routing import Rules, matter_again, route, terms_for, valid_units
from services.router.domain.whistles.deciding import accused_otherwise, blow, decide_whistle
from services.router.domain.whistles.following import consequence, proposal, worked
from services.router.domain.whistles.records import (
    Summons,
    WhistleDecision,
    WhistleOrder,
    WhistleSetting,
)
from services.router.domain.whistles.summons import blowing_street, check_new
from services.router.metrics import count
from services.router.storage.cases import HeldCase
from services.router.storage.held import By
from services.router.storage.incidents import waiting_for
from services.router.storage.ledger import Ledger
from services.router.storage.whistles import sounding
from shared.calendar import SHANGHAI
from shared.database import Database, Writer
from shared.events import CaseState, ClockKind, Ticket, WhistleKind, is_emergency
from shared.roles import Role

SYSTEM: Final = Role.SYSTEM.value
log = structlog.get_logger()


class Unfinished(Exception):
    """A transaction ended with decisions that nobody has finished: it is rolled back."""


class Work:
    """The work of one transaction, at one instant, under one policy."""

    def __init__(self, writer: Writer, rules: Rules, now: datetime) -> None:
        self.writer = writer
        self.rules = rules
        self.now = now
        self.ledger = Ledger(writer)
        self._finished = False

    def hold(self, numbers: Iterable[str]) -> None:
        """Keep these cases, and all that wait for them, from others until the commit."""
        wanted = set(numbers)
        together = wanted | waiting_for(self.writer, wanted)
        self.ledger.hold(together)
        if any(held.record.incident is not None for held in self.ledger.cases):
            # Merged while we waited for their lead.
            self.ledger.hold(waiting_for(self.writer, wanted) - together)

    def case(self, number: str) -> HeldCase | None:
        """A case in hand."""
        return self.ledger.case(number)

    def by(self, actor: str, unit: str | None = None, trace: str | None = None) -> By:
        """Who causes a change now."""
        return By(actor, self.now, unit, trace)

    def tell(self, ticket: Ticket, decision: CaseDecision, by: By) -> HeldCase:
        """Take over a decision on a case that was made outside: it is opened, or grouped."""
        return self.ledger.tell(ticket, decision, by)

    def give(
        self,
        held: HeldCase,
        command: CaseCommand,
        *,
        ticket: Ticket | None = None,
        trace: str | None = None,
    ) -> None:
        """Give a command on a case in hand. Raises Refused."""
        case = held.record
        routed = command.routing
        terms = terms_for(
            self.rules,
            command.leaf or (routed.leaf if routed else case.leaf),
            command.priority or (routed.priority if routed else case.priority),
            self.now,
            case.place.regime,
        )
        decision = decide(case, command, terms, self.rules.calendar, self.now)
        if command.role is not Role.SYSTEM:
            self._protect_followers(decision.record)
        self.tell(ticket or held.ticket, decision, self.by(command.actor, command.unit, trace))

    def reroute(self, held: HeldCase, **changes: Any) -> Routing:
        """How a case in hand would be routed with something else about it (see Matter)."""
        matter = replace(matter_again(held.record, held.ticket), **changes)
        return route(self.rules.policy, matter, self.now)

    def blow(
        self, held: HeldCase, street: str, summons: Summons, by: By, note: str = ""
    ) -> WhistleDecision:
        """Blow a whistle on a case in hand. Raises Refused."""
        number = f"{held.record.number}-W{len(held.whistles) + 1}"
        setting = self.setting(held.record, summons)
        check_new(street, summons, [whistle.record for whistle in held.whistles.values()])
        decision = blow(number, held.record, street, summons, by.actor, setting, note)
        self.ledger.tell_whistle(decision, by)
        return decision

    def order(self, held: HeldCase, number: str, order: WhistleOrder) -> WhistleDecision:
        """Give a command on a whistle of a case in hand. Raises Refused."""
        whistle = held.whistles[number].record
        setting = self.setting(held.record, order.summons or whistle.summons)
        decision = decide_whistle(whistle, held.record, order, setting)
        self.ledger.tell_whistle(decision, self.by(order.actor, order.unit))
        return decision

    def setting(self, case: CaseRecord, summons: Summons) -> WhistleSetting:
        """What a command on a whistle of this case is decided under."""
        resolve = open_clock(case, ClockKind.RESOLVE)
        verify = Wait.VERIFY_EMERGENCY if is_emergency(case.priority) else Wait.VERIFY
        policy = self.rules.policy
        return WhistleSetting(
            terms=policy.whistles.terms(summons.kind, in_progress=summons.in_progress),
            policy_version=policy.version,
            units=valid_units(policy, self.now.astimezone(SHANGHAI).date()),
            calendar=self.rules.calendar,
            now=self.now,
            confirm=dict(policy.waits)[verify],
            rule=dict(policy.waits)[Wait.RULE_RETURN],
            resolve_due_at=resolve.due_at if resolve else None,
        )

    def _protect_followers(self, lead: CaseRecord) -> None:
        """Raises LimitExceeded where a lead would go to whom a merged case accuses."""
        for held in self._cases:
            case = held.record
            waits = case.state is CaseState.MERGED and case.merged_into == lead.number
            if waits and accuses_units_of(case, lead):
                sentence = "该单位是并入工单的被投诉单位，不能承办主单，请先撤销并单"
                raise LimitExceeded("lead-accused", sentence)

    def finish(self) -> None:
        """Draw the consequences of what was decided, and store everything, once."""
        self._follow_whistles()
        self._follow_leads()
        self._leave_leads()
        self._follow_cases()
        self._propose_whistles()
        self.ledger.store(self.by(SYSTEM))
        self._finished = True
        self.writer.once_committed(lambda: count(self._cases))

    def ended(self) -> None:
        """Raises Unfinished where something was told that would not be stored."""
        told = (case.told or any(w.told for w in case.whistles.values()) for case in self._cases)
        if not self._finished and any(told):
            raise Unfinished

    @property
    def _cases(self) -> Sequence[HeldCase]:
        return self.ledger.cases

    def _follow_leads(self) -> None:
        """Merged cases do what follows from what has happened to their leads."""
        for held in self._cases:
            case = held.record
            if case.state is not CaseState.MERGED:
                continue
            lead = self.case(case.merged_into or "")
            command = next_of_merged(case, held.stored or case, lead.record if lead else None)
            if command is None:
                continue
            given = CaseCommand(command, SYSTEM, Role.SYSTEM)
            if lead is not None:
                worked, assisted = lead.record.lead_unit, lead.record.assist_units
                given = replace(given, lead_unit=worked, assist_units=assisted)
            self.give(held, given)

    def _leave_leads(self) -> None:
        """Whoever waits for another case no more is a proposed member of its event again."""
        for held in self._cases:
            was, case = held.stored, held.record
            waited = was is not None and was.state is CaseState.MERGED
            left = case.state not in (CaseState.MERGED, CaseState.CALLBACK_PENDING)
            if waited and left and case.incident is not None:
                self.ledger.stand(case.incident, [case.number], MemberState.PROPOSED)

    def _follow_whistles(self) -> None:
        """Where a called unit leads the case too, its answers to the whistle are the case's."""
        for held in self._cases:
            for whistle in held.whistles.values():
                for told in list(whistle.told):
                    actor = told.by.actor
                    for command in worked(held.record, whistle.record, told.fact, actor):
                        with suppress(Refused):
                            self.give(held, command, trace=told.by.trace)

    def _follow_cases(self) -> None:
        """Whistles end with their case or their danger, and move with it; so do the accused."""
        for held in self._told():
            case, by = held.record, held.told[-1].by
            for whistle in list(held.whistles.values()):
                street = blowing_street(case)
                accused = accused_otherwise(whistle.record, case, street, self.now)
                if accused is not None:
                    self.ledger.tell_whistle(accused, by)
                decision = consequence(case, held.stored, whistle.record, self.now)
                if decision is not None:
                    self.ledger.tell_whistle(decision, by)

    def _propose_whistles(self) -> None:
        """Danger proposes its whistle by itself, once for a case and once for one event."""
        responses = self.rules.policy.responses(self.now.astimezone(SHANGHAI).date())
        proposals = [
            (held, summons)
            for held in self._told()
            if (
                summons := proposal(
                    held.record, [w.record for w in held.whistles.values()], responses
                )
            )
        ]
        sounding = self._sounding([held.record.incident for held, _ in proposals])
        for held, summons in proposals:
            known = sounding[held.record.incident or ""]
            scene = self._scene(held, summons, self.now)
            near = any(same_danger(scene, other, near) for other, near in known)
            if not near and self._proposed(held, summons):
                known.append((scene, STORM))

    def _proposed(self, held: HeldCase, summons: Summons) -> bool:
        by = replace(held.told[-1].by, actor=SYSTEM, unit=None)
        try:
            self.blow(held, blowing_street(held.record), summons, by)
        except Refused as refused:
            log.warning("whistle_not_proposed", number=held.record.number, reason=refused.slug)
            return False
        return True

    def _told(self) -> Sequence[HeldCase]:
        return [held for held in self._cases if held.told]

    def _scene(self, held: HeldCase, summons: Summons, blown_at: datetime) -> Scene:
        said = wording(self.rules.policy.gazetteer, held.ticket.text, held.ticket.address)
        return Scene(frozenset(summons.dangers), said, blown_at)

    def _sounding(
        self, incidents: Sequence[str | None]
    ) -> defaultdict[str, list[tuple[Scene, timedelta]]]:
        """The dangers for which an open whistle sounds, by event, and how long it counts.

        In an event that a person has confirmed it counts longer than in a storm of calls,
        which may hide another danger at the same place. A case outside any event, under
        the name "", is never silenced.
        """
        found: defaultdict[str, list[tuple[Scene, timedelta]]] = defaultdict(list)
        named = sorted({incident for incident in incidents if incident is not None})
        if not named:
            return found
        gazetteer = self.rules.policy.gazetteer
        for row in sounding(self.writer, named, self.now - DANGER_NEAR):
            scene = Scene(
                frozenset(row.dangers or ()),
                wording(gazetteer, row.text, row.address),
                row.blown_at,
            )
            found[row.incident].append((scene, DANGER_NEAR if row.confirmed else STORM))
        for held in self._cases:
            incident = held.record.incident
            if incident in named and held.stored is not None and held.stored.incident != incident:
                found[incident] += [
                    (self._scene(held, w.record.summons, w.record.blown_at), STORM)
                    for w in held.whistles.values()
                    if w.record.summons.kind is WhistleKind.EMERGENCY and not w.record.ended
                ]
        return found


@contextmanager
def working(database: Database, rules: Rules, now: datetime) -> Iterator[Work]:
    """A transaction with its work; whoever decides something in it finishes it."""
    with database.writing() as writer:
        work = Work(writer, rules, now)
        yield work
        work.ended()
