"""Whom words accuse: the office that is named with a misdeed, in the names people give it."""

import pytest

from shared.hearing import listen


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("投诉南开区网格平台工作人员不作为", "grid-centre"),
        ("举报网格中心压着我的单子不派", "grid-centre"),
        ("你们派单的那个人收了物业的好处", "grid-centre"),
        ("派单员和物业穿一条裤子", "grid-centre"),
        ("派出所收了商户的好处，包庇他们", "police"),
    ],
)
def test_an_office_is_accused_by_the_names_people_give_it(text: str, unit: str) -> None:
    assert listen(text).accused == unit


@pytest.mark.parametrize(
    "text",
    [
        "网格平台给派一下，楼道灯坏了",
        "派单员态度挺好，可路灯还没修",
        "请派单的人转告物业，下水道堵了",
        "物业收了我的好处费不办事",
        "我向网格中心反映过三次，没人来修",
    ],
)
def test_who_is_only_spoken_to_is_not_accused(text: str) -> None:
    assert listen(text).accused is None
