"""Log-in at an identity provider: the way there and back with a certified one, and what a lying one, or somebody between, cannot do."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import subprocess
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import msgspec
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, RSAKey

from hub.access import audit
from hub.access.people import NotAdmitted, person_of
from hub.api.provider import Provider
from hub.app.city import load_city
from hub.app.hub import Hub
from hub.app.plugins import Plugins
from hub.app.reloading import taken_over
from hub.clock import now
from hub.moment import SECOND
from hub.options import OidcOptions
from tests.acceptance.ports import free_port
from tests.acceptance.running import write_city
from tests.dashboards.browser import Browser
from tests.hub.running import running
from tests.npm import GROUP, INSTALL_S, PROVIDER, installed, node, or_skip

SECRET = "s3cret/with+signs"
GROUPS = """
[[oidc.groups]]
group = "flood-desk"
role = "operator"
areas = ["north"]
[[oidc.groups]]
group = "chiefs"
role = "Administrator"
"""
ACCOUNTS = {
    "u-wang": {"name": "Wang Li", "preferred_username": "Wang", "groups": ["flood-desk", "choir"]},
    "u-chen": {"name": "Chen", "preferred_username": "chen", "groups": ["choir"]},
    "u-zhao": {"name": "Zhao", "preferred_username": "zhao", "groups": ["chiefs"]},
    "u-else": {"name": "Not Zhao", "preferred_username": "zhao", "groups": ["flood-desk"]},
    "u-root": {"name": "Mallory", "preferred_username": "root", "groups": ["flood-desk"]},
}
USERS = """
[users.root]
name = "Root"
[[users.root.grants]]
role = "administrator"
[users.duty]
subject = "u-duty"
[[users.duty.grants]]
role = "engineer"
"""
ROTATED_TO = {"RS256": lambda: RSAKey.generate_key(2048, {"kid": "b", "use": "sig"}), "ES256": lambda: ECKey.generate_key("P-256", {"kid": "b", "use": "sig"})}  # fmt: skip


def write(folder: Path, issuer: str, api: int, more: str = "", users: str = USERS) -> Path:
    (folder.parent / "secret.txt").write_text(SECRET + "\n")
    oidc = f'[oidc]\nissuer = "{issuer}"\nclient_id = "cityhub"\nclient_secret_file = "../secret.txt"\naddress = "http://127.0.0.1:{api}"\ntitle = "City Login"\n'
    write_city(folder, oidc + more + GROUPS, api=api)
    (folder / "users.toml").write_text(users)
    return folder


@asynccontextmanager
async def browser(hub: Hub, account: str = "") -> AsyncIterator[httpx.AsyncClient]:
    """Cookies and redirects as of a browser that came by a link of another page."""
    headers = {"accept": "text/html", "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}  # fmt: skip
    async with httpx.AsyncClient(base_url=hub.address, timeout=30, headers={**headers, "x-account": account}) as client:
        yield client


async def follow(client: httpx.AsyncClient, answer: httpx.Response, until: str) -> httpx.Response:
    """Along the redirects, until one leads to a path that begins so."""
    for _ in range(10):
        assert answer.is_redirect, (answer.status_code, answer.text[:500])
        if urlsplit(answer.headers["location"]).path.startswith(until):
            return answer
        assert answer.next_request is not None
        answer = await client.send(answer.next_request)
    raise AssertionError("it goes round and round")


def ask_anew(hub: Hub) -> None:
    """As ten minutes later: what the provider is like is not known any more."""
    hub.state.provider = Provider(hub.state.config.oidc, now)


async def arrive(client: httpx.AsyncClient) -> httpx.Response:
    """The hub's answer to who comes back."""
    at_the_door = await follow(client, await client.get("/oidc/login"), "/oidc/back")
    return await client.get(at_the_door.headers["location"])


async def session(client: httpx.AsyncClient) -> dict[str, Any]:
    return (await client.get("/api/v1/session", headers={"sec-fetch-site": "same-origin"})).json()  # type: ignore[no-any-return]


# ------------------------------------------------------------------------------------- a certified provider


