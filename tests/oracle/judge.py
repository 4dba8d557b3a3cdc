"""The verdict: what the files of a stopped hub, its books and its destination hold, against what it owes.

The log is read by code of its own (the format stands in `hub/log/segment.py`), so that a mistake of the hub's reader cannot
hide. What the log implies is asked of a fresh engine that is fed the log from its first entry to its last.
"""

from __future__ import annotations

import struct
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import msgspec

from hub.app.city import load_city
from hub.app.plugins import Plugins
from hub.app.telemetry import noted_by_the_hub
from hub.model import AlertChange, Event, Fault, Reading
from rules.engine import Engine
from tests.oracle.devices import Account

_FRAME = struct.Struct("<4sII")
_KEY = struct.Struct("<QIq")
SHOWN = 3


def entries(folder: Path, kind: Any, wrong: list[str]) -> list[Any]:
    """All entries of one stream in order; whatever is not as it should be goes to `wrong`."""
    decoder = msgspec.msgpack.Decoder(list[kind])
    found: list[Any] = []
    expected = 0
    for path in sorted(folder.glob("*.log")):
        for first, count, payload in _frames(path, wrong):
            if first != expected:
                wrong.append(f"{folder.name}: entry {expected} is followed by {first}")
            batch = decoder.decode(payload)
            if len(batch) != count:
                wrong.append(f"{path.name}: a frame says {count} entries and holds {len(batch)}")
            found += batch
            expected = first + count
    return found


def _frames(path: Path, wrong: list[str]) -> Iterator[tuple[int, int, bytes]]:
    data = path.read_bytes()
    if data[:8] != b"CITYLOG1" or int.from_bytes(data[8:16], "little") != int(path.stem):
        wrong.append(f"{path.parent.name}/{path.name}: it does not begin as a segment")
    at = 16
    while at < len(data):
        if at + _FRAME.size + _KEY.size > len(data):
            return  # a write that was cut short, of which nobody was told
        magic, size, crc = _FRAME.unpack_from(data, at)
        body = data[at + _FRAME.size : at + _FRAME.size + _KEY.size + size]
        if magic != b"CHub" or len(body) < _KEY.size + size or zlib.crc32(body) != crc:
            return
        first, count, _ = _KEY.unpack_from(body)
        yield first, count, body[_KEY.size :]
        at += _FRAME.size + len(body)


class History(NamedTuple):
    """What a store holds: device, time, metric and value of each row, and the ids of the changes of warnings."""

    rows: list[tuple[str, int, str, Any]]
    changes: list[str]
    keyed: bool = False
    """Whether the store itself keeps one row of a device, metric and time, so that a value the hub doubts after all is no second row."""


def judged(
    city: Path,
    account: Account,
    heard: Sequence[Mapping[str, Any]],
    status: Mapping[str, Any],
    ready: Mapping[str, Any],
    stored: History | None = None,
) -> list[str]:
    """Everything that is wrong, a sentence each; nothing where all was kept. The hub is stopped; `status` and `ready` are what
    its API said last, `heard` what its destination took, in order, `stored` what its store holds (None: DuckDB is asked)."""
    wrong: list[str] = []
    var = city / "var"
    events = entries(var / "log" / "events", Event, wrong)
    alerts = entries(var / "log" / "alerts", AlertChange, wrong)
    readings = [event for event in events if type(event) is Reading]
    derived = entries(var / "log" / "derived", Reading, wrong)
    kept_out = entries(var / "log" / "quarantine", Fault, wrong) if account.may_refuse else []
    _log(account, readings, kept_out, wrong)
    _store(stored or of_duckdb(var / "history.duckdb"), [*readings, *derived], alerts, wrong)
    implied(city, events, alerts, derived, wrong)
    deliveries(alerts, heard, wrong)
    _books(readings, status, wrong)
    ill = [part for part in ready["parts"] if part["state"] != "up"]
    wrong += [f"{part['part']} is {part['state']}: {part['reason']}" for part in ill]
    return wrong


