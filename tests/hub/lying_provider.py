"""An identity provider whose every word a test chooses."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
from joserfc import jwt
from joserfc.jwk import RSAKey

from hub.clock import now
from hub.moment import SECOND


class Liar:
    """A provider that tells the truth until a test changes its `claims`, or how it makes a token of them (`sign`)."""

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