@contextmanager
def certified(port: int, api: int, *keys: RSAKey | ECKey, alg: str = "RS256") -> Iterator[str]:
    """`oidc-provider` of npm, with these keys; gives its issuer."""
    installed(PROVIDER)
    with or_skip():
        program = node()
    client = {
        "client_id": "cityhub",
        "client_secret": SECRET,
        "redirect_uris": [f"http://127.0.0.1:{api}/oidc/back"],
        "post_logout_redirect_uris": [f"http://127.0.0.1:{api}/"],
        "id_token_signed_response_alg": alg,
    }
    told = {
        "port": port,
        "jwks": {"keys": [key.as_dict(private=True) for key in keys]},
        "client": client,
        "accounts": ACCOUNTS,
    }
    process = subprocess.Popen(
        [program, "provider.mjs", json.dumps(told)],
        cwd=PROVIDER,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout
    try:
        said = []
        while "ready\n" not in said:
            said.append(process.stdout.readline())
            assert said[-1], f"the provider ended: {''.join(said)}"
        threading.Thread(target=process.stdout.read, daemon=True).start()
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)
        process.stdout.close()


@pytest.mark.xdist_group(GROUP)
@pytest.mark.timeout(INSTALL_S + 180)
async def test_people_log_in_at_a_certified_provider(tmp_path: Path) -> None:
    port, api = free_port(), free_port()
    first = RSAKey.generate_key(2048, {"kid": "a", "use": "sig"})
    scopes = 'scopes = ["openid", "profile", "groups"]\n'
    folder = write(tmp_path / "city", f"http://127.0.0.1:{port}", api, scopes)
    async with running(folder) as hub:
        with certified(port, api, first):
            async with browser(hub, "u-wang") as wang:
                assert (await session(wang))["provider"] == "City Login"
                assert (await wang.get("/api/v1/devices", headers={"sec-fetch-site": "none"})).status_code == 401
                back = await arrive(wang)
                assert (back.status_code, back.headers["location"]) == (303, "/"), back.text
                set_as = next(one for one in back.headers.get_list("set-cookie") if one.startswith("cityhub="))
                assert "HttpOnly" in set_as
                assert "SameSite=strict" in set_as
                known = await session(wang)
                assert (known["user"], known["name"], known["kind"]) == ("wang", "Wang Li", "user")
                assert known["grants"] == ["operator of areas north"]
                assert known["limited"] is True
                # Acts go under that name, with the session's word; without it none is done.
                plan = {"target": "gauge-7", "from": "2030-01-01T00:00:00Z", "until": "2030-01-02T00:00:00Z"}
                own = {"sec-fetch-site": "same-origin", "accept": "application/json"}
                assert (await wang.post("/api/v1/maintenance", json=plan, headers=own)).status_code == 403
                own["x-csrf-token"] = known["csrf"]
                assert (await wang.post("/api/v1/maintenance", json=plan, headers=own)).status_code == 200
                assert (await wang.get("/api/v1/users", headers=own)).status_code == 403
                # Log-out ends it here, and leads to where it ends at the provider.
                left = (await wang.post("/api/v1/logout", json={}, headers=own)).json()
                assert left["provider"].startswith(f"http://127.0.0.1:{port}/session/end?id_token_hint=")
                assert (await session(wang))["user"] is None
                assert (await wang.get(left["provider"])).status_code == 200
            async with browser(hub, "u-chen") as chen:
                refused = await arrive(chen)
                assert refused.status_code == 403
                assert "none of the groups" in refused.text
                assert (await session(chen))["user"] is None
            async with browser(hub, "u-zhao") as zhao, browser(hub, "u-else") as other, browser(hub, "u-root") as root:
                assert (await arrive(zhao)).status_code == 303
                assert (await session(zhao))["grants"] == ["administrator"]
                # Names are chosen at the provider: they are neither another's nor a user's of this hub.
                refused = await arrive(other)
                assert (refused.status_code, "somebody else" in refused.text) == (403, True)
                refused = await arrive(root)
                assert (refused.status_code, "is a user of this hub" in refused.text) == (403, True)
                # Who is disabled here is out at once, with a session that was open, and does not come in again.
                (folder / "users.toml").write_text(USERS + "[users.zhao]\ndisabled = true\n")
                assert (await session(zhao))["user"] is None
                zhao.cookies.clear()
                refused = await arrive(zhao)
                assert (refused.status_code, "disabled" in refused.text) == (403, True)
        # Other keys, of another kind: what the provider signs with now is asked for at each log-in.
        for alg, made in ROTATED_TO.items():
            (folder / "users.toml").write_text(USERS)
            # An RSA key as well, as of providers that are asked for RS256 by others.
            with certified(port, api, made(), *([first] if alg == "ES256" else []), alg=alg):
                if alg != "RS256":
                    ask_anew(hub)  # it is asked every ten minutes which algorithms there are
                async with browser(hub, "u-wang") as wang:
                    assert (await arrive(wang)).status_code == 303, alg
                    assert (await session(wang))["user"] == "wang"
        # Nobody there: a sentence, and everything else goes on.
        ask_anew(hub)
        async with browser(hub) as anybody:
            away = await anybody.get("/oidc/login")
            assert (away.status_code, "cannot be asked now" in away.text) == (503, True)
            told = await anybody.get("/oidc/login", headers={"accept": "application/json"})
            assert told.headers["content-type"] == "application/problem+json"
        noted = [
            (one["who"], one["outcome"], one["detail"])
            for one in audit.entries(hub.data)
            if one["action"] in ("log-in", "log-out")
        ]
        assert ("wang", "done", f"by http://127.0.0.1:{port} as u-wang") in noted
        assert ("wang", "done", "") in noted, "the log-out is not noted"
        assert [who for who, outcome, _ in noted if outcome == "refused"] == ["chen", "zhao", "root", "zhao"]
        assert not any(SECRET in file.read_text() for file in (hub.data / "audit").iterdir())
        plans = [one for one in audit.entries(hub.data) if one["action"].startswith("maintenance")]
        assert plans[0]["who"] == "wang"


