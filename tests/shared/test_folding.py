"""One form for words, and the way back to what was written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.folding import fold, folded

TRIED = [
    ("電梯困人了快來", "电梯困人了快来"),
    ("著火了救命", "着火了救命"),
    ("家裡煤氣洩漏了", "家里煤气泄漏了"),
    ("王頂堤街道路燈壞了", "王顶堤街道路灯坏了"),
    ("煤 气 泄 漏", "煤气泄漏"),
    ("有 人 触 电", "有人触电"),
    ("保山南里 3 号 楼 5 门 201", "保山南里 3号楼5门201"),
    ("保山南里　３號樓", "保山南里 3号楼"),
    ("领导您好 我反映一件事", "领导您好 我反映一件事"),
    ("1️⃣3️⃣8️⃣", "138"),
    ("𝟏𝟑𝟖", "138"),
    ("①②", "12"),
    ("着\u3164火\u2800了\u200b", "着火了"),
    ("⼤⽕", "大火"),
    ("ＡＢＣ abc", "abc abc"),
    ("第一行\r\n第二行", "第一行\n第二行"),
    ("等等……", "等等……"),
    ("\u2800\u3164\uffa0", ""),
]


@pytest.mark.parametrize(("written", "meant"), TRIED)
def test_what_is_written_in_many_ways_is_read_in_one(written: str, meant: str) -> None:
    assert fold(written) == meant


def test_what_is_found_in_the_fold_is_shown_as_it_was_written() -> None:
    words = folded("我家住　保 山 南 里㎡３號樓")
    at = words.text.index("3号楼")
    assert words.said(at, at + 3) == "３號樓"
    at = words.text.index("保山南里")
    assert words.said(at, at + 4) == "保 山 南 里"


@given(st.text(alphabet=st.characters() | st.sampled_from(" 煤气泄漏電梯3\n\u3164")))
def test_folding_again_changes_nothing_and_every_letter_has_its_place(words: str) -> None:
    once = folded(words)
    assert once.text == fold(words) == fold(once.text)
    assert len(once.origin) == len(once.text)
    assert list(once.origin) == sorted(once.origin)
    assert all(0 <= at < len(words) for at in once.origin)
    for at in range(len(once.text)):
        assert once.text[at] in fold(once.said(at, at + 1) or " ") or once.text[at] == " "
