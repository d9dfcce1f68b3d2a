"""Whether this machine's clock may be believed, before what cannot be taken back is done by it.

An hour's jump of the clock would escalate every case in hand. It shows against the monotonic
clock, which never jumps, and against the database's, which is another machine's where there is
one. While the clock is doubted no clock of a case fires; nothing is lost by it: what has fallen
due fires afterwards.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

BOUND: Final = timedelta(seconds=60)
"""How far clocks may differ: more than machines kept by NTP ever do."""
SETTLED: Final = timedelta(minutes=10)
"""After a jump the clock is believed again when it has run evenly for so long, or at once when
it jumps back."""


@dataclass
class TrustedTime:
    """What one process knows of its machine's clock; `doubt` is a sentence while it is doubted."""

    wall: Callable[[], datetime] = lambda: datetime.now(UTC)
    monotonic: Callable[[], float] = time.monotonic
    doubt: str | None = None
    _believed: timedelta = field(init=False)
    _last: timedelta = field(init=False)
    _even_since: timedelta | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self._believed = self._last = self._offset()

    def check(self, database: datetime) -> bool:
        """Whether the clock may be believed now, the database's being at `database`."""
        offset = self._offset()
        if abs(offset - self._last) > BOUND:
            back = abs(offset - self._believed) <= BOUND
            self._even_since = None if back else self._passed()
        self._last = offset
        apart = abs(self.wall() - database)
        if apart > BOUND:
            self.doubt = f"本机时钟与数据库相差{_said(apart)}，时限计时暂停"
        elif self._even_since is not None and self._passed() - self._even_since < SETTLED:
            self.doubt = f"本机时钟跳变了{_said(abs(offset - self._believed))}，时限计时暂停"
        else:
            # Slow corrections of NTP are followed.
            self.doubt, self._even_since, self._believed = None, None, offset
        return self.doubt is None

    def believed(self) -> bool | str:
        """The same as a check of readiness, as last found."""
        return self.doubt or True

    def _offset(self) -> timedelta:
        return self.wall() - datetime.fromtimestamp(0, UTC) - self._passed()

    def _passed(self) -> timedelta:
        return timedelta(seconds=self.monotonic())


def _said(span: timedelta) -> str:
    minutes = round(span.total_seconds() / 60)
    return f"{minutes // 60}小时{minutes % 60}分钟" if minutes >= 60 else f"{minutes}分钟"
