"""The plug-ins that ship, by protocol name. A module is imported when its protocol is first asked for, not before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from types import MappingProxyType

from hub.ports import Plugin

MODULES: Mapping[str, str] = MappingProxyType(
    {
        "ais": "adapters.ais",
        "nmea0183": "adapters.nmea0183",
        "mqtt": "adapters.mqtt",
        "json": "adapters.json",
        "senml-json": "adapters.senml",
        "senml-cbor": "adapters.senml",
        "coap-json": "adapters.senml",
        "coap": "adapters.coap",
        "sparkplug": "adapters.sparkplug",
        "jt808": "adapters.jt808",
        "gb32960": "adapters.gb32960",
        "teltonika": "adapters.teltonika",
        "gt06": "adapters.gt06",
        "osmand": "adapters.osmand",
        "hj212": "adapters.hj212",
        "sl651": "adapters.sl651",
        "gb26875": "adapters.gb26875",
        "modbus": "adapters.modbus",
        "modbus-tcp": "adapters.modbus",
        "modbus-rtu": "adapters.modbus",
        "hub": "adapters.hub",
        "webhook": "adapters.webhook",
        "cap": "adapters.cap",
        "gb28181": "adapters.gb28181",
        "grafana": "adapters.grafana",
        "onvif": "adapters.onvif",
        "milestone": "adapters.milestone",
        "frigate": "adapters.frigate",
        "zoneminder": "adapters.zoneminder",
        "homeassistant": "adapters.homeassistant",
        "email": "adapters.email",
    }
)


class Plugins(Mapping[str, Plugin]):
    """Protocol name → `Plugin`."""

    def __init__(self, modules: Mapping[str, str] = MODULES) -> None:
        self._modules = modules
        self._loaded: dict[str, Plugin] = {}

    def __getitem__(self, protocol: str) -> Plugin:
        if protocol not in self._loaded:
            module = import_module(self._modules[protocol])
            offered: tuple[Plugin, ...] = getattr(module, "PLUGINS", None) or (module.PLUGIN,)
            self._loaded[protocol] = next(plugin for plugin in offered if plugin.protocol == protocol)
        return self._loaded[protocol]

    def __contains__(self, protocol: object) -> bool:
        return protocol in self._modules

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __len__(self) -> int:
        return len(self._modules)
