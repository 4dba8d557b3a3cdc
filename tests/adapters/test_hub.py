"""Hub to hub over real sockets: who may say what, what is refused and why, and that a peer who floods hurts no other."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from adapters.hub import PLUGIN, HubOptions, wire
from adapters.hub.codec import HubCodec, HubCodecOptions
from adapters.hub.peers import BURST_S, Peers, load_peers
from adapters.hub.sink import HubSink, HubSinkOptions, ReadingsOptions, every_ns
from adapters.peer_http import Peer
from adapters.transport.adapter import StreamAdapter
from cityhub.testing.codecs import held_bytes
from hub.model import AlertChange, CameraView, Change, FaultKind, Message, Origin, Position, Reading, Verdict
from tests.acceptance.running import write_city
from tests.adapters.http_peer import Heard, http_peer
from tests.adapters.intake import FakeIntake
from tests.certificates import Files, authority, replaced, revoked, signed

T = 1_795_334_400_000_000_000
SECOND = 1_000_000_000
TOKENS = {name: f"token-of-{name}-0123456789" for name in ("district-a", "district-b", "city-2")}
PEERS = f"""
[peers.district-a]
token = "{TOKENS["district-a"]}"
[peers.district-b]
token = "{TOKENS["district-b"]}"
items_per_s_max = 10
[peers.city-2]
token = "{TOKENS["city-2"]}"
origins = ["village"]
"""


def change(ordinal: int = 1, **more: Any) -> AlertChange:
    return AlertChange(
        more.pop("alert", "flood/stage@g@t"), ordinal, T, "flood/stage", "g", more.pop("change", Change.RAISED), "red", "高水位",
        {"water_level": 3.5}, Position(121.4, 31.2), [CameraView("c1", 0.9, 140.0, 12.0, True, "in its sector")], **more,
    )  # fmt: skip


def reading(device: str = "gauge-1", at: int = T, **more: Any) -> Reading:
    return Reading(device, at, {"water_level": 3.41}, Position(121.4, 31.2, 4.0), {"water_level": "manual"}, kind="river-gauge", **more)  # fmt: skip


@pytest.fixture
def peers(tmp_path: Path) -> Peers:
    return load_peers(str(peers_file(tmp_path)), "city")


def peers_file(folder: Path) -> Path:
    (folder / "peers.toml").write_text(PEERS)
    return folder / "peers.toml"


def request(body: bytes, token: str = "", method: str = "POST") -> bytes:
    head = f"{method} / HTTP/1.1\r\nAuthorization: Bearer {token}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def offer(codec: HubCodec, data: bytes, verdict: Verdict = Verdict.STORED, at: int = T) -> tuple[Message, int, Any]:
    """The message, and the answer's status and body."""
    (message,) = codec.feed(data, at)
    answer = codec.reply(message, verdict, at)
    assert answer is not None
    head, _, body = answer.partition(b"\r\n\r\n")
    return message, int(head.split()[1]), json.loads(body)


# ------------------------------------------------------------------------------------------------- what is said


def test_what_one_hub_sends_is_what_the_other_reads(peers: Peers) -> None:
    here = "district-a"
    body = wire.body(here, [wire.change_item(change(), here)], [wire.reading_item(reading(), here)])
    message, status, said = offer(HubCodec(HubCodecOptions(hub="city"), peers), request(body, TOKENS[here]))
    assert (status, said["taken"], said["refused"]) == (200, {"changes": 1, "readings": 1}, [])
    (got,) = message.readings
    assert got == msgspec.structs.replace(reading(), device="district-a/gauge-1", path=["district-a"])
    (told,) = message.changes
    assert (told.alert, told.subject, told.cameras[0].camera) == ("district-a/flood/stage@g@t", "district-a/g", "district-a/c1")  # fmt: skip
    assert (told.origin, told.values, told.position, told.title) == (Origin("district-a", 1, ("district-a",)), {"water_level": 3.5}, Position(121.4, 31.2), "高水位")  # fmt: skip
    assert message.faults == []
    assert message.raw == b""  # the token stands in it


