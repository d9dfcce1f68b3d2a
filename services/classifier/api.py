"""The classifier over HTTP: previews, the taxonomy, the model, and the review queue."""

from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from fastapi import Depends, Query, Request
from sqlmodel import select

from services.classifier.classify import Verdict, classify_many
from services.classifier.contract import (
    ClassifyAnswer,
    ClassifyAnswers,
    ClassifyQuestion,
    ModelCard,
    ModelView,
    ReviewAnswer,
    Reviewed,
    ReviewItem,
    ReviewPage,
)
from services.classifier.handling import PERSON, event_of, keep
from services.classifier.kept import card_of
from services.classifier.live import LiveModels
from services.classifier.model import Model
from services.classifier.reviews import cursor_of, position_of, waiting_reviews
from services.classifier.tables import ReviewRow, VerdictRow
from shared.database import Database
from shared.discretion import acts_for, may_know
from shared.events import Category, Classification
from shared.messaging import emit
from shared.metrics import CLASSIFIED as CLASSIFIED_COUNT
from shared.metrics import MODEL_CORRECTED
from shared.problems import Problem, not_found
from shared.relay import Relay
from shared.roles import Role
from shared.taxonomy import Leaf, load_taxonomy
from shared.web import Caller, RecordNumber, allow, api_router, local_times


@dataclass(frozen=True)
class Bench:
    """The parts that the classifier's routes work with."""

    database: Database
    models: LiveModels
    relay: Relay

    @property
    def model(self) -> Model:
        """The model in use at this moment."""
        return self.models.active

    @property
    def home(self) -> Path:
        """Where the models are kept."""
        return self.models.home


async def _bench(request: Request) -> Bench:
    bench: Bench = request.app.state.parts
    return bench


Classifier = Annotated[Bench, Depends(_bench)]

router = api_router(tags=["classification"])


@router.post("/classify")
@allow(Role.OPERATOR, Role.DISPATCHER, Role.SUPERVISOR, Role.SYSTEM)
def classify(
    question: ClassifyQuestion, bench: Classifier, caller: Caller
) -> ClassifyAnswer | ClassifyAnswers:
    """What the classifier says of a message, or of up to 500; nothing is stored."""
    if question.items is not None:
        texts = [(item.title, item.text) for item in question.items]
        verdicts = classify_many(bench.model, texts)
        return ClassifyAnswers(items=[_answer(verdict) for verdict in verdicts])
    return _answer(classify_many(bench.model, [(question.title, question.text or "")])[0])


@router.get("/taxonomy")
@allow(*Role)
def taxonomy(caller: Caller) -> list[Leaf]:
    """The leaves: names, definitions, what belongs to them and what does not."""
    return list(load_taxonomy().values())


@router.get("/model")
@allow(Role.DISPATCHER, Role.SUPERVISOR, Role.SYSTEM)
def model(bench: Classifier, caller: Caller) -> ModelView:
    """The model in use, the one that judges beside it, and who chose them when."""
    choice = bench.models.choice
    shadow = bench.models.shadow
    card = card_of(bench.home, bench.model.version)
    return local_times(
        ModelView(
            version=bench.model.version,
            threshold=bench.model.threshold,
            card=card,
            metrics=card.get("cross_validation", {}),
            shadow=shadow and _shadow(bench.home, shadow),
            chosen=choice and choice.active,
            chosen_by=choice and choice.actor,
            chosen_at=choice and choice.at,
        )
    )


@router.get("/reviews")
@allow(Role.DISPATCHER, Role.SUPERVISOR)
def reviews(
    bench: Classifier,
    caller: Caller,
    category: Category | None = None,
    cursor: Annotated[str | None, Query(max_length=100)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> ReviewPage:
    """Tickets the classifier was not sure of: P0 and P1 first, then the longest waiting.

    A complaint about the grid centre is for the supervisor alone.
    """
    after = None if cursor is None else position_of(cursor)
    with bench.database.reading() as reader:
        asker = acts_for(caller.role, caller.unit)
        rows = waiting_reviews(reader, category, after, limit + 1, asker)
    page = rows[:limit]
    return local_times(
        ReviewPage(
            items=[_item(row.said()) for row in page],
            next=cursor_of(page[-1]) if len(rows) > limit else None,
        )
    )


@router.post("/reviews/{number}", status_code=201)
@allow(Role.DISPATCHER, Role.SUPERVISOR)
def review(
    number: RecordNumber, answer: ReviewAnswer, bench: Classifier, caller: Caller
) -> Reviewed:
    """Say what a ticket is about: the answer goes out as its classification and is kept."""
    leaf = load_taxonomy().get(answer.leaf)
    if leaf is None:
        raise Problem(422, "没有这个事项", slug="unknown-leaf")
    now = datetime.now(UTC)
    priority = answer.priority or leaf.priority
    with bench.database.writing() as writer:
        row = writer.execute(
            select(VerdictRow).where(VerdictRow.number == number).with_for_update()
        ).scalar_one_or_none()
        if row is None:
            raise not_found()
        before = row.said()
        if not may_know(caller.role, caller.unit, before.ticket.accused_unit):
            raise not_found()
        said = before.model_copy(
            update={
                "leaf": leaf.slug,
                "category": leaf.category,
                "priority": priority,
                "probability": 1.0,
                "abstained": False,
                "reasons": (f"人工判定：{leaf.name}",),
                "decided_by": PERSON,
                "actor": caller.subject,
                "decided_at": now,
            }
        )
        keep(writer, [said])
        writer.add(
            ReviewRow(
                number=number,
                ticket_version=before.ticket.version,
                guessed=before.leaf,
                leaf=leaf.slug,
                priority=priority,
                reviewer=caller.subject,
                at=now,
            )
        )
        emit(writer, [event_of(said)])
    bench.relay.wake()
    CLASSIFIED_COUNT.labels(leaf.category, PERSON, "false").inc()
    MODEL_CORRECTED.labels(before.category, str(before.leaf == leaf.slug).lower()).inc()
    return Reviewed(number=number, leaf=leaf.slug, category=leaf.category, priority=priority)


def _answer(verdict: Verdict) -> ClassifyAnswer:
    return ClassifyAnswer(**{f.name: getattr(verdict, f.name) for f in fields(verdict)})


def _item(said: Classification) -> ReviewItem:
    return ReviewItem(
        number=said.ticket.number,
        text=said.ticket.text,
        title=said.ticket.title,
        received_at=said.ticket.received_at,
        guess=ClassifyAnswer(**said.model_dump(exclude={"ticket", "actor", "decided_at"})),
    )


def _shadow(home: Path, version: str) -> ModelCard:
    card = card_of(home, version)
    return ModelCard(version=version, card=card, metrics=card.get("cross_validation", {}))
