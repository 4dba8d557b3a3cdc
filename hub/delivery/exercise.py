"""An exercise: a warning that says of itself that it is none, raised and cleared, to see whether a destination takes what it is sent."""

from __future__ import annotations

from hub.model import AlertChange, Change
from hub.moment import to_text

RULE = "exercise/delivery-test"
SUBJECT = "exercise"
LEVEL = "blue"


def exercise(at: int, who: str) -> list[AlertChange]:
    """The two changes of an exercise that begins at `at` (ns). Its words, its CAP fields and its rule's name all say what it is."""
    alert = f"{RULE}/{SUBJECT}/{to_text(at)}"
    title = "EXERCISE: a test message of cityhub, no warning 演练：测试消息，并非预警"
    title_zh = "演练：测试消息，并非预警"
    reason = f"test send by {who}; nothing has happened 由 {who} 发送的测试"
    return [
        AlertChange(
            alert=alert,
            ordinal=ordinal,
            at=at + ordinal,
            rule=RULE,
            subject=SUBJECT,
            change=change,
            level=LEVEL,
            position=None,
            title=title,
            reason=reason,
            who=who,
            note="EXERCISE",
            title_zh=title_zh,
            reason_zh=f"由{who}发送的测试，未发生任何情况",
            cap={"event": "EXERCISE"},
        )
        for ordinal, change in enumerate((Change.RAISED, Change.CLEARED))
    ]