def test_times_keep_their_nanoseconds() -> None:
    odd = T + 1
    (item,) = wire.read(wire.body("a", readings=[wire.reading_item(reading(at=odd), "a")])).readings
    assert wire.read_reading(item).observed_at == odd


@pytest.mark.parametrize(
    ("token", "sender", "status", "words"),
    [
        ("", "district-a", 401, "no known token"),
        ("token-of-nobody-at-all", "district-a", 401, "no known token"),
        (TOKENS["district-b"], "district-a", 403, "the token is that of district-b"),
    ],
)
def test_who_is_not_who_they_say_is_turned_away(peers: Peers, token: str, sender: str, status: int, words: str) -> None:
    body = wire.body(sender, readings=[wire.reading_item(reading(), sender)])
    message, got, said = offer(HubCodec(HubCodecOptions(hub="city"), peers), request(body, token), Verdict.REFUSED)
    assert (got, message.readings) == (status, [])
    assert words in said["error"]
    assert [fault.kind for fault in message.faults] == [FaultKind.UNAUTHORISED]
    assert all(token not in str(fault) or not token for fault in message.faults)


@pytest.mark.parametrize("length", ["Content-Length: 1000000", "Transfer-Encoding: chunked", "Content-Length: x"])
def test_nothing_of_a_strangers_body_is_held(peers: Peers, length: str) -> None:
    codec = HubCodec(HubCodecOptions(hub="city"), peers)
    (message,) = codec.feed(f"POST / HTTP/1.1\r\nAuthorization: Bearer nobody\r\n{length}\r\n\r\n".encode(), T)
    assert (message.body.status, message.faults[0].kind) == (401, FaultKind.UNAUTHORISED)
    assert b"nobody" not in message.faults[0].raw
    for _ in range(15):
        assert codec.feed(b"x" * 65_536, T) == []
        assert held_bytes(codec) < 20_000
    if length == "Content-Length: 1000000":
        codec.feed(b"x" * (1_000_000 - 15 * 65_536), T)
        body = wire.body("district-a", readings=[wire.reading_item(reading(), "district-a")])
        assert offer(codec, request(body, TOKENS["district-a"]))[1] == 200


@pytest.mark.parametrize(
    ("token", "path", "kind"),
    [
        ("district-a", ["district-a"], None),
        ("district-a", ["hamlet", "district-a"], None),
        ("district-a", ["village", "district-a"], FaultKind.UNAUTHORISED),  # city-2's
        ("district-a", ["district-b", "district-a"], FaultKind.UNAUTHORISED),
        ("city-2", ["village", "city-2"], None),
        ("city-2", ["hamlet", "city-2"], FaultKind.UNAUTHORISED),  # it has a list
        ("district-a", ["city", "district-a"], FaultKind.LOOP),
        ("district-a", [*"abcdefgh", "district-a"], FaultKind.LOOP),
        ("district-a", ["hamlet"], FaultKind.SYNTAX),  # not sent by the hamlet
    ],
)
def test_which_hubs_a_peer_may_speak_for_and_what_has_been_here_before(
    peers: Peers, token: str, path: list[str], kind: FaultKind | None
) -> None:
    origin = Origin(path[0], 1, tuple(path))
    said = change(alert=f"{path[0]}/x", area=path[0], origin=origin)
    said.subject, said.cameras = f"{path[0]}/g", []
    item = {"device": f"{path[0]}/g", "at": T, "values": {"water_level": 1.0}, "path": path}
    body = wire.body(token, [msgspec.json.encode(said)], [msgspec.json.encode(item)])
    codec = HubCodec(HubCodecOptions(hub="city"), peers)
    message, status, answer = offer(codec, request(body, TOKENS[token]), Verdict.REFUSED if kind else Verdict.STORED)
    if kind is None:
        assert (len(message.changes), len(message.readings), message.faults) == (1, 1, [])
        return
    assert (message.changes, message.readings) == ([], [])
    assert [(fault.kind, fault.readings) for fault in message.faults] == [(kind, 1)] * 2
    assert status == (409 if kind is FaultKind.LOOP else 400)
    assert answer["error"]


