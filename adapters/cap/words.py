"""What the hub's warnings are called in CAP, in Chinese and English."""

from __future__ import annotations

from collections.abc import Mapping

SEVERITY: Mapping[str, str] = {"blue": "Minor", "yellow": "Moderate", "orange": "Severe", "red": "Extreme"}
"""The four Chinese levels in CAP's words; red, "particularly serious", is Extreme."""
COLOURS: Mapping[str, tuple[str, str]] = {
    "blue": ("蓝色", "Blue"),
    "yellow": ("黄色", "Yellow"),
    "orange": ("橙色", "Orange"),
    "red": ("红色", "Red"),
}
EVENTS: Mapping[str, tuple[str, str]] = {
    "Geo": ("地质灾害", "Geological hazard"),
    "Met": ("气象灾害", "Weather hazard"),
    "Safety": ("安全事故", "Public safety incident"),
    "Security": ("社会安全事件", "Security incident"),
    "Rescue": ("救援", "Rescue"),
    "Fire": ("火灾", "Fire"),
    "Health": ("公共卫生事件", "Health hazard"),
    "Env": ("环境污染", "Environmental hazard"),
    "Transport": ("交通事件", "Transport incident"),
    "Infra": ("基础设施故障", "Infrastructure failure"),
    "CBRNE": ("危险物质事故", "Hazardous substance incident"),
    "Other": ("突发事件", "Incident"),
}
RESPONSES: Mapping[str, tuple[str, str]] = {
    "Shelter": ("请就近避险。", "Take shelter."),
    "Evacuate": ("请撤离该区域。", "Leave the area."),
    "Prepare": ("请做好准备。", "Make preparations."),
    "Execute": ("请按预案行动。", "Act as planned."),
    "Avoid": ("请避开该区域。", "Avoid the area."),
    "Monitor": ("请留意后续信息。", "Follow further information."),
    "Assess": ("请评估情况。", "Assess the situation."),
    "AllClear": ("警报解除。", "The danger is over."),
    "None": ("", ""),
}
HEADLINE_MAX = 139
"""Characters; validators flag 140 and more."""


def is_chinese(text: str) -> bool:
    return any("\u4e00" <= letter <= "\u9fff" for letter in text)
