"""A backup that somebody else wrote: `restore` writes into the folder that it was told, and nowhere else."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import msgspec
import pytest

from hub.backup import FORMAT, Backup, File, Repository
from hub.cli import main

TEXT = b"timezone = 'UTC'\n"
PIECE = hashlib.sha256(TEXT).hexdigest()


def listed(
    folder: Path, city: dict[str, File], data: dict[str, File] | None = None, data_folder: str = "var", **more: int
) -> None:
    """A repository with one backup, whose list says what it is told to, and whose name fits it."""
    repository = Repository(folder)
    repository.open()
    (folder / "source").write_bytes(TEXT)
    repository.keep(folder / "source")
    (folder / "source").unlink()
    repository.finish(
        Backup(more.get("format", FORMAT), "9.9", "2026-11-30T00:00:00Z", False, data_folder, city, data or {})
    )


def one(mode: int = 0o644, size: int = len(TEXT), times: int = 1) -> File:
    return File(size, mode, [PIECE] * times)


def restored(tmp_path: Path, *more: str) -> int:
    return main(["restore", str(tmp_path / "city"), str(tmp_path / "backups"), *more])


def outside(tmp_path: Path) -> set[Path]:
    return {path for path in tmp_path.rglob("*") if not path.is_relative_to(tmp_path / "backups") and path.is_file()}


@pytest.mark.parametrize(
    "name", ["../evil", "/evil", "rules/../../evil", "a/../../city.restoring2/evil", "..", ".", "", "rules/\0x"]
)
@pytest.mark.parametrize("part", ["city", "data"])
def test_no_name_leads_out_of_the_folder(
    tmp_path: Path, name: str, part: str, capsys: pytest.CaptureFixture[str]
) -> None:
    name = name.replace("/evil", f"{tmp_path}/evil") if name == "/evil" else name
    files = {"hub.toml": one()}
    listed(
        tmp_path / "backups",
        files | {name: one()} if part == "city" else files,
        {name: one()} if part == "data" else {},
    )
    assert restored(tmp_path) == 1
    assert "nothing was restored" in capsys.readouterr().err
    assert not (tmp_path / "city").exists()
    assert not [path for path in outside(tmp_path) if "evil" in path.name]


@pytest.mark.parametrize("elsewhere", ["../evil", "{tmp}/evil", "var/../../evil"])
def test_data_goes_out_of_the_citys_folder_only_where_somebody_says_so(
    tmp_path: Path, elsewhere: str, capsys: pytest.CaptureFixture[str]
) -> None:
    listed(tmp_path / "backups", {"hub.toml": one()}, {"authorized_keys": one()}, elsewhere.format(tmp=tmp_path))
    assert restored(tmp_path) == 1
    assert "say with --data" in capsys.readouterr().err
    assert outside(tmp_path) == set()
    assert restored(tmp_path, "--data", str(tmp_path / "there")) == 0
    assert outside(tmp_path) == {tmp_path / "city" / "hub.toml", tmp_path / "there" / "authorized_keys"}


def test_links_that_lie_in_the_way_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "private").mkdir()
    (tmp_path / "city.restoring").symlink_to(tmp_path / "private")
    listed(tmp_path / "backups", {"hub.toml": one(0o6777)})
    assert restored(tmp_path) == 0
    assert outside(tmp_path) == {tmp_path / "city" / "hub.toml"}
    assert (tmp_path / "city" / "hub.toml").stat().st_mode & 0o7777 == 0o777


def test_what_is_no_file_is_not_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A pipe gives nothing for ever, a device no end."""
    listed(tmp_path / "backups", {"hub.toml": one()})
    piece = tmp_path / "backups" / "pieces" / PIECE[:2] / PIECE
    for harm in (lambda: os.mkfifo(piece), lambda: piece.symlink_to("/dev/zero"), lambda: piece.symlink_to(tmp_path)):
        piece.unlink()
        harm()
        assert restored(tmp_path) == 1
        assert f"{piece} is no file" in capsys.readouterr().err
    [path] = (tmp_path / "backups").glob("*.json")
    path.unlink()
    os.mkfifo(path)
    assert restored(tmp_path) == 1
    assert "is no file" in capsys.readouterr().err


def test_more_than_fits_is_not_begun(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A small list that names one piece again and again."""
    many = 5_000
    bomb = one(size=len(TEXT) * many, times=many)
    listed(tmp_path / "backups", {"hub.toml": one(), **{f"bomb-{n}": msgspec.structs.replace(bomb) for n in range(3)}})
    assert restored(tmp_path) == 0
    listed(tmp_path / "more", {"hub.toml": one(size=1 << 60)})
    assert main(["restore", str(tmp_path / "other"), str(tmp_path / "more")]) == 1
    assert "17 bytes instead of 1152921504606846976" in capsys.readouterr().err
    assert not (tmp_path / "other").exists()


def test_the_disk_is_asked_before(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    listed(tmp_path / "backups", {"hub.toml": one()})
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 10})())
    assert restored(tmp_path) == 1
    assert "the backup has 17 bytes, and 10 are free" in capsys.readouterr().err
    assert outside(tmp_path) == set()


def test_a_backup_of_a_newer_hub_says_which_can_read_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    listed(tmp_path / "backups", {"hub.toml": one()}, format=FORMAT + 1)
    assert restored(tmp_path) == 1
    assert f"has format {FORMAT + 1}; this cityhub reads {FORMAT}: use cityhub 9.9 or newer" in capsys.readouterr().err
