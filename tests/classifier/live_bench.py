"""A classifier with small models side by side, and its commands, for the tests."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from unittest import mock

import typer
from sqlalchemy import text
from typer.testing import CliRunner, Result

from services.classifier.choices import begin_with, promote
from services.classifier.commands import add_commands
from services.classifier.corpus import Example, corpus_examples
from services.classifier.home import model_file
from services.classifier.live import LiveModels
from services.classifier.model import Model, train, write_model
from services.classifier.shadow import Shadow
from shared.database import Database
from shared.postgres import database_url
from shared.service import prepare
from shared.settings import Settings, load_settings
from tests.classifier.bench import LAMP, Bench, open_bench, taken

LEAVES = (
    "grid.street_lighting",
    "grid.greening",
    "grid.sanitation_waste",
    "grid.parking_order",
    "safety.gas_leak",
    "property.elevator_fault",
)
LIGHT, GREEN = LEAVES[:2]


def examples() -> tuple[Example, ...]:
    """A small part of the corpus: a few leaves, some messages each."""
    found = corpus_examples()
    return tuple(
        example for leaf in LEAVES for example in [e for e in found if e.leaf == leaf][:25]
    )


def train_two() -> tuple[Model, Model]:
    """A model, and one that takes street lights for greening and doubts nothing."""
    learned = examples()
    moved = [replace(e, leaf=GREEN) if e.leaf == LIGHT else e for e in learned]
    return replace(train(learned), threshold=0.9), replace(train(moved), threshold=0.0)


@dataclass(frozen=True)
class Live:
    """A classifier whose first model is in use, beside a second one."""

    bench: Bench
    first: Model
    second: Model

    @property
    def models(self) -> LiveModels:
        """What the running process has."""
        found: LiveModels = self.bench.running.parts.state.models  # type: ignore[attr-defined]
        return found

    @property
    def home(self) -> Path:
        """Where the models are kept."""
        return self.models.home

    @property
    def database(self) -> Database:
        """The classifier's own."""
        return self.bench.database

    def choose(self, version: str) -> None:
        """Put a version in use without asking whether there is one, and let the process see."""
        with self.database.writing() as writer:
            promote(writer, version, "王五", datetime.now(UTC))
        self.models.refresh()

    def shadow(self) -> Shadow:
        """The process's shadow, whose thread does not run here."""
        (task,) = (t for t in self.bench.running.parts.tasks if t.name == "classifier-shadow")
        return task._step.__self__  # type: ignore[attr-defined, no-any-return]

    def settle(self) -> None:
        """Let the shadow judge all it has heard of."""
        shadow = self.shadow()
        while shadow.step():
            pass

    def leaf_of(self, number: str) -> str:
        """What is said of a new ticket about a street light."""
        self.bench.hear(taken(number, LAMP))
        return self.bench.said(number)[-1][1].leaf

    def run(self, *arguments: str) -> Result:
        """A command of the classifier; then the running process looks at the choice."""
        result = run_command(self.bench.settings, *arguments)
        self.models.refresh()
        return result


def run_command(settings: Settings, *arguments: str) -> Result:
    """A command of the classifier, run as in a shell of this installation."""
    assert settings.database_url is not None
    environment = {
        "HOTLINE_HOME": str(settings.home),
        "HOTLINE_DATABASE_URL": settings.database_url.get_secret_value(),
    }
    cli = typer.Typer()
    add_commands(cli)
    with mock.patch.dict(os.environ, environment):
        load_settings.cache_clear()
        result = CliRunner().invoke(cli, arguments)
    load_settings.cache_clear()
    return result


def install(settings: Settings, home: Path, first: Model, second: Model) -> None:
    """Two kept models, the first of them in use."""
    prepare(settings, "classifier")
    for model in (first, second):
        write_model(model, model_file(home, model.version))
    database = Database(database_url(settings, "classifier"))
    with database.writing() as writer:
        begin_with(writer, first.version, datetime.now(UTC))
    database.close()


@contextmanager
def open_live(settings: Settings, first: Model, second: Model) -> Iterator[Live]:
    """A classifier with two models for the length of a block."""
    trained = settings.home / "trained"
    install(settings, trained, first, second)
    with open_bench(settings, trained) as bench:
        yield Live(bench, first, second)


def start_over(live: Live) -> None:
    """No tickets, both models kept, and the first in use again."""
    with live.database.writing() as writer:
        writer.execute(
            text("TRUNCATE verdict, review, shadow_verdict, model_choice, outbox, inbox")
        )
        begin_with(writer, live.first.version, datetime.now(UTC))
    for path in live.home.iterdir():
        path.unlink()
    for model in (live.first, live.second):
        write_model(model, model_file(live.home, model.version))
    live.models.refresh()
    live.settle()
