"""Mails and CAP in Chinese; the language of a request."""

from __future__ import annotations

from datetime import UTC

import pytest
from starlette.requests import Request

from adapters.cap import message as cap
from adapters.email.message import build
from adapters.email.sink import EmailOptions
from hub.api.looking import language_of
from hub.api.questions import Spoken
from hub.delivery.exercise import exercise
from hub.model import AlertChange, CameraView, Change

CHANGE = AlertChange(
    "a", 3, 1_795_334_400_000_000_000, "city/flood", "g", Change.ESCALATED, "red", "北门: water 60 cm deep", {"water_depth": 0.6, "rise": 0.1},
    cameras=[CameraView("c", 0.9, 97.0, 90.0, True, "97 m away, looking E", "门口", reason_zh="相距97 m，朝东观察")],
    reason="red: depth >= 40 cm (depth = 0.6 m)", title_zh="北门：积水深60 cm", reason_zh="红色：水深 ≥ 40 cm（水深 = 0.6 m）",
)  # fmt: skip


def test_a_mail_in_chinese() -> None:
    mail = build(CHANGE, CHANGE.id, "hub@city.example", ["duty@city.example"], UTC, "zh")
    assert mail["Subject"] == "[红色] ↑ 北门：积水深60 cm"
    text = mail.get_content()
    for line in ("升级，红色，2026-11-22 08:00:00+00:00", "规则：city/flood", "原因：红色：水深 ≥ 40 cm（水深 = 0.6 m）", "- 门口：相距97 m，朝东观察"):  # fmt: skip
        assert line in text
    assert "water" not in text
    assert "looking" not in text


def test_a_mail_in_english_is_as_it_was() -> None:
    mail = build(CHANGE, CHANGE.id, "hub@city.example", ["duty@city.example"], UTC)
    assert mail["Subject"] == "[red] ↑ 北门: water 60 cm deep"
    assert "积水" not in mail.get_content()


def test_a_warning_without_chinese_words_is_mailed_with_what_it_has() -> None:
    bare = AlertChange("a", 0, 0, "r", "g", Change.RAISED, "blue", "G: 60 cm", reason="blue: x")
    mail = build(bare, bare.id, "hub@city.example", ["duty@city.example"], UTC, "zh")
    assert mail["Subject"] == "[蓝色] G: 60 cm"
    assert "原因：blue: x" in mail.get_content()


def test_a_language_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="one of en, zh"):
        EmailOptions(host="h", sender="a@b.example", recipients=["c@d.example"], language="fr")


def test_cap_says_each_language_in_its_own_words() -> None:
    assert cap.headline(CHANGE, True, "Actual") == "红色预警：北门：积水深60 cm"
    assert cap.headline(CHANGE, False, "Actual") == "Red warning: 北门: water 60 cm deep"
    assert cap.description(CHANGE, True) == "北门：积水深60 cm\n红色：水深 ≥ 40 cm（水深 = 0.6 m）\n实测值：水深 0.6"
    assert "积水" not in cap.description(CHANGE, False)


def test_an_exercise_says_so_in_both_languages() -> None:
    for change in exercise(0, "Lin"):
        assert change.title.startswith("EXERCISE")
        assert change.title_zh.startswith("演练")
        assert change.reason_zh == "由Lin发送的测试，未发生任何情况"


@pytest.mark.parametrize(
    ("header", "asked", "language"),
    [(b"zh-CN", None, "zh"), (b"zh-CN", "en", "en"), (b"en", "zh", "zh"), (b"", None, "en")],
)
def test_what_a_query_asks_goes_before_what_the_browser_prefers(
    header: bytes, asked: str | None, language: str
) -> None:
    request = Request({"type": "http", "headers": [(b"accept-language", header)]})
    assert language_of(request, Spoken(asked)) == language  # type: ignore[arg-type]
