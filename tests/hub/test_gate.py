"""Who gets in: tokens files that fail closed, pages of other sites, names of other hosts, and under which name acts are recorded."""

from __future__ import annotations

import hashlib
import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from hub.api.auth import load_tokens
from hub.app.city import load_city
from hub.app.hub import Hub
from hub.app.plugins import Plugins
from hub.config import is_loopback, split_address
from tests.acceptance.ports import free_port
from tests.acceptance.running import RunningHub, cityhub, write_city
from tests.dashboards.browser import Browser

pytestmark = pytest.mark.xdist_group("gate")

# ------------------------------------------------------------------------------------------------- the tokens file

DIGEST = hashlib.sha256(b"look").hexdigest()


@pytest.mark.parametrize(
    ("text", "line", "sentence"),
    [
        ("", 1, "holds no token"),
        ("# nothing yet\n", 1, "holds no token"),
        ("[tokens]\n", 1, "holds no token"),
        ('[token.x]\ntoken = "a"\nroles = ["view"]\n', 1, "unknown key 'token'"),
        ('tokens = 5\n', 1, "tokens is a table"),
        ('[tokens]\nx = "secret"\n', 2, "x is a table"),
        ('[tokens.x]\nroles = ["view"]\n', 1, "needs token or sha256"),
        (f'[tokens.x]\ntoken = "a"\nsha256 = "{DIGEST}"\nroles = ["view"]\n', 1, "one of them"),
        ('[tokens.x]\ntoken = ""\nroles = ["view"]\n', 2, "printable ASCII"),
        ('[tokens.x]\ntoken = " a"\nroles = ["view"]\n', 2, "without blanks"),
        ('[tokens.x]\ntoken = 5\nroles = ["view"]\n', 1, "token: expected `str"),
        ('[tokens.x]\nsha256 = "abc"\nroles = ["view"]\n', 2, "64 hexadecimal digits"),
        (f'[tokens.x]\nsha256 = "{"é" * 64}"\nroles = ["view"]\n', 2, "64 hexadecimal digits"),
        ('[tokens.x]\ntoken = "a"\n', 1, "roles"),
        ('[tokens.x]\ntoken = "a"\nroles = []\n', 3, "has no roles"),
        ('[tokens.x]\ntoken = "a"\nroles = "view"\n', 1, "roles: expected `array`"),
        ('[tokens.x]\ntoken = "a"\nroles = ["admin"]\n', 3, "unknown role 'admin'"),
        ('[tokens.x]\ntoken = "a"\nroles = ["view"]\nrole = "operate"\n', 4, "unknown key 'role'; was 'roles' meant?"),
        ('[tokens.x]\ntoken = "a"\nroles = ["view"]\n[tokens.y]\ntoken = "a"\nroles = ["ingest"]\n', 4, "the same secret"),
        ("[tokens.x\n", 1, "is not valid TOML"),
        ("\udcff", 1, "is not UTF-8"),
    ],
)  # fmt: skip
def test_a_tokens_file_without_a_valid_token_is_a_mistake_and_nobody_gets_in(
    tmp_path: Path, text: str, line: int, sentence: str
) -> None:
    path = tmp_path / "tokens.toml"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    _, mistakes = load_tokens(path)
    assert mistakes, "it was taken"
    assert (mistakes[0].line, sentence in mistakes[0].message) == (line, True), mistakes
    assert not any("secret" in mistake.message and '"secret"' in mistake.message for mistake in mistakes)
    city = write_city(tmp_path / "city")
    (city / "hub.toml").write_text('[hub]\nname = "x"\n[api]\nlisten = "0.0.0.0:0"\ntokens_file = "../tokens.toml"\n')
    loaded, found = load_city(city, Plugins())
    assert loaded is None
    assert str(found[0]).startswith(f"{city}/../tokens.toml:{line}: ")