@pytest.mark.xdist_group(GROUP)
@pytest.mark.timeout(INSTALL_S + 180)
async def test_the_console_has_a_button_that_logs_in_there(tmp_path: Path) -> None:
    port, api = free_port(), free_port()
    scopes = 'scopes = ["openid", "profile", "groups"]\n'
    folder = write(tmp_path / "city", f"http://127.0.0.1:{port}", api, scopes)
    key = RSAKey.generate_key(2048, {"kid": "a", "use": "sig"})

    def by_hand(address: str) -> None:
        with Browser(tmp_path) as page:
            page.go(address)
            page.wait("!!document.querySelector('#door a.go')", "no button")
            assert page.ask("document.querySelector('#door a.go').textContent") == "Log in by City Login"
            page.ask("document.querySelector('#door a.go').click()")
            page.wait("document.getElementById('leave')?.hidden === false", "the log-in did not work")
            assert page.ask("document.getElementById('leave').textContent").startswith("Wang Li")
            page.ask("document.getElementById('leave').click()")
            page.wait("location.pathname === '/session/end'", "the log-out does not lead to the provider")

    with certified(port, api, key):
        async with running(folder) as hub:
            await asyncio.to_thread(by_hand, hub.address)


# ------------------------------------------------------------------------------------- one that lies


class Liar:
    """A provider whose every word a test chooses. `said` changes the claims, `sign` makes the token of them."""

    def __init__(self) -> None:
        self.key = RSAKey.generate_key(2048, {"kid": "a", "use": "sig"})
        self.claims: dict[str, Any] = {}
        self.header: dict[str, Any] = {"alg": "RS256", "kid": "a"}
        self.sign: Callable[[dict[str, Any]], str] = lambda claims: jwt.encode(self.header, claims, self.key)
        self.userinfo: dict[str, Any] | None = None
        self.discovery: dict[str, Any] = {}
        self.nonce = ""
        self.challenge = ""
        self.asked: list[dict[str, list[str]]] = []
        liar = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path = urlsplit(self.path).path
                if path == "/.well-known/openid-configuration":
                    self.tell(liar.described())
                elif path == "/jwks":
                    self.tell({"keys": [{"kty": "odd"}, liar.key.as_dict(private=False)]})
                elif path == "/me" and liar.userinfo is not None:
                    self.tell(liar.userinfo)
                else:
                    self.send_error(404)

            def do_POST(self) -> None:
                form = parse_qs(self.rfile.read(int(self.headers["content-length"])).decode())
                liar.asked.append({**form, "authorization": [self.headers.get("authorization", "")]})
                digest = hashlib.sha256(form["code_verifier"][0].encode()).digest()
                if base64.urlsafe_b64encode(digest).decode().rstrip("=") != liar.challenge:
                    self.tell({"error": "invalid_grant"}, 400)
                    return
                at = now() // SECOND
                claims = {"iss": liar.issuer, "sub": "u-1", "aud": "cityhub", "exp": at + 300, "iat": at, "nonce": liar.nonce, "preferred_username": "wang", "groups": ["flood-desk"]}  # fmt: skip
                claims |= liar.claims
                claims = {key: value for key, value in claims.items() if value is not None}
                self.tell({"access_token": "opaque", "token_type": "Bearer", "id_token": liar.sign(claims)})

            def tell(self, what: Any, status: int = 200) -> None:
                body = json.dumps(what).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.issuer = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def described(self) -> dict[str, Any]:
        own = {"issuer": self.issuer, "authorization_endpoint": f"{self.issuer}/auth?tenant=1", "token_endpoint": f"{self.issuer}/token", "jwks_uri": f"{self.issuer}/jwks"}  # fmt: skip
        more = {"userinfo_endpoint": f"{self.issuer}/me"} if self.userinfo is not None else {}
        return {**own, **more, **self.discovery}

    def reset(self) -> None:
        self.claims, self.header, self.userinfo, self.discovery, self.asked = {}, {"alg": "RS256", "kid": "a"}, None, {}, []  # fmt: skip
        self.sign = lambda claims: jwt.encode(self.header, claims, self.key)

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture(scope="module")
def liar() -> Iterator[Liar]:
    provider = Liar()
    yield provider
    provider.stop()


