"""What the hub says to people, in English and in Chinese, side by side where it is said.

English is what records, logs and other systems have always held; Chinese travels beside it. Whoever adds a sentence writes both.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import msgspec

from hub.model import Change
from hub.moment import largest_unit

LANGUAGES = ("en", "zh")


class Text(msgspec.Struct, frozen=True, gc=False):
    """One thing said in both languages. False where nothing is said."""

    en: str = ""
    zh: str = ""

    def __add__(self, other: Text) -> Text:
        return Text(self.en + other.en, self.zh + other.zh)

    def __bool__(self) -> bool:
        return bool(self.en)

    def __str__(self) -> str:
        return self.en

    def freeze(self) -> list[str]:
        return [self.en, self.zh]

    @classmethod
    def thaw(cls, frozen: Any) -> Text:
        """From a snapshot; one from before there was Chinese holds the English alone."""
        return cls(frozen, frozen) if isinstance(frozen, str) else cls(*frozen)


NOTHING = Text()


def same(text: str) -> Text:
    """A name or a figure, which is the same in both."""
    return Text(text, text)


def quoted(words: str) -> Text:
    """Somebody else's words (a peer's, a library's, a plug-in's), which are in one language: in Chinese they stand in quotation marks."""
    return Text(words, f"「{words}」" if words else "")


def joined(texts: Iterable[Text]) -> Text:
    """One after the other, set off by semicolons."""
    said = [text for text in texts if text]
    return Text("; ".join(text.en for text in said), "；".join(text.zh for text in said))


LEVELS_ZH = {"blue": "蓝色", "yellow": "黄色", "orange": "橙色", "red": "红色"}
CHANGES_ZH = {
    Change.RAISED: "发布", Change.ESCALATED: "升级", Change.LOWERED: "降级", Change.CLEARED: "解除", Change.ACKNOWLEDGED: "确认",
    Change.SHELVED: "搁置", Change.UNSHELVED: "取消搁置", Change.EXPIRED: "过期", Change.CALLED: "呼叫下一联系人",
}  # fmt: skip
COMPASS_ZH = {"N": "北", "NE": "东北", "E": "东", "SE": "东南", "S": "南", "SW": "西南", "W": "西", "NW": "西北"}
UNITS_ZH = {
    "ug/m3": "µg/m³", "mg/m3": "mg/m³", "g/m3": "g/m³", "m3": "m³", "m3/s": "m³/s", "m3/h": "m³/h", "m/s2": "m/s²", "Cel": "°C", "deg": "°", "uS/cm": "µS/cm",
    "index": "", "count": "", "1": "", "[pH]": "", "dBA": "dB(A)", "s": "秒", "min": "分钟", "h": "小时", "d": "天", "ug/m3/h": "µg/m³/h", "min/min": "", "ft": "英尺", "nmi": "海里", "kn": "节", "cm/s2": "cm/s²", "K/min": "K/分钟", "cm/min": "cm/分钟",
}  # fmt: skip
"""Units as Chinese readers write them; what stands not here is written as it is."""


def duration_zh(ns: int) -> str:
    """90秒, 15分钟, 24小时, 3天: what `rules.language.types.seconds_text` says in English."""
    figure, unit = largest_unit(ns)
    return f"{figure:g}{UNITS_ZH[unit]}"


def unit_zh(unit: str) -> str:
    """A unit as Chinese readers write it: °C/秒 for Cel/s."""
    head, slash, time = unit.rpartition("/")
    if unit not in UNITS_ZH and head in UNITS_ZH:
        return f"{UNITS_ZH[head]}{slash}{UNITS_ZH.get(time, time)}"
    return UNITS_ZH.get(unit, unit)


def figure_zh(value: str, unit: str) -> str:
    """A figure, written already, with its unit."""
    return f"{value} {unit_zh(unit)}".strip()


def preferred(asked: str) -> str:
    """The language that `?lang=` or an Accept-Language header asks for; English where it asks for neither.

    RFC 9110, 12.5.4: ranges with weights, the highest first; one of weight 0 is not wanted.
    """
    weighed = []
    for position, part in enumerate(asked.split(",")):
        tag, _, rest = part.strip().partition(";")
        found = re.fullmatch(r"\s*q=([01](?:\.\d{0,3})?)\s*", rest) if rest else None
        weight = float(found.group(1)) if found else 0.0 if rest else 1.0
        language = tag.strip().lower().partition("-")[0]
        if language in LANGUAGES and weight > 0:
            weighed.append((-weight, position, language))
    return min(weighed)[2] if weighed else "en"