def _log(account: Account, readings: Sequence[Reading], kept_out: Sequence[Fault], wrong: list[str]) -> None:
    """`kept_out`: where readings may rightly be refused. MQTT acknowledges also what quarantine has, so that it is not sent for ever."""
    logged = Counter((reading.device, reading.observed_at) for reading in readings)
    refused = {
        (reading.device, reading.observed_at)
        for fault in kept_out
        for reading in (fault.reading, *(fault.rest or ()))
        if reading is not None
    }
    missing = [key for key in account.owed if key not in logged and key not in refused]
    _say(wrong, "acknowledged and not in the log", missing)
    _say(wrong, "in the log more than once", [key for key, count in logged.items() if count > 1])
    _say(wrong, "in the log and never sent", [key for key in logged if key not in account.sent])
    changed = [
        (reading.device, reading.observed_at)
        for reading in readings
        if account.sent.get((reading.device, reading.observed_at or 0)) not in (None, reading.values)
    ]
    _say(wrong, "in the log with other values than were sent", changed)


def of_duckdb(path: Path) -> History:
    with duckdb.connect(str(path), read_only=True) as database:
        rows = database.execute("select device, epoch_ns(time), metric, value, text from readings").fetchall()
        changes = [row[0] for row in database.execute("select id from alert_changes").fetchall()]
    return History([(*row[:3], row[3] if row[4] is None else row[4]) for row in rows], changes)


def _store(stored: History, readings: Sequence[Reading], alerts: Sequence[AlertChange], wrong: list[str]) -> None:
    rows, changes = Counter(stored.rows), Counter(stored.changes)
    logged = Counter(
        (reading.device, reading.observed_at, metric, value)
        for reading in readings
        for metric, value in reading.values.items()
    )
    if stored.keyed:
        logged = Counter(logged.keys())
    _say(wrong, "in the log and not in the store", list(logged - rows))
    _say(wrong, "in the store and not in the log, or more often", list(rows - logged))
    kept = Counter(change.id for change in alerts)
    _say(
        wrong,
        "warnings in the log and not in the store, or otherwise",
        list((kept - changes) + (changes - kept)),
    )


def implied(
    city: Path, events: Sequence[Event], alerts: Sequence[AlertChange], derived: Sequence[Reading], wrong: list[str]
) -> None:
    """What the rules told and derived is what the log implies, once, in its order."""
    loaded, mistakes = load_city(city, Plugins())
    assert loaded is not None, mistakes
    engine = Engine(loaded.book, loaded.registry.devices.values(), loaded.registry.zones.values())
    outcome = engine.feed(events)
    for what, implied, told in (
        ("warnings", [_said(change) for change in outcome.changes], [_said(change) for change in alerts]),
        (
            "derived readings",
            [_read(one) for one in outcome.derived],
            [_read(one) for one in derived if not noted_by_the_hub(one)],
        ),
    ):
        once, kept = Counter(implied), Counter(told)
        _say(wrong, f"{what} that the log implies and nobody told", list(once - kept))
        _say(wrong, f"{what} told that the log does not imply, or more often", list(kept - once))
        if once == kept and implied != told:
            wrong.append(f"the {what} were told in another order than the log implies")


def _said(change: AlertChange) -> str:
    shown = (str(change.change), change.level, change.at, change.title, change.values, change.late)
    return f"{change.id} {shown}"


def _read(reading: Reading) -> str:
    return f"{reading.device} {reading.observed_at} {reading.values} {reading.marks}"


def deliveries(alerts: Sequence[AlertChange], heard: Sequence[Mapping[str, Any]], wrong: list[str]) -> None:
    told, taken = [change.id for change in alerts], [body["id"] for body in heard]
    _say(wrong, "warnings that were not delivered", [key for key in told if key not in set(taken)])
    _say(wrong, "deliveries of warnings that the log does not have", [key for key in taken if key not in set(told)])
    if told != taken and sorted(told) == sorted(taken):
        wrong.append("warnings were delivered in another order than they were told")


def _books(readings: Sequence[Reading], status: Mapping[str, Any], wrong: list[str]) -> None:
    if not status["balances"]:
        wrong.append("the books do not balance")
    logged = Counter(reading.adapter for reading in readings)
    for adapter in status["adapters"]:
        name = adapter["name"]
        if adapter["logged"] != logged[name]:
            wrong.append(f"the books say {adapter['logged']} logged of {name}, the log has {logged[name]}")
        answered = adapter["stored"] + adapter["store_refused"] + adapter["replaced"] + adapter["waiting"]
        if answered != adapter["logged"]:
            wrong.append(
                f"{name}: {adapter['logged']} logged, but stored, refused, replaced and waiting are {answered}"
            )


def _say(wrong: list[str], what: str, found: Sequence[Any]) -> None:
    if found:
        wrong.append(f"{len(found)} {what}, such as {', '.join(map(str, found[:SHOWN]))}")
