"""How people call what the services say in slugs: states, priorities, clocks, duties, flags."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from shared.events import CaseState, Channel, Kind, Priority

STATE_NAMES: Final[Mapping[CaseState, str]] = MappingProxyType(
    {
        CaseState.MANUAL_DISPATCH: "待人工派单",
        CaseState.AWAITING_INFO: "待补充信息",
        CaseState.REDIRECTED_OUT: "已转出",
        CaseState.DISPATCHED: "待签收",
        CaseState.RETURN_REQUESTED: "退单待裁定",
        CaseState.ACCEPTED: "已签收",
        CaseState.IN_PROGRESS: "办理中",
        CaseState.EXTENSION_REQUESTED: "延期待审批",
        CaseState.SUSPENDED: "已挂账",
        CaseState.REPLIED: "已答复待核实",
        CaseState.CALLBACK_PENDING: "待回访",
        CaseState.SPLIT: "已拆单",
        CaseState.MERGED: "已并单",
        CaseState.CLOSED: "已办结",
    }
)

PRIORITY_NAMES: Final[Mapping[Priority, str]] = MappingProxyType(
    {
        Priority.P0: "紧急",
        Priority.P1: "危险",
        Priority.P2: "民生",
        Priority.P3: "一般",
        Priority.P4: "复杂",
        Priority.P5: "无需办理",
    }
)

CLOCK_NAMES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "accept": "签收",
        "contact": "联系",
        "resolve": "办结",
        "decide": "派单",
        "hand_over": "转出",
        "rule": "裁定",
        "review": "复核",
        "verify": "核实",
        "call_back": "回访",
        "ask": "补充信息",
        "settle": "核定",
        "sign": "补签",
        "check": "审核",
        "acknowledge": "应哨",
        "arrive": "到场",
        "handle": "处置",
        "confirm": "确认",
    }
)

DUTY_NAMES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "lead": "主办",
        "assist": "协办",
        "verify": "待核实",
        "desk": "待派单",
        "rule": "待裁定",
        "supervise": "督办",
        "settle": "待核定",
    }
)

FLAG_NAMES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "urged": "已催办",
        "supervised": "督办",
        "overdue": "超期",
        "cluster": "同类聚集",
        "split_proposed": "建议拆单",
        "escalated": "已升级",
        "in_doubt": "有疑问",
        "suspected_danger": "疑似险情",
        "restricted": "举报人待核定",
        "place_not_in_register": "地名未登记",
        "jurisdiction_transferred": "已划出社区",
        "accused_excluded": "被投诉单位已回避",
        "facility_owner": "按设施权属",
    }
)

KIND_NAMES: Final[Mapping[Kind, str]] = MappingProxyType(
    {
        Kind.CONSULT: "咨询",
        Kind.HELP: "求助",
        Kind.COMPLAINT: "投诉",
        Kind.REPORT: "举报",
        Kind.SUGGESTION: "建议",
        Kind.PRAISE: "表扬",
    }
)

CHANNEL_NAMES: Final[Mapping[Channel, str]] = MappingProxyType(
    {
        Channel.HOTLINE: "热线",
        Channel.JINXINBAN: "津心办",
        Channel.JINZHITONG: "津治通",
        Channel.WEB: "网站",
        Channel.IOT: "物联网",
        Channel.OPEN311: "Open311",
        Channel.IMPORT: "导入",
    }
)
