"""Where a hub keeps its log, its readers' places and its small files: in its data folder, or on the servers of `[log] servers`.

On servers each of the roles `store`, `delivery` and `rules` is filled by one hub at a time, the one that has the lease of that name. When it ends
or is lost another takes the lease, finds log, places and files there, and goes on as after a restart. Beside them any number take in and show.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias, TypeVar

from hub.defects import told
from hub.log import Cursors as FolderCursors
from hub.log import Limits
from hub.log import Log as SegmentLog
from hub.log.board import Board
from hub.notes import NOTES
from hub.options import ROLES, LogOptions
from hub.ports import Cursors, Log
from hub.whole_file import Data, read, replace

if TYPE_CHECKING:
    from hub.log.jetstream import JetStreamFiles, JetStreamLog, JetStreamPosts, Lease, Servers

logger = logging.getLogger(__name__)

Content = TypeVar("Content")
GIB = 1 << 30
NEEDED = {"events": ("store/events", "rules"), "derived": ("store/derived",), "alerts": ("store/alerts",)}
"""By stream: readers without which nothing may be dropped, also while nobody judges or stores."""
REPORTS = "reports.json"
"""Which reports have gone out: see `hub.app.posting`."""
BEGIN = "parts.begin"
"""Where the parts of the rules begin, where several machines share them."""
NUMBER = "parts.json"
"""Which generation of parts has begun, and how many they are: looked at often, so apart from `BEGIN`, which is large."""
FILES = {
    "rules": ("rules.snapshot", "editions.json", BEGIN, NUMBER),
    "store": ("ledger.json", NOTES),
    "delivery": (REPORTS,),
}
"""By role: of the data folder, what the next hub that fills it needs of the one before, and nobody else replaces."""
PART = "rules-{part}"
"""The lease of a part of the rules; its snapshot is the file of that name, and under it stands which message of the others it needs."""
NEEDS = "rules-{part}.events"
"""Under it stands which event that part needs to begin anew."""
SNAPSHOTS = ".snapshot"
"""How the files end of which the content of before is kept on the servers too. Whatever that needs to go on from it is kept as well."""
HOLDER_EVERY_S, TAKE_EVERY_S = 10.0, 0.5
MARK_EVERY_S = 1.0

Fence: TypeAlias = Callable[[], Awaitable[None]]
"""Awaited before something that one hub alone may do: it returns at once while this one may, and never once another may have begun to."""


def files_of(role: str) -> tuple[str, ...]:
    return FILES.get(role) or (f"{role}.snapshot",)


async def free() -> None:
    """The fence of a hub that is alone."""


class Keeping(Protocol):
    """`log` is there after `open`."""

    @property
    def log(self) -> Log: ...

    @property
    def own(self) -> Cursors:
        """The places of readers that are this machine's, whoever has a lease."""
        ...

    @property
    def apart(self) -> bool:
        """Whether several hubs share the log, so that what the one before had in its data folder is not here."""
        ...

    async def open(self) -> None:
        """Open the log. Raises ValueError or OSError with a sentence where it cannot be relied upon, or not be had."""
        ...

    async def granted(self, role: str, say: Callable[[str], None]) -> Cursors:
        """Until this hub fills the role: then its files are in the data folder; gives the places of its readers. `say` hears for whom it waits."""
        ...

    def fence(self, role: str) -> Fence: ...

    def replace(self, path: Path, data: Data) -> None:
        """As `whole_file.replace`, wherever the next hub that fills the role will look for the file. Raises OSError where this one does not fill it."""
        ...

    def read(self, path: Path, decode: Callable[[bytes], Content], otherwise: Content) -> Content:
        """As `whole_file.read`; a damaged file is looked for wherever `replace` has put it, and so is what it held before. Raises OSError."""
        ...

    async def lost(self) -> None:
        """Returns when another hub may have begun to fill a role of this one: then this one must not say a word more."""
        ...

    def board(self) -> Board | None:
        """Where the nodes of this log hear of each other; None where there is one node."""
        ...

    async def close(self) -> None: ...


