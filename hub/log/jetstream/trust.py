"""Whether the servers keep what they acknowledge. A hub that cannot be sure of that does not start.

JetStream acknowledges a message when a majority of the stream's replicas has it, and syncs files to disk every two minutes, unless the
servers are told `sync_interval: always`. A single replica that syncs later loses what it acknowledged when the machine loses power. A client
cannot ask for this setting (only the servers' monitoring port and their system account show it), so either the port is named, or a
person states it.
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Sequence
from http.client import HTTPException

from nats.js import api

from hub.log.jetstream.servers import Servers

VERSION_MIN = (2, 11)
PAYLOAD_MIN = 8 << 20
"""An edition of a large registry is one entry, and one message."""
ASK_S = 5.0


class Unsafe(ValueError):
    """These servers, or this stream on them, may lose what they acknowledge; the message says what is to be done."""


def see_that_it_keeps(servers: Servers, replicas: int, monitoring: Sequence[str], stated: bool) -> None:
    """`monitoring`: addresses of the servers' monitoring ports. `stated`: a person says that every server syncs before it acknowledges.
    Raises `Unsafe`."""
    version = servers.client.connected_server_version
    if (version.major, version.minor) < VERSION_MIN:
        raise Unsafe(f"[log] servers: nats-server {version} is older than 2.11, which the log needs")
    if servers.client.max_payload < PAYLOAD_MIN:
        raise Unsafe(
            f"[log] servers: they take messages of {servers.client.max_payload >> 10} KiB at most; set `max_payload: 8MB` in their configuration"
        )
    for address in monitoring:
        try:
            syncs = _syncs(address)
        except Unsafe:
            if replicas < 3:
                raise
            continue  # a server that is away: a majority of the others has what is acknowledged, as without `monitoring`
        if not syncs:
            raise Unsafe(
                f"[log] servers: the one that {address} shows acknowledges before its disk has the data; set `sync_interval: always` in the block `jetstream` of its configuration"
            )
    if replicas < 3 and not monitoring and not stated:
        raise Unsafe(
            f"[log] replicas = {replicas}: a server acknowledges before its disk has the data unless its configuration says `sync_interval: always`. "
            'Name its monitoring port, monitoring = ["http://HOST:8222"], so that the hub can see that; or state it, synced = true; or keep three replicas'
        )


def see_that_it_is_kept(info: api.StreamInfo, replicas: int) -> None:
    """Of a stream as it is on the servers. Raises `Unsafe`."""
    config = info.config
    wrong = []
    if config.storage != api.StorageType.FILE:
        wrong.append("it is kept in memory, not in files")
    if (config.num_replicas or 1) < replicas:
        wrong.append(f"it has {config.num_replicas or 1} replicas, {replicas} were asked for")
    if config.discard != api.DiscardPolicy.NEW:
        wrong.append("a full stream drops its oldest messages, where it must refuse new ones")
    if config.retention not in (api.RetentionPolicy.LIMITS, None):
        wrong.append("messages are dropped when they have been read")
    if (config.max_age or 0) > 0:
        wrong.append("messages are dropped by age, read or not")
    if config.no_ack:
        wrong.append("it acknowledges nothing")
    if not config.allow_direct:
        wrong.append("it does not let messages be read directly (allow_direct)")
    if wrong:
        raise Unsafe(
            f"[log] servers: the stream {config.name} cannot be relied upon: {'; '.join(wrong)}. Change or remove it"
        )


def _syncs(address: str) -> bool:
    """Whether the server with this monitoring port syncs before it acknowledges. Raises `Unsafe` where it does not say."""
    try:
        with urllib.request.urlopen(f"{address.rstrip('/')}/jsz", timeout=ASK_S) as answer:
            return bool(json.load(answer)["config"].get("sync_always"))
    except (OSError, HTTPException, ValueError, KeyError, TypeError, AttributeError) as error:
        raise Unsafe(f"[log] monitoring: {address} does not tell how its server syncs ({error})") from None
