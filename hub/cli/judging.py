"""Commands that judge: `backtest` and `rules`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from hub.app.city import City
from hub.app.rules_snapshot import SNAPSHOT, saved_health
from hub.backtest.evaluation import EventResult, Marked, Summary
from hub.backtest.events import Event, read_events
from hub.backtest.judgement import judge, observed_for
from hub.backtest.observed import Observed
from hub.backtest.recorded import Recording, open_recording
from hub.backtest.report import Findings
from hub.backtest.report import report as write_report
from hub.backtest.run import Backtest, Tally, level_counts
from hub.cli.cities import clean_city
from hub.cli.client import Way, config_of, near, takes_hub, told_by_hub, way_to
from hub.cli.noting import written
from hub.cli.output import Problem, command, folder, json_line, note, table
from hub.cli.progress import progress
from hub.cli.times import Wall, wall
from hub.model import AlertChange
from hub.moment import from_text
from hub.recording import Recorded, RecordingError
from hub.wire import change_line
from rules.book import RuleBook, known_packs, pack_origin, shipped_packs
from rules.book import load as load_rules
from rules.explain import explain
from rules.explain import summary as summary_of
from rules.testing import run_pack, run_path
from rules.unread import Told, never, unread


def add(commands: Any) -> None:
    parser = command(commands, "backtest", backtest, "run the city's rules over recorded readings, touching nothing")
    parser.add_argument("dir", type=folder)
    parser.add_argument(
        "--readings",
        nargs="+",
        type=Path,
        required=True,
        metavar="FILE",
        help="CSV (also .gz), or raw frames with --protocol",
    )
    add_layout(parser)
    parser.add_argument(
        "--events",
        type=Path,
        metavar="FILE",
        help="CSV event,kind,device,start,peak,end[,warn_by][,share]: judge the warnings by it",
    )
    parser.add_argument(
        "--baseline",
        action="store_true",
        help="set the rules beside a plain threshold at the official limits, also without --events",
    )
    parser.add_argument(
        "--ignore-marks", action="store_true", help="judge by the data alone, not by what people marked as false alarms"
    )
    parser.add_argument("--report", type=Path, metavar="OUT.html", help="write a report with pictures, in one file")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    parser = commands.add_parser(
        "rules", help="test, list and explain rules", description="Test, list and explain rules."
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    action = command(actions, "test", rules_test, "run the tests that stand beside rules")
    action.add_argument(
        "paths",
        nargs="*",
        type=Path,
        metavar="PATH",
        help="city folders, rule folders or test files; without any, every pack",
    )
    action = command(actions, "list", rules_list, "every rule, its levels, its standard and how it is", lists=True)
    takes_hub(action, nargs="?", metavar="DIR", help="the same as --city DIR")
    action.add_argument("--city", type=folder, metavar="DIR", help="the rules of this city (without it: every pack)")
    action = command(
        actions, "explain", rules_explain, "what a rule watches, what raises and clears it, where its figures come from"
    )
    action.add_argument("rule", help="pack/rule, such as flood/river-stage")
    action.add_argument("--city", type=folder, metavar="DIR", help="a city whose own rules are meant too")


def add_layout(parser: argparse.ArgumentParser) -> None:
    """How the files read: --protocol for raw frames, --map for foreign CSV layouts."""
    parser.add_argument("--protocol", help="the files hold raw frames of this protocol, one a line")
    parser.add_argument(
        "--map",
        type=Path,
        metavar="FILE",
        help="TOML file that says how a foreign CSV layout reads (or the protocol's own map)",
    )
    parser.add_argument(
        "--received", metavar="TIME", help="receive time of raw frames that carry none and have none before them"
    )


def recordings(files: list[Path], options: argparse.Namespace) -> Recording:
    """The recording that the command line names. Raises `Problem`."""
    try:
        received = from_text(options.received) if options.received else None
        recording = open_recording(files, options.protocol, options.map, received)
    except ValueError as error:
        raise Problem(str(error), 2) from None
    return recording._replace(messages=_readable(recording.messages))


def _readable(recorded: Iterator[Recorded]) -> Iterator[Recorded]:
    try:
        yield from recorded
    except RecordingError as error:
        raise Problem(str(error), 2) from None


def backtest(options: argparse.Namespace) -> int:
    city = clean_city(options.dir)
    events = _events(options.events) if options.events else []
    judging = bool(options.events or options.report or options.baseline)
    recording = recordings(options.readings, options)
    observed = observed_for(city.book) if judging else None
    run = Backtest(city, recording.messages, recording.kind, recording.rows, observed)
    changes: list[AlertChange] = []
    at = wall(options, city.config.zone)
    for change in _with_progress(run, options.quiet):
        if observed is not None:
            changes.append(change)
        if options.json:
            sys.stdout.write(change_line(change).decode() + "\n")
        else:
            print(_line(change, at))
    judged: Summary | None = None
    if observed is not None:

        def again(without: Collection[tuple[str, str, int]]) -> list[AlertChange]:
            once_more = recordings(options.readings, options)
            return list(Backtest(city, once_more.messages, once_more.kind, once_more.rows, without=without).changes())

        marked = [] if options.ignore_marks else marks(city)
        judged = judge(city, changes, events, observed, again, marked)
        if options.report:
            _write(options.report, city, run.tally, changes, observed, judged, events)
    note(summary(run.tally, at))
    for text in unheard(city, run.tally.told):
        note(text)
    if judged is not None and (options.events or options.baseline):
        if options.json:
            json_line({"summary": judged})
        else:
            print(figures(judged))
    return 0


def marks(city: City) -> list[Marked]:
    """The warnings of this city that people marked as false alarms."""
    return [
        Marked(
            told["rule"],
            told["subject"],
            from_text(told["raised_at"]),
            f"{told['who']} marked it as a false alarm" + (f": {told['note']}" if told["note"] else ""),
        )
        for told in written(near(city.config), standing=True)
    ]


def unheard(city: City, told: Told) -> list[str]:
    """What devices tell and no rule reads, and rules that can never warn of them."""
    devices = city.registry.devices.values()
    return [*map(str, unread(city.book, told)), *never(city.book, told, devices)]


def _events(path: Path) -> list[Event]:
    try:
        return read_events(path.read_text("utf-8-sig"))
    except (OSError, ValueError) as error:
        raise Problem(f"{path}: {error}", 2) from None


def _write(
    path: Path,
    city: City,
    tally: Tally,
    changes: list[AlertChange],
    observed: Observed,
    judged: Summary,
    events: list[Event],
) -> None:
    page = write_report(
        Findings(
            city.config.hub.name, city.config.zone, city.registry, city.book, tally, changes, observed, judged, events
        )
    )
    try:
        path.write_text(page, "utf-8")
    except OSError as error:
        raise Problem(f"{path} cannot be written: {error.strerror}") from None
    note(f"report: {path}")


def _with_progress(run: Backtest, quiet: bool) -> Iterator[AlertChange]:
    with progress("readings", quiet) as told:
        for change in run.changes():
            told(run.tally.readings, None)
            yield change


def _line(change: AlertChange, at: Wall) -> str:
    seen = ", ".join(view.camera for view in change.cameras if view.sees)
    return f"{at(change.at)}  {change.change:<10} {change.level:<7} {change.rule}  {change.subject}  {change.title}" + (
        f"  [{seen}]" if seen else ""
    )


def summary(tally: Tally, at: Wall) -> str:
    """A recording's fate in a few lines."""
    lines = []
    if tally.rows.rows:
        lines.append(
            f"{tally.rows.rows:,} rows: {tally.rows.empty:,} without a value, {tally.rows.left_out:,} left out by the map"
        )
    lines += [
        f"{tally.readings:,} readings of {tally.devices} devices"
        + (
            f", {at(tally.first_at)} to {at(tally.last_at)}"
            if tally.first_at is not None and tally.last_at is not None
            else ""
        ),
        f"{tally.used:,} used, {tally.duplicates:,} duplicates, {tally.quarantined:,} quarantined",
    ]
    lines += [
        f"  {kind}: {count} times, such as: {tally.examples.get(kind, '')}"
        for kind, count in sorted(tally.faults.items())
    ]
    lines.append(
        f"warnings raised: {level_counts(tally.levels)}; changes: "
        + (", ".join(f"{count} {change}" for change, count in tally.changes.items()) or "none")
    )
    lines.append(f"{tally.wall_s:.1f} s, {tally.readings / max(tally.wall_s, 1e-9):,.0f} readings/s")
    return "\n".join(lines)


