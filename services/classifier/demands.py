"""One call, several demands (诉求): where a message announces another one, it is cut.

Cutting is only a proposal: `classify` keeps the parts that turn out to be about different
matters and joins the rest, because letters also number the arguments of a single demand.
"""

import re
from typing import Final

SHORTEST: Final = 8
"""A part with fewer letters than this belongs to its neighbour."""
MOST: Final = 6
"""Parts beyond this many stay together: a longer list argues one matter."""
ANNOUNCED: Final = (
    "再一个",
    "再一件",
    "再就是",
    "再有就是",
    "还有一个",
    "还有一件",
    "还有个事",
    "还有件事",
    "还有就是",
    "另外",
    "另一个",
    "另一件",
    "第二件",
    "第二个",
    "第三件",
    "第三个",
    "顺便",
    "顺带",
    "同时反映",
    "同时还反映",
    "还想问",
    "还想反映",
    "还要反映",
)
"""Words that, at the start of a clause, announce one more demand."""
COUNTED: Final = (
    "第[二三四](?=[，,、：:])",
    "[二三四]是",
    "其[二三]",
    "[二三]、",
    r"[2-6][、.．)）](?!\d)",
)
"""Ways of counting. A caller counts demands, a letter-writer the arguments for one."""
A_CALL: Final = 150
"""From this many letters on a message is a letter."""

_AT_A_CLAUSE = r"(?<=[。；;！!？?，,：:、\s])(?={})"
_CUT_LETTER = re.compile(_AT_A_CLAUSE.format("|".join(ANNOUNCED)))
_CUT_CALL = re.compile(_AT_A_CLAUSE.format("|".join((*ANNOUNCED, *COUNTED))))


def split_demands(text: str) -> tuple[str, ...]:
    """The text cut where another demand is announced, in order; uncut, the text alone."""
    parts: list[str] = []
    for part in (_CUT_CALL if len(text) < A_CALL else _CUT_LETTER).split(text):
        if parts and (len(parts[-1].strip()) < SHORTEST or len(part.strip()) < SHORTEST):
            parts[-1] += part
        else:
            parts.append(part)
    if not 1 < len(parts) <= MOST:
        return (text,)
    return tuple(part.strip() for part in parts)
