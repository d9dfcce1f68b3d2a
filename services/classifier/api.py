"""The classifier over HTTP: previews, the taxonomy, the model, and the review queue."""

import json
import re
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Final

from fastapi import Depends, Query, Request
from sqlalchemy import tuple_
from sqlmodel import col, select

from services.classifier.classify import Verdict, classify_many
from services.classifier.contract import (
    ClassifyAnswer,
    ClassifyAnswers,
    ClassifyQuestion,
    ModelView,
    ReviewAnswer,
    Reviewed,
    ReviewItem,
    ReviewPage,
)
from services.classifier.handling import PERSON, event_of, keep
from services.classifier.model import Model
from services.classifier.tables import ReviewRow, VerdictRow
from shared.auth import Role
from shared.database import Database
from shared.events import Classification
from shared.messaging import emit
from shared.metrics import CLASSIFIED as CLASSIFIED_COUNT
from shared.problems import Problem, not_found
from shared.relay import Relay
from shared.taxonomy import Leaf, load_taxonomy
from shared.web import Caller, RecordNumber, allow, api_router, local_times

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
CURSOR: Final = re.compile(r"([0-9]{1,17})\.([A-Za-z0-9-]{1,40})")


@dataclass(frozen=True)
class Bench:
    """The parts that the classifier's routes work with."""

    database: Database
    model: Model
    home: Path
    relay: Relay


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
    """The model in use."""
    return ModelView(
        version=bench.model.version,
        threshold=bench.model.threshold,
        card=_json(bench.home / "card.json"),
        metrics=_json(bench.home / "metrics.json"),
    )


@router.get("/reviews")
@allow(Role.DISPATCHER, Role.SUPERVISOR)
def reviews(
    bench: Classifier,
    caller: Caller,
    cursor: Annotated[str | None, Query(max_length=100)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> ReviewPage:
    """Tickets the classifier was not sure of; those that wait longest come first."""
    order = col(VerdictRow.decided_at), col(VerdictRow.number)
    query = select(VerdictRow).where(col(VerdictRow.abstained)).order_by(*order).limit(limit + 1)
    if cursor is not None:
        query = query.where(tuple_(*order) > tuple_(*_position(cursor)))
    with bench.database.reading() as reader:
        rows = reader.execute(query).scalars().all()
    page = rows[:limit]
    return local_times(
        ReviewPage(
            items=[_item(row.said()) for row in page],
            next=_cursor(page[-1]) if len(rows) > limit else None,
        )
    )


@router.post("/reviews/{number}", status_code=201)
@allow(Role.DISPATCHER)
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


def _cursor(row: VerdictRow) -> str:
    return f"{(row.decided_at - EPOCH) // timedelta(microseconds=1)}.{row.number}"


def _position(cursor: str) -> tuple[datetime, str]:
    """What a cursor stands for. Raises the problem of one that no page has given."""
    found = CURSOR.fullmatch(cursor)
    if found is None:
        raise Problem(422, "翻页游标无效", slug="bad-cursor")
    return EPOCH + timedelta(microseconds=int(found[1])), found[2]


def _json(path: Path) -> dict[str, Any]:
    """A file the training wrote; empty where this installation has not trained."""
    return dict(json.loads(path.read_text())) if path.exists() else {}