def test_one_bad_item_costs_only_itself(peers: Peers) -> None:
    good = wire.reading_item(reading(), "district-a")
    body = wire.body("district-a", [b'{"alert": 5}'], [good, b'{"device": "x"}', b"[]", good])
    message, status, said = offer(HubCodec(HubCodecOptions(hub="city"), peers), request(body, TOKENS["district-a"]))
    assert (status, len(message.readings), said["refused_count"]) == (200, 2, 3)
    assert all(fault.kind is FaultKind.SYNTAX and fault.raw and fault.readings == 1 for fault in message.faults)


@pytest.mark.parametrize("place", [b'"at":', b'"water_level":'])
def test_a_number_that_no_log_holds_costs_only_its_reading(peers: Peers, place: bytes) -> None:
    """Found by fuzz: JSON has whole numbers of any length."""
    good = wire.reading_item(reading(), "district-a")
    before, _, after = good.partition(place)
    huge = before + place + b"99999999999999999999" + after[after.index(b"}" if b"level" in place else b",") :]
    body = wire.body("district-a", [], [huge, good])
    message, status, said = offer(HubCodec(HubCodecOptions(hub="city"), peers), request(body, TOKENS["district-a"]))
    assert (status, len(message.readings), said["refused_count"]) == (200, 1, 1)
    assert "cannot be read" in message.faults[0].detail


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        (b"[1, 2]", 400, FaultKind.SYNTAX),
        (b"not json", 400, FaultKind.SYNTAX),
        (b'{"version": 2, "hub": "district-a"}', 400, FaultKind.SYNTAX),
        (b'{"version": 1, "hub": "district-a", "readings": [' + b",".join([b"{}"] * 5001) + b"]}", 413, FaultKind.OVERSIZE),
        (b"x" * (1 << 20) + b"x", 413, FaultKind.OVERSIZE),
    ],
)  # fmt: skip
def test_what_is_no_forwarding_is_said_so(peers: Peers, body: bytes, status: int, kind: FaultKind) -> None:
    message, got, _ = offer(
        HubCodec(HubCodecOptions(hub="city"), peers), request(body, TOKENS["district-a"]), Verdict.REFUSED
    )
    assert (got, [fault.kind for fault in message.faults]) == (status, [kind])
    assert not any(TOKENS["district-a"].encode() in fault.raw for fault in message.faults)


def test_other_methods_and_a_busy_hub(peers: Peers) -> None:
    codec = HubCodec(HubCodecOptions(hub="city"), peers)
    assert offer(codec, request(b"", TOKENS["district-a"], "GET"), Verdict.REFUSED)[1] == 405
    body = wire.body("district-a", readings=[wire.reading_item(reading(), "district-a")])
    assert offer(codec, request(body, TOKENS["district-a"]), Verdict.BUSY)[1] == 503


def test_a_peer_over_its_allowance_waits_whatever_its_connection_and_the_others_do_not(peers: Peers) -> None:
    def send(name: str, count: int, at: int) -> int:
        items = [wire.reading_item(reading(f"g{n}"), name) for n in range(count)]
        codec = HubCodec(HubCodecOptions(hub="city"), peers)  # a connection each
        return offer(codec, request(wire.body(name, readings=items), TOKENS[name]), at=at)[1]

    burst = round(10 * BURST_S)
    assert send("district-b", burst, T) == 200
    assert send("district-b", 50, T) == 200  # at its limit, not yet over it
    assert send("district-b", 1, T) == 429
    assert send("district-a", 1000, T) == 200
    assert send("district-b", 1, T + 4 * SECOND) == 429
    assert send("district-b", 1, T + 6 * SECOND) == 200


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "were meant"),
        ("[peers]\n", "were meant"),
        ("peers = 5", "were meant"),
        ("[peers.x", "not valid TOML"),
        ('[peers."my city"]\ntoken = "0123456789abcdef"', "cannot stand"),
        ('[peers.a]\ntoken = "short"', "16 characters"),
        ("[peers.a]\n", "token or sha256"),
        ('[peers.a]\nsha256 = "abc"', "64 digits"),
        ('[peers.a]\ntoken = "0123456789abcdef"\nrights = 1', "rights"),
        ('[peers.a]\ntoken = "0123456789abcdef"\nitems_per_s_max = 0', "more than 0"),
        ('[peers.a]\ntoken = "0123456789abcdef"\n[peers.b]\ntoken = "0123456789abcdef"', "same token"),
        ('[peers.city]\ntoken = "0123456789abcdef"', "own name"),
    ],
)
def test_mistakes_in_the_peers_file_are_said_without_the_token(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "peers.toml").write_text(text)
    with pytest.raises(ValueError, match=words) as error:
        load_peers(str(tmp_path / "peers.toml"), "city")
    assert "0123456789abcdef" not in str(error.value)


