"""A caller's phone as it was said or typed: kept as it is, read where it can be read."""

import re
import unicodedata
from typing import Final

import phonenumbers

HOME_AREA: Final = "022"
"""Tianjin: the area code of a landline that is given without one."""

_ABROAD: Final = re.compile(r"^(?:(?:\+|00)86|86(?=1[3-9][0-9]{9}$))")
_MOBILE: Final = re.compile(r"0?(1[3-9][0-9]{9})")
_LOCAL: Final = re.compile("[2-9][0-9]{6,7}")
_BEHIND: Final = re.compile(
    r"(?<=[0-9])\s*(?:转|轉|分机|ext\.?|x|#|[/;,、，；|]|或).*", re.IGNORECASE | re.DOTALL
)
"""What may stand behind a number: an extension, or another number."""


def national(phone: str) -> str:
    """The digits of the first number in `phone`, as dialled from elsewhere in the country.

    A mobile has no prefix, a landline its area code. Empty where there is no digit.
    """
    written = re.sub("[^+0-9]", "", _BEHIND.sub("", _plain(phone)))
    digits = _ABROAD.sub("", written)
    if mobile := _MOBILE.fullmatch(digits):
        return mobile[1]
    if _LOCAL.fullmatch(digits):
        return HOME_AREA + digits
    return digits if digits == written or digits.startswith("0") else f"0{digits}"


def dialable(phone: str) -> bool:
    """Whether somebody can be called back on it: a number that China or its country gives out."""
    plain = _BEHIND.sub("", _plain(phone))
    abroad = plain.lstrip().startswith(("+", "00"))
    try:
        number = phonenumbers.parse(plain if abroad else national(phone), "CN")
    except phonenumbers.NumberParseException:
        return False
    return phonenumbers.is_valid_number(number)


def _plain(phone: str) -> str:
    return unicodedata.normalize("NFKC", phone)
