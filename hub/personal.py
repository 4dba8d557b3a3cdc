"""What tells of a person: drivers, and where vehicles and phones are. Decided here, out of the vocabulary, for whoever hides it
(`hub.api.sight`) and whoever erases it (`[store] keep_personal_days`).

Two marks in `metrics.toml`: `personal = "person"` names somebody whatever device tells it (a driver, a plate); `personal = "place"` is a way
to work out where something is (a course), and counts where the device itself is a person's. Such a device is a vehicle or a phone, by the words of
its kind: a `hazmat-truck` is a truck. One without a kind may be anything that moves, so it counts as one until the registry says what it is.
Vessels are none: what they tell by AIS, everybody with a receiver hears.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from hub.metrics import vocabulary
from hub.model import AlertChange, Fault, Position, Reading

KINDS = frozenset({
    "vehicle", "car", "truck", "lorry", "van", "bus", "minibus", "coach", "taxi", "cab", "ambulance", "motorcycle", "motorbike", "moped", "scooter",
    "bicycle", "bike", "ebike", "tractor", "trailer", "phone", "smartphone", "handset", "tracker", "wearable", "watch", "person", "pedestrian", "worker",
    "driver", "rider", "courier",
})  # fmt: skip
"""Words of kinds that are a person's, or that a person drives or carries."""
STANDING = frozenset({
    "stop", "station", "shelter", "park", "parking", "scale", "counter", "lane", "gate", "barrier", "detector", "sensor", "camera", "road", "bridge",
    "tunnel", "charger", "light", "signal",
})  # fmt: skip
"""Words that end the kinds of what stands still and only has to do with vehicles: a `bus-stop`, a `car-park`."""
POSITION_METRIC = "position"
"""A stored row that is nothing but a place (`hub.store.rows`)."""
SHORT = 4
"""Characters of a code that may stand by chance in another word."""
HIDDEN = "…"
"""Stands in texts where they named somebody."""
UNTOLD = "what it says may tell of a person, so it is not shown"
_PLACES = frozenset({"position", "lon", "lat", "alt", "latitude", "longitude", "course_deg", "motion", "address"})
"""Keys of evidence that say where something is."""
_NAMING = ("device", "subject", "source", "target", "sensor")


