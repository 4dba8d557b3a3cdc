"""How values are shown: a panel's field configuration, and what single columns, values and lines have otherwise."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from grafana_foundation_sdk.models import dashboard as sdk

from dashboards.grafana.look import GREEN, GREY, NO_VALUE, Column, Limits, Link, Said, States

CELLS: dict[str, dict[str, str]] = {
    "text": {"type": "color-text"},
    "background": {"type": "color-background", "mode": "basic"},
    "gauge": {"type": "gauge", "mode": "basic", "valueDisplayMode": "text"},
}


class Speaker(Protocol):
    """A board, as far as its columns need it."""

    def say(self, said: Said) -> str: ...

    def link(self, link: Link) -> sdk.DashboardLink: ...


def default_config(
    say: Callable[[Said], str], unit: str, limits: Limits | None, *, link: sdk.DashboardLink | None = None,
    decimals: int | None = None, states: States | None = None, custom: object | None = None, low: float | None = None,
    by_threshold: bool = True, fixed: bool = False, empty: Said = NO_VALUE,
) -> sdk.FieldConfigSource:  # fmt: skip
    """What holds for a whole panel. Colours come from thresholds, or (`by_threshold` false) from states and the palette."""
    mode = sdk.FieldColorModeId.THRESHOLDS if by_threshold else sdk.FieldColorModeId.PALETTE_CLASSIC
    colour = sdk.FieldColor(mode)
    if states and not by_threshold:
        # In this mode the legend of a state timeline tells states by their words instead of by thresholds.
        colour = sdk.FieldColor(sdk.FieldColorModeId.FIXED, GREY)
    defaults = sdk.FieldConfig(
        unit=unit,
        decimals=decimals,
        min_val=low,
        mappings=[_state_map(say, states)] if states else [],
        thresholds=_thresholds(limits),
        color=colour,
        links=[link] if link else [],
        no_value=say(empty),
        custom=custom,
    )
    return sdk.FieldConfigSource(defaults, [])


def override(board: Speaker, column: Column) -> sdk.DashboardFieldConfigSourceOverrides:
    """What a column says of itself, as Grafana's override of the field with its name."""
    set_to: dict[str, Any] = {"displayName": board.say(column.title)}
    if column.unit:
        set_to["unit"] = column.unit
    if column.decimals is not None:
        set_to["decimals"] = column.decimals
    if column.width:
        set_to["custom.width"] = column.width
    mappings: list[object] = []
    if column.states:
        mappings.append(_state_map(board.say, column.states))
    if column.shorten:
        groups = " ".join(f"${n + 1}" for n in range(re.compile(column.shorten).groups))
        mappings.append(sdk.RegexMap(sdk.DashboardRegexMapOptions(column.shorten, sdk.ValueMappingResult(groups))))
    if mappings:
        set_to["mappings"] = mappings
    if column.limits:
        set_to["thresholds"] = _thresholds(_quiet(column.limits) if column.cell == "background" else column.limits)
        set_to["color"] = sdk.FieldColor(sdk.FieldColorModeId.THRESHOLDS)
    if column.colour:
        set_to["color"] = sdk.FieldColor(sdk.FieldColorModeId.FIXED, column.colour)
    cell = column.cell or ("text" if column.states else "")
    if cell:
        set_to["custom.cellOptions"] = CELLS[cell]
    if cell == "gauge":
        set_to["min"] = 0
    if column.dashed:
        set_to["custom.lineStyle"] = {"fill": "dash", "dash": [6, 6]}
    if column.link:
        set_to["links"] = [board.link(column.link)]
    if column.url:
        away = sdk.DashboardLink(board.say(column.title), sdk.DashboardLinkType.LINK, url=column.url, target_blank=True)
        set_to["links"] = [away]
    return named_override(column.name, set_to)


def named_override(
    name: str, set_to: Mapping[str, Any], matcher: str = "byName"
) -> sdk.DashboardFieldConfigSourceOverrides:
    """Properties of the fields with that name; `matcher` "byRegexp": of those whose name meets `/…/`."""
    properties = [sdk.DynamicConfigValue(key, value) for key, value in set_to.items()]
    return sdk.DashboardFieldConfigSourceOverrides(matcher=sdk.MatcherConfig(matcher, name), properties=properties)


def transformation(name: str, **options: object) -> sdk.DataTransformerConfig:
    return sdk.DataTransformerConfig(name, options=options)


def limit_properties(limits: Limits) -> dict[str, Any]:
    """Thresholds of a line of its own, drawn as dashes."""
    return {"thresholds": _thresholds(limits), "custom.thresholdsStyle": {"mode": "dashed"}}


def _quiet(limits: Limits) -> Limits:
    """The same without green: in a table full of cells only what is out of order has a colour."""
    calm = (GREEN, "green")
    steps = tuple((value, "transparent" if colour in calm else colour) for value, colour in limits.steps)
    return limits._replace(steps=steps, base="transparent" if limits.base in calm else limits.base)


def _thresholds(limits: Limits | None) -> sdk.ThresholdsConfig:
    steps = [sdk.Threshold(None, limits.base if limits else "text")]
    if limits:
        steps += [sdk.Threshold(value, colour) for value, colour in limits.steps]
    return sdk.ThresholdsConfig(sdk.ThresholdsMode.ABSOLUTE, steps)


def _state_map(say: Callable[[Said], str], states: States) -> sdk.ValueMap:
    return sdk.ValueMap(
        {value: sdk.ValueMappingResult(say(said), colour, index=at) for at, (value, (said, colour)) in enumerate(states.items())}
    )  # fmt: skip
