"""WS-Discovery (OASIS draft of April 2005, as ONVIF Core 7.3 takes it): which ONVIF devices are on this network.

A Probe goes to 239.255.255.250:3702, or to stated addresses behind a router; each device answers with a ProbeMatch. Anybody may
answer, so an address is only believed where it is the answer's own sender.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import uuid
from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote, urlsplit
from xml.etree import ElementTree as ET

import msgspec

from adapters.onvif import soap

GROUP, PORT = "239.255.255.250", 3702
DISCOVERY = "http://schemas.xmlsoap.org/ws/2005/04/discovery"
ADDRESSING = "http://schemas.xmlsoap.org/ws/2004/08/addressing"
NETWORK = "http://www.onvif.org/ver10/network/wsdl"
TYPES = ("n:NetworkVideoTransmitter", "d:Device")
"""What cameras call themselves: the first since 2008, the second since Profile T. Each is probed for by itself, because a
device answers only where it has all types of a probe."""
SCOPE = "onvif://www.onvif.org/"
WAIT_S = 3.0
REPEAT_S = 0.3
"""A probe is sent twice (SOAP-over-UDP 4.1): datagrams get lost."""
MATCHES_MAX = 10_000
SCOPES_MAX = 100


class Match(msgspec.Struct, frozen=True):
    """A device that answered: `urls` of its device service, its `scopes` (name, location, hardware …) by their first word."""

    endpoint: str
    sender: str
    urls: tuple[str, ...]
    scopes: dict[str, list[str]]
    types: tuple[str, ...] = ()

    @property
    def url(self) -> str:
        """The device service at the sender's own address, "" where it names none there."""
        return next((url for url in self.urls if _host(url) == self.sender), "")


def probe(message_id: str, type_name: str) -> bytes:
    """One Probe for devices of a type."""
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><s:Envelope xmlns:s="{soap.ENVELOPE}" xmlns:a="{ADDRESSING}">'
        f"<s:Header><a:Action>{DISCOVERY}/Probe</a:Action><a:MessageID>{message_id}</a:MessageID>"
        "<a:To>urn:schemas-xmlsoap-org:ws:2005:04:discovery</a:To></s:Header>"
        f'<s:Body><w:Probe xmlns:w="{DISCOVERY}"><w:Types xmlns:n="{NETWORK}" xmlns:d="{soap.DEVICE}">'
        f"{type_name}</w:Types></w:Probe></s:Body></s:Envelope>"
    ).encode()


def matches(datagram: bytes, sender: str, asked: Iterable[str]) -> list[Match] | str:
    """The devices of an answer to one of our probes (by their message ids), or why it is none."""
    if b"<!DOCTYPE" in datagram or b"<!ENTITY" in datagram:
        return "an answer with a document type is not read"
    try:
        root = ET.fromstring(datagram)
    except (ET.ParseError, ValueError, RecursionError) as error:
        return f"the answer is not XML: {error}"
    if soap.text_of(root, "RelatesTo") not in asked:
        return "the answer is to no probe of ours"
    found = [_match(one, sender) for one in soap.every(root, "ProbeMatch")]
    return found if found else "the answer names no device"


def _match(element: ET.Element, sender: str) -> Match:
    return Match(
        soap.text_of(next(soap.every(element, "EndpointReference"), None), "Address")[:100],
        sender,
        tuple(url for url in _words(element, "XAddrs") if url.startswith(("http://", "https://")))[:10],
        scopes(_words(element, "Scopes")),
        tuple(word.rpartition(":")[2] for word in _words(element, "Types"))[:10],
    )


def _words(element: ET.Element, name: str) -> list[str]:
    found = next(soap.every(element, name), None)
    return (found.text or "").split()[:SCOPES_MAX] if found is not None else []


def scopes(uris: Iterable[str]) -> dict[str, list[str]]:
    """Scope URIs by their first word: onvif://www.onvif.org/location/city/Hangzhou is location → city/Hangzhou."""
    found: dict[str, list[str]] = {}
    for uri in uris:
        if uri.startswith(SCOPE):
            kind, _, said = uri[len(SCOPE) :].partition("/")
            if kind and said and len(found) < SCOPES_MAX:
                found.setdefault(unquote(kind)[:40], []).append(" ".join(unquote(said).split())[:100])
    return found


async def discover(
    targets: Iterable[tuple[str, int]] = ((GROUP, PORT),), interface: str = "", wait_s: float = WAIT_S
) -> tuple[list[Match], list[str]]:
    """The devices that answer within `wait_s`, each once, and remarks about answers that cannot be used.

    `interface`: the own IPv4 address to probe from. Raises OSError where there is no such interface or no way to a target.
    """
    loop, targets = asyncio.get_running_loop(), list(targets)
    ids = [f"urn:uuid:{uuid.uuid4()}" for _ in TYPES]
    listener = _Listener(ids)
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 1)
        if interface:
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(interface))
        sock.bind((interface, 0))
    except OSError:
        sock.close()
        raise
    transport, _ = await loop.create_datagram_endpoint(lambda: listener, sock=sock)
    try:
        for _ in range(2):
            for number, type_name in zip(ids, TYPES, strict=True):
                for target in targets:
                    transport.sendto(probe(number, type_name), target)
            await asyncio.sleep(min(REPEAT_S, wait_s / 2))
        await asyncio.sleep(max(0.0, wait_s - 2 * REPEAT_S))
    finally:
        transport.close()
    if listener.error:
        raise listener.error
    return list(listener.found.values()), listener.remarks


class _Listener(asyncio.DatagramProtocol):
    def __init__(self, ids: list[str]) -> None:
        self._ids = ids
        self.found: dict[tuple[str, str], Match] = {}
        self.remarks: list[str] = []
        self.error: OSError | None = None

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        sender = str(addr[0])
        heard = matches(data, sender, self._ids)
        if isinstance(heard, str):
            if len(self.remarks) < 100:
                self.remarks.append(f"{sender}: {heard}")
            return
        for match in heard:
            key = (sender, match.endpoint)
            if key not in self.found and len(self.found) < MATCHES_MAX:
                self.found[key] = match

    def error_received(self, exc: Exception) -> None:
        if isinstance(exc, OSError) and not isinstance(exc, ConnectionRefusedError):  # nobody listens there: no device
            self.error = exc


def _host(url: str) -> str:
    try:
        host = urlsplit(url).hostname or ""
        return str(ipaddress.ip_address(host))
    except ValueError:
        return ""
