"""CAP as a destination: messages into a folder with an Atom feed, and by POST where a receiver is named."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from adapters.cap import feed, gbt35965, message
from adapters.cap.audit import problems
from adapters.cap.chain import ENDS, Chain, Permission, Said, Step, add_link, advance
from adapters.peer_http import Peer
from adapters.wallclock import zone_named
from hub import json_once
from hub.model import AlertChange
from hub.moment import SECOND
from hub.ports import Delivery
from hub.secret_files import secret
from hub.whole_file import read, replace

CHAINS_MAX = 10_000
"""Open warnings remembered; the oldest is forgotten, and a later Update of it begins a new chain."""
DONE_MAX = 2_000
"""Keys of changes that were issued: a courier repeats at most its last."""
MAKING_MAX = 1_000
RENEWED_AT = 5 / 6
"""Of its validity: then a message of a warning that still stands is said again (house default: an hour before, of six)."""
VOUCHED_NS = 24 * 3600 * SECOND
"""A warning of another hub that was not heard of for so long is left to run out: nobody here knows whether it stands (house default;
this hub's own expire by their rules)."""
STATE = "state.msgpack"


class CapOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Keys of a `[[sinks]]` block with protocol = "cap"."""

    sender: str
    """Who speaks, as CAP wants it: an address such as alerts@city.example, without blanks or commas."""
    folder: str
    """Where messages, feed and state are written, relative to the city folder."""
    sender_name: str = ""
    languages: list[str] = msgspec.field(default_factory=lambda: ["zh-CN", "en"])
    timezone: str = "Asia/Shanghai"
    status: str = "Exercise"
    """Of what nobody approved: "Exercise", "Test" or "Draft". "Actual" cannot be set here: a person approves each warning."""
    approvers: list[str] = msgspec.field(default_factory=list)
    """Who may approve: an acknowledgement by one of them, its note beginning with `approval_word`, sends it as Actual."""
    approval_word: str = "publish"
    scope: str = "Public"
    restriction: str = ""
    valid_hours: float = 6.0
    radius_km: float = 0.5
    """Of the circle round a place whose area has no polygon."""
    areas_file: str | None = None
    """GeoJSON polygons with a property `area`, `zone` or `name`, such as zones.geojson: the shape of a warning's zone or area."""
    web: str = ""
    contact: str = ""
    url: str | None = None
    """Each message is also sent here by POST."""
    token_env: str | None = None
    token_file: str | None = None
    base_url: str = ""
    """Where the folder is served, for the links of the feed."""
    feed_entries_max: int = 100
    gbt35965_code: str = ""
    """The 14-character sender code of a release centre: writes each message in that form as well."""
    gbt35965_event_type: str = ""
    gbt35965_area_code: str = ""
    timeout_s: float = 15.0

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[^\s,<&]+", self.sender):
            raise ValueError(f"sender = {self.sender!r}: an address without blanks, commas, < or & was meant")
        if self.status not in ("Exercise", "Test", "Draft"):
            raise ValueError(
                f'status = {self.status!r}: "Exercise", "Test" or "Draft" was meant; Actual takes a person\'s approval (approvers)'
            )
        if self.scope not in ("Public", "Restricted", "Private"):
            raise ValueError(f'scope = {self.scope!r}: "Public", "Restricted" or "Private" was meant')
        if not self.languages:
            raise ValueError('languages: at least one, such as ["zh-CN", "en"]')
        if self.valid_hours <= 0 or self.radius_km <= 0 or self.timeout_s <= 0:
            raise ValueError("valid_hours, radius_km and timeout_s must be above 0")
        zone_named(self.timezone)
        if self.gbt35965_code:
            gbt35965.Centre(self.gbt35965_code)


class _State(msgspec.Struct):
    """What must survive a restart."""

    chains: dict[str, Chain] = msgspec.field(default_factory=dict)
    making: dict[str, list[tuple[Step, message.Issue]]] = msgspec.field(default_factory=dict)
    """By key: what was decided and not yet taken. A retry sends the very same messages."""
    done: list[str] = msgspec.field(default_factory=list)
    entries: list[feed.Entry] = msgspec.field(default_factory=list)
    """Newest first."""


class CapSink:
    """A `hub.ports.Sink` and `RenewingSink`. Raises ValueError or OSError when made from options that cannot be."""

    def __init__(self, options: CapOptions) -> None:
        self._options = options
        self._turn = asyncio.Lock()
        self._renew_after = int(options.valid_hours * 3600 * RENEWED_AT) * SECOND
        self._folder = Path(options.folder)
        self._folder.mkdir(parents=True, exist_ok=True)
        self._zone = zone_named(options.timezone)
        self._issuer = message.Issuer(
            options.sender, options.sender_name, tuple(options.languages), self._zone, options.valid_hours * 3600,
            options.radius_km, options.scope, options.restriction, options.web, options.contact,
        )  # fmt: skip
        self._permission = Permission(tuple(options.approvers), options.approval_word)
        self._centre = (
            gbt35965.Centre(options.gbt35965_code, options.gbt35965_event_type, options.gbt35965_area_code)
            if options.gbt35965_code
            else None
        )
        self._areas = _areas(options.areas_file)
        token = secret("token", options.token_env, options.token_file)
        self._peer = (
            Peer(options.timeout_s, {"authorization": f"Bearer {token}"} if token else {}) if options.url else None
        )
        self._state = self._load()

    async def deliver(self, change: AlertChange, key: str, now: int) -> Delivery:
        async with self._turn:
            return await self._deliver(change, key, now)

    def due(self, now: int) -> list[str]:
        """Messages that run out soon, of warnings that still stand: `alert#status#number`. What is on its way goes first."""
        under_way = {
            step.change.alert for key, made in self._state.making.items() for step, _ in made if step.change.id == key
        }
        return [
            _renewal_key(alert, status, said)
            for alert, chain in self._state.chains.items()
            for status, said in chain.said.items()
            if chain.stands(status)
            and now - said.sent >= self._renew_after
            and alert not in under_way
            and (said.change.origin is None or now - said.change.at < VOUCHED_NS)
        ]

    async def renew(self, key: str, now: int) -> Delivery:
        """An Update with a later `expires`, referring to all that was said before."""
        alert, status, _ = key.rsplit("#", 2)
        async with self._turn:
            chain = self._state.chains.get(alert)
            said = chain.said.get(status) if chain else None
            if chain is None or said is None or not chain.stands(status) or _renewal_key(alert, status, said) != key:
                return Delivery(True, detail="it no longer stands, or was updated meanwhile")
            try:
                return await self._renew(chain, said, key, status, now)
            except OSError as error:
                return Delivery(False, detail=f"{self._folder}: {error.strerror}")

    async def _deliver(self, change: AlertChange, key: str, now: int) -> Delivery:
        if key in self._state.done:
            return Delivery(True, detail="was issued before")
        try:
            made = await self._decide(change, key, now)
            for step, issue in made:
                delivery = await self._issue(step, issue, now)
                if delivery.final:
                    await asyncio.to_thread(self._take_back, change, key, made)
                if not delivery.taken:
                    return delivery
            await asyncio.to_thread(self._finish, change, key, made)
        except OSError as error:
            return Delivery(False, detail=f"{self._folder}: {error.strerror}")
        said = ", ".join(f"{issue.kind} ({issue.status})" for _, issue in made)
        return Delivery(True, detail=said or f"nothing to say about {change.change.value}")

    async def close(self) -> None:
        if self._peer:
            await self._peer.close()

    # ---------------------------------------------------------------------------------------------- one change

    async def _decide(self, change: AlertChange, key: str, now: int) -> list[tuple[Step, message.Issue]]:
        """The messages for this change, remembered on disk before any of them goes out."""
        made = self._state.making.get(key)
        if made is None:
            chain = self._state.chains.setdefault(change.alert, Chain())
            while len(self._state.chains) > CHAINS_MAX:
                del self._state.chains[next(iter(self._state.chains))]
            made = []
            for step in advance(chain, change, self._permission, self._options.status):
                name = message.identifier(change, step.status)
                made.append((step, message.Issue(name, now, step.status, step.kind, step.references)))
                add_link(chain, step.status, message.reference(self._options.sender, name, now, self._zone))
                chain.said[step.status] = Said(step.change, now)
            self._state.making[key] = made
            while len(self._state.making) > MAKING_MAX:
                del self._state.making[next(iter(self._state.making))]
            await asyncio.to_thread(self._save)
        return made

    async def _renew(self, chain: Chain, said: Said, key: str, status: str, now: int) -> Delivery:
        made = self._state.making.get(key)
        if made is None:
            name = f"{message.identifier(said.change, status)}.{said.renewals + 1}"
            step = Step(said.change, status, "Update", tuple(chain.links.get(status, ())))
            made = self._state.making[key] = [(step, message.Issue(name, now, status, step.kind, step.references))]
            add_link(chain, status, message.reference(self._options.sender, name, now, self._zone))
            await asyncio.to_thread(self._save)
        ((step, issue),) = made
        if now - issue.sent >= self._renew_after:
            said.renewals += 1
            self._state.making.pop(key)
            return Delivery(False, final=True, detail=f"{issue.identifier} itself ran out unheard; a new one follows")
        delivery = await self._issue(step, issue, now)
        if delivery.taken or delivery.final:
            said.sent, said.renewals = issue.sent, said.renewals + 1
        if delivery.final:
            await asyncio.to_thread(self._take_back, said.change, key, made)
        if not delivery.taken:
            return delivery
        await asyncio.to_thread(self._finish, said.change, key, made)
        return Delivery(True, detail=f"Update ({status}): it still stands")

    def _take_back(self, change: AlertChange, key: str, made: list[tuple[Step, message.Issue]]) -> None:
        """What was refused for good was never said: later messages must not refer to it."""
        chain = self._state.chains.get(change.alert)
        for _, issue in made:
            said = message.reference(self._options.sender, issue.identifier, issue.sent, self._zone)
            if chain and said in chain.links.get(issue.status, ()):
                chain.links[issue.status].remove(said)
                if not chain.links[issue.status]:
                    chain.said.pop(issue.status, None)
        self._state.making.pop(key, None)
        self._save()

    async def _issue(self, step: Step, issue: message.Issue, now: int) -> Delivery:
        polygons = self._polygons(step.change)
        xml = message.build(step.change, issue, self._issuer, polygons)
        wrong = problems(xml)
        if wrong:
            return Delivery(False, final=True, detail=f"{issue.identifier} is no good CAP message: {'; '.join(wrong)}")
        await asyncio.to_thread(_write, self._folder / file_name(issue.identifier), xml)
        if self._centre:
            await asyncio.to_thread(self._write_chinese, step, issue)
        if self._peer and self._options.url:
            answer = await self._peer.ask("POST", self._options.url, xml, {"content-type": feed.CAP_TYPE})
            return answer.delivery(now)
        return Delivery(True)

    def _polygons(self, change: AlertChange) -> list[message.Ring]:
        """The shape of the zone or area that the warning is about, else of the area its subject lies in."""
        return self._areas.get(change.subject) or self._areas.get(f"area:{change.area}", [])

    def _write_chinese(self, step: Step, issue: message.Issue) -> None:
        assert self._centre
        # Messages of one second are told apart by a digit of the change's own ordinal and status.
        number = (step.change.ordinal * 2 + (issue.status == "Actual")) % 10
        name = gbt35965.identifier(self._centre, issue.sent, number)
        theirs = msgspec.structs.replace(issue, identifier=name)
        polygons = self._polygons(step.change)
        _write(
            self._folder / "gbt35965" / f"{name}.xml",
            gbt35965.build(step.change, theirs, self._issuer, self._centre, polygons),
        )

    def _finish(self, change: AlertChange, key: str, made: list[tuple[Step, message.Issue]]) -> None:
        state = self._state
        chinese = self._options.languages[0].lower().startswith("zh")
        for step, issue in made:
            title = message.headline(step.change, chinese, issue.status)
            state.entries.insert(
                0,
                feed.Entry(issue.identifier, file_name(issue.identifier), title, issue.sent, issue.status, issue.kind),
            )
        del state.entries[self._options.feed_entries_max :]
        if made:
            xml = feed.build(
                self._options.sender_name or self._options.sender, self._options.sender, self._options.base_url,
                state.entries, made[-1][1].sent,
            )  # fmt: skip
            _write(self._folder / "feed.xml", xml)
        state.making.pop(key, None)
        state.done.append(key)
        del state.done[:-DONE_MAX]
        if change.change in ENDS:
            state.chains.pop(change.alert, None)
        self._save()

    # ---------------------------------------------------------------------------------------------- the disk

    def _load(self) -> _State:
        path = self._folder / STATE
        # Without it Updates and Cancels of what was sent before do not refer to it; warnings go out all the same.
        return read(path, lambda data: msgspec.msgpack.decode(data, type=_State), _State())

    def _save(self) -> None:
        _write(self._folder / STATE, msgspec.msgpack.encode(self._state))


def _renewal_key(alert: str, status: str, said: Said) -> str:
    return f"{alert}#{status}#{said.change.ordinal}.{said.renewals + 1}"


def file_name(identifier: str) -> str:
    """The identifier as a file name that every system takes."""
    return re.sub(r"[^\w.#+=@-]", "_", identifier)[:200] + ".xml"


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    replace(path, content)


def _areas(file: str | None) -> Mapping[str, list[message.Ring]]:
    """`area:NAME` and `zone:NAME` → their outer rings. Raises ValueError where the file is no GeoJSON of polygons."""
    if not file:
        return {}
    areas: dict[str, list[Any]] = {}
    try:
        for feature in json_once.loads(Path(file).read_text("utf-8-sig"))["features"]:
            properties, geometry = feature["properties"], feature["geometry"]
            zone = properties.get("zone") or properties.get("name") or ""
            names = (f"area:{properties.get('area') or zone}", f"zone:{zone}")
            polygons = [geometry["coordinates"]] if geometry["type"] == "Polygon" else geometry["coordinates"]
            for polygon in polygons:
                ring = [(float(point[0]), float(point[1])) for point in polygon[0]]
                for name in names:
                    areas.setdefault(name, []).append(ring)
    except (OSError, KeyError, TypeError, ValueError, IndexError) as error:
        raise ValueError(f"{file} (areas_file) is no GeoJSON of polygons: {error!r}") from None
    return areas
