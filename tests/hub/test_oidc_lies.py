"""Log-in at an identity provider that lies, or with somebody between: what they cannot do."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

from hub.app.hub import Hub
from hub.clock import now
from hub.moment import SECOND
from tests.acceptance.ports import free_port
from tests.hub.lying_provider import Liar, begin, come_back
from tests.hub.oidc_city import SECRET, ask_anew, browser, session, write
from tests.hub.running import running


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