def figures(judged: Summary) -> str:
    """The evaluation for people: the rules, and beside them the plain threshold."""
    plain = judged.baseline
    lines = [_in_figures("rules", judged), *([_in_figures("plain threshold", plain)] if plain else [])]
    lines.append(f"{_plain(judged.alerts_per_device_week)} warnings a device-week")
    others = {found.event: found for found in plain.events} if plain else {}
    for found in judged.events:
        other = f"; plain threshold: {_told(others[found.event])}" if found.event in others else ""
        lines.append(f"  {found.event}: {_told(found)}{other}")
    lines += [
        f"  false: {found.at} {found.level} {found.rule} {found.subject}: {found.why}" for found in judged.false_raises
    ]
    return "\n".join(lines)


def _in_figures(who: str, judged: Summary) -> str:
    outside = judged.outside
    return (
        f"{who}: {judged.hits} of {len(judged.events)} events hit, {judged.false} of {judged.raises} orange and red raises false{_by_people(judged)}: "
        f"POD {_plain(judged.pod)}, FAR {_plain(judged.far)}, CSI {_plain(judged.csi)}; "
        f"median lead to the peak {_plain(judged.median_lead_min)} min; outside events {outside.orange} orange and {outside.red} red "
        f"in {outside.site_months:g} site-months, borne out {_plain(outside.borne_out)}"
    )


