"""The city's identity provider as this hub asks it: OpenID Connect Core 1.0, the authorization code with PKCE (RFC 7636).

Nothing it says is believed for long. What it is (its discovery document) is asked every ten minutes, its keys at each log-in, so that
a key it has taken back opens nothing.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import httpx
import msgspec

from hub.moment import SECOND
from hub.options import OidcOptions, web_address
from hub.secret_files import secret

WITHIN_S = 10.0
BYTES_MAX = 1 << 20
"""Of one answer."""
DESCRIBED_S, AWAY_S = 600.0, 5.0
"""How long its discovery document holds, and how soon it is asked again after it could not be had."""
T = TypeVar("T")


class ProviderAway(Exception):
    """It does not answer, or not as a provider does; the text says how."""


class NotBelieved(Exception):
    """What it said, or what somebody said in its name, is not to be believed; the text says why."""


class Described(msgspec.Struct, frozen=True):
    """What its discovery document says (OpenID Connect Discovery 1.0, section 3), as far as this hub needs it."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None = None
    end_session_endpoint: str | None = None
    id_token_signing_alg_values_supported: list[str] = msgspec.field(default_factory=lambda: ["RS256"])
    token_endpoint_auth_methods_supported: list[str] = msgspec.field(default_factory=lambda: ["client_secret_basic"])
    authorization_response_iss_parameter_supported: bool = False


class _Tokens(msgspec.Struct, frozen=True):
    """Its answer at the token endpoint."""

    id_token: str
    access_token: str


class Provider:
    """`clock`: the hub's, in ns. Raises ValueError where the client's secret cannot be read."""

    def __init__(self, options: OidcOptions, clock: Callable[[], int]) -> None:
        self._options, self._clock = options, clock
        self._secret = secret("client_secret", options.client_secret_env, options.client_secret_file)
        self._asking = asyncio.Lock()
        self._described: tuple[float, Described | ProviderAway] | None = None

    async def begin(self, state: str, nonce: str, verifier: str) -> str:
        """The address at which somebody logs in. Raises `ProviderAway`."""
        found = await self.described()
        address: str = _tokens().login_address(found.authorization_endpoint, self._options, state, nonce, verifier)
        return address

    async def claims(self, code: str, issuer: str | None, nonce: str, verifier: str) -> tuple[Mapping[str, Any], str]:
        """What the provider says of who brings this code, and its ID token. `issuer`: what came beside the code (RFC 9207). Raises
        `ProviderAway`, `NotBelieved`."""
        found = await self.described()
        if issuer is not None and issuer != found.issuer:
            raise NotBelieved(f"the answer is of another issuer, {issuer[:200]!r}")
        if issuer is None and found.authorization_response_iss_parameter_supported:
            raise NotBelieved("the answer says no issuer, which this provider always says")
        async with self._client() as client:
            tokens = await self._exchanged(client, found, code, verifier)
            keys = await _asked(client, dict[str, Any], "GET", found.jwks_uri)
            claims = _tokens().claims_of(
                tokens.id_token, tokens.access_token, keys, found.id_token_signing_alg_values_supported, self._options,
                nonce, self._clock() // SECOND,
            )  # fmt: skip
            return await self._with_userinfo(client, found, tokens.access_token, claims), tokens.id_token

    async def end(self, id_token: str) -> str | None:
        """Where a log-in ends at the provider too (RP-Initiated Logout 1.0); None where it has no such address, or does not answer."""
        try:
            found = await self.described()
        except ProviderAway:
            return None
        if not found.end_session_endpoint:
            return None
        back = f"{self._options.address.rstrip('/')}/"
        asked = {"id_token_hint": id_token, "client_id": self._options.client_id, "post_logout_redirect_uri": back}
        return f"{found.end_session_endpoint}{'&' if '?' in found.end_session_endpoint else '?'}{urlencode(asked)}"

    async def described(self) -> Described:
        """Its discovery document. Raises `ProviderAway`."""
        async with self._asking:
            at = time.monotonic()
            if self._described is not None:
                since, kept = self._described
                if at - since < (AWAY_S if isinstance(kept, ProviderAway) else DESCRIBED_S):
                    return _given(kept)
            try:
                async with self._client() as client:
                    kept = await self._discovered(client)
            except ProviderAway as away:
                kept = away
            self._described = (at, kept)
            return _given(kept)

    async def _discovered(self, client: httpx.AsyncClient) -> Described:
        issuer = self._options.issuer
        found = await _asked(client, Described, "GET", f"{issuer.rstrip('/')}/.well-known/openid-configuration")
        if found.issuer != issuer:
            raise ProviderAway(f"it calls itself {found.issuer[:200]!r}, and [oidc] issuer is {issuer!r}")
        for name in (
            "authorization_endpoint",
            "token_endpoint",
            "jwks_uri",
            "userinfo_endpoint",
            "end_session_endpoint",
        ):
            address = getattr(found, name)
            if address is not None and not web_address(address):
                raise ProviderAway(f"its {name} is no https address")
        return found

    async def _exchanged(self, client: httpx.AsyncClient, found: Described, code: str, verifier: str) -> _Tokens:
        options = self._options
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": options.back,
            "code_verifier": verifier,
        }
        auth = None
        if not self._secret:
            form["client_id"] = options.client_id
        elif "client_secret_basic" in found.token_endpoint_auth_methods_supported:
            auth = httpx.BasicAuth(quote(options.client_id, safe=""), quote(self._secret, safe=""))  # RFC 6749, 2.3.1
        else:
            form |= {"client_id": options.client_id, "client_secret": self._secret}
        return await _asked(client, _Tokens, "POST", found.token_endpoint, data=form, auth=auth)

    async def _with_userinfo(
        self, client: httpx.AsyncClient, found: Described, access_token: str, claims: dict[str, Any]
    ) -> Mapping[str, Any]:
        """With what the provider says of them only when asked (section 5.3); the signed token counts for more."""
        if found.userinfo_endpoint is None:
            return claims
        headers = {"authorization": f"Bearer {access_token}"}
        told = await _asked(client, dict[str, Any], "GET", found.userinfo_endpoint, headers=headers)
        if told.get("sub") != claims["sub"]:
            raise NotBelieved("the provider describes somebody else than its ID token names")
        return {**told, **claims}

    def _client(self) -> httpx.AsyncClient:
        own = self._options.ca_file
        verify = ssl.create_default_context(cafile=own) if own else True
        return httpx.AsyncClient(follow_redirects=False, trust_env=False, timeout=WITHIN_S, verify=verify)