class InFolder:
    """The log in segment files. The lock of the data folder sees to it that one hub works on it, and fills every role."""

    log: SegmentLog
    own: FolderCursors
    apart = False

    def __init__(self, options: LogOptions, data: Path, sync: bool) -> None:
        self._limits, self._data, self._sync = limits(options), data, sync

    async def open(self) -> None:
        def opened() -> tuple[SegmentLog, FolderCursors]:
            return SegmentLog(self._data / "log", self._limits, sync=self._sync), FolderCursors(self._data / "cursors")

        self.log, self.own = await asyncio.to_thread(opened)

    async def granted(self, role: str, say: Callable[[str], None]) -> Cursors:
        return self.own

    def fence(self, role: str) -> Fence:
        return free

    def replace(self, path: Path, data: Data) -> None:
        replace(path, data)

    def read(self, path: Path, decode: Callable[[bytes], Content], otherwise: Content) -> Content:
        return read(path, decode, otherwise)

    async def lost(self) -> None:
        await asyncio.Event().wait()

    def board(self) -> Board | None:
        return None

    async def close(self) -> None:
        await self.log.close()


class OnServers:
    """The log on JetStream."""

    log: JetStreamLog
    own: FolderCursors
    apart = True

    def __init__(self, options: LogOptions, data: Path, node: str, parts: int = 1) -> None:
        """`parts`: among how many the city folder says that the rules are to be shared."""
        self._options, self._data, self._node, self.parts = options, data, node, parts
        self._posts: JetStreamPosts | None = None
        self._servers: Servers
        self._files: JetStreamFiles
        self._leases: dict[str, Lease] = {}
        """By role, those that this hub has."""
        self._keeping: dict[str, asyncio.Task[None]] = {}
        """By lease, what renews it; under "" what keeps hubs of earlier versions out."""
        self._lost = asyncio.Event()

    async def open(self) -> None:
        self._servers = await trusted(self._options, self._node)
        try:
            await asyncio.to_thread(self._open)
        except BaseException:
            await asyncio.to_thread(self._servers.close)
            raise

    def _open(self) -> None:
        from hub.log.jetstream import JetStreamFiles, JetStreamLog, Newer, bucket_of_leases

        options, servers = self._options, self._servers
        self.log = JetStreamLog(servers, options.space, options.replicas, limits(options), NEEDED)
        self.own = FolderCursors(self._data / "places")  # not where a log of this machine's own had its cursors
        self._bucket = bucket_of_leases(servers, options.space, options.replicas)
        self._newer = Newer(servers, self._bucket)
        self._older_said = ""
        self._files = JetStreamFiles(servers, options.space, options.replicas)

    async def granted(self, role: str, say: Callable[[str], None]) -> Cursors:
        from hub.log.jetstream import Lease

        await self._while_an_older_one_works(say)
        lease = Lease(self._servers, self._bucket, role, self._node)
        await self._take(lease, say)
        return await self._begin_under(lease)

    async def granted_if_free(self, role: str) -> Cursors | None:
        """As `granted`, without waiting: None where another hub fills it. Raises OSError where the servers do not answer."""
        from hub.log.jetstream import Lease

        lease = Lease(self._servers, self._bucket, role, self._node)
        if not await lease.take():
            return None
        try:
            return await self._begin_under(lease)
        except OSError:
            await self.give_back(role)
            raise

    async def _begin_under(self, lease: Lease) -> Cursors:
        self._leases[lease.name] = lease
        self._keep(lease.name, lease.keep())
        cursors = await asyncio.to_thread(self.log.under, lease)
        await asyncio.to_thread(self._fetch, lease.name)
        return cursors

    async def is_held(self, role: str) -> bool:
        """Whether some hub fills it, or nobody knows."""
        from hub.log.jetstream import Lease

        return await Lease(self._servers, self._bucket, role, self._node).is_held()

    def lease(self, role: str) -> Lease:
        """One that was granted."""
        return self._leases[role]

    def posts(self) -> JetStreamPosts:
        """The log of the parts of the rules. Raises OSError where the servers do not answer."""
        from hub.log.jetstream import JetStreamPosts

        if self._posts is None:
            self._posts = JetStreamPosts(self._servers, self._options.space, self._options.replicas)
        return self._posts

    def shown(self, name: str) -> bytes | None:
        """A file as whoever keeps it has put it on the servers. Raises OSError."""
        return self._files.read(name)

    async def _while_an_older_one_works(self, say: Callable[[str], None]) -> None:
        from hub.log.jetstream import TROUBLES

        while True:
            try:
                works = await self._newer.mark()
            except TROUBLES:
                works = None
            if works == "":
                break
            if works and works != self._older_said:
                self._older_said = works
                say(
                    f"standing by: {works}, which has an earlier version, works on the log {self._options.space!r}; end it"
                )
            await asyncio.sleep(MARK_EVERY_S)
        if "" not in self._keeping:
            self._keep("", self._newer.keep())

    def _keep(self, name: str, keeping: Awaitable[None]) -> None:
        """Whatever ends it, a defect too: then nobody renews the lease. Unless it was given back."""

        async def kept() -> None:
            try:
                await keeping
            finally:
                if name in self._keeping:
                    self._lost.set()

        self._keeping[name] = asyncio.create_task(kept())

    async def give_back(self, role: str) -> None:
        """Have another hub fill it. This one has ended what it did by the lease."""
        lease, keeping = self._leases.pop(role), self._keeping.pop(role)
        keeping.cancel()
        await asyncio.wait([keeping])
        await lease.release()

    async def _take(self, lease: Lease, say: Callable[[str], None]) -> None:
        loop = asyncio.get_running_loop()
        due, told = loop.time() + 1, ""
        while not await lease.take():
            if loop.time() >= due:
                due = loop.time() + HOLDER_EVERY_S
                holder = await lease.holder()
                if holder and holder != told:
                    say(f"{lease.name}: standing by, {holder} does it for the log {self._options.space!r}")
                    told = holder
            await asyncio.sleep(TAKE_EVERY_S)

    def _fetch(self, role: str) -> None:
        from hub.log.jetstream import Damaged

        for name in files_of(role):
            try:
                data = self._files.read(name)
            except Damaged as error:
                logger.error("%s", error)
                data = None
            if data is None:
                (self._data / name).unlink(missing_ok=True)
            else:
                replace(self._data / name, data)

    def fence(self, role: str) -> Fence:
        async def held() -> None:
            lease = self._leases.get(role)
            if lease is None or not lease.held:
                await asyncio.Event().wait()

        return held

    def replace(self, path: Path, data: Data) -> None:
        role = next((role for role in self._leases if path.name in files_of(role)), "")
        lease = self._leases.get(role)
        if lease is None or not lease.held:
            raise OSError(f"{path.name} is not replaced: another hub may have begun to")
        whole = data if isinstance(data, bytes) else b"".join(data)
        self._files.replace(path.name, whole, lambda: lease.held, path.name.endswith(SNAPSHOTS))
        replace(path, whole)

    def read(self, path: Path, decode: Callable[[bytes], Content], otherwise: Content) -> Content:
        found = read(path, decode, None)
        if found is not None or not path.name.endswith(SNAPSHOTS):
            return otherwise if found is None else found
        for get, what in ((self._files.read, path.name), (self._files.read_before, f"what {path.name} held before")):
            try:
                data = get(path.name)
                found = None if data is None else decode(data)
            except (OSError, MemoryError):
                raise
            except Exception as error:
                logger.error("%s cannot be used: %s", what, told(error).en)
            if found is not None:
                logger.warning("%s is taken up from the servers of the log; what came since is judged again", what)
                return found
        return otherwise

    async def lost(self) -> None:
        await self._lost.wait()

    def board(self) -> Board | None:
        from hub.log.jetstream import ServersBoard

        return ServersBoard(self._servers, self._options.space)

    async def close(self) -> None:
        await self.log.close()
        for keeping in self._keeping.values():
            keeping.cancel()
        for lease in self._leases.values():
            await lease.release()
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


def keeping(
    options: LogOptions, data: Path, node: str, roles: Sequence[str], parts: int = 1, alone: bool = False
) -> Keeping:
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
    return OnServers(options, data, node, parts)


def limits(options: LogOptions) -> Mapping[str, Limits]:
    """What each stream may occupy."""
    age = options.age_max_days * 86400 if options.age_max_days else None
    return {
        "events": Limits(bytes_max=int(options.events_gb * GIB), age_max_s=age),
        "derived": Limits(bytes_max=int(options.events_gb * GIB), age_max_s=age),
        "alerts": Limits(bytes_max=int(options.alerts_gb * GIB)),
        "quarantine": Limits(bytes_max=int(options.quarantine_gb * GIB)),
    }
