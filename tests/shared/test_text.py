"""Words as they come in: cleaned of what cannot be seen, bounded, never blank."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from shared.redaction import redact
from shared.text import Line, Note, Words, clean

WORDS: TypeAdapter[str] = TypeAdapter(Words)
LINE: TypeAdapter[str] = TypeAdapter(Line)
NOTE: TypeAdapter[str] = TypeAdapter(Note)


@pytest.mark.parametrize(
    ("raw", "cleaned"),
    [
        ("  漏水 \n", "漏水"),
        ("第一行\r\n第二行\t末", "第一行\n第二行\t末"),
        ("a\x00b\x08c\x1bd\x7fe\x85f", "abcdef"),
        ("138\u200b2000\u00ad12\u206034", "13820001234"),
        ("\u202e反\u2066序\ufeff", "反序"),
        ("\U000e0041看不见", "看不见"),
        ("𪚥𠮷路, 😀", "𪚥𠮷路, 😀"),
    ],
)
def test_what_cannot_be_seen_is_taken_out(raw: str, cleaned: str) -> None:
    assert clean(raw) == cleaned


@given(st.text())
def test_cleaning_is_idempotent_and_never_adds(raw: str) -> None:
    assert clean(clean(raw)) == clean(raw)
    assert len(clean(raw)) <= len(raw)


@pytest.mark.parametrize(
    "hidden", ["\u200b", "\u200d", "\u2060", "\u00ad", "\ufeff", "\x01", "\ufe0f"]
)
def test_nothing_unseen_hides_a_phone_from_redaction(hidden: str) -> None:
    assert redact(clean(hidden.join("13820001234"))) == "【电话】"


@pytest.mark.parametrize("blank", ["", " ", "\n\t\u3000", "\x00", "\u200b\u200b"])
def test_blank_words_say_nothing(blank: str) -> None:
    for adapter in (WORDS, LINE):
        with pytest.raises(ValidationError):
            adapter.validate_python(blank)
    assert NOTE.validate_python(blank) == ""


@pytest.mark.parametrize(("adapter", "most"), [(WORDS, 4000), (LINE, 200), (NOTE, 2000)])
def test_words_have_a_limit(adapter: TypeAdapter[str], most: int) -> None:
    assert adapter.validate_python("字" * most) == "字" * most
    with pytest.raises(ValidationError):
        adapter.validate_python("字" * (most + 1))


def test_a_lone_surrogate_is_no_text() -> None:
    for adapter in (WORDS, LINE, NOTE):
        with pytest.raises(ValidationError):
            adapter.validate_python("坏\ud800字")
