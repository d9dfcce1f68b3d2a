"""A state machine as a table that a person can check, and the one way a command goes through.

A rule's row says from which states its command leads where, what it may state, who may give
it and which fields it needs. What the table draws is what happens: a command whose outcome
its row does not hold is a fault of the program, and changes nothing.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Generic, Protocol, TypeVar

from services.router.domain.refusals import MissingField, StaleVersion, WrongState
from shared.events import SplitTicket
from shared.roles import Role

State = TypeVar("State", bound=StrEnum)
Order = TypeVar("Order", bound=StrEnum)
Stated = TypeVar("Stated", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class Fact(Generic[Stated]):
    """Something that happened; `concerns` is the called unit it is about, where it is about one.

    `split` are the tickets that a split makes.
    """

    fact: Stated
    note: str = ""
    detail: Mapping[str, str] = field(default_factory=dict)
    concerns: str | None = None
    split: tuple[SplitTicket, ...] = ()


@dataclass(frozen=True, slots=True)
class Row(Generic[State, Stated]):
    """From any of these states to one of those; nothing in `to` means the state stays."""

    sources: tuple[State, ...]
    to: tuple[State, ...]
    facts: tuple[Stated, ...]


@dataclass(frozen=True, slots=True)
class Rule(Generic[State, Order, Stated]):
    """A command, who may give it, the fields it needs, and its rows."""

    command: Order
    who: frozenset[Role]
    needs: tuple[str, ...]
    rows: tuple[Row[State, Stated], ...]


@dataclass(frozen=True, slots=True)
class Transition(Generic[State, Stated]):
    """A cell of the table: where the command may lead from the state, what it may state."""

    to: tuple[State, ...]
    facts: tuple[Stated, ...]
    needs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Names(Generic[State, Order]):
    """How people call the record, its states, the commands and the fields a command needs."""

    record: str
    states: Mapping[State, str]
    commands: Mapping[Order, str]
    fields: Mapping[str, str]


class Undeclared(Exception):
    """A command led where its row does not, or stated what its row does not hold."""


class _Record(Protocol):
    @property
    def state(self) -> Any: ...
    @property
    def version(self) -> int: ...


class _Asked(Protocol):
    @property
    def command(self) -> Any: ...
    @property
    def version(self) -> int | None: ...


Held = TypeVar("Held", bound=_Record)


@dataclass(frozen=True, slots=True)
class Machine(Generic[State, Order, Stated]):
    """The cells that the rules fill, and who may give each command."""

    cells: Mapping[tuple[State, Order], Transition[State, Stated]]
    who: Mapping[Order, frozenset[Role]]
    names: Names[State, Order]

    @classmethod
    def of(
        cls, rules: Iterable[Rule[State, Order, Stated]], names: Names[State, Order]
    ) -> "Machine[State, Order, Stated]":
        """The machine of these rules; what is in none of their rows is refused."""
        rules = tuple(rules)
        cells = {
            (state, rule.command): Transition(row.to or (state,), row.facts, rule.needs)
            for rule in rules
            for row in rule.rows
            for state in row.sources
        }
        who = {rule.command: rule.who for rule in rules}
        return cls(MappingProxyType(cells), MappingProxyType(who), names)

    def carry_out(
        self,
        record: Held,
        asked: _Asked,
        act: Callable[[], tuple[Held, tuple[Fact[Stated], ...]]],
    ) -> tuple[Held, tuple[Fact[Stated], ...]]:
        """What `act` makes of the record, held to its row. Authority is checked before.

        Raises StaleVersion, WrongState and MissingField in this order, what `act` raises,
        and Undeclared.
        """
        if asked.version is not None and asked.version != record.version:
            sentence = f"{self.names.record}已被他人更新，请刷新后再操作"
            raise StaleVersion("stale-version", sentence)
        cell = self.cells.get((record.state, asked.command))
        command = self.names.commands[asked.command]
        if cell is None:
            state = self.names.states[record.state]
            raise WrongState("wrong-state", f"{self.names.record}当前为“{state}”，不能{command}")
        for name in cell.needs:
            if getattr(asked, name) in (None, "", ()):
                raise MissingField("missing-field", f"请填写{self.names.fields[name]}")
        after, facts = act()
        if after.state not in cell.to or not {told.fact for told in facts} <= set(cell.facts):
            told = ", ".join(fact.fact for fact in facts)
            raise Undeclared(f"{asked.command} from {record.state} to {after.state}: {told}")
        return after, facts
