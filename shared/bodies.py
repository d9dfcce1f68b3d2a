"""What request bodies of several services are made of: parsed at the edge, trusted inside."""

from datetime import UTC, datetime
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints
from pydantic_core import PydanticCustomError

from shared.redaction import redact
from shared.text import clean

EARLIEST: Final = datetime(1949, 1, 1, tzinfo=UTC)
LATEST: Final = datetime(2200, 1, 1, tzinfo=UTC)

UnitSlug = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,40}$")]
LeafSlug = Annotated[str, StringConstraints(pattern=r"^[a-z]+\.[a-z_]{1,40}$")]


Version = Annotated[int, Field(strict=True, ge=1)]
"""The version of a record that the sender saw: another one is refused (409)."""

REDACTED = AfterValidator(redact)
Remark = Annotated[str, StringConstraints(max_length=2000), AfterValidator(clean), REDACTED]
"""Free words of staff, empty where there are none: what a person may be known by is taken out."""
Spot = Annotated[str, StringConstraints(max_length=200), AfterValidator(clean), REDACTED]
"""A place in words."""
Title = Annotated[str, StringConstraints(max_length=60), AfterValidator(clean), REDACTED]
"""An office, or the code of a reason."""


def of_our_time(moment: datetime) -> datetime:
    """The instant, if clocks can be counted from it; refused otherwise."""
    if not EARLIEST <= moment <= LATEST:
        raise PydanticCustomError("not_of_our_time", "年份不对")
    return moment


class Body(BaseModel):
    """Base of all request bodies: unknown fields are an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Point(Body):
    """WGS-84 coordinates."""

    lat: float = Field(ge=-90, le=90, strict=True, allow_inf_nan=False)
    lon: float = Field(ge=-180, le=180, strict=True, allow_inf_nan=False)
