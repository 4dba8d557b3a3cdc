"""`cityhub camera-list`: cameras from elsewhere as a `cameras.csv`."""

from __future__ import annotations

import argparse
import asyncio
import csv
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
from msgspec.structs import replace

from adapters.gb28181.catalog import cameras as cameras_of
from adapters.gb28181.manscdp import Catalog
from adapters.gb28181.sink import Gb28181Sink
from adapters.gcj02 import to_wgs84
from adapters.onvif import discovery, inventory
from adapters.onvif.client import Client
from adapters.peer_http import Peer
from hub.cameras.listing import to_csv
from hub.cli.client import config_of, near
from hub.cli.output import Problem, command, json_line, note
from hub.extensions import Ill, extensions, must_be
from hub.model import Camera, Position
from hub.ports import Inventory

REMARKS_SHOWN = 20
SURVEYS_AT_ONCE = 16
ASK_S = 5.0


def add(commands: Any) -> None:
    parser = command(
        commands,
        "camera-list",
        camera_list,
        "cameras from OpenStreetMap, a CSV list, a GB/T 28181 platform or this network (ONVIF) as cameras.csv",
    )
    parser.add_argument(
        "source", type=Path, nargs="?", help="Overpass JSON, GeoJSON or CSV; with --platform the city folder"
    )
    parser.add_argument(
        "--from",
        dest="inventory",
        default="",
        metavar="NAME",
        help="the inventory that reads it (`cityhub plugins` lists them); a file is told by its content without it",
    )
    parser.add_argument("--option", action="append", default=[], metavar="KEY=VALUE", help="for that inventory")
    parser.add_argument(
        "--platform", metavar="SINK", help="ask the platform of this gb28181 destination for its catalog"
    )
    parser.add_argument("--gcj02", action="store_true", help="its positions are GCJ-02 (shifted); make them WGS-84")
    parser.add_argument("-o", dest="output", metavar="FILE", help="standard output without it")
    onvif = parser.add_argument_group("ONVIF cameras of this network")
    onvif.add_argument("--onvif", action="store_true", help="find them by WS-Discovery and ask each what it is and can")
    onvif.add_argument(
        "--probe", action="append", default=[], metavar="ADDRESS[:PORT]",
        help="ask here instead of everybody (multicast 239.255.255.250:3702); may be repeated",
    )  # fmt: skip
    onvif.add_argument("--interface", default="", metavar="ADDRESS", help="own IPv4 address to ask from")
    onvif.add_argument("--wait", type=float, default=discovery.WAIT_S, metavar="S", help="for answers; default 3 s")
    onvif.add_argument("--username", default="", help="of an account on the cameras that may read")
    onvif.add_argument("--password-env", default="", metavar="NAME", help="environment variable with its password")
    onvif.add_argument("--sink", metavar="FILE", help="also write the [[sinks]] block that turns those that turn")


def camera_list(options: argparse.Namespace) -> int:
    if options.onvif:
        text, count, remarks = _from_network(options)
    elif options.source is None:
        raise Problem("a file, a city folder with --platform, or --onvif was meant", 2)
    else:
        text, count, remarks = _from_platform(options) if options.platform else _from_list(options)
    if options.output:
        Path(options.output).write_text(text, "utf-8")
    elif options.json:
        for row in csv.DictReader(text.splitlines()):
            json_line({name: cell for name, cell in row.items() if cell})
    else:
        sys.stdout.write(text)
    for remark in remarks[:REMARKS_SHOWN]:
        note(remark)
    if len(remarks) > REMARKS_SHOWN:
        note(f"… and {len(remarks) - REMARKS_SHOWN} more")
    note(f"{count} cameras, {len(remarks)} remarks")
    return 1 if remarks else 0


def _from_list(options: argparse.Namespace) -> tuple[str, int, list[str]]:
    """From a file, told by its first character where `--from` does not name an inventory, or from what an inventory asks itself."""
    text = str(options.source)
    name = options.inventory
    found = _inventory(name) if name else None
    if found is None or found.file:
        text = _text_of(options.source)
    if found is None:
        found = _inventory(name := "openstreetmap" if text.lstrip()[:1] == "{" else "csv")
    if name == "csv" and options.gcj02:
        raise Problem("--gcj02 is for OpenStreetMap-like files and platforms; convert a CSV list before", 2)
    try:
        listed = found.read(text, _options(options.option))
    except (ValueError, OSError) as error:
        raise Problem(f"{options.source} {error}") from None
    if listed.said:
        note(listed.said)
    moved = to_csv(_moved(listed.cameras)) if options.gcj02 else listed.text
    return moved, listed.count, list(listed.remarks)