def test_a_hub_that_is_reachable_from_outside_never_runs_without_tokens(tmp_path: Path) -> None:
    city = write_city(tmp_path / "city")
    (city / "hub.toml").write_text('[hub]\nname = "x"\n[api]\nlisten = "0.0.0.0:0"\n')
    assert cityhub("run", city).returncode == 1
    recording = tmp_path / "r.csv"
    recording.write_text("time,device,metric,value\n2026-11-22T08:00:00Z,gauge-7,water_level,1.0\n")
    (city / "hub.toml").write_text('[hub]\nname = "x"\n')
    done = cityhub("replay", city, recording, "--listen", "0.0.0.0:0", "--data", tmp_path / "data")
    assert done.returncode == 1
    assert "tokens are needed" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True), ("127.8.8.8", True), ("localhost", True), ("::1", True), ("127.evil.example", False), ("127.0.0.1.evil.example", False),
        ("0.0.0.0", False), ("::", False), ("10.0.0.1", False), ("", False), ("*", False),
    ],
)  # fmt: skip
def test_only_addresses_of_this_machine_are_loopback(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


@pytest.mark.parametrize("listen", ["1[[27.0.0.1:1", "127.0.0.1", "127.0.0.1:", "127.0.0.1:٣", ":::80", "a b:80", "[::1:80", "x:99999", "[]:1", ":80"])  # fmt: skip
def test_what_is_no_address_is_told(listen: str) -> None:
    with pytest.raises(ValueError, match="is not an address and port"):
        split_address(listen)


# ------------------------------------------------------------------------------------------------- pages of other sites


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHub]:
    """On loopback, without tokens: whoever is on the machine is trusted."""
    api = free_port()
    running = RunningHub(write_city(tmp_path_factory.mktemp("city"), api=api), api)
    yield running
    assert running.stop() == 0


def ask(
    hub: RunningHub, method: str, path: str, body: bytes = b"", **headers: str
) -> tuple[int, dict[str, Any], dict[str, str]]:
    link = http.client.HTTPConnection("127.0.0.1", hub.api, timeout=20)
    link.putrequest(method, path, skip_host="Host" in headers, skip_accept_encoding=True)
    for name, value in headers.items():
        link.putheader(name.replace("_", "-"), value)
    link.putheader("Content-Length", str(len(body)))
    link.endheaders(body)
    answer = link.getresponse()
    text = answer.read()
    link.close()
    shown = json.loads(text) if "json" in (answer.headers["content-type"] or "") else {"text": text.decode()}
    return answer.status, shown, {name.lower(): value for name, value in answer.headers.items()}


READING = b'{"device":"gauge-7","values":{"water_level":1.0}}'
JSON = "application/json"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content_Type": JSON}, 200),
        ({"Content_Type": "application/json; charset=utf-8"}, 200),
        ({}, 200),  # a program that says nothing of its body; a page always brings an Origin with it
        ({"Content_Type": JSON, "Host": "localhost:{port}"}, 200),
        ({"Content_Type": JSON, "Host": "[::1]:{port}"}, 200),
        ({"Content_Type": JSON, "Origin": "http://127.0.0.1:{port}"}, 200),
        ({"Content_Type": JSON, "Origin": "http://127.0.0.1:{port}", "Sec_Fetch_Site": "same-origin"}, 200),
        ({"Content_Type": "text/plain"}, 415),
        ({"Content_Type": "TEXT/plain; charset=utf-8"}, 415),
        ({"Content_Type": "application/x-www-form-urlencoded"}, 415),
        ({"Content_Type": "multipart/form-data; boundary=x"}, 415),
        ({"Content_Type": JSON, "Host": "evil.example"}, 403),
        ({"Content_Type": JSON, "Host": "evil.example:{port}"}, 403),
        ({"Content_Type": JSON, "Host": "127.0.0.1.evil.example:{port}"}, 403),
        ({"Content_Type": JSON, "Host": "localhost@evil.example"}, 403),
        ({"Content_Type": JSON, "Host": ""}, 403),
        ({"Content_Type": JSON, "Host": "["}, 403),
        ({"Content_Type": JSON, "Origin": "http://evil.example"}, 403),
        ({"Content_Type": JSON, "Origin": "http://127.0.0.1:1"}, 403),
        ({"Content_Type": JSON, "Origin": "null"}, 403),
        ({"Content_Type": JSON, "Origin": "http://["}, 403),
        ({"Content_Type": JSON, "Sec_Fetch_Site": "cross-site"}, 403),
        ({"Content_Type": JSON, "Sec_Fetch_Site": "same-site"}, 403),
    ],
)  # fmt: skip
def test_a_post_by_a_page_of_another_site_is_refused(hub: RunningHub, headers: dict[str, str], status: int) -> None:
    sent = {name: value.replace("{port}", str(hub.api)) for name, value in headers.items()}
    found, answer, said = ask(hub, "POST", "/api/v1/readings", READING, **sent)
    assert found == status, answer
    assert "access-control-allow-origin" not in said
    if status != 200:
        assert answer["detail"]


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/", {}, 200),
        ("/", {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "document"}, 200),
        ("/", {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "iframe"}, 403),
        ("/", {"Host": "evil.example"}, 403),
        ("/api/v1/status", {"Sec_Fetch_Site": "same-origin"}, 200),
        ("/api/v1/status", {"Sec_Fetch_Site": "none"}, 200),
        ("/api/v1/status", {"Host": "evil.example"}, 403),
        ("/api/v1/geojson/devices", {"Origin": "http://evil.example"}, 403),
        ("/api/v1/geojson/devices", {"Sec_Fetch_Site": "same-site", "Sec_Fetch_Mode": "no-cors"}, 403),
        ("/api/v1/export", {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "document"}, 403),
        ("/static/console.js", {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "no-cors"}, 403),
    ],
)  # fmt: skip
def test_a_look_by_a_page_of_another_site_is_refused(
    hub: RunningHub, path: str, headers: dict[str, str], status: int
) -> None:
    found, answer, said = ask(hub, "GET", path, **headers)
    assert found == status, answer
    assert "access-control-allow-origin" not in said
    assert "frame-ancestors 'none'" in said["content-security-policy"]
    assert "unsafe" not in said["content-security-policy"]
    assert said["x-frame-options"] == "DENY"


