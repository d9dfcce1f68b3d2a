"""The models of a running process: they follow the choice in the database, without a restart.

A model that cannot be read never stops classification: the present one stays in use, and
a metric and the log say so until the wanted one can be read.
"""

import contextlib
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from services.classifier.choices import begin_with, present_choice
from services.classifier.kept import built_in, kept_model
from services.classifier.model import Model, ModelError
from services.classifier.tables import ChoiceRow
from shared.database import Database
from shared.metrics import MODEL_IN_USE, MODEL_UNAVAILABLE

ACTIVE: Final = "active"
SHADOW: Final = "shadow"
RETRY_SECONDS: Final = 5.0
"""How soon a model that could not be read is tried again."""

log = structlog.get_logger()


class Slot:
    """The model of one role in this process."""

    def __init__(self, role: str, home: Path) -> None:
        self._role = role
        self._home = home
        self._failed: str | None = None
        self._retry_at = 0.0
        self.model: Model | None = None

    def follow(self, version: str | None) -> None:
        """Have the model of this version, or none; where it cannot be read nothing changes."""
        if version == (self.model and self.model.version):
            self._found()
            return
        if version and version == self._failed and time.monotonic() < self._retry_at:
            return
        try:
            model = kept_model(self._home, version) if version else None
        except ModelError as error:
            self._lost(str(version), str(error))
        else:
            self.put(model)
            self._found()

    def put(self, model: Model | None) -> None:
        """Have this model from now on."""
        before, self.model = self.model, model
        if model is before:
            return
        if before is not None:
            MODEL_IN_USE.remove(self._role, before.version)
        if model is not None:
            MODEL_IN_USE.labels(self._role, model.version).set(1)
        log.info("model_in_use", role=self._role, version=model and model.version)

    def _found(self) -> None:
        self._failed = None
        MODEL_UNAVAILABLE.labels(self._role).set(0)

    def _lost(self, version: str, reason: str) -> None:
        MODEL_UNAVAILABLE.labels(self._role).set(1)
        if version != self._failed:
            kept = self.model and self.model.version
            log.error("model_unavailable", role=self._role, wanted=version, kept=kept, error=reason)
        self._failed = version
        self._retry_at = time.monotonic() + RETRY_SECONDS


class LiveModels:
    """The model in use, which there always is, and the choice it follows.

    The first start of an installation chooses the built-in model; later ones never change
    the choice. `refresh` belongs to one thread; the others read.
    """

    def __init__(self, database: Database, home: Path) -> None:
        self._database = database
        self._slot = Slot(ACTIVE, home)
        self.home = home
        self.choice: ChoiceRow | None = None
        # With the database away the process starts all the same; its readiness says so.
        with contextlib.suppress(DBAPIError, PoolTimeout):
            self._follow()
        if self._slot.model is None:
            self._slot.put(built_in(home))
            with contextlib.suppress(DBAPIError, PoolTimeout):
                self.refresh()

    @property
    def active(self) -> Model:
        """The model in use."""
        assert self._slot.model is not None
        return self._slot.model

    @property
    def shadow(self) -> str | None:
        """The version of the model that judges beside it."""
        return self.choice.shadow if self.choice else None

    def refresh(self) -> None:
        """Follow the choice as it now stands; make the first one where there is none."""
        self._follow()
        if self.choice is None:
            with self._database.writing() as writer:
                begin_with(writer, self.active.version, datetime.now(UTC))
            self._follow()

    def _follow(self) -> None:
        with self._database.reading() as reader:
            choice = present_choice(reader)
        if choice is not None:
            self._slot.follow(choice.active)
        self.choice = choice
