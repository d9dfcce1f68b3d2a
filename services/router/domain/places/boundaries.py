"""Which street a point lies in, where the district has given its streets' boundaries."""

from collections.abc import Sequence
from dataclasses import dataclass

from shared.events import Location

Point = tuple[float, float]
"""Longitude and latitude, WGS-84."""
Ring = tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Area:
    """A part of a street: an outer ring and its holes. `box` is west, south, east, north."""

    street: str
    rings: tuple[Ring, ...]
    box: tuple[float, float, float, float]

    @classmethod
    def of(cls, street: str, rings: Sequence[Ring]) -> "Area":
        """The area with its bounding box."""
        longitudes, latitudes = zip(*rings[0], strict=True)
        box = (min(longitudes), min(latitudes), max(longitudes), max(latitudes))
        return cls(street, tuple(rings), box)

    def holds(self, location: Location) -> bool:
        """Whether the point is inside the outer ring and in none of the holes."""
        west, south, east, north = self.box
        lon, lat = location.lon, location.lat
        if not (west <= lon <= east and south <= lat <= north):
            return False
        outer, *holes = self.rings
        return _inside(outer, lon, lat) and not any(_inside(hole, lon, lat) for hole in holes)


def street_at(areas: Sequence[Area], location: Location) -> str | None:
    """The street the point lies in; None where it is in none of them, or in several."""
    found = {area.street for area in areas if area.holds(location)}
    return found.pop() if len(found) == 1 else None


def _inside(ring: Ring, lon: float, lat: float) -> bool:
    """Whether a line from the point to the east crosses the ring an odd number of times."""
    inside = False
    before = ring[-1]
    for point in ring:
        if (point[1] > lat) != (before[1] > lat):
            share = (lat - point[1]) / (before[1] - point[1])
            inside ^= lon < point[0] + share * (before[0] - point[0])
        before = point
    return inside
