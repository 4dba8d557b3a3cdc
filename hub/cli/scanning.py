"""`cityhub modbus scan`: what an unknown device holds, with every type and word order that makes sense of it."""

from __future__ import annotations

import argparse
import asyncio
from typing import Any

import msgspec

from hub.cli.output import Problem, command, json_line, note, table
from hub.cli.progress import progress


def add(commands: Any) -> None:
    modbus = commands.add_parser("modbus", help="look at Modbus devices", description="Look at Modbus devices.")
    parts = modbus.add_subparsers(dest="part", metavar="scan", required=True)
    parser = command(parts, "scan", scan, "read ranges of a Modbus device and show every plausible interpretation")
    parser.add_argument("url", help="tcp://host:502, rtu+tcp://host:port or serial:///dev/ttyUSB0?baud=9600&parity=E")
    parser.add_argument("--unit", type=int, default=1, help="unit (slave) address; default 1")
    parser.add_argument("--table", default="holding", help="holding (default), input, coil or discrete")
    parser.add_argument("--from", dest="start", type=int, default=0, metavar="ADDRESS", help="first address, from 0")
    parser.add_argument("--to", dest="end", type=int, default=99, metavar="ADDRESS", help="last address; default 99")
    parser.add_argument("--block", type=int, default=16, help="addresses in one request; default 16")
    parser.add_argument(
        "--timeout", type=float, default=1.0, metavar="S", help="seconds to wait for an answer; default 1"
    )


def scan(options: argparse.Namespace) -> int:
    """Exit 0 where something was read, 1 where nothing was."""
    from adapters.modbus.bus import Down
    from adapters.modbus.scan import Scan
    from adapters.modbus.scan import scan as read

    async def run() -> Scan:
        with progress("addresses") as told:
            return await read(
                options.url,
                unit=options.unit,
                table=options.table,
                start=options.start,
                end=options.end,
                block=options.block,
                timeout_s=options.timeout,
                progress=told,
            )

    try:
        found = asyncio.run(run())
    except ValueError as error:
        raise Problem(str(error), 2) from None
    except Down as error:
        raise Problem(f"{options.url} cannot be reached: {error}") from None
    if options.json:
        json_line(msgspec.to_builtins(found, str_keys=True))
    else:
        _show(found)
    if found.silent:
        note(f"unit {found.unit} stopped answering: {found.silent}")
    return 0 if found.words else 1


def _show(found: Any) -> None:
    if found.interpretations:
        rows = [(one.address, one.type, one.order, one.value) for one in found.interpretations]
        table(("address", "type", "order", "value"), rows, "")
    else:
        table(("address", "value"), sorted(found.words.items()), "nothing could be read")
    for low, high, why in found.refused:
        note(f"{low} to {high}: {why}")
    for model in found.models:
        note(f"SunSpec model {model.id} at {model.address}, {model.length} registers")