@pytest.fixture
async def hub(liar: Liar, tmp_path: Path) -> AsyncIterator[Hub]:
    liar.reset()
    async with running(write(tmp_path / "city", liar.issuer, free_port())) as hub:
        yield hub


async def begin(liar: Liar, client: httpx.AsyncClient) -> dict[str, str]:
    """The hub sends the browser to the provider, which notes what was asked of it."""
    answer = await client.get("/oidc/login")
    assert answer.status_code == 303, answer.text
    asked = {key: value[0] for key, value in parse_qs(urlsplit(answer.headers["location"]).query).items()}
    liar.nonce, liar.challenge = asked["nonce"], asked["code_challenge"]
    return asked


async def come_back(liar: Liar, client: httpx.AsyncClient, **more: str) -> httpx.Response:
    asked = await begin(liar, client)
    return await client.get("/oidc/back", params={"code": "c", "state": asked["state"], **more})


async def test_the_request_is_of_the_authorization_code_with_pkce(liar: Liar, hub: Hub) -> None:
    async with browser(hub) as client:
        asked = await begin(liar, client)
        assert asked["response_type"] == "code"
        assert asked["code_challenge_method"] == "S256"
        assert asked["tenant"] == "1"
        assert asked["scope"] == "openid profile"
        assert asked["redirect_uri"] == f"{hub.address}/oidc/back"
        assert len({asked["state"], asked["nonce"], asked["code_challenge"]}) == 3
        back = await client.get("/oidc/back", params={"code": "c", "state": asked["state"], "session_state": "x"})
        assert back.status_code == 303, back.text
        [told] = liar.asked
        assert told["redirect_uri"] == [f"{hub.address}/oidc/back"]
        # RFC 6749, 2.3.1: both are form-encoded before they become Basic.
        shown = base64.b64decode(told["authorization"][0].removeprefix("Basic ")).decode()
        assert shown == "cityhub:s3cret%2Fwith%2Bsigns"


def hs256_by_public_key(liar: Liar, claims: dict[str, Any]) -> str:
    """The public key taken for a secret: the classical confusion of algorithms."""
    signed = unsigned(claims, {"alg": "HS256", "kid": "a"}).rstrip(".")
    digest = hmac.digest(liar.key.as_pem(private=False), signed.encode(), "sha256")
    return f"{signed}.{base64.urlsafe_b64encode(digest).decode().rstrip('=')}"


def unsigned(claims: dict[str, Any], header: dict[str, Any]) -> str:
    parts = (base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in (header, claims))
    return ".".join(parts) + "."


def tampered(liar: Liar, claims: dict[str, Any]) -> str:
    head, _, signature = jwt.encode(liar.header, claims, liar.key).split(".")
    body = base64.urlsafe_b64encode(json.dumps({**claims, "groups": ["chiefs"]}).encode()).decode().rstrip("=")
    return f"{head}.{body}.{signature}"


