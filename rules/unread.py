"""What devices tell and no rule reads, and rules that nothing told can ever raise. Pure; told to people, never to the engine."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from hub.model import Device
from rules.book import RuleBook, nodes_of, usable
from rules.language import ir
from rules.language.rule import Rule, Select
from rules.plan import asked_windows

Told = Mapping[str, Collection[str]]
"""By kind of device, the metrics that such devices tell."""


class Unread(NamedTuple):
    """Metrics of a kind of device that no rule and no derivation reads."""

    kind: str
    metrics: tuple[str, ...]

    def __str__(self) -> str:
        return f"no rule reads {', '.join(self.metrics)} of {self.kind or 'devices without a kind'}"


def unread(book: RuleBook, told: Told) -> list[Unread]:
    """By kind, the metrics that nothing reads. What some rule asks of neighbours counts as read, whoever tells it."""
    asked = _asked_of_others(book)
    found = []
    for kind, metrics in sorted(told.items()):
        read = set(asked)
        for rule in book.rules:
            if _takes(rule.select, kind):
                read |= _names(rule.own_series()) | _names(_of_lets(rule))
        for spec in book.derivations:
            if _takes(spec.select, kind):
                read |= _names(spec.own_series())
        left = tuple(sorted(set(metrics) - read))
        if left:
            found.append(Unread(kind, left))
    return found


def never(book: RuleBook, told: Told, devices: Iterable[Device] = ()) -> list[str]:
    """Rules that can never warn of the devices there are: nobody of their kinds tells what their levels read, or none has
    the attributes that they compare with. Rules about places, and kinds of which there is no device, are left out."""
    listed = list(devices)
    made = {spec.metric for spec in book.derivations}
    found = []
    for rule in book.rules:
        if rule.select.every or not rule.levels:
            continue
        kinds = sorted(kind for kind in told if _takes(rule.select, kind))
        metrics = set(made).union(*(told[kind] for kind in kinds))
        wanting = [_wanting(level.when.node, metrics) for level in rule.levels]
        if kinds and all(wanting):
            lacking = sorted(set().union(*wanting))
            found.append(f"{rule.name} can never warn: {' and '.join(kinds)} tell no {', '.join(lacking)}")
            continue
        subjects = [d for d in listed if rule.select.takes(d, d.kind, frozenset(rule.select.zones))]
        needs = rule.needs()
        if subjects and not any(
            all(usable(n, d.attributes.get(n)) for n in names) for names in needs for d in subjects
        ):
            lacking = sorted({name for names in needs for name in names})
            found.append(f"{rule.name} can never warn: none of its {len(subjects)} devices has {', '.join(lacking)}")
    return found


def _wanting(node: ir.Node, metrics: Collection[str]) -> set[str]:
    """What a condition lacks so that it can never hold with these metrics; nothing where it may."""
    if isinstance(node, ir.AllOf):
        return set().union(*(_wanting(part, metrics) for part in node.parts))
    if isinstance(node, ir.AnyOf):
        parts = [_wanting(part, metrics) for part in node.parts]
        return set().union(*parts) if all(parts) else set()
    own = {n.series.rstrip("~") for n in ir.walk(node) if isinstance(n, ir.Series) or (isinstance(n, ir.Window) and not n.around.which)}  # fmt: skip
    if any(isinstance(n, ir.AllOf | ir.AnyOf | ir.Function | ir.Agree) for n in ir.walk(node)):
        return own if own and own.isdisjoint(metrics) else set()
    return own - set(metrics)


def _asked_of_others(book: RuleBook) -> set[str]:
    found: set[str] = set()
    for node in nodes_of(book):
        if isinstance(node, ir.Window) and node.around.which:
            found.add(node.series)
        elif isinstance(node, ir.Agree):
            found |= {n.series for n in ir.walk(node.condition) if isinstance(n, ir.Series | ir.Window)}
    found.update(*(asked_windows(rule) for rule in book.rules))
    return _names(found)


def _of_lets(rule: Rule) -> set[str]:
    return {n.series for node, _ in rule.lets.values() for n in ir.walk(node) if isinstance(n, ir.Series | ir.Window)}


def _names(series: Iterable[str]) -> set[str]:
    return {name.rstrip("~") for name in series}


def _takes(select: Select, kind: str) -> bool:
    """Whether devices of the kind may be subjects."""
    return not select.every and (not select.kinds or "*" in select.kinds or kind in select.kinds)
