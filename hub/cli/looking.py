"""Commands that look at a city: devices, alerts, quarantine, delivery."""

from __future__ import annotations

import argparse
import getpass
import sys
from itertools import islice
from pathlib import Path
from typing import Any

from hub.alerts import CLOSED_MAX, Alerts
from hub.api import views
from hub.cli.client import Way, batches, entries, open_log, takes_hub, way_to
from hub.cli.output import Problem, command, cut, json_line, listing, note, table
from hub.cli.times import Wall, wall
from hub.clock import now
from hub.delivery import JOURNAL, Journal
from hub.live import Live
from hub.model import AlertChange, Change
from hub.moment import from_text, to_text
from hub.options import Config
from hub.ports import LogPosition, behind
from hub.registry import load_registry
from rules.figures.alarm_load import Load, alarm_load

LISTED = 100
NOTHING_OPEN = ("no warning is open", "no warning was open; nobody can say what is now")
"""The second where the hub does not run, or is not well."""
"""Entries of quarantine that a table shows unless told otherwise."""


def add(commands: Any) -> None:
    parser = command(commands, "devices", devices, "registry and live state; who knocked and was not known", lists=True)
    takes_hub(parser)
    parser.add_argument("--unknown", action="store_true", help="devices that reported and are not in the registry")
    parser = command(commands, "alerts", alerts, "warnings and their history", lists=True)
    takes_hub(parser)
    parser.add_argument("--all", action="store_true", help="closed ones too")
    parser.add_argument(
        "--load", action="store_true", help="what the warnings ask of their watchers (ISA-18.2, EEMUA 191)"
    )
    parser = command(commands, "quarantine", quarantine, "input that could not be used", lists=True)
    takes_hub(parser)
    parser.add_argument("action", choices=("list", "show", "export", "retry"))
    parser.add_argument("offset", nargs="?", type=int, help="entry to show or retry; all are retried without it")
    parser.add_argument(
        "--limit", type=_count, metavar="N", help="list: the newest so many (100); export: all without it"
    )
    parser.add_argument("-o", dest="output", metavar="FILE")
    parser = command(commands, "delivery", delivery, "what destinations have not taken", lists=True)
    takes_hub(parser)
    parser.add_argument("action", choices=("list", "retry", "drop", "test"))
    parser.add_argument(
        "numbers", nargs="*", default=[], help="dead letters to retry or drop, all without any; test: the destination"
    )


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: a number from 1 on was meant")
    return int(text)


# ------------------------------------------------------------------------------------------------- devices


def devices(options: argparse.Namespace) -> int:
    way = way_to(options)
    if options.unknown:
        return _unknown(options, way)
    answer = way.ask("/api/v1/devices")
    for doubt in way.doubts():
        note(doubt)
    known = way.city["devices"] if way.far else _registered(way.config)
    found = answer["devices"] if answer is not None else _heard(way.config)
    heard = {item["device"] for item in found}
    found += [{**item, "registered": True, "values": {}} for item in known if item["device"] not in heard]
    at = wall(options, way.zone)
    listing(
        found,
        ("device", "kind", "name", "last observed", "readings", "late by s", "values"),
        lambda item: (
            item["device"],
            item["kind"],
            item.get("name", ""),
            at(item.get("observed_at", "never")),
            item.get("readings", 0),
            f"{item.get('skew_s', 0):g}",
            _values(item["values"], whole=options.csv),
        ),
        "no devices: none registered, none heard",
        options,
    )
    return 0


def _registered(config: Config) -> list[dict[str, Any]]:
    """The devices of the city folder's registry, as a hub says them."""
    return [views.in_registry(item) for item in load_registry(config.folder)[0].devices.values()]


def _heard(config: Config) -> list[dict[str, Any]]:
    """Of a hub that does not run: the devices that its log has heard."""
    live, known = Live(), load_registry(config.folder)[0].devices
    if (config.data / "log").is_dir():
        with open_log(config) as log:
            for batch in batches(log, "events"):
                live.feed(batch)
            for batch in batches(log, "derived"):
                live.feed_found(batch)
    return [views.device(state, known.get(state.device)) for state in live.devices.values()]