def _by_people(judged: Summary) -> str:
    return f" ({judged.marked} of them marked by people)" if judged.marked else ""


def _told(found: EventResult) -> str:
    if found.at is None:
        return f"missed (highest: {found.level or 'nothing'})"
    lead = "" if found.lead_s is None else f", lead {found.lead_s / 60:g} min"
    return f"{'hit' if found.hit else 'missed'}: {found.level} on {found.subject}, orange at {found.at}{lead}"


def _plain(figure: float | None) -> str:
    return "–" if figure is None else f"{figure:g}"


# ------------------------------------------------------------------------------------------------- rules


def rules_test(options: argparse.Namespace) -> int:
    """Exit 1 where a test fails, or rules or tests have mistakes, or there was nothing to test."""
    tested = (
        [run_path(_rules_in(path)) for path in options.paths]
        if options.paths
        else [run_pack(pack) for pack in known_packs()]
    )
    empty = [
        str(path)
        for path, found in zip(options.paths, tested, strict=False)
        if not found.results and not found.mistakes
    ]
    passed = failed = 0
    for found in tested:
        for mistake in found.mistakes:
            json_line({"mistake": str(mistake)}) if options.json else print(mistake)
        for result in found.results:
            failed += bool(result.problems)
            passed += not result.problems
            if options.json:
                json_line(
                    {
                        "test": result.name,
                        "file": result.file,
                        "passed": not result.problems,
                        "problems": result.problems,
                    }
                )
            elif result.problems:
                print(f"FAIL {result.file}: {result.name}")
                for problem in result.problems:
                    print(f"     {problem}")
    note(f"{passed} passed, {failed} failed")
    for path in empty:
        note(f"{path}: no tests there; they stand in files named NAME.tests.yaml beside the rules")
    return 0 if passed and not failed and not empty and not any(found.mistakes for found in tested) else 1


