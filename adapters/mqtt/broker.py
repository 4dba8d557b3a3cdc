"""A small broker inside the hub's process, for the demo: started when the city names none. MQTT 3.1.1, by amqtt.

It carries some thousands of messages a second and keeps its sessions in memory only; a city uses mosquitto or the like.
Adapters on it should say `version = "3.1.1"`: it does not answer a CONNECT of version 5 at all.
"""

from __future__ import annotations

import logging

from amqtt.broker import Broker

_LISTENER = "default"
_LOGGERS = ("amqtt", "transitions")


class EmbeddedBroker:
    """A running broker. `url` is what adapters connect to."""

    def __init__(self, broker: Broker, host: str, port: int) -> None:
        self._broker = broker
        self.host = host
        self.port = port

    @property
    def url(self) -> str:
        return f"mqtt://{self.host}:{self.port}"

    async def stop(self) -> None:
        """Close the listener and every connection."""
        await self._broker.shutdown()


async def start(host: str = "127.0.0.1", port: int = 0) -> EmbeddedBroker:
    """A broker that listens when this returns; port 0 takes a free one. Raises OSError where the port is taken."""
    for name in _LOGGERS:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    config = {
        "listeners": {_LISTENER: {"type": "tcp", "bind": f"{host}:{port}", "max_connections": 1_000}},
        "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
    }
    broker = Broker(config)
    try:
        await broker.start()
    except Exception as error:  # amqtt wraps whatever happened; its cause is what people need to read
        cause = error.__cause__ or error
        raise OSError(f"the embedded broker cannot listen on {host}:{port}: {cause}") from error
    bound = broker._servers[_LISTENER].instance.sockets[0].getsockname()[1]
    return EmbeddedBroker(broker, host, bound)