# ------------------------------------------------------------------------------------------------- over sockets


@asynccontextmanager
async def listening(
    folder: Path, intake: FakeIntake, listen: str = "tcp://127.0.0.1:0", **more: Any
) -> AsyncIterator[int]:
    options = HubOptions(listen=listen, peers_file=str(peers_file(folder)), **more)
    adapter = PLUGIN.source("below", options, HubCodecOptions(hub="city"))
    assert isinstance(adapter, StreamAdapter)
    task = asyncio.create_task(adapter.run(intake))
    try:
        await intake.until(lambda: bool(adapter.bound) or task.done())
        yield int(adapter.bound.rpartition(":")[2])
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def sink(url: str, monkeypatch: pytest.MonkeyPatch, name: str = "district-a", **more: Any) -> HubSink:
    monkeypatch.setenv("UP_TOKEN", TOKENS[name])
    return HubSink(HubSinkOptions(url=url, hub=name, token_env="UP_TOKEN", timeout_s=5, **more))


async def test_acknowledged_only_after_the_verdict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    intake = FakeIntake(hold=True)
    async with listening(tmp_path, intake) as port:
        up = sink(f"http://127.0.0.1:{port}", monkeypatch)
        delivering = asyncio.create_task(up.deliver(change(), "k", T))
        await intake.until(lambda: len(intake.messages) == 1)
        await asyncio.sleep(0.1)
        assert not delivering.done()
        intake.release()
        told = await delivering
        assert (told.taken, told.detail) == (True, "HTTP 200: 1 taken")
        await up.close()


async def test_over_tls_with_a_certificate_of_its_own_authority_and_of_the_peers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ca, intake = authority(tmp_path), FakeIntake()
    server, client = signed(tmp_path, ca, "city"), signed(tmp_path, ca, "district-a")
    tls = {"tls_cert_file": server.cert, "tls_key_file": server.key, "tls_client_ca_file": ca.cert}
    async with listening(tmp_path, intake, "tls://127.0.0.1:0", **tls) as port:
        url = f"https://localhost:{port}"
        stranger = sink(url, monkeypatch)
        told = await stranger.deliver(change(), "k", T)
        assert (told.taken, told.final) == (False, False)
        nobody = sink(url, monkeypatch, ca_file=ca.cert)
        assert not (await nobody.deliver(change(), "k", T)).taken
        up = sink(url, monkeypatch, ca_file=ca.cert, tls_cert_file=client.cert, tls_key_file=client.key)
        assert (await up.deliver(change(), "k", T)).taken
        for each in (stranger, nobody, up):
            await each.close()
    assert len(intake.messages) - len(intake.faults) == 1


