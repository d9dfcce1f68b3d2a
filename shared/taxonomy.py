"""The 50 leaves (事项) of the report's governance categories, as one validated table.

`taxonomy.json` beside this module is the vocabulary every service speaks: what a leaf
is called, what belongs to it and what does not, and its base priority. Who is
responsible for a leaf and by when is the router's policy, not the vocabulary.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType

from pydantic import BaseModel, ConfigDict, TypeAdapter

from shared.events import Category, Priority

TAXONOMY_FILE = Path(__file__).with_name("taxonomy.json")


class Leaf(BaseModel):
    """One leaf. `priority_raised` is the sentence that says when it is more urgent."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    slug: str
    category: Category
    name: str
    definition: str
    boundaries: tuple[str, ...]
    keywords: tuple[str, ...]
    priority: Priority
    priority_raised: str | None


class TaxonomyError(Exception):
    """The taxonomy file contradicts itself."""


@cache
def load_taxonomy(path: Path = TAXONOMY_FILE) -> Mapping[str, Leaf]:
    """The leaves by slug, in the file's order.

    Raises TaxonomyError where a slug stands twice or outside its category.
    """
    leaves = TypeAdapter(tuple[Leaf, ...]).validate_json(path.read_bytes())
    table: dict[str, Leaf] = {}
    for leaf in leaves:
        if leaf.slug in table:
            raise TaxonomyError(f"leaf {leaf.slug} stands twice in {path.name}")
        if leaf.slug.split(".")[0] != leaf.category:
            raise TaxonomyError(f"leaf {leaf.slug} is not in its category {leaf.category}")
        table[leaf.slug] = leaf
    return MappingProxyType(table)
