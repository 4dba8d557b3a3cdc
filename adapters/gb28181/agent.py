"""A SIP user agent for GB/T 28181: registers, stays alive, sends MESSAGE and NOTIFY, answers what the platform asks.

Client transactions repeat over UDP as RFC 3261 §17.1.2 has it; a repeated request of the platform gets the same answer
again (§17.2.2). No media, no dialogs but subscriptions.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import msgspec

from adapters.gb28181 import digest, manscdp
from adapters.gb28181.device import Device, Subscription
from adapters.gb28181.link import Link, connect
from adapters.gb28181.profile import Profile
from adapters.gb28181.sip import SipMessage, parameter, request, response
from hub.bilingual import Text, quoted
from hub.error_words import words_of

logger = logging.getLogger(__name__)
REGISTERED = Text("registered", "已注册")

T1_S, T2_S = 0.5, 4.0
ANSWERS_KEPT = 256
FOLLOW_UPS_MAX = 64
KEEPALIVES_MISSED_MAX = 3
FORGOTTEN = frozenset({401, 403, 404})
"""What platforms answer to a device that is not registered (any more)."""
CATALOG_ITEMS_MAX = 100_000


class Account(msgspec.Struct, frozen=True):
    """Where to register, and as whom."""

    scheme: str
    host: str
    port: int
    server: str
    domain: str
    device: str
    password: str
    local: tuple[str, int] | None = None
    expires_s: int = 86_400
    keepalive_s: float = 60.0
    retry_s: float = 60.0
    """After a failed registration (the standard: at least 60 s)."""
    timeout_s: float = 8.0
    """For the final answer to one request."""


class Agent:
    """Run `run` as a task; it ends only by cancellation."""

    def __init__(self, account: Account, device: Device, profile: Profile, now: Callable[[], int]) -> None:
        self._account, self._device, self._profile, self._now = account, device, profile, now
        self._link: Link | None = None
        self._waiting: dict[tuple[str, str], asyncio.Queue[SipMessage]] = {}
        self._answered: OrderedDict[tuple[str, str, str], bytes] = OrderedDict()
        self._follow_ups: asyncio.Queue[Coroutine[Any, Any, object]] = asyncio.Queue(FOLLOW_UPS_MAX)
        self._catalogs: dict[str, list[manscdp.Body]] = {}
        self._sequence = 0
        self._number = 0
        self._challenge: digest.Challenge | None = None
        self._nonce_count = 0
        self._granted_s = account.expires_s
        """What the server granted; it may be less than was asked for."""
        self._register_call = f"{secrets.token_hex(8)}@cityhub"
        self.registered = asyncio.Event()
        self.state = Text("not yet registered", "尚未注册")
        """In a sentence, for people."""
        self.follow_ups_lost = 0
        self.platform_version = ""
        """X-GB-Ver of the platform, "" where it states none (before 2022 few do)."""

    # ---------------------------------------------------------------------------------------------- life

    async def run(self) -> None:
        worker = asyncio.create_task(self._work())
        try:
            while True:
                await self._session()
                self.registered.clear()
                self._drop_link()
                await asyncio.sleep(self._account.retry_s)
        finally:
            worker.cancel()
            if self.registered.is_set():
                await self._say_goodbye()
            self._drop_link()
            while not self._follow_ups.empty():
                self._follow_ups.get_nowait().close()

    async def _session(self) -> None:
        """From connecting to the loss of the server."""
        account = self._account
        try:
            async with asyncio.timeout(account.timeout_s):
                self._link = await connect(account.scheme, account.host, account.port, account.local, self._hear)
        except (OSError, TimeoutError) as error:
            where, why = f"{account.host}:{account.port}", words_of(error)
            self.state = Text(f"{where} cannot be reached: {why.en}", f"连不上 {where}：{why.zh}")
            return
        if await self._register(account.expires_s):
            await self._keep_alive()

    async def _register(self, expires_s: int) -> bool:
        answer = await self.ask(
            "REGISTER",
            f"sip:{self._account.server}@{self._account.domain}",
            [("Expires", str(expires_s)), ("Contact", self._contact())],
            to=self._own_address(),
            call_id=self._register_call,
        )
        if answer is None:
            self.state = Text("no answer to REGISTER", "REGISTER 未得到应答")
        elif answer.status == 200:
            granted = answer.header("expires")
            self.platform_version = answer.header("x-gb-ver").strip()[:8]
            self._granted_s = (
                min(expires_s, int(granted[:9]) or expires_s) if granted.isascii() and granted.isdigit() else expires_s
            )
            self.registered.set()
            self.state = REGISTERED
            return True
        else:
            self.state = Text("REGISTER was refused: ", "REGISTER 被拒绝：") + quoted(
                f"{answer.status} {answer.phrase}"
            )
        logger.warning("GB/T 28181: %s", self.state)
        return False

    async def _keep_alive(self) -> None:
        """Until the server is silent, throws us out or the line is lost."""
        account, loop = self._account, asyncio.get_running_loop()
        renew_at = loop.time() + self._granted_s * 0.8
        missed = 0
        while self._link and not self._link.lost.is_set():
            try:
                async with asyncio.timeout(account.keepalive_s):  # wait_for may lose a cancellation before Python 3.12
                    await self._link.lost.wait()
                if self.state == REGISTERED:
                    self.state = Text("the server closed the connection", "服务器关闭了连接")
                return
            except TimeoutError:
                pass
            if loop.time() >= renew_at:
                if not await self._register(account.expires_s):
                    return
                renew_at = loop.time() + self._granted_s * 0.8
            answer = await self.message(manscdp.keepalive(self.number(), account.device))
            missed = 0 if answer and answer.status == 200 else missed + 1
            if missed >= KEEPALIVES_MISSED_MAX or (answer and answer.status in (401, 403, 404)):
                self.state = (
                    Text(f"{missed} keepalives without an answer", f"{missed} 次心跳未得到应答")
                    if answer is None
                    else Text(f"keepalive: {answer.status}", f"心跳应答 {answer.status}")
                )
                return

    async def _say_goodbye(self) -> None:
        try:
            async with asyncio.timeout(1.0):
                await self._register(0)
        except TimeoutError:
            pass
        self.registered.clear()

    def _drop_link(self) -> None:
        if self._link:
            self._link.close()
            self._link = None

    async def _work(self) -> None:
        """What has to be sent because of what was asked, one after another."""
        while True:
            work = await self._follow_ups.get()
            try:
                await work
            except Exception:
                logger.exception("GB/T 28181: an answer could not be sent")

    # ---------------------------------------------------------------------------------------------- asking

    def number(self) -> int:
        """The next SN."""
        self._number = self._number % 999_999 + 1
        return self._number

    async def message(self, xml: str, to: str | None = None) -> SipMessage | None:
        """A MESSAGE to the platform (or to `to`, a device id there); its final answer, None without one."""
        account = self._account
        uri = f"sip:{to or account.server}@{account.domain}"
        body = manscdp.encode(xml, self._profile.charset)
        answer = await self.ask("MESSAGE", uri, [("Content-Type", manscdp.TYPE)], to=f"<{uri}>", body=body)
        if answer and to is None and answer.status in FORGOTTEN and self._link:
            self.state = Text("the server no longer knows us: ", "服务器不再认识本机：") + quoted(
                f"{answer.status} {answer.phrase}"
            )
            self._link.lost.set()
        return answer

    async def notify(self, subscription: Subscription, xml: str) -> SipMessage | None:
        """A NOTIFY in the subscription's dialog."""
        subscription.sequence += 1
        left = max(0, (subscription.until - self._now()) // 1_000_000_000)
        return await self.ask(
            "NOTIFY",
            subscription.contact,
            [
                ("Event", subscription.event),
                ("Subscription-State", f"active;expires={left}"),
                ("Contact", self._contact()),
                ("Content-Type", manscdp.TYPE),
            ],
            to=subscription.theirs,
            call_id=subscription.call_id,
            body=manscdp.encode(xml, self._profile.charset),
            sender=subscription.ours,
            sequence=subscription.sequence,
        )

    @property
    def datagrams(self) -> bool:
        """Whether messages go by UDP, which should keep them short."""
        return self._link is None or not self._link.reliable

    async def catalog(
        self, device: str | None = None, patience_s: float = 30.0, quiet_s: float = 5.0
    ) -> manscdp.Catalog | None:
        """The platform's catalog: its parts until SumNum is reached, or what came when no more comes for `quiet_s`, since
        some platforms announce more than they send. None where nothing comes."""
        number = str(self.number())
        parts = self._catalogs.setdefault(number, [])
        try:
            answer = await self.message(manscdp.catalog_query(int(number), device or self._account.server), device)
            if answer is None or answer.status != 200:
                return None
            loop = asyncio.get_running_loop()
            items: dict[str, manscdp.Item] = {}
            stated = read = 0
            asked = heard = loop.time()
            while True:
                for part in parts[read:]:
                    total, found = manscdp.catalog_items(part)
                    stated = max(stated, total)
                    items |= {item.id: item for item in found}
                    read, heard = read + 1, loop.time()
                if read and (len(items) >= min(stated, CATALOG_ITEMS_MAX) or loop.time() - heard > quiet_s):
                    return manscdp.Catalog(list(items.values()), stated)
                if loop.time() - asked > patience_s:
                    return manscdp.Catalog(list(items.values()), stated) if read else None
                await asyncio.sleep(0.05)
        finally:
            del self._catalogs[number]

    async def ask(
        self,
        method: str,
        uri: str,
        headers: Sequence[tuple[str, str]],
        *,
        to: str,
        body: bytes = b"",
        call_id: str = "",
        sender: str = "",
        sequence: int = 0,
    ) -> SipMessage | None:
        """One request and its final answer; answers a digest challenge once. None: no answer in time."""
        call_id = call_id or f"{secrets.token_hex(8)}@cityhub"
        sender = sender or f"{self._own_address()};tag={secrets.token_hex(4)}"
        answer: SipMessage | None = None
        for attempt in range(2):
            if self._link is None:
                return None
            self._sequence = self._sequence % 2**30 + 1
            branch = f"z9hG4bK{secrets.token_hex(8)}"
            every = [
                ("Via", f"SIP/2.0/{self._link.name} {self._host()};rport;branch={branch}"),
                ("From", sender),
                ("To", to),
                ("Call-ID", call_id),
                ("CSeq", f"{sequence + attempt if sequence else self._sequence} {method}"),
                ("Max-Forwards", "70"),
                ("User-Agent", "cityhub"),
                *headers,
            ]
            if method == "REGISTER":
                every.append(("X-GB-Ver", self._profile.version))
            if self._challenge and (method == "REGISTER" or attempt):
                every.append(("Authorization", self._authorization(method, uri)))
            answer = await self._transact(branch, request(method, uri, every, body))
            if answer is None or answer.status not in (401, 407):
                return answer
            challenge = digest.read(answer.header("www-authenticate") or answer.header("proxy-authenticate"))
            if challenge is None:
                return answer
            self._challenge, self._nonce_count = challenge, 0
        return answer

    async def _transact(self, branch: str, message: SipMessage) -> SipMessage | None:
        link = self._link
        if link is None:
            return None
        data, key = message.encode(), (branch, message.method)
        inbox: asyncio.Queue[SipMessage] = asyncio.Queue()
        self._waiting[key] = inbox
        wait, provisional = T1_S, False
        try:
            async with asyncio.timeout(self._account.timeout_s):
                link.send(data)
                while True:
                    try:
                        async with asyncio.timeout(None if link.reliable else T2_S if provisional else wait):
                            answer = await inbox.get()
                    except TimeoutError:
                        wait = min(wait * 2, T2_S)
                        link.send(data)
                        continue
                    if answer.status >= 200:
                        return answer
                    provisional = True
        except TimeoutError:
            return None
        finally:
            del self._waiting[key]

    def _authorization(self, method: str, uri: str) -> str:
        assert self._challenge
        self._nonce_count += 1
        account = self._account
        return digest.answer(
            self._challenge, account.device, account.password, method, uri, self._nonce_count, secrets.token_hex(8)
        )

    # ---------------------------------------------------------------------------------------------- hearing

    def _hear(self, message: SipMessage) -> None:
        if not message.method:
            inbox = self._waiting.get((message.branch, message.sequence[1]))
            if inbox is not None:
                inbox.put_nowait(message)
            return
        if message.method == "ACK" or self._link is None:
            return
        key = (message.branch, message.method, message.header("cseq"))
        said = self._answered.get(key)
        if said is None:
            said = self._answer(message)
            self._answered[key] = said
            if len(self._answered) > ANSWERS_KEPT:
                self._answered.popitem(last=False)
        self._link.send(said)

    def _answer(self, message: SipMessage) -> bytes:
        tag = parameter(message.header("to"), "tag") or secrets.token_hex(4)
        heard = self._device.hear(message, tag, self._now())
        self._collect(message)
        for xml in heard.then:
            self._later(self.message(xml))
        for subscription, xml in heard.notify:
            self._later(self.notify(subscription, xml))
        headers = [*heard.headers, ("User-Agent", "cityhub")]
        if message.method == "SUBSCRIBE":
            headers.append(("Contact", self._contact()))
        return response(message, heard.status, heard.phrase, tag, headers).encode()

    def _collect(self, message: SipMessage) -> None:
        """Parts of a catalog that we asked for."""
        if self._catalogs and message.method == "MESSAGE":
            body = manscdp.read(message.body)
            if isinstance(body, manscdp.Body) and body.kind == "Response" and body.command == "Catalog":
                parts = self._catalogs.get(body.number)
                if parts is not None and len(parts) < CATALOG_ITEMS_MAX:
                    parts.append(body)

    def _later(self, work: Coroutine[Any, Any, object]) -> None:
        try:
            self._follow_ups.put_nowait(work)
        except asyncio.QueueFull:
            work.close()
            self.follow_ups_lost += 1
            logger.warning("GB/T 28181: more than %d answers wait to be sent; one was dropped", FOLLOW_UPS_MAX)

    def _host(self) -> str:
        host, port = self._link.local if self._link else ("0.0.0.0", 0)
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def _contact(self) -> str:
        transport = ";transport=tcp" if self._link and self._link.reliable else ""
        return f"<sip:{self._account.device}@{self._host()}{transport}>"

    def _own_address(self) -> str:
        return f"<sip:{self._account.device}@{self._account.domain}>"
