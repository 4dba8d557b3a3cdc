"""A hub under a service manager: it takes an edited city folder over without dropping what need not be dropped, says how it is, and logs as asked."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from queue import Queue

import pytest

from hub.cli.telling import HIDDEN, logger_of, without_secrets
from tests.acceptance.ports import free_port
from tests.acceptance.running import RULES, RunningHub, cityhub, write_city

pytestmark = pytest.mark.acceptance

SHIPS = '[[adapters]]\nname = "ships"\nprotocol = "nmea0183"\nlisten = "tcp://127.0.0.1:{}"\ndevice = "boat"\nunknown_devices = "admit"\n'
DEPTH = b"$SDDPT,3.6,0.0*52\r\n"


def test_a_folder_is_taken_over_while_connections_stay(tmp_path: Path) -> None:
    api, first, second = free_port(), free_port(), free_port()
    city = write_city(tmp_path, SHIPS.format(first), api=api)
    hub = RunningHub(city, api)
    try:
        boat = socket.create_connection(("127.0.0.1", first), timeout=30)
        assert hub.reading({"water_depth": 0.3}, "underpass-1")[0] == 200
        hub.wait(lambda: bool(hub.get("/api/v1/alerts")["open"]), "no warning")
        assert hub.reading({"water_depth": 0.3}, "underpass-2")[0] == 400
        assert cityhub("reload", city).stdout == "nothing has changed\n"

        (city / "cameras.csv").write_text("camera,name,lon,lat,height_m,area\nc9,Gate,121.49,31.24,6,north\n")
        assert cityhub("reload", city).stdout == "cameras: taken over\n"

        (city / "rules" / "own.yaml").write_text(RULES.replace("red: depth >= 40 cm", "red: depth >= 20 cm"))
        (city / "metrics.toml").write_text('[water]\nwave_height = { unit = "m", range = [0, 9], title = "Wave" }\n')
        with (city / "devices.csv").open("a") as devices:
            devices.write("underpass-2,South Gate,underpass-gauge,121.5,31.2,3,north,roads,\n")
        toml = city / "hub.toml"
        toml.write_text(
            toml.read_text() + SHIPS.format(second).replace('"ships"', '"more"') + "[log]\nevents_gb = 2.0\n"
        )
        done = cityhub("reload", city, "--json")
        told = json.loads(done.stdout)
        assert done.returncode == 0
        assert told["mistakes"] == []
        assert {
            "metrics.toml: taken over",
            "rules: taken over",
            "registry: taken over",
            "adapter more: started",
        } == set(told["applied"])
        assert told["restart"] == ["[log]: changed; it holds once the hub has been started again"]

        assert hub.reading({"water_depth": 0.25, "wave_height": 2.0}, "underpass-2")[0] == 200
        levels = lambda: {alert["subject"]: alert["level"] for alert in hub.get("/api/v1/alerts")["open"]}  # noqa: E731
        hub.wait(lambda: levels().get("underpass-2") == "red", "the new rule and the new device are not known")
        rows = lambda: str(hub.get("/api/v1/series?device=underpass-2")["rows"])  # noqa: E731
        hub.wait(lambda: "wave_height" in rows(), "the new word is not stored")
        boat.settimeout(0.2)
        with pytest.raises(TimeoutError):
            boat.recv(1)  # b"" at once where the connection was dropped
        before = hub.adapter("ships")["frames"]
        boat.sendall(DEPTH)
        hub.wait(lambda: hub.adapter("ships")["frames"] > before, "the old connection brings nothing any more")
        socket.create_connection(("127.0.0.1", second), timeout=30).close()

        (city / "rules" / "own.yaml").write_text(RULES.replace("15 cm", "15 mm/h"))
        (city / "metrics.toml").unlink()
        done = cityhub("reload", city)
        assert done.returncode == 1
        assert "own.yaml:9" in done.stdout
        assert hub.reading({"wave_height": 3.0}, "underpass-2")[0] == 200, "a folder with mistakes changes nothing"
        (city / "rules" / "own.yaml").write_text(RULES)
        toml.write_text(toml.read_text().replace(str(second), str(free_port())).replace(f":{first}", f":{second}"))
        hub.process.send_signal(signal.SIGHUP)
        hub.wait(
            lambda: any("reload: adapter ships: started anew" in line for line in hub.said), "SIGHUP was not heard"
        )
        hub.wait(
            lambda: hub.reading({"wave_height": 3.0}, "underpass-2")[0] == 400, "a word that is gone is still known"
        )
        hub.wait(lambda: hub.adapter("ships")["state"] != "down", "not listening anew")
        socket.create_connection(("127.0.0.1", second), timeout=30).close()
        boat.close()
    finally:
        assert hub.stop() == 0
    assert cityhub("reload", city).returncode == 1, "no hub runs"


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Queue[str]]:
    """What a service manager hears, read as it comes: its socket holds ten words, and the hub says twice in each watchdog's span that it lives."""
    heard: Queue[str] = Queue()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        path = f"/tmp/notify-{os.getpid()}" if len(str(tmp_path)) > 80 else str(tmp_path / "notify")
        listening.bind(path)

        def read() -> None:
            while said := listening.recv(4096):
                for line in said.decode().splitlines():
                    heard.put(line)

        reading = threading.Thread(target=read)
        reading.start()
        monkeypatch.setenv("NOTIFY_SOCKET", path)
        monkeypatch.setenv("WATCHDOG_USEC", "500000")
        try:
            yield heard
        finally:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ending:
                ending.sendto(b"", path)
            reading.join()
    Path(path).unlink()