def _rules_in(path: Path) -> Path:
    """A city folder's rules stand in its folder `rules`."""
    return path / "rules" if (path / "hub.toml").exists() else path


def _book(city: Path | None) -> RuleBook:
    book = clean_city(city).book if city else load_rules([], _packs())
    if not isinstance(book, RuleBook):
        raise Problem("\n".join(map(str, book)))
    return book


def _packs() -> list[str]:
    """All packs that can be read; one of another package that cannot is named."""
    packs = shipped_packs()
    for pack in sorted(set(known_packs()) - set(packs)):
        found = load_rules([], [pack])
        if isinstance(found, RuleBook):
            packs.append(pack)
        else:
            note(f"pack {pack} of {pack_origin(pack)} is left out: {found[0]}")
    return packs


def rules_list(options: argparse.Namespace) -> int:
    if options.hub is not None:
        return _rules_there(options, way_to(options))
    city = options.dir or options.city
    rows = summary_of(_book(city))
    for text in unheard(clean_city(city), told_by_hub(config_of(city))) if city else ():
        note(text)
    ill = _ill(city) if city else {}
    if options.json:
        for name, subjects, levels, standard in rows:
            line = {"rule": name, "subjects": subjects, "levels": levels, "standard": standard}
            json_line(line | {"ill": ill.get(name)} if city else line)
        return 0
    table(("rule", "for", "levels", "standard"), rows, "no rules", options)
    if not options.csv:
        _tell_ill(ill)
    return 0


def _tell_ill(ill: Mapping[str, Any]) -> None:
    for name, item in ill.items():
        where = "everywhere" if item["left_out"] == "everywhere" else f"for {item['left_out']} subjects"
        print(
            f"ill: {name}: {item['error']} (at {item['subject'] or 'every subject'}, event {item['event']}; "
            f"{item['count']} times since {item['since'] or 'the start'}; left out {where})"
        )


def _rules_there(options: argparse.Namespace, way: Way) -> int:
    """The rules in force in a hub on another machine."""
    told = way.list("/api/v1/rules", "rules")
    found = told[0] if told is not None else []
    rows = [
        (
            rule["rule"],
            "every device" if "*" in rule["kinds"] else " or ".join(rule["kinds"]),
            " ".join(level["level"] for level in rule["levels"]) or "silence",
            rule["source"].get("standard", ""),
        )
        for rule in found
    ]
    if options.json:
        for (name, subjects, levels, standard), rule in zip(rows, found, strict=True):
            line = {"rule": name, "subjects": subjects, "levels": levels, "standard": standard}
            json_line(line | {"ill": rule["ill"]})
        return 0
    table(("rule", "for", "levels", "standard"), rows, "no rules", options)
    if not options.csv:
        _tell_ill({rule["rule"]: rule["ill"] for rule in found if rule["ill"]})
    return 0


def _ill(city: Path) -> dict[str, Any]:
    """The rules that fail, by name: as the running hub says, else as its last snapshot does."""
    config = config_of(city)
    status = near(config).ask("/api/v1/status")
    found = status["rules"].get("ill", []) if status is not None else saved_health(config.data / SNAPSHOT)
    return {item["rule"]: item for item in found}


def rules_explain(options: argparse.Namespace) -> int:
    book = _book(options.city)
    name = options.rule
    if "/" not in name:  # without its pack, where only one can be meant
        named = [rule for rule in book.by_name if rule.partition("/")[2] == name]
        name = named[0] if len(named) == 1 else name
    text = explain(book, name)
    if text is None:
        near = get_close_matches(name, book.by_name, n=1)
        hint = f"was {near[0]} meant?" if near else "`cityhub rules list` shows all"
        of_a_city = "" if options.city else "; a city's own rules are known with --city DIR"
        raise Problem(f"no rule {name!r}; {hint}{of_a_city}", 2)
    json_line({"rule": name, "text": text}) if options.json else print(text)
    return 0
