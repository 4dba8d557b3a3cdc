"""Modbus: polling plants over TCP, RTU over TCP and serial lines; and reading recorded frames."""

from adapters.modbus.codec import ModbusRtuCodec, ModbusTcpCodec
from adapters.modbus.poller import ModbusAdapter, ModbusOptions, polled
from adapters.modbus.scan import scan
from hub.ports import Plugin

PLUGINS = (
    Plugin(
        protocol="modbus",
        summary="Modbus polling: TCP, RTU over TCP and serial, by a register map",
        options=ModbusOptions,
        adapter=ModbusAdapter,
        devices=polled,
        binary=True,
        unknown_devices="admit",
    ),
    Plugin(
        protocol="modbus-tcp",
        summary="recorded Modbus/TCP frames (decode, replay), with a register map as readings",
        codec=ModbusTcpCodec,
        binary=True,
    ),
    Plugin(
        protocol="modbus-rtu",
        summary="recorded Modbus RTU frames (decode, replay), with a register map as readings",
        codec=ModbusRtuCodec,
        binary=True,
    ),
)
PLUGIN = PLUGINS[0]

__all__ = ["PLUGIN", "PLUGINS", "scan"]
