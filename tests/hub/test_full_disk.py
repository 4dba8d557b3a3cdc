"""A disk without room: what is done about it can be noted, so it can be done."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from hub.access import audit
from hub.access.audit import RESERVE, RESERVE_BYTES, Act, Audit, AuditUnavailable

T = 1_790_000_000_000_000_000


def act(name: str) -> Act:
    return Act("duty", "user", "127.0.0.1", name)


def test_on_a_full_disk_the_audit_has_room_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A backup and an export, which are what one needs then, were refused as they could not be noted."""
    kept = Audit(tmp_path)
    assert kept.append(act("before"), T) == 1
    reserve = tmp_path / RESERVE
    assert reserve.stat().st_blocks * 512 >= RESERVE_BYTES
    sync, fallocate = os.fdatasync, os.posix_fallocate

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(os, "fdatasync", lambda fd: full() if reserve.exists() else sync(fd))
        disk.setattr(os, "posix_fallocate", full)
        assert [kept.append(act(name), T + 1) for name in ("backup", "export")] == [2, 3]
        assert not reserve.exists()
        disk.setattr(os, "fdatasync", full)
        with pytest.raises(AuditUnavailable, match="No space left"):
            kept.append(act("not noted"), T + 2)
        disk.setattr(os, "fdatasync", sync)
        assert kept.append(act("erase"), T + 3) == 4
        assert [path.name for path in tmp_path.iterdir() if "reserve" in path.name] == []
        disk.setattr(os, "posix_fallocate", fallocate)
        assert kept.append(act("after"), T + 4) == 5
    assert reserve.exists()
    assert audit.verify(tmp_path).faults == []
    assert [entry["action"] for entry in audit.entries(tmp_path)] == ["before", "backup", "export", "erase", "after"]
