"""Everything that goes wrong between a hub and a destination, over real sockets: each change arrives, in order, once by key.

The courier, its log, cursors and journal are the real ones; only its waiting is pretended, on a clock of the test's own.
"""

from __future__ import annotations

import asyncio
import json
import random
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from adapters.hub.sink import HubSink, HubSinkOptions
from adapters.webhook.sink import WebhookOptions, WebhookSink
from hub.app.destinations import Destinations
from hub.delivery import Attempt, Courier, Journal, Pace
from hub.log import Cursors, Log
from hub.model import AlertChange, Change
from hub.options import SinkConfig
from hub.ports import Sink
from tests.acceptance.ports import free_port
from tests.acceptance.running import cityhub, write_city
from tests.adapters.test_webhook import until
from tests.certificates import Files, authority, signed
from tests.waiting import PATIENCE_S

T = 1_795_334_400_000_000_000
SECOND = 1_000_000_000
HOUR_S = 3600.0
SLOW_S = 1.0
"""How long an answer is waited for that comes byte by byte, in ten seconds."""


def life(alerts: int) -> list[AlertChange]:
    """Warnings that are raised, escalated and cleared, one mixed with another."""
    steps = [(Change.RAISED, "yellow"), (Change.ESCALATED, "red"), (Change.CLEARED, "red")]
    return [
        AlertChange(f"flood/stage@g{n}@t", ordinal, T + ordinal, "flood/stage", f"g{n}", what, level)
        for ordinal, (what, level) in enumerate(steps, 1)
        for n in range(alerts)
    ]


class Destination:
    """A platform by hand, over TCP or TLS, that can be down, slow and wrong. Knows what it took, by key."""

    def __init__(self) -> None:
        self.port = free_port()
        self.heard: list[str] = []
        """Keys of all requests, in order."""
        self.taken: list[str] = []
        """Keys as they were answered with 2xx, or would have been."""
        self.script: list[str] = []
        """What is answered instead of 200: a status line with headers, "slow", "cut", "taken, but not said"."""
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def up(self, tls: Files | None = None) -> None:
        context = None
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(tls.cert, tls.key)
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, ssl=context)
        self.port = self._server.sockets[0].getsockname()[1]

    async def down(self) -> None:
        if self._server is not None:
            self._server.close()
            for writer in list(self._writers):
                writer.transport.abort()
            await asyncio.sleep(0.01)
            self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
                length = int(head.partition("content-length:")[2].split("\r\n")[0])
                key = _key(json.loads(await reader.readexactly(length)))
                self.heard.append(key)
                fault = self.script.pop(0) if self.script else ""
                if fault == "slow":
                    for byte in b"HTTP/1.1 200 OK\r\nx: " + b"y" * 500:
                        writer.write(bytes([byte]))
                        await writer.drain()
                        await asyncio.sleep(0.02)
                if fault in ("slow", "cut"):
                    return
                if not fault or fault == "taken, but not said":
                    self.taken.append(key)
                if fault:
                    if fault == "taken, but not said":
                        return
                    writer.write(f"HTTP/1.1 {fault}\r\ncontent-length: 0\r\n\r\n".encode())
                else:
                    writer.write(b'HTTP/1.1 200 OK\r\ncontent-length: 26\r\n\r\n{"taken": {"changes": 1}}\n')
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()


def _key(body: dict[str, Any]) -> str:
    """The change's id at the hub that made it, as the webhook and the hub above are told of it."""
    if "changes" not in body:
        return str(body["id"])
    (said,) = body["changes"]
    return f"{said['alert'].removeprefix('district-a/')}#{said['origin']['ordinal']}"


