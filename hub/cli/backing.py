"""`cityhub backup` and `cityhub restore`."""

from __future__ import annotations

import argparse
import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from hub import clock
from hub.app.staging import files_beside_the_log, log_files
from hub.backup import FORMAT, Backup, BackupError, Repository
from hub.cli.client import config_of, near
from hub.cli.output import Problem, command, folder, json_line, note, table
from hub.cli.progress import progress
from hub.moment import to_text
from hub.options import Config

STAGE_S = 3600.0


def add(commands: Any) -> None:
    parser = command(
        commands, "backup", backup, "city folder and data into a folder of backups, also while the hub runs"
    )
    parser.add_argument("dir", type=folder)
    parser.add_argument(
        "to", type=folder, metavar="BACKUPS", help="the folder of backups; only what changed is added to it"
    )
    parser.add_argument("--keep", type=int, metavar="N", help="drop all but the newest N backups afterwards")
    parser.add_argument("--verify", action="store_true", help="read every piece of this backup again, old ones too")
    parser = command(commands, "restore", restore, "a backup into a new city folder", lists=True)
    parser.add_argument("dir", type=folder, help="a folder that is empty or not there")
    parser.add_argument("source", type=folder, metavar="BACKUPS", help="the folder of backups")
    parser.add_argument(
        "--at", metavar="NAME", help="this backup (the beginning of its name is enough); the newest without it"
    )
    parser.add_argument("--list", action="store_true", help="only say which backups there are")
    parser.add_argument("--verify", action="store_true", help="only check every piece of it")
    parser.add_argument(
        "--data",
        type=folder,
        metavar="DIR",
        help="where the data goes; must be said where hub.toml names a folder outside of the city's",
    )


# ------------------------------------------------------------------------------------------------- backup


def backup(options: argparse.Namespace) -> int:
    if options.keep is not None and options.keep < 1:
        raise Problem("--keep: at least 1 was meant", 2)
    config = config_of(options.dir)
    if config.log.servers:
        raise Problem(
            "the log lies on servers, so a backup of this folder would be of no use; back those up (docs/scale.md)"
        )
    if _within(options.to, options.dir) or _within(options.to, config.data):
        raise Problem(
            f"{options.to} lies inside of what is backed up; name a folder elsewhere, best on another disk", 2
        )
    repository = Repository(options.to)
    try:
        repository.open()
        taken = _take(config, repository)
        if options.verify and (wrong := repository.verify(repository.read(taken.name))):
            raise Problem("the backup is damaged:\n" + "\n".join(wrong))
        if options.keep is not None:
            repository.prune(options.keep)
    except (BackupError, OSError) as error:
        raise Problem(f"no backup was made: {error}") from None
    if options.json:
        json_line(taken)
    else:
        print(
            f"{taken.name}: {taken.files} files, {taken.bytes:,} bytes, {taken.new_bytes:,} of them new in {options.to}"
        )
    return 0


def _take(config: Config, repository: Repository) -> Any:
    at = to_text(clock.now())
    kept = Backup(FORMAT, version("cityhub"), at, False, config.hub.data)
    into = {"into": str(repository.folder.resolve())}
    staged = near(config).ask("/api/v1/backup", "POST", timeout=STAGE_S, json=into)
    if staged is not None:
        kept.running = True
        source = Path(staged["staged"])
        try:
            _keep_data(kept, repository, source, config.data)
        finally:
            shutil.rmtree(source, ignore_errors=True)
    elif config.data.is_dir():
        with _locked(config.data):
            _keep_data(kept, repository, config.data, config.data)
    if config.store.kind != "duckdb":
        kept.notes.append(f"history lies in the store {config.store.kind}, which is backed up by its own means")
        note(kept.notes[-1])
    for path in sorted(config.folder.rglob("*")):
        if path.is_file() and not _within(path, config.data) and not _within(path, repository.folder):
            kept.city[str(path.relative_to(config.folder))] = repository.keep(path)
    return repository.finish(kept)


def _keep_data(kept: Backup, repository: Repository, beside: Path, data: Path) -> None:
    """The state first and the log last: so the log is never behind what the state says of it."""
    for path in files_beside_the_log(beside):
        kept.data[str(path.relative_to(beside))] = repository.keep(path)
    files = list(log_files(data))
    with progress("files of the log") as told:
        for number, path in enumerate(files):
            told(number, len(files))
            try:
                kept.data[str(path.relative_to(data))] = repository.keep(path)
            except FileNotFoundError:  # the log has just let go of its oldest segment
                continue


