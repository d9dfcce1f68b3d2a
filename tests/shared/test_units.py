"""What units are called is read leniently: a name that is missing keeps nobody from a list."""

from pathlib import Path

import pytest

from shared.units import TABLE, unit_names

HEADER = "slug,name,kind\n"


def test_the_policy_in_force_names_the_units(tmp_path: Path) -> None:
    assert unit_names(None)["wangdingdi"] == "王顶堤街道"
    (tmp_path / TABLE).write_text(f"{HEADER}parks,公园管理所,centre\n", encoding="gb18030")
    assert unit_names(tmp_path) == {"parks": "公园管理所"}


@pytest.mark.parametrize("content", [None, b"", b"\xff\xff\xff", b"a,b\n1,2\n", b"slug,name\nx\n"])
def test_a_table_that_cannot_be_read_names_nobody(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / TABLE).write_bytes(content)
    assert unit_names(tmp_path) == {}
