"""The 54 leaves (事项) of the report's governance categories, as one validated table.

`taxonomy.json` beside this module is the vocabulary every service speaks: what a leaf
is called, what belongs to it and what does not, and its base priority. Who is
responsible for a leaf and by when is the router's policy, not the vocabulary.

A leaf that has been split is retired: nothing is classified as it any more, but tickets of
its time keep it, and events that name it are still understood.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType

from pydantic import BaseModel, ConfigDict, TypeAdapter

from shared.events import Category, Priority

TAXONOMY_FILE = Path(__file__).with_name("taxonomy.json")


class Leaf(BaseModel):
    """One leaf. `priority_raised` is the sentence that says when it is more urgent.

    `succeeded_by` are the leaves that a retired one was split into.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    slug: str
    category: Category
    name: str
    definition: str
    boundaries: tuple[str, ...]
    keywords: tuple[str, ...]
    priority: Priority
    priority_raised: str | None
    succeeded_by: tuple[str, ...] = ()


class TaxonomyError(Exception):
    """The taxonomy file contradicts itself."""


@cache
def every_leaf(path: Path = TAXONOMY_FILE) -> Mapping[str, Leaf]:
    """The leaves by slug, in the file's order, the retired ones too.

    Raises TaxonomyError where a slug stands twice or outside its category, or a retired
    leaf names a successor that is none.
    """
    leaves = TypeAdapter(tuple[Leaf, ...]).validate_json(path.read_bytes())
    table: dict[str, Leaf] = {}
    for leaf in leaves:
        if leaf.slug in table:
            raise TaxonomyError(f"leaf {leaf.slug} stands twice in {path.name}")
        if leaf.slug.split(".")[0] != leaf.category:
            raise TaxonomyError(f"leaf {leaf.slug} is not in its category {leaf.category}")
        table[leaf.slug] = leaf
    for leaf in leaves:
        for successor in leaf.succeeded_by:
            if successor not in table or table[successor].succeeded_by:
                raise TaxonomyError(f"leaf {leaf.slug} is succeeded by {successor}, which is none")
    return MappingProxyType(table)


@cache
def load_taxonomy(path: Path = TAXONOMY_FILE) -> Mapping[str, Leaf]:
    """The leaves that a ticket can be about today. Raises TaxonomyError."""
    leaves = every_leaf(path).items()
    return MappingProxyType({slug: leaf for slug, leaf in leaves if not leaf.succeeded_by})