def _values(values: dict[str, Any], whole: bool) -> str:
    """All of them where `whole`, else the first four, each with the mark that is held against it."""
    shown = [
        f"{metric} {value['value']}{f' ({mark})' if (mark := value.get('mark')) else ''}"
        for metric, value in values.items()
    ]
    return ", ".join(shown) if whole or len(shown) <= 4 else f"{', '.join(shown[:4])} …"


def _unknown(options: argparse.Namespace, way: Way) -> int:
    answer = way.ask("/api/v1/unknown")
    if answer is not None:
        found = answer["devices"]
    else:
        counted: dict[str, dict[str, Any]] = {}
        with open_log(way.config) as log:
            for _, fault in entries(log, "quarantine"):
                if fault.kind == "unknown-device" and fault.device:
                    at = to_text(fault.received_at)
                    item = counted.setdefault(
                        fault.device,
                        {"device": fault.device, "adapter": fault.adapter, "kind": "", "count": 0, "first_at": at},
                    )
                    item["count"] += 1
                    item["last_at"] = at
        found = list(counted.values())
    shown = wall(options, way.zone)
    listing(
        found,
        ("device", "adapter", "times", "first", "last"),
        lambda item: (item["device"], item["adapter"], item["count"], shown(item["first_at"]), shown(item["last_at"])),
        "nobody unknown has knocked",
        options,
    )
    return 0


# ------------------------------------------------------------------------------------------------- alerts


def alerts(options: argparse.Namespace) -> int:
    way = way_to(options)
    at = wall(options, way.zone)
    answer = way.ask("/api/v1/alerts", params={"closed": CLOSED_MAX if options.load or options.all else 0})
    doubts = way.doubts()
    for doubt in doubts:
        note(doubt)
    until = now() if answer is not None else None
    if answer is None:
        folded = Alerts()
        with open_log(way.config) as log:
            for _, change in entries(log, "alerts"):
                folded.feed([change])
        answer = {
            "open": [views.alert(item) for item in folded.newest_first()],
            "closed": [views.alert(item) for item in folded.closed.values()],
        }
    if options.load:
        return _load(
            [change for item in (*answer["open"], *answer["closed"]) for change in item["changes"]],
            until,
            options,
            at,
        )
    chosen = [*answer["open"], *(answer["closed"] if options.all else ())]
    if options.json:
        changes = [change for item in chosen for change in item["changes"]]
        for change in sorted(changes, key=lambda change: (from_text(change["at"]), change["alert"], change["ordinal"])):
            json_line(change)
        return 0
    rows = [
        (
            item["level"],
            "open" if item["open"] else "closed",
            item["rule"],
            item["subject"],
            item["title"],
            at(item["raised_at"]),
            item["acknowledged_by"] or "",
            ", ".join(view["camera"] for view in item["cameras"] if view["sees"]),
        )
        for item in chosen
    ]
    table(
        ("level", "state", "rule", "subject", "what", "raised", "acknowledged by", "cameras that see it"),
        rows,
        NOTHING_OPEN[bool(doubts)] if not options.all else "no warning was ever raised",
        options,
    )
    if options.all and len(answer["closed"]) >= CLOSED_MAX:
        cut(
            len(chosen),
            None,
            "a hub remembers so many closed ones; the store has the older (`/api/v1/series`, Grafana)",
        )
    return 0


def _load(changes: list[dict[str, Any]], until: int | None, options: argparse.Namespace, at: Wall) -> int:
    """Show the alarm load of the warnings that the hub still knows, up to `until` (without it, to the last of them)."""
    load = alarm_load(
        (
            AlertChange(
                c["alert"], c["ordinal"], from_text(c["at"]), c["rule"], c["subject"], Change(c["change"]), c["level"]
            )
            for c in changes
        ),
        until=until,
    )
    if options.json:
        json_line(_load_json(load))
        return 0
    if not load.alarms and not options.csv:
        print("no warning was ever raised")
        return 0
    rows = [
        ("warnings raised", f"{load.alarms}", f"{at(load.since)} to {at(load.until)}" if load.alarms else ""),
        ("per 10 min, mean", f"{load.per_10_min:.2f}", "one can be watched, two managed"),
        ("per 10 min, most", f"{load.peak_10_min}", "ten at most"),
        ("time in floods", f"{load.flood_share:.1%}", f"{len(load.floods)} floods; below 1 %"),
        ("the ten most frequent", f"{load.top_share:.1%}", "of all; below 5 %"),
        ("chattering", f"{len(load.chattering)}", "three times in a minute; none"),
        ("open for more than 24 h", f"{len(load.stale)}", "below five"),
    ]
    table(("figure", "value", "should be"), rows, "", options)
    if not options.csv:
        table(("rule", "subject", "raised"), [(rule, subject, f"{n}") for rule, subject, n in load.top], "")
    return 0


