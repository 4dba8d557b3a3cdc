"""A back-test judged: the rules' warnings, and a plain threshold's beside them, by the same definitions on the same data."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from msgspec.structs import replace

from hub.app.city import City
from hub.backtest.baseline import baseline_changes, metrics_of_baseline
from hub.backtest.evaluation import Marked, Summary, evaluate
from hub.backtest.events import Event
from hub.backtest.observed import Observed, metrics_of, where
from hub.backtest.official import of_packs
from hub.backtest.taken_back import taken_back
from hub.model import AlertChange, Device
from rules.book import RuleBook

Without = Collection[tuple[str, str, int]]


def packs_of(book: RuleBook) -> set[str]:
    """The packs that a city's rules are from."""
    return {rule.name.partition("/")[0] for rule in book.rules}


def observed_for(book: RuleBook) -> Observed:
    """What a back-test must keep to be judged."""
    metrics = metrics_of(book)
    return Observed(None if metrics is None else metrics | metrics_of_baseline(packs_of(book)))


def judge(
    city: City,
    changes: Sequence[AlertChange],
    events: Sequence[Event],
    observed: Observed,
    again: Callable[[Without], list[AlertChange]],
    marked: Collection[Marked] = (),
) -> Summary:
    """`again`: runs the same rules once more over the recording without those values; `marked`: what people marked as false alarms."""
    places = where(city.registry.devices.values(), observed)
    packs = packs_of(city.book)
    official = of_packs(packs)
    without = taken_back(observed, places)
    second = again(without) if without and changes else list(changes)
    above = {device: up_the_river(device, city.registry.devices) for device in observed.spans}
    judged = evaluate(changes, events, observed, city.book, second, official, above, marked)
    plain = baseline_changes(packs, observed, city.registry.devices)
    plainer = baseline_changes(packs, observed.without(without), city.registry.devices)
    beside = evaluate(plain, events, observed, city.book, plainer, official)
    return replace(judged, baseline=replace(beside, false_raises=[], per_event=[]))


def up_the_river(device: str, devices: Mapping[str, Device]) -> set[str]:
    """The gauges above one, all the way."""
    found: set[str] = set()
    asked = [device]
    while asked:
        entry = devices.get(asked.pop())
        named = str(entry.attributes.get("upstream") or "").split() if entry else []
        asked += [name for name in named if name not in found]
        found.update(named)
    return found
