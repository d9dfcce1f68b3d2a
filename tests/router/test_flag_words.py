"""Words that flag a ticket: what earns a flag, what does not, and that reading stays cheap."""

from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.router.domain.places.names import normalised
from services.router.domain.policy import (
    COLLECTIVE,
    LONGSTANDING,
    NEEDS_FUNDS,
    REPEAT,
    FlagWord,
    flags_said,
)
from services.router.policy.flag_words import FLAGS
from services.router.policy.loading import POLICY_DIRECTORY, load_policy

WORDS = load_policy(POLICY_DIRECTORY).flag_words


def flags(text: str) -> set[str]:
    return dict(flags_said(WORDS, normalised(text))).keys() | set()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("我们8号楼二十多户，外墙裂缝，从23年反映到现在", {COLLECTIVE, LONGSTANDING}),
        ("再不解决我们就一块儿去区里", {COLLECTIVE}),
        ("业主们都有意见", {COLLECTIVE}),
        ("全楼都停水", {COLLECTIVE}),
        ("四十七户联名写的信", {COLLECTIVE}),
        ("48户邻居没法睡", {COLLECTIVE}),
        ("只有我一户业主反对", set()),
        ("我家1户人家", set()),
        ("电话打八遍了！", {REPEAT}),
        ("这事反映多次没人理", {REPEAT}),
        ("已经是第三次反映了", {REPEAT}),
        ("第２次来电", {REPEAT}),
        ("第一次反映这个问题", set()),
        ("打了一次电话", set()),
        ("反映了两次", {REPEAT}),
        ("堆了好几年了", {LONGSTANDING}),
        ("反映2008年的老房子", set()),
        ("漏了三个月没人管", {LONGSTANDING}),
        ("漏了一个月没人管", set()),
        ("想用维修资金修屋顶", {NEEDS_FUNDS}),
        ("路灯坏了", set()),
        ("", set()),
    ],
)
def test_words_earn_their_flags(text: str, expected: set[str]) -> None:
    assert flags(text) == expected


def test_the_reason_quotes_what_was_said() -> None:
    said = dict(flags_said(WORDS, normalised("电话打 八 遍了")))
    assert said == {REPEAT: "“打八遍”：此前已反映过"}


def test_a_gap_ends_with_the_clause() -> None:
    assert flags("从去年12月份起，现在没解决") == set()


@pytest.mark.parametrize("word", WORDS, ids=lambda word: word.word)
def test_every_word_of_the_table_is_found_in_a_text(word: FlagWord) -> None:
    said = word.word.replace("#", "三").replace("…", "那个")
    assert word.flag in flags(f"我说，{said}，对吧")


@given(st.text(alphabet="一二三十百多户打反映次遍年月从到现在没人管 ，。0123456789", max_size=200))
def test_any_text_is_read(text: str) -> None:
    assert flags(text) <= set(FLAGS)


@pytest.mark.parametrize("piece", ["二", "打", "从2", "打电话", "反映三", "12345", "十几户"])
def test_reading_is_linear_in_the_text(piece: str) -> None:
    def seconds(length: int) -> float:
        text = (piece * length)[:length]
        started = process_time()
        flags(text)
        return process_time() - started

    short = min(seconds(4_000) for _ in range(3))
    assert min(seconds(40_000) for _ in range(3)) < 40 * short + 0.05
