"""ID tokens of the city's identity provider: the address that asks for one, and what one says that holds (OpenID Connect Core 1.0)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey

from hub.api.provider import NotBelieved
from hub.options import OidcOptions

ALGORITHMS = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"})  # fmt: skip
"""Signatures with the provider's own private key (RFC 7518, 8037, 9864). Not `none`, and not HS256 and the like: their key is the client's secret."""
Key = RSAKey | ECKey | OKPKey
KEYS: Mapping[str, type[RSAKey] | type[ECKey] | type[OKPKey]] = {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}


def login_address(endpoint: str, options: OidcOptions, state: str, nonce: str, verifier: str) -> str:
    """Where somebody logs in, so that the provider sends them back with a code (RFC 6749, 4.1.1; RFC 7636, 4.3)."""
    address: str = prepare_grant_uri(
        endpoint, options.client_id, "code", options.back, options.scopes, state, nonce=nonce,
        code_challenge=create_s256_code_challenge(verifier), code_challenge_method="S256",
    )  # fmt: skip
    return address


def claims_of(
    text: str,
    access_token: str,
    keys: Mapping[str, Any],
    algorithms: Sequence[str],
    options: OidcOptions,
    nonce: str,
    now_s: int,
) -> dict[str, Any]:
    """The claims of the ID token `text` (section 3.1.3.7). `keys`: the provider's JSON Web Key Set; `algorithms`: by which it says
    it signs. Raises `NotBelieved`."""
    token = _signed(text, _public(keys), sorted(ALGORITHMS.intersection(algorithms)))
    wanted: Any = {
        "iss": {"essential": True, "value": options.issuer},
        "aud": {"essential": True, "value": options.client_id},
    }
    beside = {"nonce": nonce, "client_id": options.client_id, "access_token": access_token}
    claims = CodeIDToken(token.claims, token.header, wanted, beside)
    try:
        claims.validate(now_s, options.clock_skew_s)
    except (JoseError, ValueError, TypeError) as error:
        raise NotBelieved(f"the ID token does not hold: {error}") from None
    audience = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
    if options.client_id not in audience:
        raise NotBelieved("the ID token is meant for somebody else")
    return dict(claims)


def _public(told: Mapping[str, Any]) -> Sequence[Key]:
    """The public keys for signatures; those of other kinds or that cannot be read are left out (RFC 7517, section 5)."""
    keys: list[Key] = []
    listed = told.get("keys")
    for one in listed if isinstance(listed, list) else ():
        if isinstance(one, dict) and one.get("kty") in KEYS and one.get("use", "sig") == "sig":
            try:
                keys.append(KEYS[one["kty"]].import_key(one))
            except (JoseError, ValueError, TypeError, KeyError):
                continue
    return keys


def _signed(text: str, keys: Sequence[Key], algorithms: Sequence[str]) -> jwt.Token:
    """The token, signed by one of these keys. Raises `NotBelieved`."""
    try:
        header = jws.extract_compact(text.encode()).headers()
    except (JoseError, ValueError):
        raise NotBelieved("the ID token is no signed token") from None
    if header.get("alg") not in algorithms:
        raise NotBelieved(f"the ID token is signed by {str(header.get('alg'))[:20]!r}, which is not accepted")
    kid = header.get("kid")
    for key in keys:
        if kid is None or key.kid is None or key.kid == kid:
            try:
                return jwt.decode(text, key, algorithms=algorithms)
            except (JoseError, ValueError, TypeError):
                continue  # by another key, or of another kind
    raise NotBelieved("the ID token is signed by none of the provider's keys")
