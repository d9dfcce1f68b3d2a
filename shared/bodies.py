"""What request bodies of several services are made of: parsed at the edge, trusted inside."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

UnitSlug = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,40}$")]
LeafSlug = Annotated[str, StringConstraints(pattern=r"^[a-z]+\.[a-z_]{1,40}$")]


class Body(BaseModel):
    """Base of all request bodies: unknown fields are an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Point(Body):
    """WGS-84 coordinates."""

    lat: float = Field(ge=-90, le=90, strict=True, allow_inf_nan=False)
    lon: float = Field(ge=-180, le=180, strict=True, allow_inf_nan=False)