class Hub:
    """Log, cursors, journal and one courier in a folder, with a clock of its own; `restart` takes up what is on disk."""

    def __init__(self, folder: Path, make: Callable[[], Sink]) -> None:
        self.folder, self._make = folder, make
        self.at_s = 0.0
        self.at_time: dict[float, Callable[[], Awaitable[None]]] = {}
        """What happens when the clock has come so far."""
        self._task: asyncio.Task[None] | None = None
        self.pace = Pace(per_second_max=1e6, attempt_max_s=5)

    async def start(self) -> None:
        self.log, self.cursors = Log(self.folder / "log"), Cursors(self.folder / "cursors")
        self.journal = Journal(self.folder / "delivery.db")
        if self.cursors.get("delivery.x") is None:
            self.cursors.set("delivery.x", 0)
        self.courier = Courier(
            "x", self._make(), self.log.alerts, self.cursors, self.journal, pace=self.pace, now=lambda: T + round(self.at_s * SECOND),
            sleep=self._sleep, chance=random.Random(5),
        )  # fmt: skip
        self._task = asyncio.create_task(self.courier.run())

    async def _sleep(self, seconds: float) -> None:
        self.at_s += seconds
        for at in [at for at in self.at_time if at <= self.at_s]:
            await self.at_time.pop(at)()
        await asyncio.sleep(0)

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            await self.courier.close()
            self.journal.close()
            await self.log.close()
            self._task = None

    async def restart(self) -> None:
        await self.stop()
        await self.start()

    async def through(self, offset: int) -> None:
        await until(lambda: self.cursors.get("delivery.x") == offset, PATIENCE_S)

    def attempts(self) -> list[Attempt]:
        return self.journal.attempts("x", 10_000)[::-1]


@pytest.fixture(params=["webhook", "hub"])
async def both(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Hub, Destination]]:  # fmt: skip
    monkeypatch.setenv("TOKEN", "token")
    destination = Destination()
    await destination.up()

    slow = "slow" in request.node.callspec.params.values()
    timeout_s = SLOW_S if slow else PATIENCE_S  # a busy machine may take its time over an answer that comes

    def sink() -> Sink:
        url = f"http://127.0.0.1:{destination.port}/"
        if request.param == "hub":
            return HubSink(HubSinkOptions(url=url, hub="district-a", token_env="TOKEN", timeout_s=timeout_s))
        return WebhookSink(WebhookOptions(url=url, timeout_s=timeout_s))

    hub = Hub(tmp_path, sink)
    await hub.start()
    yield hub, destination
    await hub.stop()
    await destination.down()


def assert_all_arrived(hub: Hub, destination: Destination, said: list[AlertChange]) -> None:
    assert list(dict.fromkeys(destination.taken)) == [change.id for change in said]
    assert hub.journal.dead_letters() == []
    on_record = [attempt.id for attempt in hub.attempts() if attempt.outcome == "taken"]
    assert on_record == [change.id for change in said]


async def test_down_for_an_hour(both: tuple[Hub, Destination]) -> None:
    hub, destination = both
    said = life(4)
    await hub.log.alerts.append(said[:3])
    await hub.through(3)
    await destination.down()
    begun = hub.at_s
    hub.at_time[begun + HOUR_S] = destination.up
    await hub.log.alerts.append(said[3:])
    await hub.through(len(said))
    assert_all_arrived(hub, destination, said)
    assert destination.heard == destination.taken  # nothing twice
    failed = [attempt for attempt in hub.attempts() if attempt.outcome == "failed"]
    assert {attempt.id for attempt in failed} == {said[3].id}
    assert all("cannot be reached: Connection refused" in attempt.detail for attempt in failed)
    waits = [(later.at - earlier.at) / SECOND for earlier, later in pairwise(failed)]
    assert all(wait <= hub.pace.longest_s for wait in waits)
    assert all(wait >= hub.pace.breaker_s for wait in waits[hub.pace.breaker_after :])
    assert HOUR_S / 30 <= len(failed) <= HOUR_S / 10 + 10  # no hammering, no giving up


@pytest.mark.parametrize(
    "fault", ["500 Internal Server Error", "502 Bad Gateway", "503 Service Unavailable", "slow", "cut"]
)
async def test_what_passes_holds_and_nothing_overtakes(both: tuple[Hub, Destination], fault: str) -> None:
    hub, destination = both
    said = life(2)
    destination.script = ["", fault, fault, fault, "", fault]
    await hub.log.alerts.append(said)
    await hub.through(len(said))
    assert_all_arrived(hub, destination, said)
    assert destination.heard == [said[at].id for at in (0, 1, 1, 1, 1, 2, 2, 3, 4, 5)]
    failed = [attempt for attempt in hub.attempts() if attempt.outcome == "failed"]
    assert len(failed) == 4
    why = {"slow": f"no answer within {SLOW_S:g} s", "cut": "RemoteProtocolError"}.get(fault, f"HTTP {fault[:3]}")
    assert all(why in attempt.detail for attempt in failed)