def _given(kept: Described | ProviderAway) -> Described:
    if isinstance(kept, ProviderAway):
        raise kept
    return kept


def _tokens() -> ModuleType:
    """The module that reads ID tokens, loaded by the first who logs in: what it needs of others would make each hub and each command
    slower to start by a tenth of a second, and few cities have a provider."""
    from hub.api import id_tokens

    return id_tokens


async def _asked(client: httpx.AsyncClient, kind: type[T], method: str, address: str, **more: Any) -> T:
    """One answer of the provider. Raises `ProviderAway`; `NotBelieved` where it refuses what was posted: the code."""
    told = bytearray()
    try:
        async with asyncio.timeout(WITHIN_S), client.stream(method, address, **more) as answer:
            async for piece in answer.aiter_bytes():
                told += piece
                if len(told) > BYTES_MAX:
                    raise ProviderAway(f"its answer is longer than {BYTES_MAX} bytes")
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:  # a TimeoutError is an OSError
        raise ProviderAway(f"{urlsplit(address).netloc} cannot be reached ({type(error).__name__})") from None
    if method == "POST" and answer.status_code in (400, 401, 403):
        raise NotBelieved(f"the identity provider does not take this log-in ({_error_of(bytes(told))})")
    if answer.status_code != 200:
        raise ProviderAway(f"it answered {answer.status_code} at {urlsplit(address).path}")
    try:
        return msgspec.json.decode(bytes(told), type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ProviderAway(f"its answer at {urlsplit(address).path} is not what was meant: {error}") from None


def _error_of(told: bytes) -> str:
    """The word by which it refuses (RFC 6749, section 5.2): "invalid_grant", say."""
    try:
        return str(msgspec.json.decode(told)["error"])[:100]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, LookupError, TypeError):
        return "without a reason"
