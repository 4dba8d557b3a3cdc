"""`cityhub install-service`: a systemd unit for a city, hardened; and `cityhub reload`."""

from __future__ import annotations

import argparse
import grp
import os
import pwd
import shutil
import sys
from importlib import resources
from pathlib import Path
from typing import Any

from hub.cli.client import config_of, takes_hub, way_to
from hub.cli.output import Problem, command, folder, json_line, note
from hub.whole_file import replace

UNITS = Path("/etc/systemd/system")


def add(commands: Any) -> None:
    parser = command(
        commands, "install-service", install, "a systemd unit that runs this city: hardened, with a watchdog"
    )
    parser.add_argument("dir", type=folder)
    parser.add_argument("--user", default="cityhub", help="whom it runs as; default cityhub")
    parser.add_argument("--name", default="cityhub", help="of the unit; default cityhub")
    parser.add_argument("--print", dest="shown", action="store_true", help="only print the unit")
    parser.add_argument("--to", type=Path, default=UNITS, metavar="DIR", help=f"where units lie; default {UNITS}")
    parser = command(commands, "reload", reload, "have the running hub take over the city folder as it is now")
    takes_hub(parser)


def install(options: argparse.Namespace) -> int:
    config = config_of(options.dir)
    city, data = config.folder.resolve(), config.data.resolve()
    program = shutil.which("cityhub", path=str(Path(sys.executable).parent)) or f"{sys.executable} -m cityhub"
    for place in (str(city), str(data), program):
        if any(letter in place for letter in '\n"%\\'):
            raise Problem(
                f"{place!r} cannot stand in a unit; choose a path without quotes, percent signs and backslashes"
            )
    unit = resources.files("hub").joinpath("service", "cityhub.service.in").read_text("utf-8")
    words = {
        "@city@": str(city),
        "@data@": str(data),
        "@program@": program,
        "@user@": options.user,
        "@name@": config.hub.name.replace("%", "%%"),
    }
    for word, text in words.items():
        unit = unit.replace(word, text)
    if options.shown:
        sys.stdout.write(unit)
        return 0
    path: Path = options.to / f"{options.name}.service"
    try:
        account = pwd.getpwnam(options.user)
    except KeyError:
        raise Problem(
            f"there is no user {options.user!r}: useradd --system --home-dir {data} --shell /usr/sbin/nologin {options.user}"
        ) from None
    try:
        replace(path, unit.encode())
        data.mkdir(parents=True, exist_ok=True, mode=0o750)
        os.chown(data, account.pw_uid, account.pw_gid)
    except OSError as error:
        raise Problem(f"{path} cannot be installed: {error}; root can") from None
    if options.json:
        json_line(
            {"unit": str(path), "user": options.user, "group": grp.getgrgid(account.pw_gid).gr_name, "data": str(data)}
        )
    else:
        print(f"{path} is written. Next: systemctl daemon-reload && systemctl enable --now {options.name}")
    return 0


def reload(options: argparse.Namespace) -> int:
    """Exit 1 where the folder has mistakes; then the hub goes on as it was."""
    way = way_to(options)
    told = way.ask("/api/v1/reload", "POST", timeout=600)
    if told is None:
        raise Problem(f"no hub runs on {way.where}")
    if options.json:
        json_line(told)
    else:
        for sentence in (*told["mistakes"], *told["applied"], *told["restart"]):
            print(sentence)
        if told["mistakes"]:
            note(f"{len(told['mistakes'])} mistakes; the hub goes on as it was")
        elif not told["applied"] and not told["restart"]:
            print("nothing has changed")
    return 1 if told["mistakes"] else 0