async def test_429_is_given_the_time_it_asks_for(both: tuple[Hub, Destination]) -> None:
    hub, destination = both
    said = life(1)
    destination.script = ["429 Too Many Requests\r\nretry-after: 120", "429 Too Many Requests\r\nretry-after: 86400"]
    await hub.log.alerts.append(said)
    await hub.through(len(said))
    assert_all_arrived(hub, destination, said)
    first, second, third = [attempt.at for attempt in hub.attempts()][:3]
    assert (second - first) / SECOND >= 120
    assert 600 <= (third - second) / SECOND < 700  # asked for a day; more than 10 minutes no warning waits


async def test_410_rests_and_a_person_wakes_it(both: tuple[Hub, Destination]) -> None:
    hub, destination = both
    said = life(1)
    destination.script = ["410 Gone"]
    await hub.log.alerts.append(said)
    await until(lambda: hub.courier.status.state == "disabled" and len(hub.journal.dead_letters()) == 1)
    await asyncio.sleep(0.05)
    assert destination.heard == [said[0].id]
    await hub.courier.retry()
    await hub.through(len(said))
    await until(lambda: len(destination.taken) == 3)
    assert set(destination.taken) == {change.id for change in said}
    assert hub.journal.dead_letters() == []
    refused = [attempt for attempt in hub.attempts() if attempt.outcome == "refused"]
    assert [(attempt.id, "410" in attempt.detail) for attempt in refused] == [(said[0].id, True)]


async def test_taken_but_not_said_is_offered_again_under_the_same_key(both: tuple[Hub, Destination]) -> None:
    hub, destination = both
    said = life(2)
    destination.script = ["taken, but not said", "", "taken, but not said"]
    await hub.log.alerts.append(said)
    await hub.through(len(said))
    assert_all_arrived(hub, destination, said)
    assert len(destination.taken) == len(said) + 2


@pytest.mark.long
async def test_restarts_in_the_middle_of_everything(both: tuple[Hub, Destination]) -> None:
    hub, destination = both
    said = life(10)
    chance = random.Random(11)
    faults = ["500 X", "503 X", "429 X\r\nretry-after: 1", "slow", "cut", "taken, but not said", "", "", ""]
    destination.script = [chance.choice(faults) for _ in range(60)]
    for at in range(0, len(said), 5):
        await hub.log.alerts.append(said[at : at + 5])
        await asyncio.sleep(chance.uniform(0.0, 0.3))
        await hub.restart()
        if at % 10 == 0:
            await destination.down()
            await asyncio.sleep(0.05)
            await destination.up()
    await hub.through(len(said))
    assert list(dict.fromkeys(destination.taken)) == [change.id for change in said]
    for alert in {change.alert for change in said}:
        mine = [key for key in destination.taken if key.startswith(f"{alert}#")]
        assert mine == sorted(mine)
    assert hub.journal.dead_letters() == []


# ------------------------------------------------------------------------------------------------- TLS


