"""The leaves and the dangers: what every service calls things."""

from pathlib import Path

import pytest

from shared.dangers import DangerError, load_dangers
from shared.events import is_emergency
from shared.taxonomy import TaxonomyError, every_leaf, load_taxonomy

LEAF = (
    '{{"slug": "{slug}", "category": "other", "name": "x", "definition": "", "boundaries": [],'
    ' "keywords": [], "priority": "P3", "priority_raised": null{more}}}'
)


def test_a_ticket_is_about_one_of_54_leaves_and_old_ones_keep_their_name() -> None:
    assert len(load_taxonomy()) == 54
    retired = set(every_leaf()) - set(load_taxonomy())
    assert retired == {"other.utility_supply", "other.education_health"}
    for leaf in retired:
        assert set(every_leaf()[leaf].succeeded_by) <= set(load_taxonomy())


@pytest.mark.parametrize(
    "leaves",
    [
        (LEAF.format(slug="other.a", more=""),) * 2,
        (LEAF.format(slug="grid.a", more=""),),
        (LEAF.format(slug="other.a", more=', "succeeded_by": ["other.b"]'),),
    ],
)
def test_a_taxonomy_that_contradicts_itself_is_refused(
    leaves: tuple[str, ...], tmp_path: Path
) -> None:
    file = tmp_path / "taxonomy.json"
    file.write_text(f"[{','.join(leaves)}]")
    with pytest.raises(TaxonomyError):
        load_taxonomy(file)


def test_every_danger_is_an_emergency_about_a_leaf() -> None:
    dangers = load_dangers()
    assert len(dangers) == 32
    assert all(is_emergency(danger.priority) for danger in dangers.values())
    assert dangers["burning"].leaf == "safety.fire_hazard"


@pytest.mark.parametrize(
    "rows",
    [
        "a,x,P0,safety.gas_leak\na,y,P0,safety.gas_leak",
        "a,x,P3,safety.gas_leak",
        "a,x,P0,other.utility_supply",
    ],
)
def test_a_table_of_dangers_that_contradicts_itself_is_refused(rows: str, tmp_path: Path) -> None:
    file = tmp_path / "dangers.csv"
    file.write_text(f"kind,name,priority,leaf\n{rows}\n")
    with pytest.raises(DangerError):
        load_dangers(file)
