"""What the router's routes share: the parts they work with, and how a refusal is answered."""

from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import Depends, Request

from services.router.cases.records import InvalidField, MissingField, NotAllowed, Refused
from services.router.dispatching import Rules
from services.router.queues.reading import QueueWatch
from shared.auth import Role
from shared.database import Database
from shared.problems import Problem
from shared.relay import Relay

STATUS_OF_REFUSAL: Final[dict[type[Refused], int]] = {
    NotAllowed: 403,
    MissingField: 422,
    InvalidField: 422,
}
"""Refusals that are not a conflict with the state of a case or whistle (409)."""

WATCHERS: Final = (Role.DISPATCHER, Role.SUPERVISOR, Role.OPERATOR, Role.SYSTEM)
"""Roles that see every case; a unit sees those it has to do with."""


@dataclass(frozen=True)
class Centre:
    """The parts that the router's routes work with."""

    database: Database
    rules: Rules
    watch: QueueWatch
    relay: Relay


async def _centre(request: Request) -> Centre:
    centre: Centre = request.app.state.parts
    return centre


Router = Annotated[Centre, Depends(_centre)]


def refusal(refused: Refused) -> Problem:
    """A refused command as a problem document."""
    status = STATUS_OF_REFUSAL.get(type(refused), 409)
    return Problem(status, refused.sentence, slug=refused.slug)