async def test_link_certificates_are_renewed_and_taken_back_while_both_hubs_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The city's is renewed, the district's is; then the district's is taken back, and last the city's."""
    monkeypatch.setattr("adapters.transport.adapter.LOOK_EVERY_S", 0.02)
    (tmp_path / "new").mkdir()
    ca, intake = authority(tmp_path), FakeIntake()
    city, district = signed(tmp_path, ca, "city"), signed(tmp_path, ca, "district-a")
    crl, theirs = tmp_path / "crl.pem", tmp_path / "theirs.pem"
    for each in (crl, theirs):
        each.write_text(revoked(tmp_path, ca))
    tls = {"tls_cert_file": city.cert, "tls_key_file": city.key, "tls_client_ca_file": ca.cert, "tls_crl_file": str(crl)}  # fmt: skip
    async with listening(tmp_path, intake, "tls://127.0.0.1:0", **tls) as port:
        up = sink(
            f"https://localhost:{port}", monkeypatch, ca_file=ca.cert, tls_cert_file=district.cert, tls_key_file=district.key,
            tls_crl_file=str(theirs),
        )  # fmt: skip

        async def delivered(number: int, taken: bool) -> str:
            """Whether it is as soon as the hub has looked at its files; the courier tries as often too."""
            async with asyncio.timeout(30):
                while (told := await up.deliver(change(number), "k", T)).taken != taken:
                    assert not told.final
                    await asyncio.sleep(0.02)
            return told.detail

        await delivered(1, True)
        former = Files(shutil.copy(district.cert, tmp_path / "former.pem"), "")
        for name, files in (("city", city), ("district-a", district)):  # both renewed: new keys, new serial numbers
            put(signed(tmp_path / "new", ca, name), files)
        await intake.until(lambda: "renewed" in intake.states[-1][1])
        await delivered(2, True)

        replaced(crl, revoked(tmp_path, ca, former))  # the one of before: nobody shows it any more
        await delivered(3, True)
        replaced(crl, revoked(tmp_path, ca, former, district))
        await delivered(4, False)
        replaced(crl, revoked(tmp_path, ca, former, city))
        await delivered(5, True)
        replaced(theirs, crl.read_text())
        assert "revoked" in await delivered(6, False)
        await up.close()


def put(files: Files, place: Files) -> None:
    """Renew: the key first, as half a renewal is no pair and the one of before stays in use."""
    for source, target in ((files.key, place.key), (files.cert, place.cert)):
        replaced(Path(target), Path(source).read_text())


async def test_a_flooding_district_keeps_nobody_else_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    intake = FakeIntake()
    async with listening(tmp_path, intake) as port:
        url = f"http://127.0.0.1:{port}"
        flooding = [Peer(5, {"authorization": f"Bearer {TOKENS['district-b']}"}) for _ in range(8)]
        body = wire.body("district-b", readings=[wire.reading_item(reading(f"g{n}"), "district-b") for n in range(500)])
        statuses: list[int] = []

        async def flood(peer: Peer) -> None:
            while True:
                statuses.append((await peer.ask("POST", url, body)).status)

        tasks = [asyncio.create_task(flood(peer)) for peer in flooding]
        await intake.until(lambda: 429 in statuses)
        up = sink(url, monkeypatch)
        for n in range(1, 6):
            assert (await up.deliver(change(n), "k", T)).taken
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for peer in [*flooding, up]:
            await peer.close()
    assert set(statuses) <= {200, 429}
    assert statuses.count(200) < 8
    assert sum(len(message.changes) for message in intake.messages) == 5


@pytest.mark.parametrize(
    ("status", "taken", "final"),
    [(200, True, False), (401, False, False), (403, False, False), (404, False, False), (409, False, True), (400, False, True), (429, False, False), (503, False, False)],
)  # fmt: skip
async def test_what_the_upper_hubs_answers_mean(
    monkeypatch: pytest.MonkeyPatch, status: int, taken: bool, final: bool
) -> None:
    """A token or a name that is wrong can be mended, so nothing is given up for it."""
    async with http_peer(lambda heard: (status, b'{"taken": {"changes": 1}}')) as peer:
        up = sink(peer.url, monkeypatch)
        told = await up.deliver(change(), "k", T)
        await up.close()
    assert (told.taken, told.final) == (taken, final)


async def test_large_batches_go_in_several_requests_and_refusals_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [
        b'{"taken": {"readings": 3}, "refused": [{"kind": "loop", "detail": "was here"}], "refused_count": 1}'
    ] * 9

    def answer(heard: Heard) -> tuple[int, bytes]:
        return 200, answers.pop()

    async with http_peer(answer) as peer:
        up = sink(peer.url, monkeypatch, readings=ReadingsOptions())
        many = [Reading(f"g{n}", T, {"name": "x" * 1900}, kind="vessel") for n in range(500)]
        told = await up.deliver_readings(many, "k", T)
        await up.close()
        sizes = [len(heard.body) for heard in peer.heard]
    assert len(sizes) == 2
    assert max(sizes) < 1 << 20
    assert (told.taken, told.partly) == (True, True)
    assert "1 refused: was here" in told.detail


# ------------------------------------------------------------------------------------------------- options


@pytest.mark.parametrize(
    ("text", "ns"), [("", 0), ("1 min", 60 * SECOND), ("10s", 10 * SECOND), ("0.5 h", 1800 * SECOND), ("1 d", 86400 * SECOND)]
)  # fmt: skip
def test_every(text: str, ns: int) -> None:
    assert every_ns(text) == ns


@pytest.mark.parametrize("text", ["1", "min", "1 km", "-1 min", "0 s", "2 d", "1 minute", "1e3 s"])
def test_no_every(text: str) -> None:
    with pytest.raises(ValueError, match="was meant"):
        every_ns(text)


ABOVE = '[[sinks]]\nname = "above"\nprotocol = "hub"\nurl = "{url}"\ntoken_env = "T"\n{more}'
BELOW = '[[adapters]]\nname = "below"\nprotocol = "hub"\n{more}\n'


@pytest.mark.parametrize(
    ("toml", "words"),
    [
        (ABOVE.format(url="city.example", more=""), "no https:// address"),
        (ABOVE.format(url="http://city.example", more=""), "shows the token"),
        (ABOVE.format(url="https://city.example", more='hub = "my city"'), "cannot stand before"),
        (ABOVE.format(url="https://city.example", more="[sinks.readings]\nkind = 5"), "unknown field `kind`"),
        (ABOVE.format(url="https://city.example", more='[sinks.readings]\nmetrics = ["watr_level"]'), "was water_level meant?"),
        (ABOVE.format(url="https://city.example", more='[sinks.readings]\nevery = "1"'), "a time with its unit"),
        (ABOVE.format(url="https://city.example", more="").replace('token_env = "T"\n', ""), "wants a token"),
        (BELOW.format(more='listen = "tcp://0.0.0.0:8443"'), "peers_file is missing"),
        (BELOW.format(more='connect = "tcp://x:1"\npeers_file = "peers.toml"'), "hubs below come to this one"),
        (BELOW.format(more='listen = "tls://0.0.0.0:8443"\npeers_file = "peers.toml"'), "tls_cert_file"),
        (BELOW.format(more='listen = "tcp://0.0.0.0:8443"\npeers_file = "nowhere.toml"'), "there is no such file"),
        (BELOW.format(more='listen = "tcp://0.0.0.0:8443"\npeers_file = "peers.toml"\nhub = "district-a"'), "own name"),
    ],
)  # fmt: skip
def test_the_check_names_mistakes(tmp_path: Path, toml: str, words: str) -> None:
    from hub.app.city import load_city
    from hub.app.plugins import Plugins

    peers_file(tmp_path)
    _, mistakes = load_city(write_city(tmp_path, toml), Plugins())
    assert any(words in str(mistake) for mistake in mistakes), mistakes


def test_the_hubs_own_name_is_taken_from_the_hub_section(tmp_path: Path) -> None:
    from hub.app.city import load_city
    from hub.app.plugins import Plugins

    peers_file(tmp_path)
    toml = ABOVE.format(url="https://x", more="") + BELOW.format(
        more='listen = "tcp://0.0.0.0:1"\npeers_file = "peers.toml"'
    )
    city, mistakes = load_city(write_city(tmp_path, toml), Plugins())
    assert mistakes == []
    assert city is not None
    assert city.config.sinks[0].options.hub == city.config.adapters[0].codec_options.hub == "test"
    assert city.config.adapters[0].unknown_devices == "admit"