@pytest.mark.parametrize("kind", ["webhook", "hub"])
@pytest.mark.parametrize(
    ("wrong", "words"),
    [("expired", "certificate has expired"), ("not-yet", "not yet valid"), ("host", "mismatch"), ("authority", "unable to get local issuer")],
)  # fmt: skip
async def test_a_certificate_that_is_wrong_holds_until_it_is_mended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, wrong: str, words: str
) -> None:
    monkeypatch.setenv("TOKEN", "token")
    ca = authority(tmp_path)
    bad = {
        "expired": lambda: signed(tmp_path, ca, "bad", valid=("20200101000000Z", "20200201000000Z")),
        "not-yet": lambda: signed(tmp_path, ca, "bad", valid=("20400101000000Z", "20410101000000Z")),
        "host": lambda: signed(tmp_path, ca, "bad", hosts="DNS:elsewhere.example"),
        "authority": lambda: signed(tmp_path, authority(tmp_path, "stranger"), "bad"),
    }[wrong]()
    good = signed(tmp_path, ca, "good")
    destination = Destination()
    await destination.up(bad)

    def sink() -> Sink:
        url = f"https://localhost:{destination.port}/"
        if kind == "hub":
            return HubSink(HubSinkOptions(url=url, hub="district-a", token_env="TOKEN", ca_file=ca.cert, timeout_s=5))
        return WebhookSink(WebhookOptions(url=url, ca_file=ca.cert, timeout_s=5))

    hub = Hub(tmp_path / "hub", sink)
    await hub.start()

    async def mend() -> None:
        await destination.down()
        await destination.up(good)

    hub.at_time[100.0] = mend
    said = life(2)
    await hub.log.alerts.append(said)
    await hub.through(len(said))
    assert_all_arrived(hub, destination, said)
    failed = [attempt for attempt in hub.attempts() if attempt.outcome == "failed"]
    assert failed
    assert all(words in attempt.detail for attempt in failed)
    assert destination.heard == destination.taken  # nothing was said to whoever that was
    await hub.stop()
    await destination.down()


# ------------------------------------------------------------------------------------------------- rate, record


async def test_each_destination_has_a_rate_of_its_own(tmp_path: Path) -> None:
    """Over real sockets and the real clock: the slow one's limit is kept, and the other never waits for it."""
    slow, quick = Destination(), Destination()
    await slow.up()
    await quick.up()
    log, cursors = Log(tmp_path / "log"), Cursors(tmp_path / "cursors")
    configs = [
        SinkConfig(
            name, "webhook", WebhookOptions(url=f"http://127.0.0.1:{to.port}/"), (), (), (), 1, per_second_max=rate
        )
        for name, to, rate in (("slow", slow, 5.0), ("quick", quick, 1000.0))
    ]
    for name in ("slow", "quick"):
        cursors.set(f"delivery.{name}", 0)
    destinations = Destinations(log, tmp_path)
    await destinations.begin(configs, cursors)
    await log.alerts.append(life(5))
    loop = asyncio.get_running_loop()
    begun = loop.time()
    destinations.start()
    await until(lambda: len(quick.taken) == 15)
    first = len(slow.taken)
    await until(lambda: len(slow.taken) == 15)
    took_s = loop.time() - begun
    assert first < 15
    assert took_s >= (15 - 6) / 5.0 - 0.1  # a burst of one second's worth, then five a second
    await destinations.close()
    await log.close()
    await slow.down()
    await quick.down()


def test_the_command_shows_every_attempt_with_its_time_and_reason(tmp_path: Path) -> None:
    folder = write_city(tmp_path)
    (folder / "var").mkdir()
    journal = Journal(folder / "var" / "delivery.db")
    for n in range(150):
        journal.record(Attempt("busy", f"b#{n}", T + n * SECOND, 1.5, "taken", "HTTP 200"))
    journal.record(Attempt("quiet", "a#1", T, 300.2, "failed", f"no answer within {SLOW_S:g} s"))
    journal.record(Attempt("quiet", "a#1", T + 2 * SECOND, 12.0, "taken", "HTTP 204"))
    journal.close()
    shown = json.loads(cityhub("delivery", folder, "list", "--json").stdout)["attempts"]
    quiet = [attempt for attempt in shown if attempt["destination"] == "quiet"]
    assert quiet == [
        {"destination": "quiet", "id": "a#1", "at": "2026-11-22T08:00:02Z", "took_ms": 12.0, "outcome": "taken", "detail": "HTTP 204"},
        {"destination": "quiet", "id": "a#1", "at": "2026-11-22T08:00:00Z", "took_ms": 300.2, "outcome": "failed", "detail": f"no answer within {SLOW_S:g} s"},
    ]  # fmt: skip
    assert len(shown) == 102  # the newest hundred of each