HOUR = 3600
CLAIMS: dict[str, Callable[[int], dict[str, Any]]] = {
    "another audience": lambda at: {"aud": "other"},
    "audiences without this one": lambda at: {"aud": ["other", "cityhub2"], "azp": "cityhub"},
    "several audiences and nobody authorised": lambda at: {"aud": ["cityhub", "other"]},
    "authorised for another": lambda at: {"azp": "other"},
    "no audience": lambda at: {"aud": None},
    "another issuer": lambda at: {"iss": "https://login.city.example"},
    "an issuer with a slash more": lambda at: {"iss": "http://127.0.0.1/"},
    "no issuer": lambda at: {"iss": None},
    "another nonce": lambda at: {"nonce": "x"},
    "no nonce": lambda at: {"nonce": None},
    "expired": lambda at: {"exp": at - 61},
    "no end": lambda at: {"exp": None},
    "an end that is no time": lambda at: {"exp": "never"},
    "not before later": lambda at: {"nbf": at + 600},
    "issued in the future": lambda at: {"iat": at + HOUR, "exp": at + 2 * HOUR},
    "no time of issue": lambda at: {"iat": None},
    "no subject": lambda at: {"sub": None},
    "the hash of another access token": lambda at: {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"},
}
SIGNED: dict[str, Callable[[Liar, dict[str, Any]], str]] = {
    "alg none": lambda liar, claims: unsigned(claims, {"alg": "none"}),
    "alg None": lambda liar, claims: unsigned(claims, {"alg": "None", "kid": "a"}),
    "no alg": lambda liar, claims: unsigned(claims, {"kid": "a"}),
    "HS256 by the public key": hs256_by_public_key,
    "HS256 by the client's secret": lambda liar, claims: jwt.encode(
        {"alg": "HS256"}, claims, OctKey.import_key(SECRET)
    ),
    "another key of that name": lambda liar, claims: jwt.encode(
        {"alg": "RS256", "kid": "a"}, claims, RSAKey.generate_key(2048, {"kid": "a"})
    ),
    "a key that is gone": lambda liar, claims: jwt.encode({"alg": "RS256", "kid": "old"}, claims, liar.key),
    "a key brought along": lambda liar, claims: (
        lambda own: jwt.encode({"alg": "RS256", "jwk": own.as_dict(private=False)}, claims, own)
    )(RSAKey.generate_key(2048)),
    "claims changed afterwards": tampered,
    "an algorithm that the provider does not use": lambda liar, claims: jwt.encode(
        {"alg": "PS512", "kid": "a"}, claims, liar.key, ["PS512"]
    ),
    "no token": lambda liar, claims: "x",
    "a list of claims": lambda liar, claims: unsigned([], {"alg": "RS256", "kid": "a"}),  # type: ignore[arg-type]
}


async def test_a_token_that_is_not_of_this_log_in_opens_nothing(liar: Liar, hub: Hub) -> None:
    async with browser(hub) as client:
        at = now() // SECOND
        for name, changed in CLAIMS.items():
            liar.reset()
            liar.claims = changed(at)
            answer = await come_back(liar, client)
            assert answer.status_code == 401, (name, answer.status_code, answer.text)
            assert (await session(client))["user"] is None, name
        for name, sign in SIGNED.items():
            liar.reset()
            liar.sign = lambda claims, sign=sign: sign(liar, claims)  # type: ignore[misc]
            answer = await come_back(liar, client)
            assert answer.status_code == 401, (name, answer.status_code, answer.text)
            assert (await session(client))["user"] is None, name
        # And the very same with nothing changed comes in: what was refused was refused for what was changed.
        liar.reset()
        assert (await come_back(liar, client)).status_code == 303
        assert (await session(client))["user"] == "wang"


@pytest.mark.parametrize(
    "said", [{"exp": -30, "iat": -600}, {"iat": 50, "nbf": 50}, {"aud": ["cityhub", "other"], "azp": "cityhub"}]
)
async def test_clocks_may_differ_by_a_minute(liar: Liar, hub: Hub, said: dict[str, Any]) -> None:
    at = now() // SECOND
    liar.claims = {key: at + value if isinstance(value, int) else value for key, value in said.items()}
    async with browser(hub) as client:
        answer = await come_back(liar, client)
        assert answer.status_code == 303, answer.text


async def test_an_answer_that_this_browser_did_not_ask_for_opens_nothing(liar: Liar, hub: Hub) -> None:
    async with browser(hub) as own, browser(hub) as other:
        # Somebody else's answer (forged log-in), none at all, one without a beginning.
        theirs = await begin(liar, other)
        mine = await begin(liar, own)
        for state in (theirs["state"], "", mine["state"] + "x"):
            answer = await own.get("/oidc/back", params={"code": "c", "state": state})
            assert answer.status_code == 400, state
            assert (await session(own))["user"] is None
            mine = await begin(liar, own)
        async with browser(hub) as fresh:
            assert (await fresh.get("/oidc/back", params={"code": "c", "state": mine["state"]})).status_code == 400
        # Replayed: with the very cookie of then.
        kept = own.cookies["cityhub-oidc"]
        assert (await own.get("/oidc/back", params={"code": "c", "state": mine["state"]})).status_code == 303
        async with browser(hub) as again:
            again.cookies.set("cityhub-oidc", kept)
            answer = await again.get("/oidc/back", params={"code": "c", "state": mine["state"]})
            assert (answer.status_code, "used already" in answer.text) == (400, True)
        # A cookie that somebody made up.
        async with browser(hub) as forged:
            forged.cookies.set("cityhub-oidc", kept[:-4] + "AAAA")
            assert (await forged.get("/oidc/back", params={"code": "c", "state": mine["state"]})).status_code == 400
        # An answer in the name of another provider (RFC 9207), and one that let nobody in.
        answer = await come_back(liar, other, iss="https://other.example")
        assert (answer.status_code, "another issuer" in answer.text) == (401, True)
        asked = await begin(liar, other)
        answer = await other.get("/oidc/back", params={"state": asked["state"], "error": "access_denied<script>"})
        assert (answer.status_code, "<script>" in answer.text) == (403, False)


async def test_a_code_of_another_log_in_is_refused_by_pkce(liar: Liar, hub: Hub) -> None:
    async with browser(hub) as client:
        asked = await begin(liar, client)
        liar.challenge = "of the log-in that the code belongs to"
        answer = await client.get("/oidc/back", params={"code": "stolen", "state": asked["state"]})
        assert (answer.status_code, "invalid_grant" in answer.text) == (401, True)


async def test_what_the_provider_says_elsewhere_is_of_the_same_person(liar: Liar, hub: Hub) -> None:
    async with browser(hub) as client:
        liar.userinfo = {"sub": "u-2", "groups": ["chiefs"]}
        ask_anew(hub)
        answer = await come_back(liar, client)
        assert (answer.status_code, "somebody else" in answer.text) == (401, True)
        liar.userinfo = {"sub": "u-1", "groups": ["chiefs"], "name": "Wang Li"}
        assert (await come_back(liar, client)).status_code == 303
        told = await session(client)
        assert told["grants"] == ["operator of areas north"], "the signed token counts for more"
        assert told["name"] == "Wang Li"


@pytest.mark.parametrize(
    ("discovery", "sentence"),
    [
        ({"issuer": "https://login.city.example"}, "calls itself"),
        ({"token_endpoint": "http://login.city.example/token"}, "its token_endpoint is no https address"),
        ({"jwks_uri": "ftp://127.0.0.1/x"}, "its jwks_uri is no https address"),
        ({"jwks_uri": 7}, "not what was meant"),
    ],
)
async def test_a_provider_that_is_another_is_not_asked(
    liar: Liar, hub: Hub, discovery: dict[str, Any], sentence: str
) -> None:
    liar.discovery = discovery
    async with browser(hub) as client:
        answer = await client.get("/oidc/login")
        assert (answer.status_code, sentence in answer.text) == (503, True), answer.text


async def test_a_user_of_this_hub_is_who_stands_there_by_subject(liar: Liar, hub: Hub) -> None:
    async with browser(hub) as client:
        liar.claims = {"sub": "u-duty", "preferred_username": "root", "groups": None}
        assert (await come_back(liar, client)).status_code == 303
        told = await session(client)
        assert (told["user"], told["grants"]) == ("duty", ["engineer"])
        liar.claims = {"sub": "u-duty", "groups": ["flood-desk"]}
        assert (await come_back(liar, client)).status_code == 303
        assert (await session(client))["grants"] == ["engineer", "operator of areas north"]


async def test_a_name_stays_with_who_had_it_first_over_a_restart(liar: Liar, tmp_path: Path) -> None:
    liar.reset()
    folder = write(tmp_path / "city", liar.issuer, free_port())
    async with running(folder) as hub, browser(hub) as client:
        assert (await come_back(liar, client)).status_code == 303
    assert msgspec.json.decode((folder / "var" / "provider-names.json").read_bytes()) == {"wang": "u-1"}
    liar.claims = {"sub": "u-9"}
    async with running(folder) as hub, browser(hub) as client:
        answer = await come_back(liar, client)
        assert (answer.status_code, "somebody else" in answer.text) == (403, True)


def test_what_claims_say_of_a_person() -> None:
    options = OidcOptions("https://a.example", "x", address="https://b.example", groups_claim="realm_access.roles")
    told = {"sub": "1", "preferred_username": "Wang.Li", "realm_access": {"roles": ["a", 7, "b", "a"]}}
    assert person_of(told, options).groups == ("a", "b")
    assert person_of(told, options).name == "wang.li"
    assert person_of({**told, "realm_access.roles": "c"}, options).groups == ("c",)
    assert person_of({**told, "realm_access": ["a"]}, options).groups == ()
    for wrong in ({"sub": 7}, {"sub": ""}, {"sub": "x" * 256}, {"preferred_username": None}, {"preferred_username": "a b"}, {"preferred_username": "水"}):  # fmt: skip
        with pytest.raises(NotAdmitted):
            person_of({**told, **wrong}, options)
    by_mail = msgspec.structs.replace(options, user_claim="email")
    mail = {"sub": "1", "email": "wang@city.example"}
    for verified in ({}, {"email_verified": False}, {"email_verified": "true"}):
        with pytest.raises(NotAdmitted, match="not verified"):
            person_of({**mail, **verified}, by_mail)
    assert person_of({**mail, "email_verified": True}, by_mail).name == "wang@city.example"


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ('issuer = "http://login.city.example"', "an address with https://"),
        ('issuer = "https://user:pw@login.city.example"', "secret"),
        ('client_id = ""', "client_id is missing"),
        ('address = "https://hub.example/console"', "without a path"),
        ("clock_skew_s = 3600", "0 to 600"),
        ('scopes = ["profile"]', "openid"),
        ('client_secret = "x"', "secret stands in the file"),
        ('client_secret_env = "NO_SUCH_VARIABLE"', "NO_SUCH_VARIABLE (client_secret_env) is not set"),
        ('[[oidc.groups]]\ngroup = "a"\nrole = "king"', "no role 'king'"),
        ('[[oidc.groups]]\ngroup = "a"\nrole = "viewer"\narea = ["north"]', "area"),
        ('[[oidc.groups]]\ngroup = "a"\nrole = "viewer"\nareas = [" "]', "empty name"),
    ],
)
def test_a_mistake_in_the_configuration_is_told_by_line(tmp_path: Path, wrong: str, sentence: str) -> None:
    right = {"issuer": "https://login.city.example", "client_id": "cityhub", "address": "https://hub.city.example"}
    key = wrong.partition(" = ")[0]
    lines = "\n".join(f'{name} = "{value}"' for name, value in right.items() if name != key)
    write_city(tmp_path / "city", f"[oidc]\n{lines}\n{wrong}\n")
    city, mistakes = load_city(tmp_path / "city", Plugins())
    assert city is None
    assert any(sentence in str(mistake) and mistake.line > 1 for mistake in mistakes), mistakes


def test_two_users_are_not_one_person(tmp_path: Path) -> None:
    write_city(tmp_path / "city")
    (tmp_path / "city" / "users.toml").write_text('[users.a]\nsubject = "1"\n[users.b]\nsubject = "1"\n')
    _, mistakes = load_city(tmp_path / "city", Plugins())
    assert ["[users.b] has the subject of [users.a]" in str(one) for one in mistakes] == [True]


def test_a_changed_provider_is_said_to_hold_from_the_next_start_on(liar: Liar, tmp_path: Path) -> None:
    folder = write(tmp_path / "city", liar.issuer, free_port())
    old = load_city(folder, Plugins())[0]
    (folder / "hub.toml").write_text((folder / "hub.toml").read_text().replace("City Login", "Another"))
    new = load_city(folder, Plugins())[0]
    assert old
    assert new
    assert taken_over(old, new).config.oidc == old.config.oidc
