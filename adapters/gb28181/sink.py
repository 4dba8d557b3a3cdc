"""GB/T 28181 as a destination: an alert change becomes an alarm of one of the hub's channels. Delivered is the SIP 200."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from urllib.parse import urlsplit

import msgspec

from adapters.gb28181 import manscdp, ptz
from adapters.gb28181.agent import Account, Agent
from adapters.gb28181.device import Device
from adapters.gb28181.manscdp import Alarm, Channel, check_id
from adapters.gb28181.profile import PROFILES
from adapters.gb28181.sip import SipMessage
from adapters.ptz import Operator, waiting
from hub.bilingual import NOTHING, Text
from hub.model import AlertChange, CameraView, Change, Pose
from hub.ports import Delivery
from hub.secret_files import secret

PRIORITY = {"red": 1, "orange": 2, "yellow": 3, "blue": 4}
TELLS = frozenset({Change.RAISED, Change.ESCALATED, Change.LOWERED})
TEMPORARY = frozenset({408, 480, 486, 491})


class Gb28181Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Keys of a `[[sinks]]` block with protocol = "gb28181"."""

    connect: str
    """ "udp://10.0.0.2:5060" or "tcp://…": the platform's SIP server."""
    server_id: str
    """The platform's 20 digits."""
    device_id: str
    """The hub's own 20 digits there (type 205 alarm server, or 117 alarm controller)."""
    channels: list[Channel]
    """The alarm inputs it shows; the first that fits speaks for a warning."""
    domain: str = ""
    """SIP domain; the first ten digits of server_id unless stated."""
    name: str = "cityhub"
    profile: str = "2016"
    """Which platform: one of "2016", "2022", "strict", "wvp", "livegbs", "easycvr", "monibuca"."""
    password_env: str | None = None
    password_file: str | None = None
    local: str = ""
    """Own address and port, such as "10.0.0.9:5060"; any by default."""
    turn_cameras: bool = False
    """Turn PTZ cameras (by their gb28181_id) to fresh warnings: PTZPreciseCtrl, else the nearest preset."""
    cameras_max: int = 1
    fresh_s: float = 300.0
    """No camera turns for an older change."""
    lease_s: float = 600.0
    expires_s: int = 86_400
    keepalive_s: float = 60.0
    retry_s: float = 60.0
    timeout_s: float = 8.0

    def __post_init__(self) -> None:
        url = urlsplit(self.connect)
        if url.scheme not in ("udp", "tcp") or not url.hostname:
            raise ValueError(f"connect = {self.connect!r}: udp://host:5060 or tcp://host:5060 was meant")
        check_id(self.server_id)
        check_id(self.device_id)
        if not self.channels:
            raise ValueError("channels: at least one alarm input, or the platform drops every alarm")
        if self.profile not in PROFILES:
            raise ValueError(f"profile = {self.profile!r}: one of {', '.join(PROFILES)} was meant")
        if not 3600 <= self.expires_s <= 864_000:
            raise ValueError("expires_s: 3600 to 864000 (the standard wants an hour at least)")
        if min(self.keepalive_s, self.retry_s, self.timeout_s) <= 0:
            raise ValueError("keepalive_s, retry_s and timeout_s must be above 0")
        if self.local and not self.local.rpartition(":")[2].isdigit():
            raise ValueError(f"local = {self.local!r}: an address and port such as 10.0.0.9:5060 was meant")


