"""A step of a command that is tried again when what has stopped it may pass: a lock, a deadlock."""

import time
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

import structlog

from shared.database import is_transient

Result = TypeVar("Result")

PAUSES: Final = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Seconds before each further try."""

log = structlog.get_logger()


def retrying(step: Callable[[], Result], pauses: Sequence[float] = PAUSES) -> Result:
    """What the step gives; a whole transaction, so that a failed try has done nothing.

    Raises what is not transient at once, and the last error when no pause is left.
    """
    for pause in pauses:
        try:
            return step()
        except Exception as error:
            if not is_transient(error):
                raise
            reason = str(error).split("\n")[0]
            log.warning("tried_again", error=reason, retry_in=pause)
            time.sleep(pause)
    return step()
