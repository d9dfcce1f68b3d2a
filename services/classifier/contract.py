"""What the classifier's HTTP interface takes and gives."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, Field, model_validator
from pydantic_core import PydanticCustomError

from shared.bodies import Body, LeafSlug
from shared.events import Alternative, Category, Danger, Demand, Priority
from shared.text import Line, Words


class Text(Body):
    """A message to be classified."""

    text: Words
    title: Line | None = None


class ClassifyQuestion(Body):
    """One message, or many as `items`."""

    text: Words | None = None
    title: Line | None = None
    items: Annotated[tuple[Text, ...], Field(min_length=1, max_length=500)] | None = None

    @model_validator(mode="after")
    def _one_or_many(self) -> "ClassifyQuestion":
        if (self.text is None) == (self.items is None):
            raise PydanticCustomError("text_or_items", "text 和 items 填且只填一项")
        if self.items is not None and self.title is not None:
            raise PydanticCustomError("title_without_text", "标题要和它的正文一起填")
        return self


class ClassifyAnswer(BaseModel):
    """What a message is about, how urgent it is, and why.

    `danger` is the kind of danger that the words prove, with the clause that does.
    """

    leaf: str
    category: Category
    probability: float
    abstained: bool
    priority: Priority
    alternatives: Sequence[Alternative]
    reasons: Sequence[str]
    demands: Sequence[Demand]
    danger: Danger | None = None
    decided_by: str
    model_version: str


class ClassifyAnswers(BaseModel):
    """The answers to `items`, in their order."""

    items: Sequence[ClassifyAnswer]


class ModelCard(BaseModel):
    """A model, and where it was trained by the command its card and metrics."""

    version: str
    card: Mapping[str, Any]
    metrics: Mapping[str, Any]


class ModelView(ModelCard):
    """The model in use, and the one that judges beside it without effect.

    `chosen` is what people chose to be in use; it differs from `version` for the seconds of
    a switch, and for as long as the chosen model cannot be read.
    """

    threshold: float
    shadow: ModelCard | None
    chosen: str | None
    chosen_by: str | None
    chosen_at: datetime | None


class ReviewItem(BaseModel):
    """A ticket that waits for a person to say what it is about."""

    number: str
    text: str
    title: str | None
    received_at: datetime
    guess: ClassifyAnswer


class ReviewPage(BaseModel):
    """Tickets to review, P0 and P1 first, then the longest waiting.

    `next` is the cursor of the following page.
    """

    items: Sequence[ReviewItem]
    next: str | None


class ReviewAnswer(Body):
    """A person's answer; without a priority the leaf's base priority holds."""

    leaf: LeafSlug
    priority: Priority | None = None


class Reviewed(BaseModel):
    """What now holds for the ticket."""

    number: str
    leaf: str
    category: Category
    priority: Priority
