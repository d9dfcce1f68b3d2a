"""What the units are called, for services that know only their slugs."""

import csv
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

TABLE: Final = "units.csv"
POLICY: Final = Path(__file__).parents[1] / "services" / "router" / "policy" / "tables"


def unit_names(policy: Path | None) -> Mapping[str, str]:
    """The names by slug, of the policy in force.

    The router judges its tables; to whom only names are missing, one that cannot be read
    is an empty one, and slugs stand for them.
    """
    try:
        content = ((policy or POLICY) / TABLE).read_bytes()
    except OSError:
        content = b""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("gb18030", "replace")
    rows = csv.DictReader(text.splitlines())
    names = {row.get("slug"): row.get("name") for row in rows}
    return MappingProxyType({slug: name for slug, name in names.items() if slug and name})
