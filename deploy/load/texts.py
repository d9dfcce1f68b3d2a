"""Tickets for load: every one new, in the words, length and variety of real calls.

An ordinary day comes from the whole district, with one call in fifty about danger. A storm
is a third danger, about few places in few words, so that every call is like many others.
"""

import csv
import json
from collections.abc import Mapping, Sequence
from enum import StrEnum
from functools import cache
from pathlib import Path
from random import Random
from typing import Final

COMPOUNDS: Final = Path(__file__).parents[2] / "services/router/policy/tables/compounds.csv"


class Mix(StrEnum):
    """What kind of day the tickets come from."""

    ORDINARY = "ordinary"
    STORM = "storm"


DANGER_SHARE: Final = {Mix.ORDINARY: 0.02, Mix.STORM: 0.33}


STORM_PLACES: Final = (
    "王顶堤迎水里", "林苑西里", "保山北里", "园荫里", "金冠里", "昌宁里", "横江里",
    "万兴街三潭西里", "长江里", "风荷园", "苏堤路", "天环里", "玉泉北里",
    "嘉陵道街宜宾东里", "南江东里", "川南里", "桂荷园", "雅安西里",
    "华苑街日华里", "碧华里", "竹华里", "久华里", "绮华里",
    "学府街学湖里", "照湖里", "天大六村", "龙兴里",
    "水上公园街荣迁里", "复康里", "观园里", "体育中心街宁乐里", "时代奥城", "阳光100",
    "兴南街耀远里", "世纪花园", "南马路邮电公寓", "鼓楼街海河广场", "壹街区",
    "长虹街天香水畔", "雅园里", "平陆东里", "广开街卫安西里", "格调春天", "凯兴天宝公寓",
    "向阳路街昔阳里", "宜君里", "瑞湾花园",
)  # fmt: skip

SPOTS: Final = (
    "{b}号楼{d}门", "{b}号楼前面", "{b}栋{d}单元{f}楼", "{b}号楼和{c}号楼中间", "东门口",
    "北侧便道上", "{b}号楼地下车库", "小区中心花园旁边", "西门外马路边", "{b}号楼后身",
)  # fmt: skip

OPENINGS: Final = (
    "您好，我想反映一下，", "喂，你好，", "麻烦您给记一下，", "来电人反映：", "我是这儿的老住户，",
    "同志您好，我跟您说个事儿，", "", "市民来电称，", "领导您好，我代表我们全楼的邻居，",
)  # fmt: skip

MATTERS: Final = (
    "下水道往外返脏水好几天了，满地都是，味儿太大了，孩子上学都得踮着脚走",
    "路灯有三四盏不亮，晚上老人出来遛弯看不清道儿，前天刚摔了一位大娘",
    "垃圾桶满得都冒尖了，旁边还堆着装修剩的沙子和旧沙发，三天没人来清",
    "井盖松了，车一轧咣当咣当响一宿，楼下住户根本睡不着觉",
    "有人私自搭了个铁皮棚子，把消防通道占了一大半，跟他说也不听",
    "每天早上一堆小贩占道卖菜，喇叭喊得特别响，收摊以后烂菜叶子扔一地",
    "那棵大槐树枝子都伸到人家窗户上了，一刮风就抽玻璃，想请人来修剪修剪",
    "楼下烧烤店夜里一两点还在营业，油烟直往家里灌，说话声音又大",
    "电梯这个礼拜坏了四回，修好了又坏，楼上有坐轮椅的老人下不来楼",
    "物业收了物业费不干活，楼道一个月没扫过，打电话也没人接",
    "楼顶漏雨，屋里墙皮都泡掉了，找物业说要动维修基金，一直没下文",
    "邻居在楼道里给电动车充电，拉了好长的飞线，夜里滋滋响，太吓人了",
    "暖气从供暖那天起就是温的，屋里也就十四五度，家里还有不满月的孩子",
    "停水两天了也没个通知，楼里好多老人提着桶到别处接水",
    "想问问社区老人家食堂几点开饭，八十岁以上有没有补贴，怎么办卡",
    "老楼想加装电梯，一楼不同意，我们不知道该找谁协调，想了解一下流程",
    "我母亲的高龄津贴已经三个月没到账了，之前都是每个月十五号发",
    "菜市场那家熟食店卖的酱牛肉是馊的，我们一家吃完都拉肚子",
    "工地后半夜还在打桩，房子都跟着颤，连续一个星期了谁管管",
    "物业要撤了也不交接，门禁停了，电梯没人管，保安全走了",
    "业委会换届弄得不明不白，票数也不公示，好多邻居都有意见",
    "预付费的健身房关门跑了，我们几十个人的卡都没退，商家电话打不通",
    "表扬一下社区的网格员，下大雪天帮我们老两口买菜送药，真是好姑娘",
    "建议在路口加一个人行信号灯，放学的时候车多，孩子过马路太悬了",
    "厂里拖了我两个月工资，一共一万二，老板现在电话也不接了",
    "快递站把包裹全摆在人行道上，推婴儿车根本过不去",
)  # fmt: skip

