"""Words as they come in over HTTP: bounded, without control characters, never blank."""

import re
from typing import Annotated, Final

from pydantic import AfterValidator, StringConstraints
from pydantic_core import PydanticCustomError

from shared.folding import FILLERS, KEYCAP

_CONTROL: Final = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    r"\ufe00-\ufe0f\ufeff\ufff0-\uffff\U000e0000-\U000e0fff"
    + "".join(sorted(FILLERS - {KEYCAP}))
    + "]"
)
"""What cannot be seen: it would hide a phone number from redaction and a word from search."""


def clean(words: str) -> str:
    """`words` without control and invisible characters, and without blanks around them."""
    return _CONTROL.sub("", words.replace("\r\n", "\n")).strip()


def _not_blank(words: str) -> str:
    if not words:
        raise PydanticCustomError("blank", "不能为空白")
    return words


Words = Annotated[
    str,
    StringConstraints(min_length=1, max_length=4000),
    AfterValidator(clean),
    AfterValidator(_not_blank),
]
"""1 to 4,000 characters that say something."""

Line = Annotated[
    str,
    StringConstraints(min_length=1, max_length=200),
    AfterValidator(clean),
    AfterValidator(_not_blank),
]
"""A title, an address, a name: up to 200 characters."""

Told = Annotated[str, StringConstraints(max_length=1000), AfterValidator(clean)]
"""What a caller says beside the matter, in whatever form: an address, a name, a phone."""

Note = Annotated[str, StringConstraints(max_length=2000), AfterValidator(clean)]
"""An optional remark."""
