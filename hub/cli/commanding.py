"""`cityhub command`: tell a connected device something, and show what it answers."""

from __future__ import annotations

import argparse
from typing import Any
from urllib.parse import quote

from hub.cli.client import takes_hub, way_to
from hub.cli.output import Problem, command, json_line, table


def add(commands: Any) -> None:
    parser = command(commands, "command", send, "send a command to a connected device and show its answer")
    takes_hub(parser)
    parser.add_argument("device")
    parser.add_argument("what", choices=("locate", "interval", "text", "raw"))
    parser.add_argument("value", nargs="?", default="", help="seconds, the text, or the device's own command")
    parser.add_argument("--message", default="", metavar="0x8104", help="raw, JT/T 808: the message's number")
    parser.add_argument("--data", default="", metavar="HEX", help="raw, JT/T 808: its body")
    parser.add_argument("--urgent", action="store_true", help="text: as an urgent one")
    parser.add_argument(
        "--wait", type=float, default=5.0, metavar="S", help="seconds to wait for the answer; default 5"
    )


def send(options: argparse.Namespace) -> int:
    """Exit 0 where the device answered, 1 where it did not in time."""
    wanted: dict[str, Any] = {"command": options.what, "wait_s": options.wait}
    if options.what == "interval":
        try:
            wanted["seconds"] = int(options.value)
        except ValueError:
            raise Problem("interval needs its seconds, such as: interval 30", 2) from None
    else:
        wanted |= {"text": options.value, "message": options.message, "data": options.data, "urgent": options.urgent}
    path = f"/api/v1/devices/{quote(options.device, safe='')}/command"
    found = way_to(options).need(path, "commands need one, with the device connected to it", "POST", json=wanted)
    answer = found["answer"]
    if options.json:
        json_line(found)
    elif answer is None:
        print(f"sent to {options.device}; no answer within {options.wait:g} s")
    else:
        table(("answer", ""), [(key, str(value)) for key, value in answer.items()], "an empty answer")
    return 0 if answer is not None else 1
