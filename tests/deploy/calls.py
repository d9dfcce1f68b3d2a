"""What people of the generated district call about, and where they live."""

from random import Random
from typing import Final, NamedTuple

STREETS: Final = {
    "changhong": ("长虹街道", "雅园里"),
    "guangkai": ("广开街道", "卫安西里"),
    "huayuan": ("华苑街道", "日华里"),
    "jialingdao": ("嘉陵道街道", "宜宾东里"),
    "shuishang-gongyuan": ("水上公园街道", "复康里"),
    "tiyu-zhongxin": ("体育中心街道", "宁乐里"),
    "wangdingdi": ("王顶堤街道", "迎水里"),
    "wanxing": ("万兴街道", "长江里"),
    "xiangyanglu": ("向阳路街道", "昔阳里"),
    "xuefu": ("学府街道", "学湖里"),
}
"""A compound of each street."""

MATTERS: Final = {
    "grid.street_lighting": (
        "门口那排路灯坏了，晚上黑得看不清路",
        "路灯一闪一闪的快灭了，麻烦修一修",
        "便道上的路灯不亮，老人夜里不敢出门",
    ),
    "grid.street_order": (
        "门口小贩占道摆摊卖菜，人都走不过去",
        "马路边上烧烤摊占了便道，吵到半夜",
        "流动摊贩堵着小区门口，劝走了又回来",
    ),
    "grid.sanitation_waste": (
        "垃圾桶满了好几天没人清，味儿特别大",
        "路边堆着装修垃圾没人拉走",
        "垃圾箱周围全是剩菜汤，苍蝇乱飞",
    ),
    "property.elevator_fault": (
        "电梯这个月坏了三次，老人上不去楼",
        "电梯停用好几天了，物业也不修",
    ),
    "elderly.meal_service": (
        "老年食堂几点开门，怎么办助餐卡",
        "想给老人订餐，社区的助餐点关了",
    ),
    "safety.gas_leak": (
        "楼道里煤气味儿特别大，是不是漏气了",
        "厨房外面闻着一股燃气味，越来越冲",
    ),
}
STORM: Final = "grid.drainage_flooding"
STORM_STREET: Final = "wangdingdi"
STORM_MATTERS: Final = (
    "下雨积水到小腿了，下水道往外冒水",
    "雨太大路面积水，车都过不去了",
    "雨水井堵了，院子里的水排不出去",
)
LEAVES: Final = (*MATTERS, STORM)
SHARES: Final = (24, 22, 20, 14, 12, 3)
"""How often each of the matters is called about."""


class Call(NamedTuple):
    """What somebody says, and the matter it is about."""

    leaf: str
    street: str
    text: str
    phone: str


def a_call(random: Random, *, placed: bool = True) -> Call:
    """An ordinary call; two of them are never alike in their words. Some name no place."""
    (leaf,) = random.choices(tuple(MATTERS), SHARES)
    call = _call(random, leaf, random.choice(tuple(STREETS)), random.choice(MATTERS[leaf]))
    return call if placed else call._replace(text=random.choice(MATTERS[leaf]))


def storm_call(random: Random) -> Call:
    """A call on the day of heavy rain."""
    return _call(random, STORM, STORM_STREET, random.choice(STORM_MATTERS))


def _call(random: Random, leaf: str, street: str, matter: str) -> Call:
    name, compound = STREETS[street]
    house, tail = random.randint(1, 30), random.getrandbits(30)
    text = f"{name}{compound}{house}号楼，{matter}（{tail:x}）"
    return Call(leaf, street, text, f"138{random.randint(0, 99_999_999):08d}")