def _load_json(load: Load) -> dict[str, Any]:
    """The figures by their names in `rules.figures.alarm_load`, times as text."""

    def often(found: tuple[tuple[str, str, int], ...]) -> list[dict[str, Any]]:
        return [{"rule": rule, "subject": subject, "raised": raised} for rule, subject, raised in found]

    return load._asdict() | {
        "since": to_text(load.since),
        "until": to_text(load.until),
        "floods": [
            {"since": to_text(flood.since), "until": to_text(flood.until), "alarms": flood.alarms}
            for flood in load.floods
        ],
        "top": often(load.top),
        "chattering": often(load.chattering),
    }


# ------------------------------------------------------------------------------------------------- quarantine


def quarantine(options: argparse.Namespace) -> int:
    way = way_to(options)
    if options.action == "retry":
        return _retry(options, way)
    found, total = _quarantined(options, way)
    if options.action == "show" and not found:
        raise Problem(
            f"no entry {options.offset} in quarantine" if options.offset is not None else "quarantine is empty"
        )
    if options.action == "export":  # each message once, with the first of its faults
        lines = [
            f"{item['at']}\t{item['raw_text'] if item['raw_text'] is not None else item['raw_hex']}\n"
            for item in found
            if item["raw_hex"] or item["raw_entry"] == item["offset"]
        ]
        if options.output:
            Path(options.output).write_text("".join(lines), "utf-8")
        else:
            sys.stdout.writelines(lines)
        return 0
    if options.action == "show":
        for item in found:
            json_line(item)
        return 0
    at = wall(options, way.zone)
    listing(
        found,
        ("entry", "received", "adapter", "device", "kind", "what is wrong"),
        lambda item: (
            item["offset"],
            at(item["at"]),
            item["adapter"],
            item["device"] or "",
            item["kind"],
            item["detail"],
        ),
        "quarantine is empty",
        options,
    )
    if len(found) < total and not options.json:
        cut(len(found), total, "--limit N shows more, `export` gives all")
    return 0


def _quarantined(options: argparse.Namespace, way: Way) -> tuple[list[dict[str, Any]], int]:
    """Entries, oldest first, as many as were asked for, and how many there are."""
    if options.action == "show" and options.offset is not None:
        return _one_quarantined(options.offset, way), 1
    limit = options.limit or (None if options.action != "list" or options.json or options.csv else LISTED)
    params: dict[str, Any] = {"limit": 200 if limit is None else min(limit, 200)}
    answer = way.list("/api/v1/quarantine", "entries", limit, params=params)
    if answer is not None:
        found = answer[0][::-1]
        status = way.ask("/api/v1/status") or {}
        stream = status.get("log", {}).get("quarantine", {"entries": len(found)})
        total = stream["entries"]
    else:
        with open_log(way.config) as log:
            stream = log.quarantine
            total = stream.lag(stream.first)
            start = stream.before(stream.next, limit or total)
            found = [views.quarantined(stream, place, fault) for place, fault in entries(log, "quarantine", start)]
    if options.action == "show":
        by_offset = {item["offset"]: item for item in found}
        for item in found:
            _give_raw(item, by_offset.get(item["raw_entry"], item))
    return found, total


def _one_quarantined(offset: int, way: Way) -> list[dict[str, Any]]:
    """The entry, with its message's bytes, which may stand with another of the message's faults; nothing where there is none."""
    item = _entry(offset, way)
    if item is None:
        return []
    if item["raw_entry"] != offset:
        _give_raw(item, _entry(item["raw_entry"], way) or item)
    return [item]