def until(heard: Queue[str], word: str) -> None:
    """Read what was said up to that word."""
    while heard.get(timeout=120) != word:
        pass


def test_the_service_manager_hears_how_it_is_and_the_log_is_json(tmp_path: Path, manager: Queue[str]) -> None:
    api = free_port()
    city = write_city(tmp_path / "city", '[logging]\nformat = "json"\nlevels = { delivery = "info" }\n', api=api)
    hub = RunningHub(city, api)
    try:
        until(manager, "READY=1")
        until(manager, "WATCHDOG=1")
        (city / "rules" / "own.yaml").write_text(RULES.replace("40 cm", "41 cm"))
        hub.process.send_signal(signal.SIGHUP)
        until(manager, "RELOADING=1")
        until(manager, "READY=1")
    finally:
        assert hub.stop() == 0
    until(manager, "STOPPING=1")
    lines = [json.loads(line) for line in hub.said]
    assert {"timestamp", "level", "logger", "event"} <= set(lines[0])
    assert any(line["event"] == "reload: rules: taken over" for line in lines)
    assert lines[-1]["event"] == "stopped"


def test_the_unit_is_hardened_and_names_the_city(tmp_path: Path) -> None:
    city = write_city(tmp_path / "the city")
    done = cityhub("install-service", city, "--print")
    assert done.returncode == 0, done.stderr
    unit = done.stdout
    assert "@" not in unit.replace("@system-service", "")
    assert f'run "{city}"' in unit
    assert f'ReadWritePaths="{city / "var"}"' in unit
    for line in (
        "Type=notify",
        "WatchdogSec=60",
        "NoNewPrivileges=yes",
        "ProtectSystem=strict",
        "ExecReload=kill -HUP $MAINPID",
    ):
        assert line in unit.splitlines()
    assert "there is no user" in cityhub("install-service", city, "--user", "nobody-at-all", "--to", tmp_path).stderr
    done = cityhub("install-service", city, "--user", "nobody", "--to", tmp_path, "--json")
    assert (tmp_path / "cityhub.service").read_text().count("User=nobody") == (1 if done.returncode == 0 else 0)


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("mqtt://hub:s3cret@broker:1883 refused", f"mqtt://hub:{HIDDEN}@broker:1883 refused"),
        ("Authorization: Bearer abc.def-123456", f"Authorization: Bearer {HIDDEN}"),
        ('{"password": "hunter2", "x": 1}', f'{{"password": "{HIDDEN}", "x": 1}}'),
        ("https://x/?api_key=abcd1234&y=2", f"https://x/?api_key={HIDDEN}&y=2"),
        ("key whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", f"key {HIDDEN}"),
        ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", HIDDEN),
        (
            "adapter/broker: down: 127.0.0.1:1883: connection refused",
            "adapter/broker: down: 127.0.0.1:1883: connection refused",
        ),
        ("gauge-7: token of the hub is not valid", "gauge-7: token of the hub is not valid"),
    ],
)
def test_no_secret_is_told(text: str, clean: str) -> None:
    assert without_secrets(text) == clean


def test_parts_have_loggers() -> None:
    assert logger_of("delivery") == "hub.delivery"
    assert logger_of("adapters.mqtt") == "adapters.mqtt"
