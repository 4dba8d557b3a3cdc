"""The rules in force as plain data, for the console: what a curve of evidence needs to show the limits of a level."""

from __future__ import annotations

from typing import Any

from hub.app.limits import limits
from hub.moment import SECOND
from rules.book import RuleBook
from rules.language import chinese, ir


def described(book: RuleBook, at: int) -> list[dict[str, Any]]:
    """Every rule, as it judges what is observed at `at` (ns). `names`: which of its names stand for a metric as it is;
    `limits`: what a level compares the subject's own metrics with, in the metric's unit, over a window of `window_s` (0: the newest value)."""
    return [
        {
            "rule": rule.name,
            "about": rule.about,
            "kinds": list(rule.select.kinds),
            "names": {name: node.series for name, (node, _) in rule.lets.items() if isinstance(node, ir.Series)},
            "source": dict(rule.source_at(at)),
            "silent_s": rule.silent_ns // SECOND if rule.silent_ns is not None else None,
            "levels": [
                {
                    "level": level.name,
                    "when": level.when.text,
                    "when_zh": chinese.condition(level.when.text, rule),
                    "clear": level.clear.text if level.clear else None,
                    "clear_zh": chinese.condition(level.clear.text, rule, clear=True) if level.clear else None,
                    "limits": [
                        {
                            "metric": item.metric, "op": item.op, "value": item.value, "window_s": item.window_ns / SECOND,
                            "function": item.function, "level_like": item.level_like,
                        }
                        for item in limits(rule, level.name, at)
                    ],
                }
                for level in rule.levels
            ],
        }
        for rule in book.rules
    ]  # fmt: skip
