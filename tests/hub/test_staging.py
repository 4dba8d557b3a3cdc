"""Where the copy for a backup of a running hub is made, and what is left where it cannot be made."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest

from hub.app import staging
from hub.backup import PIECES
from hub.delivery import JOURNAL
from hub.store.duckdb import DuckDBStore


class Usage(NamedTuple):
    free: int


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "ledger.json").write_text("{}")
    with closing(sqlite3.connect(folder / JOURNAL)) as journal:
        journal.execute("create table letters (text)")
    return folder


@pytest.fixture
def backups(tmp_path: Path) -> Path:
    (tmp_path / "backups" / PIECES).mkdir(parents=True)
    return tmp_path / "backups"


def full(monkeypatch: pytest.MonkeyPatch, free: int = 0) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(free))


def test_the_copy_lies_with_the_backups(data: Path, backups: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full(monkeypatch)
    staged = staging.stage(data, None, backups)
    assert staged.parent == backups
    assert sorted(path.name for path in staged.iterdir()) == [JOURNAL, "ledger.json"]
    (staged / "of a backup that was killed").touch()
    assert staging.stage(data, None, backups) == staged
    assert sorted(path.name for path in staged.iterdir()) == [JOURNAL, "ledger.json"]


def test_two_hubs_of_one_folder_of_backups_have_copies_apart(tmp_path: Path, data: Path, backups: Path) -> None:
    other = shutil.copytree(data, tmp_path / "other")
    assert staging.stage(data, None, backups) != staging.stage(other, None, backups)


def test_where_the_hub_may_not_write_there_the_copy_lies_beside_the_log(
    data: Path, backups: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = staging.make_folder

    def kept_out(folder: Path) -> None:
        if folder.is_relative_to(backups):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        made(folder)

    monkeypatch.setattr(staging, "make_folder", kept_out)
    assert staging.stage(data, None, backups) == data / staging.STAGING


def test_no_folder_but_one_of_backups_is_written_into(tmp_path: Path, data: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    assert staging.stage(data, None, tmp_path / "elsewhere") == data / staging.STAGING
    for name in ("not there", "x" * 300, "a\0b"):
        assert staging.stage(data, None, tmp_path / name) == data / staging.STAGING


def test_the_copy_takes_no_room_that_the_log_needs(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full(monkeypatch, staging.ROOM_BYTES)
    with pytest.raises(OSError, match="are free and 67,108,864 are left to the log") as caught:
        staging.stage(data, None)
    assert caught.value.errno == errno.ENOSPC
    assert not (data / staging.STAGING).exists()


def test_a_copy_that_breaks_off_leaves_nothing_behind(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(shutil, "copy2", broken)
    with pytest.raises(OSError, match="No space left"):
        staging.stage(data, None)
    assert not (data / staging.STAGING).exists()


def test_a_store_that_cannot_be_copied_says_why(data: Path, tmp_path: Path) -> None:
    store = DuckDBStore(data / "history.duckdb")
    try:
        with pytest.raises(OSError, match="No such file or directory"):
            store.copy_to(tmp_path / "not" / "there")
    finally:
        store.close()


def test_a_damaged_journal_is_said_to_be(data: Path) -> None:
    (data / JOURNAL).write_bytes(b"no database" * 1000)
    with pytest.raises(OSError, match=f"{JOURNAL}: file is not a database"):
        staging.stage(data, None)