def _entry(offset: int, way: Way) -> dict[str, Any] | None:
    answer = way.ask("/api/v1/quarantine", params={"limit": 1, "before": behind(LogPosition(offset))})
    if answer is not None:
        found = answer["entries"]
    else:
        with open_log(way.config) as log:
            stream = log.quarantine
            here = islice(entries(log, "quarantine", max(stream.first, LogPosition(offset))), 1)
            found = [views.quarantined(stream, place, fault) for place, fault in here]
    return next((item for item in found if item["offset"] == offset), None)


def _give_raw(item: dict[str, Any], holder: dict[str, Any]) -> None:
    item |= {"raw_hex": holder["raw_hex"], "raw_text": holder["raw_text"]}


def _retry(options: argparse.Namespace, way: Way) -> int:
    """Offer quarantined readings again: after the registry or the vocabulary learned what was missing."""
    body = {"offset": options.offset}
    answer = way.need("/api/v1/quarantine/retry", "`cityhub run` it first, then retry", "POST", json=body)
    if options.json:
        json_line(answer)
    else:
        print(
            f"{answer['offered']} readings offered again: {answer['stored']} stored, {answer['refused']} still refused"
            + (f", {answer['waiting']} in the log, the store has not answered yet" if answer["waiting"] else "")
        )
    return 0


# ------------------------------------------------------------------------------------------------- delivery


def _exercise(options: argparse.Namespace, way: Way) -> int:
    """Exit 0 where the destination took it, 1 where it did not."""
    if len(options.numbers) != 1:
        raise Problem("delivery test needs the name of one destination, as hub.toml has it", 2)
    body = {"name": options.numbers[0], "who": getpass.getuser()}
    why = "a test goes the way that warnings go, so it needs one"
    answer = way.need("/api/v1/delivery/test", why, "POST", json=body)
    if options.json:
        json_line(answer)
    else:
        said = f": {answer['detail']}" if answer["detail"] else ""
        print(
            f"{answer['destination']} {'took the exercise' if answer['taken'] else 'did not take the exercise'}{said}"
        )
    return 0 if answer["taken"] else 1


def delivery(options: argparse.Namespace) -> int:
    way = way_to(options)
    if options.action == "test":
        return _exercise(options, way)
    try:
        numbers = [int(number) for number in options.numbers] or None
    except ValueError:
        raise Problem(
            f"{' '.join(options.numbers)}: numbers of dead letters were meant, as list shows them", 2
        ) from None
    if options.action != "list":
        answer = way.ask(f"/api/v1/delivery/{options.action}", "POST", json={"numbers": numbers})
        if answer is None:
            journal = _journal(way.config)
            done = journal.drop(numbers) if options.action == "drop" else journal.want(numbers)
            journal.close()
            answer = {"dropped": done} if options.action == "drop" else {"offered at the next start": done}
        json_line(answer) if options.json else print(", ".join(f"{count} {what}" for what, count in answer.items()))
        return 0
    answer = way.ask("/api/v1/delivery")
    doubts = way.doubts()
    for doubt in doubts:
        note(doubt)
    if answer is None:
        journal = _journal(way.config)
        answer = views.delivery({}, journal)
        journal.close()
    if options.json:
        json_line(answer)
        return 0
    at = wall(options, way.zone)
    idle = all(item["state"] == "idle" and not item["behind"] and not item["detail"] for item in answer["destinations"])
    if answer["destinations"] and not options.csv:
        table(
            ("destination", "state", "taken", "refused", "behind", ""),
            [
                (item["name"], item["state"], item["taken"], item["refused"], item["behind"], item["detail"])
                for item in answer["destinations"]
            ],
            "",
        )
    table(
        ("letter", "destination", "since", "attempts", "change", "why it was refused"),
        [
            (
                item["number"],
                item["destination"],
                at(item["at"]),
                item["attempts"],
                item["change"]["id"],
                item["reason"],
            )
            for item in answer["dead_letters"]
        ],
        ("no dead letters" if doubts or not idle else "no dead letters: every destination has taken what it was given")
        if answer.get("here", True)
        else "this machine does not deliver; ask the one that does (`cityhub health` names it)",
        options,
    )
    return 0


def _journal(config: Config) -> Journal:
    if not (config.data / JOURNAL).exists():
        raise Problem(f"{config.data} holds no record of deliveries: this hub has never run")
    return Journal(config.data / JOURNAL)
