import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.classifier.normalise import (
    BOILERPLATE,
    DIALECT,
    MAX_CHARACTERS,
    clean,
    normalise,
)

TRICKY = sorted(
    {*"介搁儿绍置个事味今 0１，。谢嘛", *BOILERPLATE, *(word for pair in DIALECT for word in pair)}
    | set("".join(BOILERPLATE) + "".join(heard for heard, _ in DIALECT))
)


@pytest.mark.parametrize(
    ("heard", "meant"),
    [
        ("楼到里没灯", "楼道里没灯"),
        ("电平车", "电动车"),
        ("电动自行车飞线", "电动车飞线"),
        ("介边儿", "这边"),
        ("给介绍一下政策", "给介绍一下政策"),
        ("搁电梯里", "在电梯里"),
        ("事情耽搁了，搁置了", "事情耽搁了,搁置了"),
        ("今儿个一股煤气味儿", "今天一股煤气味"),
        ("幼儿园", "幼儿园"),
        ("干嘛不管", "干什么不管"),
        ("王顶提那边", "王顶堤那边"),
        ("没气味", "没气味"),
        ("Ｄ级危房！！！！", "d级危房!!"),
        ("漏\x00水\u200b\n了", "漏水 了"),
    ],
)
def test_what_is_heard_becomes_what_is_meant(heard: str, meant: str) -> None:
    assert clean(heard) == meant


def test_the_model_sees_neither_digits_nor_courtesies() -> None:
    assert normalise("尊敬的领导您好！3号楼12门漏水，[电话]，谢谢") == "!0号楼0门漏水"


@given(st.text())
def test_any_text_is_normalised_once_and_for_all(text: str) -> None:
    assert clean(clean(text)) == clean(text)
    assert normalise(normalise(text)) == normalise(text)


@given(st.lists(st.sampled_from(TRICKY)).map("".join))
def test_the_tables_never_feed_each_other(text: str) -> None:
    assert clean(clean(text)) == clean(text)
    assert normalise(normalise(text)) == normalise(text)


@pytest.mark.parametrize(
    "unit", ["a", "介", "儿", "搁", "您好", "ﷺ", "1", " ", "\x00", "谢", "。", "\ud800", "电平"]
)
def test_a_hundred_kilobytes_take_no_time(unit: str) -> None:
    start = time.process_time()
    assert len(normalise(unit * (100_000 // len(unit)))) <= MAX_CHARACTERS
    assert time.process_time() - start < 0.5