class Gb28181Sink:
    """A `hub.ports.Sink` that wants to run: it registers and stays registered. Raises ValueError where secrets are missing."""

    def __init__(self, options: Gb28181Options, now: Callable[[], int] = time.time_ns) -> None:
        url = urlsplit(options.connect)
        host, _, port = options.local.rpartition(":")
        account = Account(
            scheme=url.scheme,
            host=url.hostname or "",
            port=url.port or 5060,
            server=options.server_id,
            domain=options.domain or options.server_id[:10],
            device=options.device_id,
            password=secret("password", options.password_env, options.password_file),
            local=(host.strip("[]"), int(port)) if options.local else None,
            expires_s=options.expires_s,
            keepalive_s=options.keepalive_s,
            retry_s=options.retry_s,
            timeout_s=options.timeout_s,
        )
        self._options, self._now = options, now
        self._profile = PROFILES[options.profile]
        self.device = Device(options.device_id, options.name, options.channels, self._profile)
        self.agent = Agent(account, self.device, self._profile, now)
        self.operator = Operator(options.fresh_s, options.lease_s, options.cameras_max)
        self._running: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Register and stay; also send cameras home whose time is over. The hub runs this."""
        self._running = asyncio.current_task()
        agent = asyncio.create_task(self.agent.run())
        try:
            await self.operator.run(self._send_home, self._now)
        finally:
            agent.cancel()
            await asyncio.gather(agent, return_exceptions=True)

    async def deliver(self, change: AlertChange, key: str, now: int) -> Delivery:
        if change.change not in TELLS:
            return Delivery(True, detail=await self._turn(change, now) or f"no alarm for {change.change.value}")
        channel = self._channel(change)
        if channel is None:
            return Delivery(
                False, final=True, detail=f"no channel speaks for area {change.area!r} and rule {change.rule}"
            )
        try:
            async with asyncio.timeout(self._options.timeout_s):
                await self.agent.registered.wait()
        except TimeoutError:
            return Delivery(False, detail=self.agent.state.en, detail_zh=self.agent.state.zh)
        alarm = self._alarm(change, channel)
        refusal = self.device.refuses(alarm, now)
        if refusal:
            return Delivery(False, final=self.device.disarmed(channel.id), detail=refusal, retry_after_s=5.0)
        answer = await self._tell(alarm, now)
        delivery = _outcome(answer)
        if not delivery.taken:
            return delivery
        self.device.sent(alarm, now)
        said = self._answered(answer)
        if said:
            delivery = msgspec.structs.replace(delivery, detail=f"{delivery.detail}; {said}")
        turned = await self._turn(change, now)
        return Delivery(True, detail=f"{delivery.detail}; {turned}" if turned else delivery.detail)

    def trouble(self) -> Text:
        """See `hub.ports.SessionSink`: the platform's own answers to REGISTER and keepalive."""
        return NOTHING if self.agent.registered.is_set() else self.agent.state

    async def close(self) -> None:
        if self._running and not self._running.done():
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)

    # ---------------------------------------------------------------------------------------------- alarms

    @property
    def _modern(self) -> bool:
        """Whether both sides speak the 2022 edition: a peer must not be sent what it cannot read (Annex I)."""
        return self._profile.version >= "3.0" and (self.agent.platform_version or "3.0") >= "3.0"

    def _channel(self, change: AlertChange) -> Channel | None:
        pack = change.rule.partition("/")[0]
        for channel in self._options.channels:
            if (not channel.areas or change.area in channel.areas) and (not channel.packs or pack in channel.packs):
                return channel
        return None

    def _alarm(self, change: AlertChange, channel: Channel) -> Alarm:
        said = f"{change.title or change.rule}"
        seen = [view.name or view.camera for view in change.cameras if view.sees]
        if seen:
            said += f"；可视摄像机：{'、'.join(seen)}"
        return Alarm(
            channel.id,
            PRIORITY.get(change.level, 4),
            self._profile.method,
            change.at,
            said,
            change.position.lon if change.position else channel.lon,
            change.position.lat if change.position else channel.lat,
            self._profile.type,
            change.id if self._modern else "",
        )

    def _answered(self, answer: SipMessage | None) -> str:
        """Some platforms put their Response into the 200 instead of a message of its own. Evidence only: delivered is the 200."""
        body = manscdp.read(answer.body) if answer and answer.body.strip() else ""
        if isinstance(body, str) or body.kind != "Response":
            return ""
        self.device.confirms(body)
        return "the platform says ERROR" if self.device.result.upper() == "ERROR" else ""

    async def _tell(self, alarm: Alarm, now: int) -> SipMessage | None:
        """To subscribers by NOTIFY where the platform likes that, else by MESSAGE."""
        xml = manscdp.alarm(self.agent.number(), alarm, manscdp.UDP_BODY_BYTES if self.agent.datagrams else 0)
        told: SipMessage | None = None
        for subscription in self.device.subscribers(alarm, now) if self._profile.notify else ():
            answer = await self.agent.notify(subscription, xml)
            if answer and answer.status == 481:
                self.device.drop(subscription)
            elif answer and answer.status == 200:
                told = answer
        return told or await self.agent.message(xml)

    # ---------------------------------------------------------------------------------------------- cameras

    async def _turn(self, change: AlertChange, now: int) -> str:
        """Turn and send home; what was done, for the record. A camera that does not turn fails no delivery."""
        if not self._options.turn_cameras:
            return ""
        plan = self.operator.plan(change, now, self._unable)
        await self.operator.keep()
        said = [plan.note] if plan.note else []
        for view in [*plan.turn, *([waiting(plan.ahead)] if plan.ahead else [])]:
            answer = await self.agent.message(self._order(view), view.gb28181_id)
            good = answer is not None and answer.status == 200
            ahead = "" if view in plan.turn or not plan.ahead else f" to wait from {plan.ahead.from_s:.0f} s on"
            said.append(f"{view.camera} {f'turned{ahead}' if good else 'did not take the order to turn'}")
            if good and view.pose and view.pose.home is None:
                said.append(f"{view.camera} has no home preset in the registry and will stay turned")
        await self.operator.go_home(self._send_home, now)
        return "; ".join(said)

    def _unable(self, view: CameraView) -> str:
        pose = view.pose
        if not view.gb28181_id:
            return "has no gb28181_id in the registry"
        if pose and (self._takes_angles(pose) or (pose.preset is not None and 1 <= pose.preset <= 255)):
            return ""
        return "has no known pan scale and no preset that shows the place"

    def _takes_angles(self, pose: Pose) -> bool:
        return self._profile.precise and self._modern and pose.pan_deg is not None

    def _order(self, view: CameraView) -> str:
        """The order for a view that is not `_unable`."""
        pose = view.pose
        assert pose
        if self._takes_angles(pose) and pose.pan_deg is not None:
            return manscdp.ptz_precise(self.agent.number(), view.gb28181_id, pose.pan_deg, pose.tilt_deg, pose.zoom)
        return manscdp.ptz_command(self.agent.number(), view.gb28181_id, ptz.preset(pose.preset or 0))

    async def _send_home(self, view: CameraView) -> bool:
        home = view.pose.home if view.pose else None
        if not view.gb28181_id or home is None or not 1 <= home <= 255:
            return True  # it has no home to go to, which was said when it turned
        order = manscdp.ptz_command(self.agent.number(), view.gb28181_id, ptz.preset(home))
        answer = await self.agent.message(order, view.gb28181_id)
        return answer is not None and answer.status == 200


def _outcome(answer: SipMessage | None) -> Delivery:
    """200 is taken. 4xx is refused for good, but for those that pass; 401 and 403 may be a registration that was lost."""
    if answer is None:
        return Delivery(False, detail="no answer to the alarm")
    said = f"SIP {answer.status} {answer.phrase}"
    if 200 <= answer.status <= 299:
        return Delivery(True, detail=said)
    retry = answer.header("retry-after")
    final = 400 <= answer.status <= 499 and answer.status not in TEMPORARY | {401, 403, 404, 407}
    return Delivery(
        False,
        final=final,
        detail=said,
        retry_after_s=float(retry[:6]) if retry.isascii() and retry[:6].isdigit() else None,
    )
