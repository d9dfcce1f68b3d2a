"""The streets' boundaries of a policy directory: `boundaries.geojson`, where there is one.

A FeatureCollection of Polygon and MultiPolygon features in WGS-84, each with the property
`street`, a unit's slug. The district's own boundaries are not public: none are shipped.
"""

import json
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, Final

from services.router.domain.places.boundaries import Area, Ring
from services.router.domain.policy import PolicyError

BOUNDARIES: Final = "boundaries.geojson"
FEWEST_POINTS: Final = 4
"""Of a ring, the first of which is repeated as the last."""


def load_boundaries(directory: Path, streets: Collection[str]) -> tuple[Area, ...]:
    """The areas of the streets, empty without the file. Raises PolicyError naming the feature."""
    path = directory / BOUNDARIES
    if not path.exists():
        return ()
    try:
        collection = json.loads(path.read_text(encoding="utf-8-sig"))
        features = collection["features"]
    except (ValueError, TypeError, KeyError):
        raise PolicyError(BOUNDARIES, 0, "不是GeoJSON的FeatureCollection") from None
    areas: list[Area] = []
    for number, feature in enumerate(features, start=1):
        try:
            areas.extend(_areas(feature, streets))
        except (ValueError, TypeError, KeyError, IndexError, AttributeError) as fault:
            reason = str(fault) if isinstance(fault, ValueError) else "格式有误"
            raise PolicyError(BOUNDARIES, 0, f"第{number}个要素：{reason}") from None
    return tuple(areas)


def _areas(feature: Any, streets: Collection[str]) -> Iterator[Area]:
    street = feature["properties"]["street"]
    if street not in streets:
        raise ValueError(f"未知的街道“{street}”")
    shape = feature["geometry"]
    match shape["type"]:
        case "Polygon":
            polygons = [shape["coordinates"]]
        case "MultiPolygon":
            polygons = shape["coordinates"]
        case _:
            raise ValueError("只接受Polygon和MultiPolygon")
    for rings in polygons:
        yield Area.of(street, [_ring(points) for points in rings])


def _ring(points: Any) -> Ring:
    ring = tuple((float(lon), float(lat)) for lon, lat, *_ in points)
    if len(ring) < FEWEST_POINTS or ring[0] != ring[-1]:
        raise ValueError("边界环未闭合或点数不足")
    if not all(-180 <= lon <= 180 and -90 <= lat <= 90 for lon, lat in ring):
        raise ValueError("坐标超出范围，应为WGS-84经度、纬度")
    return ring
