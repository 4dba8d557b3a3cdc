"""Log-in at a certified identity provider, there and back; and what its configuration may be."""

from __future__ import annotations

import asyncio
import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import msgspec
import pytest
from joserfc.jwk import ECKey, RSAKey

from hub.access import audit
from hub.access.people import NotAdmitted, person_of
from hub.app.city import load_city
from hub.app.plugins import Plugins
from hub.app.reloading import taken_over
from hub.options import OidcOptions
from tests.acceptance.ports import free_port
from tests.acceptance.running import write_city
from tests.dashboards.browser import Browser
from tests.hub.oidc_city import SECRET, USERS, ask_anew, browser, session, write
from tests.hub.running import running
from tests.npm import GROUP, INSTALL_S, PROVIDER, installed, node, or_skip

ACCOUNTS = {
    "u-wang": {"name": "Wang Li", "preferred_username": "Wang", "groups": ["flood-desk", "choir"]},
    "u-chen": {"name": "Chen", "preferred_username": "chen", "groups": ["choir"]},
    "u-zhao": {"name": "Zhao", "preferred_username": "zhao", "groups": ["chiefs"]},
    "u-else": {"name": "Not Zhao", "preferred_username": "zhao", "groups": ["flood-desk"]},
    "u-root": {"name": "Mallory", "preferred_username": "root", "groups": ["flood-desk"]},
}
ROTATED_TO = {"RS256": lambda: RSAKey.generate_key(2048, {"kid": "b", "use": "sig"}), "ES256": lambda: ECKey.generate_key("P-256", {"kid": "b", "use": "sig"})}  # fmt: skip


async def follow(client: httpx.AsyncClient, answer: httpx.Response, until: str) -> httpx.Response:
    """Along the redirects, until one leads to a path that begins so."""
    for _ in range(10):
        assert answer.is_redirect, (answer.status_code, answer.text[:500])
        if urlsplit(answer.headers["location"]).path.startswith(until):
            return answer
        assert answer.next_request is not None
        answer = await client.send(answer.next_request)
    raise AssertionError("it goes round and round")


async def arrive(client: httpx.AsyncClient) -> httpx.Response:
    """The hub's answer to who comes back."""
    at_the_door = await follow(client, await client.get("/oidc/login"), "/oidc/back")
    return await client.get(at_the_door.headers["location"])


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


def test_a_changed_provider_is_said_to_hold_from_the_next_start_on(tmp_path: Path) -> None:
    folder = write(tmp_path / "city", "http://127.0.0.1:1", free_port())
    old = load_city(folder, Plugins())[0]
    (folder / "hub.toml").write_text((folder / "hub.toml").read_text().replace("City Login", "Another"))
    new = load_city(folder, Plugins())[0]
    assert old
    assert new
    assert taken_over(old, new).config.oidc == old.config.oidc
