"""What the router's README says of places holds."""

import re

import pytest

from services.router.domain.places.resolver import resolve
from services.router.pictures import README
from services.router.policy.loading import POLICY_DIRECTORY, load_policy

POLICY = load_policy(POLICY_DIRECTORY)
ROWS = re.findall(
    r"^\| (\S+) \| (exact|street|ambiguous|unknown|outside|transferred) \| (\S*) ?\|",
    README.read_text(encoding="utf-8"),
    flags=re.MULTILINE,
)


def test_the_table_of_places_is_found() -> None:
    assert len(ROWS) > 15
    assert {row[1] for row in ROWS} >= {"exact", "ambiguous", "unknown", "outside", "transferred"}


@pytest.mark.parametrize(("said", "certainty", "where"), ROWS, ids=[row[0] for row in ROWS])
def test_a_place_is_where_the_readme_says(said: str, certainty: str, where: str) -> None:
    place = resolve(POLICY.gazetteer, said)
    elsewhere = certainty in ("outside", "transferred")
    assert place.certainty == certainty
    assert (place.district if elsewhere else place.street) == (where or None)