DANGERS: Final = (
    "外来车把门口停得严严实实，昨天救护车在外头等了十多分钟都没进来",
    "对门装修砸墙，我怀疑把承重墙给动了，我家墙上裂了一条大缝",
    "楼上独居的大爷两天没见着人了，敲门也没人应，他家灯一直亮着",
    "护栏被车撞断了一截，就那么横在自行车道上，骑车的都得绕到快车道",
    "健身器材坏了两件，螺丝都露在外头，小孩在那儿玩太危险了",
    "水管爆了，水从地下往上冒，路面都快成河了，请赶紧来人",
    "楼道里有股煤气味儿，从早上就有，越来越重了",
    "外墙上的瓷砖掉下来好几块，正好砸在人走的道上，万幸没砸着人",
)  # fmt: skip
"""What the classifier takes for P0 or P1."""

CLOSINGS: Final = (
    "，麻烦你们尽快派人来看看。", "，希望能给个说法。", "。", "，请有关部门处理，谢谢。",
    "，都反映好几回了也没人管。", "，等您回电话。", "，我的电话是{phone}。", "，着急！",
)  # fmt: skip

NAMES: Final = ("王", "李", "张", "刘", "陈", "杨", "赵", "孙", "周", "吴", "郑", "韩")


@cache
def places(mix: Mix) -> Sequence[str]:
    """Where calls come from."""
    if mix is Mix.STORM:
        return STORM_PLACES
    with COMPOUNDS.open(encoding="utf-8", newline="") as table:
        return tuple(row["name"] for row in csv.DictReader(table))


def ticket(random: Random, mix: Mix) -> Mapping[str, object]:
    """The body of a submission; two of the same generator never have equal words."""
    place = random.choice(places(mix))
    matters = DANGERS if random.random() < DANGER_SHARE[mix] else MATTERS
    numbers = {letter: random.randint(1, 40) for letter in "bcdf"}
    spot = random.choice(SPOTS).format(**numbers)
    phone = f"1{random.choice('3578')}{random.randint(0, 999_999_999):09d}"
    words = "".join(
        (
            random.choice(OPENINGS),
            place,
            spot,
            random.choice(matters),
            random.choice(CLOSINGS).format(phone=phone),
        )
    )
    return {
        "channel": random.choice(("hotline", "hotline", "hotline", "jinxinban", "web")),
        "kind": random.choice(("help", "complaint", "consult")),
        "text": f"{words}（通话{random.getrandbits(40):x}）",
        "address": f"天津市南开区{place}",
        "caller": {"name": f"{random.choice(NAMES)}女士", "phone": phone},
    }


def body(random: Random, mix: Mix = Mix.ORDINARY) -> bytes:
    """The same as JSON, ready to be sent."""
    return json.dumps(ticket(random, mix), ensure_ascii=False).encode()