def _inventory(name: str) -> Inventory:
    known = extensions("inventories")
    if name not in known:
        raise Problem(f"--from {name}: no such inventory; known are {', '.join(known)}", 2)
    try:
        found: Inventory = known[name].load(must_be(Inventory))
    except Ill as error:
        raise Problem(f"the inventory {error}") from None
    return found


def _text_of(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise Problem(
            f"{path} cannot be read as UTF-8 text: {error}; a list from a Chinese spreadsheet is often GB 18030: iconv -f GB18030 -t UTF-8"
        ) from None


def _options(given: list[str]) -> dict[str, str]:
    for item in given:
        if "=" not in item:
            raise Problem(f"--option {item!r}: KEY=VALUE was meant", 2)
    return dict(item.split("=", 1) for item in given)


def _moved(found: Sequence[Camera]) -> list[Camera]:
    return [
        replace(
            one,
            position=Position(*to_wgs84(one.position.lon, one.position.lat)),
            origin={**one.origin, "position": "GCJ-02"},
        )
        for one in found
    ]


def _from_platform(options: argparse.Namespace) -> tuple[str, int, list[str]]:
    config = config_of(options.source)
    if near(config).ask("/api/v1/status") is not None:
        raise Problem("the hub runs and is registered under this id; stop it for as long as the catalog is read")
    sinks = [sink for sink in config.sinks if sink.name == options.platform and sink.protocol == "gb28181"]
    if not sinks:
        raise Problem(f"no [[sinks]] block with protocol gb28181 is named {options.platform!r}", 2)
    catalog, state = asyncio.run(_catalog(Gb28181Sink(sinks[0].options), sinks[0].options.timeout_s))
    if catalog is None:
        raise Problem(f"the platform gave no catalog: {state}")
    found, remarks = cameras_of(catalog.items, options.gcj02)
    if catalog.lacks:
        remarks.append(f"the platform announced {catalog.stated} items and sent {len(catalog.items)}")
    return to_csv(found), len(found), remarks


async def _catalog(sink: Gb28181Sink, timeout_s: float) -> tuple[Catalog | None, str]:
    running = asyncio.create_task(sink.run())
    try:
        async with asyncio.timeout(timeout_s):
            await sink.agent.registered.wait()
        return await sink.agent.catalog(), "no answer within 30 s"
    except TimeoutError:
        return None, sink.agent.state.en
    finally:
        await sink.close()
        await asyncio.gather(running, return_exceptions=True)


# ------------------------------------------------------------------------------------------------- ONVIF


def _from_network(options: argparse.Namespace) -> tuple[str, int, list[str]]:
    password = os.environ.get(options.password_env, "")
    if options.password_env and not password:
        raise Problem(f"the environment variable {options.password_env} (--password-env) is not set", 2)
    if not 0 < options.wait <= 60:
        raise Problem("--wait: more than 0 and at most 60 seconds were meant", 2)
    targets = [_target(text) for text in options.probe] or [(discovery.GROUP, discovery.PORT)]
    try:
        found, remarks = asyncio.run(discovery.discover(targets, options.interface, options.wait))
    except OSError as error:
        raise Problem(f"no probe could be sent: {error.strerror or error}; --interface names another way out") from None
    strangers = [match.sender for match in found if not match.url]
    remarks += [f"{sender}: names no address of its own, so it is not asked" for sender in strangers]
    devices = asyncio.run(_survey([match for match in found if match.url], options.username, password))
    placed, nowhere, more = inventory.cameras(devices)
    if options.sink:
        Path(options.sink).write_text(inventory.sink_block(devices, options.username, options.password_env), "utf-8")
    note(f"{len(found)} devices answered, {len(placed)} cameras know their place, {len(nowhere)} do not")
    return to_csv(placed, nowhere), len(placed) + len(nowhere), remarks + more


def _target(text: str) -> tuple[str, int]:
    host, _, port = text.partition(":")
    if not host or (port and not (port.isdigit() and 0 < int(port) < 65_536)):
        raise Problem(f"--probe {text!r}: an IPv4 address such as 10.0.0.7 or 10.0.0.7:3702 was meant", 2)
    return host, int(port or discovery.PORT)


async def _survey(found: list[discovery.Match], username: str, password: str) -> list[inventory.Device]:
    peer = Peer(ASK_S, auth=httpx.DigestAuth(username, password) if username else None)
    client, turn = Client(peer, username, password, time.time_ns), asyncio.Semaphore(SURVEYS_AT_ONCE)

    async def one(match: discovery.Match) -> inventory.Device:
        async with turn:
            return await inventory.survey(client, match.url, match.endpoint, match.scopes)

    try:
        return await asyncio.gather(*(one(match) for match in found))
    finally:
        await peer.close()