@contextmanager
def _locked(data: Path) -> Iterator[None]:
    """No hub starts on this folder meanwhile. Raises `Problem` where one has it and does not answer."""
    descriptor = os.open(data / "lock", os.O_CREAT | os.O_RDWR, 0o640)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Problem(
                f"a hub has {data}, and does not answer on its socket; try again once it has started or stopped"
            ) from None
        yield
    finally:
        os.close(descriptor)


# ------------------------------------------------------------------------------------------------- restore


def restore(options: argparse.Namespace) -> int:
    repository = Repository(options.source)
    names = repository.names()
    if not names:
        raise Problem(f"{options.source} holds no backup")
    if options.list:
        return _list(options, repository, names)
    chosen = [name for name in names if name.startswith(options.at or "")]
    if not chosen:
        raise Problem(f"{options.source} has no backup {options.at!r}; `--list` says which there are")
    try:
        taken = repository.read(chosen[-1])
        wrong = repository.verify(taken)
        if wrong:
            raise Problem("the backup is damaged; nothing was restored:\n" + "\n".join(wrong))
        if options.verify:
            said = {"backup": chosen[-1], "files": len(taken.city) + len(taken.data), "whole": True}
            json_line(said) if options.json else print(f"{chosen[-1]} is whole: {said['files']} files")
            return 0
        data = _write(options, repository, taken)
    except (BackupError, OSError, ValueError) as error:  # ValueError: a name that no file can have
        raise Problem(f"nothing was restored: {error}") from None
    for sentence in taken.notes:
        note(sentence)
    if options.json:
        json_line({"backup": chosen[-1], "at": taken.at, "city": str(options.dir), "data": str(data)})
    else:
        print(f"{options.dir} is as it was at {taken.at}, its data in {data}. Next: `cityhub check {options.dir}`.")
    return 0


def _list(options: argparse.Namespace, repository: Repository, names: list[str]) -> int:
    rows = []
    for name in names:
        try:
            found = repository.read(name)
        except BackupError as error:
            rows.append((name, "", "", str(error)))
            continue
        size = sum(file.size for files in (found.city, found.data) for file in files.values())
        rows.append((name, found.version, f"{size:,}", "the hub ran" if found.running else "the hub did not run"))
    if options.json:
        for row in rows:
            json_line(dict(zip(("backup", "version", "bytes", "note"), row, strict=True)))
    else:
        table(("backup", "cityhub", "bytes", "note"), rows, "none", options)
    return 0


def _write(options: argparse.Namespace, repository: Repository, taken: Backup) -> Path:
    """Write into folders beside the targets, and rename them at the end: half a restore is none."""
    target: Path = options.dir
    data: Path = options.data or target / taken.data_folder
    if options.data is None and not _within(data, target):
        raise Problem(
            f"the data of this backup lay in {taken.data_folder!r}, outside of the city's folder; say with --data where it is to go"
        )
    for place in (target, data):
        if place.exists() and (not place.is_dir() or any(place.iterdir())):
            raise Problem(f"{place} is not empty; name a new folder" + ("" if place is target else " (--data)"))
    part = target.with_name(target.name + ".restoring")
    aside = data.with_name(data.name + ".restoring")
    for place in (part, aside):
        shutil.rmtree(place, ignore_errors=True)
        if place.is_symlink():
            place.unlink()
    needed = sum(file.size for files in (taken.city, taken.data) for file in files.values())
    free = shutil.disk_usage(next(folder for folder in target.absolute().parents if folder.exists())).free
    if needed > free:
        raise Problem(f"nothing was restored: the backup has {needed:,} bytes, and {free:,} are free at {target}")
    for name, file in taken.city.items():
        repository.write_out(file, _safe(part, name))
    part.mkdir(parents=True, exist_ok=True)
    inside = _within(data, target)
    home = part / data.relative_to(target) if inside else aside
    for name, file in taken.data.items():
        repository.write_out(file, _safe(home, name))
    if not inside and home.exists():
        if data.exists():
            data.rmdir()
        home.rename(data)
    if target.exists():
        target.rmdir()
    part.rename(target)
    return data


def _safe(folder: Path, name: str) -> Path:
    path = folder / name
    if not _within(path, folder) or path.resolve() == folder.resolve():
        raise BackupError(f"{name!r} would lie outside of {folder}")
    return path


def _within(path: Path, folder: Path) -> bool:
    return path.resolve().is_relative_to(folder.resolve())
