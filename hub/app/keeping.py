"""Where a hub keeps its log, its readers' places and its small files: in its data folder, or on the servers of `[log] servers`.

On servers one hub of a city works, and any number stand by: the one that has the lease "hub" is the one that works. When it ends or is lost,
another takes the lease, finds log, places and files there, and goes on as after a restart. Beside it any number take in and show only
(`AtTheDoor`): they append to the log and read it, and keep nothing there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from hub.app.roles import works
from hub.log import Cursors as FolderCursors
from hub.log import Limits
from hub.log import Log as SegmentLog
from hub.log.board import Board
from hub.notes import NOTES
from hub.options import ROLES, LogOptions
from hub.ports import Cursors, Log
from hub.whole_file import Data, replace

if TYPE_CHECKING:
    from hub.log.jetstream import JetStreamFiles, JetStreamLog, Lease, Servers

GIB = 1 << 30
LEASE = "hub"
NEEDED = {"events": ("store/events", "rules"), "derived": ("store/derived",), "alerts": ("store/alerts",)}
"""By stream: readers without which nothing may be dropped, also while no hub works."""
REPORTS = "reports.json"
"""Which reports have gone out: see `hub.app.posting`."""
FILES = ("rules.snapshot", "ledger.json", "editions.json", NOTES, REPORTS)
"""Of the data folder, what the next hub needs of the one before."""
HOLDER_EVERY_S = 10.0


class Keeping(Protocol):
    """`log` and `cursors` are there after `open`."""

    @property
    def log(self) -> Log: ...

    @property
    def cursors(self) -> Cursors: ...

    @property
    def travels(self) -> bool:
        """Whether the hub before this one may have worked elsewhere, so that what it had in its data folder is not here."""
        ...

    async def wait(self, say: Callable[[str], None]) -> None:
        """Until this hub is the one that works. `say` hears for whom it waits."""
        ...

    def open(self) -> None:
        """Open the log. Raises ValueError or OSError with a sentence where it cannot be relied upon, or not be had."""
        ...

    def replace(self, path: Path, data: Data) -> None:
        """As `whole_file.replace`, wherever the next hub will look for the file."""
        ...

    async def lost(self) -> None:
        """Returns when another hub may have begun to work: then this one must not say a word more."""
        ...

    def board(self) -> Board | None:
        """Where the nodes of this log hear of each other; None where there is one node."""
        ...

    async def close(self) -> None: ...


class InFolder:
    """The log in segment files. The lock of the data folder sees to it that one hub works on it."""

    log: SegmentLog
    cursors: FolderCursors
    travels = False

    def __init__(self, options: LogOptions, data: Path, sync: bool) -> None:
        self._limits, self._data, self._sync = limits(options), data, sync

    async def wait(self, say: Callable[[str], None]) -> None:
        return

    def open(self) -> None:
        self.log = SegmentLog(self._data / "log", self._limits, sync=self._sync)
        self.cursors = FolderCursors(self._data / "cursors")

    def replace(self, path: Path, data: Data) -> None:
        replace(path, data)

    async def lost(self) -> None:
        await asyncio.Event().wait()

    def board(self) -> Board | None:
        return None

    async def close(self) -> None:
        await self.log.close()


class OnServers:
    """The log on JetStream."""

    log: JetStreamLog
    cursors: Cursors
    travels = True

    def __init__(self, options: LogOptions, data: Path, node: str) -> None:
        self._options, self._data, self._node = options, data, node
        self._servers: Servers
        self._files: JetStreamFiles
        self._lease: Lease | None = None

    async def wait(self, say: Callable[[str], None]) -> None:
        if self._lease is not None:
            return
        options = self._options
        self._servers = await trusted(options, self._node)
        from hub.log.jetstream import Lease, bucket_of_leases

        try:
            bucket = await asyncio.to_thread(bucket_of_leases, self._servers, options.space, options.replicas)
            lease = Lease(self._servers, bucket, LEASE, self._node)
            await self._take(lease, say)
        except BaseException:
            self._servers.close()
            raise
        self._lease = lease
        self._keeping = asyncio.create_task(lease.keep())

    async def _take(self, lease: Lease, say: Callable[[str], None]) -> None:
        loop = asyncio.get_running_loop()
        due, told = loop.time() + 1, ""
        while not await lease.take():
            if loop.time() >= due:
                due = loop.time() + HOLDER_EVERY_S
                holder = await lease.holder()
                if holder and holder != told:
                    say(f"standing by: {holder} works on the log {self._options.space!r}")
                    told = holder
            await asyncio.sleep(0.3)

    def open(self) -> None:
        from hub.log.jetstream import JetStreamFiles, JetStreamLog

        options, lease = self._options, self._lease
        assert lease is not None
        self._files = JetStreamFiles(self._servers, options.space, options.replicas)
        for name in FILES:
            data = self._files.read(name)
            if data is None:
                (self._data / name).unlink(missing_ok=True)
            else:
                replace(self._data / name, data)
        self.log = JetStreamLog(self._servers, options.space, options.replicas, limits(options), NEEDED, lease)
        self.cursors = self.log.cursors

    def replace(self, path: Path, data: Data) -> None:
        if self._lease is None or not self._lease.held:
            raise OSError(f"{path.name} is not replaced: another hub may have begun to work")
        whole = data if isinstance(data, bytes) else b"".join(data)
        self._files.replace(path.name, whole)
        replace(path, whole)

    async def lost(self) -> None:
        await asyncio.wait([self._keeping])  # also where a defect has ended it: then nobody renews the lease

    def board(self) -> Board | None:
        return board(self._servers, self._options.space)

    async def close(self) -> None:
        await self.log.close()
        self._keeping.cancel()
        if self._lease is not None:
            await self._lease.release()
        await asyncio.to_thread(self._servers.close)


class AtTheDoor:
    """The log on JetStream, for a node that takes in and shows beside the one that works: its own places and books lie in its folder."""

    log: JetStreamLog
    cursors: FolderCursors
    travels = False

    def __init__(self, options: LogOptions, data: Path, node: str) -> None:
        self._options, self._data, self._node = options, data, node
        self._servers: Servers | None = None

    async def wait(self, say: Callable[[str], None]) -> None:
        if self._servers is None:
            self._servers = await trusted(self._options, self._node)

    def open(self) -> None:
        from hub.log.jetstream import JetStreamLog

        assert self._servers is not None
        self.log = JetStreamLog(self._servers, self._options.space, self._options.replicas, limits(self._options))
        self.cursors = FolderCursors(self._data / "cursors")

    def replace(self, path: Path, data: Data) -> None:
        replace(path, data)

    async def lost(self) -> None:
        await asyncio.Event().wait()

    def board(self) -> Board | None:
        assert self._servers is not None
        return board(self._servers, self._options.space)

    async def close(self) -> None:
        await self.log.close()
        if self._servers is not None:
            await asyncio.to_thread(self._servers.close)


async def trusted(options: LogOptions, node: str) -> Servers:
    """The servers of `[log]`, which keep what they acknowledge. Raises ValueError or OSError with a sentence."""
    try:
        from hub.log.jetstream import Servers, see_that_it_keeps
    except ImportError as error:
        raise ValueError(str(error)) from None

    servers = await asyncio.to_thread(Servers, options.servers, f"cityhub {node}")
    try:
        await asyncio.to_thread(see_that_it_keeps, servers, options.replicas, options.monitoring, options.synced)
    except BaseException:
        servers.close()
        raise
    return servers


def board(servers: Servers, space: str) -> Board:
    from hub.log.jetstream import ServersBoard

    return ServersBoard(servers, space)


def keeping(options: LogOptions, data: Path, node: str, roles: Sequence[str], alone: bool = False) -> Keeping:
    """As `[log]` and the node's roles say. `alone`: a hub that plays a recording has a log of its own in any case, and acknowledges nothing
    to anybody. Raises ValueError with a sentence where roles are shared out and the log is one machine's."""
    if alone:
        return InFolder(options, data, sync=False)
    if not options.servers:
        if set(roles) != set(ROLES):
            raise ValueError(
                "[hub] roles: several machines share the work only over a log on servers; name them in [log] servers (docs/scale.md)"
            )
        return InFolder(options, data, sync=True)
    return OnServers(options, data, node) if works(roles) else AtTheDoor(options, data, node)


def limits(options: LogOptions) -> Mapping[str, Limits]:
    """What each stream may occupy."""
    age = options.age_max_days * 86400 if options.age_max_days else None
    return {
        "events": Limits(bytes_max=int(options.events_gb * GIB), age_max_s=age),
        "derived": Limits(bytes_max=int(options.events_gb * GIB), age_max_s=age),
        "alerts": Limits(bytes_max=int(options.alerts_gb * GIB)),
        "quarantine": Limits(bytes_max=int(options.quarantine_gb * GIB)),
    }
