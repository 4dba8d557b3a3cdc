"""Signatures of Standard Webhooks 1.0 (https://github.com/standard-webhooks/standard-webhooks, spec, "Signature scheme").

Pure: the time is an argument.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Sequence
from urllib.parse import quote

PREFIX = "whsec_"


def secret_keys(text: str) -> list[bytes]:
    """The keys in `text`: one or, while a secret is being changed, several separated by blanks.

    Each is `whsec_` and base64 of 24 to 64 bytes. Raises ValueError with a sentence that does not repeat the secret.
    """
    keys = []
    for word in text.split():
        encoded = word.removeprefix(PREFIX)
        try:
            key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
        except binascii.Error:
            raise ValueError("the webhook secret is not base64 behind whsec_") from None
        if not 24 <= len(key) <= 64:
            raise ValueError(f"the webhook secret holds {len(key)} bytes; Standard Webhooks wants 24 to 64")
        keys.append(key)
    return keys


def message_id(key: str) -> str:
    """`key` as a webhook-id: ASCII without full stops, because the id ends at the first one in what is signed."""
    return quote(key, safe="/:#+@,;=!~").replace(".", "%2E")


def signed_headers(keys: Sequence[bytes], key: str, at: int, body: bytes) -> dict[str, str]:
    """The three headers for one attempt at `at` (ns). Without keys there is no signature."""
    name, seconds = message_id(key), at // 1_000_000_000
    signed = f"{name}.{seconds}.".encode() + body
    signatures = [base64.b64encode(hmac.digest(secret, signed, "sha256")).decode() for secret in keys]
    headers = {"webhook-id": name, "webhook-timestamp": str(seconds)}
    if signatures:
        headers["webhook-signature"] = " ".join(f"v1,{signature}" for signature in signatures)
    return headers