class Personal(msgspec.Struct, frozen=True):
    """[personal]: which kinds of devices are a person's, beside those whose name has one of `KINDS` in it."""

    kinds: list[str] = msgspec.field(default_factory=list)
    """Further kinds, in the registry's own words, such as "渣土车"."""
    public: list[str] = msgspec.field(default_factory=list)
    """Kinds that are nobody's after all, such as the buses of a city that publishes where they are."""

    def kind(self, kind: str) -> bool:
        """Whether where a device of this kind is tells of a person."""
        if kind in self.public:
            return False
        words = [word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+", kind)]
        of_people = any(word in KINDS or word.removesuffix("s") in KINDS for word in words)
        return not kind or kind in self.kinds or (of_people and words[-1] not in STANDING)

    def device(self, kinds: Iterable[str], metrics: Iterable[str] = ()) -> bool:
        """Whether a device is a person's, by the kinds that the registry and its own feed give it, and by what it tells: one that names a driver is."""
        stated = [kind for kind in kinds if kind]
        if any(kind in self.public for kind in stated):
            return False
        return any(map(self.kind, stated or [""])) or any(map(names_somebody, metrics))


def names_somebody(metric: str) -> bool:
    """Whether a value of this metric says who somebody is."""
    known = vocabulary().get(metric)
    return known is not None and known.personal == "person"


def tells_place(metric: str) -> bool:
    """Whether a value of this metric says where a device is or goes."""
    known = vocabulary().get(metric)
    return metric == POSITION_METRIC or (known is not None and known.personal == "place")


def hidden(metric: str, private: bool) -> bool:
    """Whether this metric is personal; `private`: of a device that is a person's."""
    return names_somebody(metric) or (private and tells_place(metric))


# ------------------------------------------------------------------------------------------------- warnings


def moves(change: AlertChange) -> bool:
    """Whether a warning about something that nobody here knows is about a vehicle: it moves, or what it was judged by is a vehicle's."""
    if change.motion is not None:
        return True
    words = vocabulary()
    return any(
        words[name].family == "vehicle" for name in (*change.values, *_metrics(change.evidence)) if name in words
    )


def masked_change(
    change: AlertChange, private: bool, devices: Collection[str], names: Iterable[str | float]
) -> AlertChange:
    """The change without what tells of a person. `private`: its subject is a person's, so its place goes, and with it cameras, ways and clips that
    would say it again. `devices`: those in it that are a person's. `names`: what no text may have, as `names_in` finds them in all
    changes of the warning, for a title may be one of before."""
    rid = _Rid(names)
    values = {name: rid(value) for name, value in change.values.items() if not _hides(name, value, private, rid)}
    evidence = [rid(kept) for item in change.evidence if (kept := _shown(item, devices, private, [])) is not None]
    told = {field: rid(getattr(change, field)) for field in _TEXTS}
    if private and change.note:  # people write freely
        told["note"] = HIDDEN
    shown = msgspec.structs.replace(change, values=values, evidence=evidence, **told)
    return msgspec.structs.replace(shown, position=None, motion=None, cameras=[], handover=[]) if private else shown


def names_in(change: AlertChange, private: bool, devices: Collection[str]) -> list[str | float]:
    """The texts and figures in it that say who somebody is, or where."""
    names = [part for name, value in change.values.items() if _hides(name, value, private) for part in parts(value)]
    for item in change.evidence:
        _shown(item, devices, private, names)
    return names


def _hides(name: str, value: Any, private: bool, rid: _Rid | None = None) -> bool:
    """Whether a value of a warning is personal. A rule may give it any name (`let`), so of a person's subject every text is that is
    no word of the vocabulary, and every figure that stands under a personal name too."""
    if hidden(name, private):
        return True
    if not private or name in vocabulary():
        return False
    found = parts(value)
    return any(isinstance(part, str) or (rid is not None and part in rid.figures) for part in found)


def without_echo(answer: str, sent: AlertChange | Sequence[Reading]) -> str:
    """What a destination answered, without whom and where it was told of: many repeat in their complaint what they were sent, and it
    stands in health, the journal and among attempts, which are shown to people who may not see that."""
    named: list[str | float] = []
    if isinstance(sent, AlertChange):
        about = devices_named(sent.evidence, lambda name: True)
        named = [*names_in(sent, True, about), *parts(sent.note), *_figures(sent.position)]
    else:
        for reading in sent:
            told = [part for name, value in reading.values.items() if hidden(name, True) for part in parts(value)]
            named += [*told, *_figures(reading.position)]
    return _Rid(named)(answer) if named else answer


def _figures(position: Position | None) -> list[str | float]:
    return [] if position is None else [position.lon, position.lat]


def devices_named(value: Any, is_device: Callable[[str], bool]) -> set[str]:
    """The devices that a value names, at any depth."""
    if isinstance(value, str):
        return {value} if is_device(value) else set()
    if isinstance(value, Mapping):
        return {name for item in (*value, *value.values()) for name in devices_named(item, is_device)}
    return {name for item in value for name in devices_named(item, is_device)} if isinstance(value, list) else set()


_TEXTS = ("title", "title_now", "reason", "title_zh", "title_now_zh", "reason_zh", "note")


def masked_fault(fault: Fault, private: bool) -> Fault:
    """Without the bytes as they came, which may speak of anybody, and, of a person's device or one that is not known, without the words about them."""
    return msgspec.structs.replace(fault, raw=b"", reading=None, rest=None, detail=UNTOLD if private else fault.detail)


def _shown(value: Any, devices: Collection[str], private: bool, names: list[str | float]) -> Any:
    """The value without personal parts; None for an object that is nothing else. What it named is added to `names`."""
    if isinstance(value, list):
        return [kept for item in value if (kept := _shown(item, devices, private, names)) is not None]
    if not isinstance(value, Mapping):
        return value
    about = [value[key] for key in _NAMING if isinstance(value.get(key), str)]
    private = private if not about else any(name in devices for name in about)
    if isinstance(metric := value.get("metric"), str) and hidden(metric, private):
        names.extend(parts(value.get("value")))
        for sample in value.get("newest", ()):
            names.extend(parts(sample[-1]) if isinstance(sample, list) and sample else ())
        return None
    kept = {}
    for key, item in value.items():
        if hidden(key, private) or (private and key in _PLACES):
            names.extend(parts(item))
        elif (shown := _shown(item, devices, private, names)) is not None or item is None:
            kept[key] = shown
    return kept


def _metrics(value: Any) -> Iterable[str]:
    """Metrics that evidence names, at any depth."""
    if isinstance(value, list):
        for item in value:
            yield from _metrics(item)
    elif isinstance(value, Mapping):
        if isinstance(value.get("metric"), str):
            yield value["metric"]
        for item in value.values():
            yield from _metrics(item)


def parts(value: Any) -> list[str | float]:
    """The texts and figures of a value."""
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        return [value]
    return [part for item in value for part in parts(item)] if isinstance(value, list) else []


class _Rid:
    """Takes names and figures out of texts, at any depth of a value."""

    def __init__(self, names: Iterable[str | float]) -> None:
        found = set(names)
        self._words = sorted((name for name in found if isinstance(name, str) and name.strip()), key=len, reverse=True)
        self.figures = frozenset(float(name) for name in found if not isinstance(name, str))

    def __call__(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, list):
            return [self(item) for item in value]
        if isinstance(value, dict):
            return {key: self(item) for key, item in value.items()}
        return value

    def _text(self, text: str) -> str:
        for word in self._words:
            # A short code stands for somebody where it stands alone; as a part of a figure it is none.
            alone = len(word) < SHORT and word.isascii()
            text = re.sub(rf"(?<!\w){re.escape(word)}(?!\w)", HIDDEN, text) if alone else text.replace(word, HIDDEN)
        return re.sub(r"(?<![\w.:-])-?\d+(?:\.\d+)?(?![\w:-])", self._figure, text) if self.figures else text

    def _figure(self, found: re.Match[str]) -> str:
        """The figure, unless it is one of those, as it stands or rounded."""
        text = found[0]
        decimals = len(text.partition(".")[2])
        said = float(text)
        return (
            HIDDEN
            if any(said in (round(figure, decimals), float(f"{figure:.6g}")) for figure in self.figures)
            else text
        )