class Trap(SimpleHTTPRequestHandler):
    """A page on another port that does to the hub what a page can do without asking."""

    target = ""

    def do_GET(self) -> None:
        page = TRAP.replace("TARGET", self.target).encode()
        self.send_response(200)
        self.send_header("content-type", "text/html; charset=utf-8")
        self.send_header("content-length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, *_: Any) -> None: ...


TRAP = """<!doctype html><title>trap</title><iframe src="TARGET/"></iframe><img src="TARGET/static/icon.svg"><pre id="out">…</pre><script>
const told = [];
const say = (text) => { told.push(text); document.getElementById("out").textContent = told.join("; "); };
const reading = '{"device":"underpass-1","values":{"water_depth":0.9}}';
(async () => {
  for (const type of ["text/plain", "application/x-www-form-urlencoded", "application/json"])
    for (const mode of ["no-cors", "cors"])
      try { const a = await fetch("TARGET/api/v1/readings", { method: "POST", mode, body: reading, headers: { "content-type": type } }); say(`${type} ${mode} ${a.type} ${a.status}`); }
      catch (error) { say(`${type} ${mode} failed`); }
  try { await fetch("TARGET/api/v1/readings", { method: "POST", mode: "no-cors", body: new Blob([reading]) }); } catch (error) { say("blob failed"); }
  navigator.sendBeacon("TARGET/api/v1/readings", reading);
  try { say(`read ${(await (await fetch("TARGET/api/v1/geojson/devices")).text()).length}`); } catch (error) { say("reading failed"); }
  say("done");
})();
</script>"""


@pytest.mark.acceptance
def test_a_page_on_another_port_in_chromium_can_do_nothing(hub: RunningHub, tmp_path: Path) -> None:
    before = hub.adapter("api")["received"]
    trap = ThreadingHTTPServer(("127.0.0.1", 0), partial(type("Aimed", (Trap,), {"target": f"http://127.0.0.1:{hub.api}"})))  # fmt: skip
    thread = threading.Thread(target=trap.serve_forever, daemon=True)
    thread.start()
    try:
        with Browser(tmp_path) as browser:
            browser.go(f"http://127.0.0.1:{trap.server_port}/")
            browser.wait(
                "document.getElementById('out').textContent.includes('done')", "the trap did not come to its end"
            )
            told = browser.ask("document.getElementById('out').textContent")
    finally:
        trap.shutdown()
        thread.join()
        trap.server_close()
    assert "reading failed" in told, told
    time.sleep(0.5)
    assert hub.adapter("api")["received"] == before, "a page of another site gave the hub a reading"
    assert hub.get("/api/v1/alerts")["open"] == []


def test_a_listed_origin_may_look(tmp_path: Path) -> None:
    api = free_port()
    city = write_city(tmp_path / "city")
    toml = (city / "hub.toml").read_text()
    listed = f'[api]\nlisten = "127.0.0.1:{api}"\nhosts = ["hub.example"]\norigins = ["https://grafana.example"]\n'
    (city / "hub.toml").write_text(toml + listed)
    running = RunningHub(city, api)
    try:
        status, _, said = ask(
            running, "GET", "/api/v1/geojson/zones", Origin="https://grafana.example", Sec_Fetch_Site="cross-site"
        )
        assert (status, said["access-control-allow-origin"]) == (200, "https://grafana.example")
        assert ask(running, "GET", "/api/v1/geojson/zones", Origin="https://grafana.example.evil")[0] == 403
        assert ask(running, "GET", "/api/v1/status", Host="hub.example")[0] == 200
        assert ask(running, "GET", "/api/v1/status", Host="hub.example.evil")[0] == 403
    finally:
        assert running.stop() == 0


def test_answers_on_a_kept_connection_come_at_once(hub: RunningHub) -> None:
    """Without TCP_NODELAY each takes 44 ms, the peer's delayed acknowledgement, as soon as the connection is past its first packets;
    with it 0.6 ms. A busy machine delays many answers, but not all."""
    link = http.client.HTTPConnection("127.0.0.1", hub.api, timeout=20)
    took: list[float] = []
    while len(took) < 40 or sum(seconds < 0.002 for seconds in took[40:]) < 10:
        assert len(took) < 500, sorted(took)
        began = time.perf_counter()
        link.request("GET", "/healthz")
        link.getresponse().read()
        took.append(time.perf_counter() - began)
    link.close()


async def test_the_listening_socket_hands_its_haste_to_connections() -> None:
    from hub.sockets import listener

    with listener("127.0.0.1", 0) as waiting, socket.create_connection(waiting.getsockname()):
        accepted, _ = waiting.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            assert accepted.proto == socket.IPPROTO_TCP, "asyncio looks at it"


# ------------------------------------------------------------------------------------------------- names

CAP = '[[sinks]]\nname = "public"\nprotocol = "cap"\nsender = "hub@city.example"\nfolder = "cap"\napprovers = ["{}"]\n'


@pytest.mark.parametrize(
    ("approver", "sentence"),
    [("duty", ""), ("dutty", "is the name of no token; was 'duty' meant?"), ("feed", "has no role operate"), ("The Mayor", "the name of no token")],
)  # fmt: skip
def test_an_approver_is_a_token_that_may_operate(tmp_path: Path, approver: str, sentence: str) -> None:
    city = write_city(tmp_path, CAP.format(approver) + '[api]\nlisten = "127.0.0.1:0"\ntokens_file = "tokens.toml"\n')
    (city / "tokens.toml").write_text(
        '[tokens.duty]\ntoken = "d"\nroles = ["view", "operate"]\n[tokens.feed]\ntoken = "f"\nroles = ["ingest"]\n'
    )
    _, mistakes = load_city(city, Plugins())
    assert [sentence in str(mistake) for mistake in mistakes] == ([True] if sentence else []), mistakes


def test_approvers_need_tokens(tmp_path: Path) -> None:
    _, mistakes = load_city(write_city(tmp_path, CAP.format("duty")), Plugins())
    assert "the approver 'duty' is the name of no token" in str(mistakes[0])


async def test_a_hub_refuses_to_start_with_local_rights_for_everybody(tmp_path: Path) -> None:
    """The last line of defence, should a configuration come from elsewhere than the check."""
    import msgspec

    city, _ = load_city(write_city(tmp_path), Plugins())
    assert city is not None
    open_wide = msgspec.structs.replace(city.config.api, listen="0.0.0.0:0")
    config = msgspec.structs.replace(city.config, api=open_wide)
    with pytest.raises(ValueError, match="tokens are needed"):
        await Hub(msgspec.structs.replace(city, config=config)).start()
