"""How the pages say it: states, times, clocks and happenings in the words of the desks."""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from shared.calendar import SHANGHAI

PRIORITIES: Final = {
    "P0": "■ 紧急",
    "P1": "▲ 危险",
    "P2": "民生",
    "P3": "一般",
    "P4": "复杂",
    "P5": "无需办理",
}
CERTAINTIES: Final = {
    "exact": "确定",
    "street": "只到街道",
    "ambiguous": "待确认",
    "unknown": "不清楚",
    "outside": "区外",
    "transferred": "已划出",
}
STATES: Final = {
    "received": "已受理",
    "classified": "已分类",
    "manual_dispatch": "待派单",
    "awaiting_info": "待补充",
    "redirected_out": "已转出",
    "dispatched": "待签收",
    "return_requested": "退单待裁定",
    "accepted": "已签收",
    "in_progress": "办理中",
    "extension_requested": "延期待审",
    "suspended": "挂账",
    "replied": "待核实",
    "callback_pending": "待回访",
    "split": "已拆分",
    "merged": "已并入",
    "closed": "已办结",
}
WHISTLE_STATES: Final = {
    "proposed": "待签发审核",
    "signed": "待审核",
    "rejected": "退回补正",
    "dispatched": "已派哨",
    "handled": "已处置",
    "confirmed": "已确认",
    "closed": "已结哨",
    "withdrawn": "已撤哨",
}
WHISTLE_KINDS: Final = {
    "emergency": "应急处置哨",
    "joint_enforcement": "综合执法哨",
    "public_demand": "群众诉求哨",
    "key_task": "重点工作哨",
}
DISPOSITIONS: Final = {
    "dispatch": "派单",
    "manual_dispatch": "转人工",
    "awaiting_info": "向来电人补问",
    "redirect_out": "转出",
    "transfer_emergency": "立即转接并派单",
}
HAPPENINGS: Final = {
    "ticket.received": "受理",
    "ticket.amended": "补充",
    "ticket.urged": "催问",
    "ticket.called_back": "回访",
    "ticket.closed": "办结",
    "ticket.reopened": "重新办理",
    "ticket.answered": "直接答复",
    "classification.classified": "分类",
    "classification.abstained": "分类存疑",
    "classification.danger_heard": "听到险情",
    "dispatched": "派单",
    "redispatched": "改派",
    "transferred_emergency": "紧急转接",
    "manual_dispatch": "转人工派单",
    "awaiting_info": "待补充信息",
    "redirected": "转出",
    "accepted": "签收",
    "contacted": "联系诉求人",
    "replied": "答复",
    "verified": "核实通过",
    "verification_failed": "核实未过",
    "return_requested": "申请退单",
    "returned": "同意退单",
    "return_denied": "不同意退单",
    "designated": "指定承办",
    "extension_requested": "申请延期",
    "extended": "同意延期",
    "extension_denied": "不同意延期",
    "suspended": "挂账",
    "resumed": "恢复办理",
    "urged": "催办",
    "supervised": "督办",
    "overdue": "超期",
    "escalated": "升级",
    "reminded": "提醒",
    "reclassified": "改判",
    "relocated": "改地点",
    "restricted": "核定保密",
    "upheld": "维持原派",
    "split": "拆单",
    "merged": "并入",
    "unmerged": "撤销并单",
    "grouped": "归入同一事件",
    "erased": "按规定删除文字",
    "handed_over": "办理转出",
    "supplemented": "补充诉求",
    "alarmed": "险情上报",
    "doubted": "有疑问",
    "reopened": "重新办理",
    "closed": "办结",
    "blown": "吹哨",
    "signed": "签发",
    "amended": "补正",
    "rejected": "退回补正",
    "acknowledged": "应哨",
    "arrived": "到场",
    "handled": "处置完成",
    "confirmed": "街道确认",
    "not_confirmed": "没有到位",
    "refusal_denied": "不同意不属本单位",
    "scored": "评价",
    "withdrawn": "撤哨",
    "refused": "不属本单位",
    "released": "解除呼叫",
}
VERSION: Final = re.compile(r"\.v\d+$")
ACTORS: Final = {"model": "模型", "rule": "规则", "system": "系统", "clock": "计时"}


def instant(value: str | datetime) -> datetime:
    """An instant of an answer, in Shanghai."""
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    return moment.astimezone(SHANGHAI)


def when(value: str | datetime | None) -> str:
    """“27日 10:32” of this month, else “11月27日 10:32”."""
    if value is None:
        return "—"
    moment = instant(value)
    return f"{moment.month}月{moment.day}日 {moment:%H:%M}"


def clock_time(value: str | datetime) -> str:
    """“10:32”, in Shanghai."""
    return f"{instant(value):%H:%M}"


def span(length: timedelta) -> str:
    """“2 小时 13 分”, “1 天 4 小时”, “不足 1 分”."""
    minutes = int(abs(length).total_seconds() // 60)
    days, hours = minutes // 1440, minutes // 60 % 24
    if days:
        return f"{days} 天 {hours} 小时" if hours else f"{days} 天"
    if hours:
        return f"{hours} 小时 {minutes % 60} 分"
    return f"{minutes} 分" if minutes else "不足 1 分"


def left(due: str | datetime, now: datetime) -> str:
    """“还剩 2 小时 13 分” or “! 超时 40 分”."""
    rest = instant(due) - now
    return f"还剩 {span(rest)}" if rest > timedelta(0) else f"! 超时 {span(rest)}"


def pressing(clock: Mapping[str, Any], now: datetime) -> str:
    """The style of a clock: over, soon or ok."""
    if instant(clock["due_at"]) <= now:
        return "over"
    soon = clock.get("soon_at")
    return "soon" if soon and instant(soon) <= now else "ok"


def spot(whistle: Mapping[str, Any]) -> str:
    """Where the called units are to go: the spot that was named, else the place as it was found."""
    evidence = whistle["place"]["evidence"]
    named: str = whistle["site"] or (evidence[-1]["name"] if evidence else "")
    return named or "地点不明，见工单"


def happened(name: str) -> str:
    """What a line of a timeline or log says: by the name of a fact, or of an event's type."""
    bare = VERSION.sub("", name.removeprefix("hotline."))
    return HAPPENINGS.get(bare) or HAPPENINGS.get(bare.rpartition(".")[2], bare)


def who(name: str) -> str:
    """Who did it, in Chinese where it was nobody."""
    return ACTORS.get(name, name)
