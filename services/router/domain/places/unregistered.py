"""Names of places that no register holds, recognised by their shape.

No register of the 693 小区 is whole: “我们鸿福里是老楼区” names a place that nobody can
look up. Such a ticket goes to a person, not back to the caller with a question already
answered. The pattern is narrow: better to ask than to see places everywhere.
"""

import re
from typing import Final

CORE: Final = (
    r"(?P<name>(?:(?![这那哪家屋夜楼梯手心院店车村城我你他她它们咱的个是在有了不没一两小公幼儿学校"
    r"厂司单位群胡同办商超市整全老旧新品房物业封闭还回迁每各某本该附近周边住里园区门口到从和跟与"
    r"地下上中介说把被给让街道])[一-鿿]){2,4}?"
)
ENDING: Final = r"(?:小区|花园|家园|公寓|大厦|新村|新苑|公馆|华庭|雅庭|名邸|华府|名都|里|园|苑))"
BUILDING: Final = r"(?:小区|社区)?[0-9一二三四五六七八九十]{1,4}(?:号楼|号院|号门|栋|幢|门)"
SPEAKER: Final = (
    r"(?:我们(?:家)?(?:是|在|住)?|咱们?|我家(?:是|在|住)?|我(?:住在?|在|是)|家住|住在|地址是?)"
)
FOLLOWED: Final = (
    r"(?=$|[,。.!?;:、0-9]|小区|社区|是|的|这|那|门口|楼|里|有|没|附近|停|漏|堵|坏|电梯|物业|路灯)"
)

CALLED: Final = (
    r"(?:小区|社区|楼盘|院子?|家属院|我们那儿|这儿)的?(?:名字?)?(?:是?叫做?|名叫|名字是)"
    r"(?P<name>[一-鿿]{2,8}?)(?=$|[,。.!?;:、]|的|小区|不知|归|在)"
)
"""Who says what a place is called names it, whatever it is called."""

BUILT: Final = re.compile(f"(?:{ENDING}{BUILDING}")
"""What the first shape ends with: most texts hold no such thing, and it is dear to look for."""
SHAPES: Final = (
    re.compile(CORE + ENDING + BUILDING),
    re.compile(SPEAKER + CORE + ENDING + FOLLOWED),
    re.compile(CALLED),
)


def unregistered_name(text: str) -> str | None:
    """The first name in a normalised text that has the shape of a 小区, or None."""
    shapes = SHAPES if BUILT.search(text) else SHAPES[1:]
    for shape in shapes:
        found = shape.search(text)
        if found:
            return found["name"]
    return None
