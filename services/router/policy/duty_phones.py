"""The register of duty phones (值班电话): whom to ring in a unit. Nobody publishes it."""

import re
from collections.abc import Collection
from pathlib import Path
from typing import Final

from services.router.domain.policy import DutyPhone
from services.router.policy.files import Row, read_table
from services.router.policy.units import validity

FILE: Final = "duty_phones.csv"
COLUMNS: Final = ("unit", "phone", "hours", "valid_from", "valid_to", "source")
_PHONE: Final = re.compile(r"[0-9+][0-9 \-转]{2,24}")


def load_duty_phones(directory: Path, units: Collection[str]) -> tuple[DutyPhone, ...]:
    """The duty phones of a policy directory, in the file's order. Raises PolicyError."""
    return tuple(duty_phone(row, units) for row in read_table(directory / FILE, COLUMNS))


def duty_phone(row: Row, units: Collection[str]) -> DutyPhone:
    """One row, checked. Raises PolicyError."""
    phone = row.required("phone")
    if not _PHONE.fullmatch(phone):
        raise row.error(f"“{phone}”不是电话号码")
    valid_from, valid_to = validity(row)
    return DutyPhone(
        row.known("unit", units, "单位"), phone, row.text("hours"), valid_from, valid_to
    )
