"""Law 1 by the kernel's own account: no acknowledgement leaves before the fdatasync that covers it. And kill -9."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.client import HTTPException
from pathlib import Path

import pytest

from tests.acceptance.mosquitto import Mosquitto
from tests.acceptance.ports import free_port
from tests.acceptance.running import RunningHub, cityhub, write_city
from tests.bench.bench_spine import Publisher

pytestmark = pytest.mark.acceptance


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    folder = tmp_path / "mosquitto"
    folder.mkdir()
    running = Mosquitto(folder).start()
    yield running
    running.stop()


def adapters(port: int, ais: int) -> str:
    return (
        f'[[adapters]]\nname = "broker"\nprotocol = "mqtt"\nconnect = "mqtt://127.0.0.1:{port}"\ntopics = ["city/+/readings"]\n'
        f'[[adapters]]\nname = "ais"\nprotocol = "ais"\nlisten = "tcp://127.0.0.1:{ais}"\n'
    )


def publish(port: int, payloads: list[bytes]) -> None:
    """QoS 1, each acknowledged by the broker before the next."""
    publisher = Publisher(port)
    for payload in payloads:
        publisher.publish(payload)
    publisher.close()


def test_no_acknowledgement_leaves_before_its_fdatasync(
    tmp_path: Path, broker: Mosquitto, need_program: Callable[[str], str]
) -> None:
    strace, trace = need_program("strace"), tmp_path / "trace"
    api = free_port()
    folder = write_city(tmp_path / "city", adapters(broker.port, free_port()), api)
    prefix = [
        strace,
        "-f",
        "-ttt",
        "-y",
        "-s",
        "4096",
        "-xx",
        "-e",
        "trace=pwrite64,fdatasync,sendto,sendmsg,write,send,writev",
        "-o",
        str(trace),
    ]
    hub = RunningHub(folder, api, prefix)
    hub.wait(lambda: hub.adapter("broker")["state"] == "up", "no broker")
    publish(
        broker.port,
        [json.dumps({"device": "gauge-7", "values": {"water_level": number / 10}}).encode() for number in range(20)],
    )
    hub.wait(lambda: hub.adapter("broker")["logged"] == 20, "not all were logged")
    for number in range(5):
        assert hub.reading({"water_level": 5 + number / 10})[0] == 200
    time.sleep(0.5)
    [traced] = Path(f"/proc/{hub.process.pid}/task/{hub.process.pid}/children").read_text().split()
    os.kill(int(traced), signal.SIGTERM)
    assert hub.wait_end() == 0

    written = synced = acknowledged = 0  # readings in the log's file, on the disk, and answered to a device
    syncing: dict[str, int] = {}
    for line in trace.read_text().splitlines():
        thread = line.split(maxsplit=1)[0]
        text = _unhex(line)
        if "pwrite64(" in text and "/log/events/" in text:
            written += text.count("water_level")
        elif "fdatasync(" in text and "/log/events/" in text:
            syncing[thread] = written
            if "unfinished" not in text:
                synced = syncing.pop(thread)
        elif "fdatasync resumed" in text and thread in syncing:
            synced = syncing.pop(thread)
        elif sent := re.search(
            r'(?:sendto|send|write|sendmsg|writev)\(\d+<socket.*?"((?:@\x02..|HTTP/1.1 200 OK).*)', text, re.DOTALL
        ):
            acknowledged += text.count('"readings":1') if sent[1].startswith("HTTP") else sent[1].count("@\x02")
            assert acknowledged <= synced, f"{acknowledged} acknowledged, {synced} on disk: {line[:200]}"
    assert acknowledged >= 20, f"the trace shows {acknowledged} acknowledgements: this test saw too little"
    assert synced >= 25


def _unhex(line: str) -> str:
    return re.sub(r"\\x([0-9a-f]{2})", lambda found: chr(int(found[1], 16)), line)


def test_kill_9_in_the_middle_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    api = free_port()
    folder = write_city(tmp_path / "city", "", api)
    acknowledged: list[float] = []
    for round_number in range(3):
        hub = RunningHub(folder, api)
        stop = threading.Event()

        def feed(hub: RunningHub = hub, stop: threading.Event = stop, base: int = 1000 * round_number) -> None:
            number = base
            while not stop.is_set():
                number += 1
                try:
                    if hub.reading({"water_level": number / 100})[0] == 200:
                        acknowledged.append(number / 100)
                except (OSError, HTTPException):  # the hub was killed in the middle of an answer
                    return

        feeding = threading.Thread(target=feed)
        feeding.start()
        so_far = len(acknowledged)
        hub.wait(lambda so_far=so_far: len(acknowledged) > so_far + 20, "it acknowledges nothing")  # type: ignore[misc]
        hub.kill()
        stop.set()
        feeding.join(30)
    hub = RunningHub(folder, api)
    hub.wait(lambda: hub.reader("store/events")["behind"] < 3, "the store did not catch up")
    status = hub.get("/api/v1/status")
    assert status["balances"]
    assert hub.stop() == 0
    exported = cityhub("export", folder, "--device", "gauge-7", "--metric", "water_level")
    stored = [float(row.split(",")[4]) for row in exported.stdout.splitlines()[1:]]
    assert len(acknowledged) > 50
    assert set(acknowledged) <= set(stored)


def test_an_alert_survives_a_restart_and_is_cleared_afterwards(tmp_path: Path) -> None:
    api = free_port()
    folder = write_city(tmp_path / "city", "", api)
    hub = RunningHub(folder, api)
    assert hub.reading({"water_depth": 0.5}, "underpass-1")[0] == 200
    hub.wait(lambda: bool(hub.get("/api/v1/alerts")["open"]), "no alert")
    [alert] = hub.get("/api/v1/alerts")["open"]
    assert alert["level"] == "red"
    assert alert["cameras"][0]["sees"]
    hub.kill()
    hub = RunningHub(folder, api)
    assert [item["alert"] for item in hub.get("/api/v1/alerts")["open"]] == [alert["alert"]]
    assert hub.reading({"water_depth": 0.01}, "underpass-1")[0] == 200
    hub.wait(lambda: not hub.get("/api/v1/alerts")["open"], "it was not cleared")
    assert hub.stop() == 0
    told = [json.loads(line) for line in cityhub("alerts", folder, "--all", "--json").stdout.splitlines()]
    assert [change["change"] for change in told] == ["raised", "cleared"]
    assert len({change["id"] for change in told}) == 2


def test_commands_reach_a_hub_whose_folder_lies_deep(tmp_path: Path) -> None:
    api = free_port()
    folder = write_city(tmp_path / ("deep-" * 12) / ("down-" * 12), "", api)
    hub = RunningHub(folder, api)
    assert hub.reading({"water_level": 1.0})[0] == 200
    shown = cityhub("devices", folder, "--json")
    assert '"gauge-7"' in shown.stdout
    assert hub.stop() == 0


def test_a_second_hub_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    api = free_port()
    hub = RunningHub(write_city(tmp_path / "city", "", api), api)
    second = cityhub("run", tmp_path / "city")
    assert second.returncode == 1
    assert "is running on" in second.stderr
    assert hub.stop() == 0


def test_the_hub_outlives_a_broker_that_vanishes(tmp_path: Path) -> None:
    (tmp_path / "mosquitto").mkdir()
    broker = Mosquitto(tmp_path / "mosquitto").start()
    api = free_port()
    hub = RunningHub(write_city(tmp_path / "city", adapters(broker.port, free_port()), api), api)
    hub.wait(lambda: hub.adapter("broker")["state"] == "up", "no broker")
    broker.stop(kill=True)
    hub.wait(lambda: hub.adapter("broker")["state"] == "down", "nobody noticed")
    assert hub.reading({"water_level": 1.0})[0] == 200
    broker.start()
    hub.wait(lambda: hub.adapter("broker")["state"] == "up", "it did not come back")
    publish(broker.port, [b'{"device":"gauge-7","values":{"water_level":2.0}}'])
    hub.wait(lambda: hub.adapter("broker")["logged"] == 1, "nothing came through after the return")
    assert hub.stop() == 0
    broker.stop()


@pytest.mark.long
def test_a_100_mb_line_is_one_fault_and_its_neighbours_are_taken(tmp_path: Path) -> None:
    api, ais = free_port(), free_port()
    folder = write_city(
        tmp_path / "city", f'[[adapters]]\nname = "ais"\nprotocol = "ais"\nlisten = "tcp://127.0.0.1:{ais}"\n', api
    )
    hub = RunningHub(folder, api, fresh=True)  # its memory is looked at
    hub.wait(lambda: hub.adapter("ais")["state"] == "up", "the adapter does not listen")
    link = socket.create_connection(("127.0.0.1", ais), timeout=30)
    good = b"!AIVDM,1,1,,A,15NPOOPP00o?b=bE`UNv4?w428D;,0*24\r\n"
    link.sendall(good)
    chunk = b"x" * (1 << 20)
    try:
        for _ in range(100):
            link.sendall(chunk)
        link.sendall(b"\r\n" + good.replace(b"0*24", b"0*24"))
    except OSError:
        pass  # the hub may close a peer that does this
    memory = int(Path(f"/proc/{hub.process.pid}/status").read_text().split("VmRSS:")[1].split()[0]) / 1024
    assert memory < 300
    other = socket.create_connection(("127.0.0.1", ais), timeout=30)
    other.sendall(b"!AIVDM,1,1,,B,15M67FC000G?ufbE`FepT@3n00Sa,0*5C\r\n")
    hub.wait(lambda: hub.adapter("ais")["logged"] >= 2, "its neighbour was not heard")
    assert "oversize" in hub.adapter("ais")["faults"]
    assert hub.get("/api/v1/status")["balances"]
    link.close()
    other.close()
    assert hub.stop() == 0
