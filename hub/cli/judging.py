"""Commands that judge: `backtest` and `rules`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from rich.progress import Progress, TimeElapsedColumn

from hub.app.backtest import Backtest, Tally, level_counts
from hub.app.plugins import Plugins
from hub.cli.cities import clean_city
from hub.cli.output import Problem, command, folder, json_line, note
from hub.model import AlertChange
from hub.moment import to_text
from hub.ports import Codec
from hub.recording import Recorded, RecordingError, load_map, read_files
from hub.wire import change_to_json


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
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def add_layout(parser: argparse.ArgumentParser) -> None:
    """How the files read: --protocol for raw frames, --map for foreign CSV layouts."""
    parser.add_argument("--protocol", help="the files hold raw frames of this protocol, one a line")
    parser.add_argument(
        "--map",
        type=Path,
        metavar="FILE",
        help="TOML file that says how a foreign CSV layout reads (or the protocol's own map)",
    )


def recordings(files: list[Path], protocol: str | None, mapping: Path | None) -> tuple[Iterator[Recorded], str]:
    """The recorded messages of these files, and the kind of device their protocol brings. Raises `Problem`."""
    try:
        if protocol is None:
            return _told(read_files(files, load_map(mapping) if mapping else None)), ""
        plugins = Plugins()
        if protocol not in plugins or plugins[protocol].codec is None:
            raise Problem(f"unknown protocol {protocol!r}", 2)
        plugin = plugins[protocol]
        options = {"map": str(mapping)} if mapping else {}
        make: Callable[[], Codec] = lambda: plugin.codec(options)  # type: ignore[misc]  # noqa: E731
        return _told(read_files(files, codec=make, binary=plugin.binary)), plugin.kind
    except (RecordingError, OSError, ValueError) as error:
        raise Problem(str(error), 2) from None


def _told(recorded: Iterator[Recorded]) -> Iterator[Recorded]:
    try:
        yield from recorded
    except (RecordingError, OSError, EOFError) as error:
        raise Problem(str(error), 2) from None


def backtest(options: argparse.Namespace) -> int:
    city = clean_city(options.dir)
    recorded, kind = recordings(options.readings, options.protocol, options.map)
    run = Backtest(city, recorded, kind)
    for change in _with_progress(run, options.quiet):
        if options.json:
            json_line(change_to_json(change))
        else:
            print(_line(change))
    note(summary(run.tally))
    return 0


def _with_progress(run: Backtest, quiet: bool) -> Iterator[AlertChange]:
    if quiet or not sys.stderr.isatty():
        yield from run.changes()
        return
    from rich.console import Console

    with Progress(
        *Progress.get_default_columns(), TimeElapsedColumn(), console=Console(stderr=True), transient=True
    ) as progress:
        task = progress.add_task("readings", total=None)
        for change in run.changes():
            progress.update(task, completed=run.tally.readings, description=f"{run.tally.readings:,} readings")
            yield change


def _line(change: AlertChange) -> str:
    seen = ", ".join(view.camera for view in change.cameras if view.sees)
    return (
        f"{to_text(change.at)}  {change.change:<10} {change.level:<7} {change.rule}  {change.subject}  {change.title}"
        + (f"  [{seen}]" if seen else "")
    )


def summary(tally: Tally) -> str:
    """A recording's fate in a few lines."""
    lines = [
        f"{tally.readings:,} readings of {tally.devices} devices"
        + (
            f", {to_text(tally.first_at)} to {to_text(tally.last_at)}"
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
