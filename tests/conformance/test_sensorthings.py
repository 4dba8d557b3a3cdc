"""The SensorThings API under the conformance suite of OGC itself (ets-sta10), and before a client that was written for FROST (both Java): `make conformance`.

The suite's levels 2 and 3 begin by deleting every entity and making their own, which a log that only grows refuses; so level 1, the Sensing Core,
is what a hub can be held to, and every test of it must pass.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.moment import SECOND, to_text
from tests.acceptance.ports import free_port
from tests.acceptance.running import RunningHub, write_city

POM = Path(__file__).with_name("pom.xml")
FROST = Path(__file__).with_name("frost")
CORE = "Conformance Level 1"
TESTS_OF_CORE = 6
FETCH_S, RUN_S = 600, 600
PROPERTIES = """<?xml version="1.0" encoding="UTF-8"?>
<properties version="1.0"><entry key="iut">{url}</entry><entry key="ics">1</entry></properties>
"""


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[RunningHub]:
    """A hub that has something of every entity set."""
    api = free_port()
    hub = RunningHub(write_city(tmp_path / "city", api=api), api)
    try:
        for hour in range(12):
            values = {"water_depth": 0.02, "water_temperature": 8.5 + hour}
            reading = {"device": "underpass-1", "time": f"2026-01-01T{hour:02}:00:00Z", "values": values}
            assert hub.post("/api/v1/readings", reading)[0] == 200
        root = "/sensorthings/v1.1"
        hub.wait(lambda: hub.get(f"{root}/Observations").count('"@iot.id"') >= 24, "the history was not stored")
        yield hub
    finally:
        hub.stop()


def classes_of(pom: Path, folder: Path) -> str:
    """The class path of what a pom names, fetched by Maven. Skips, loudly, where there is no Java; not so under CI=true."""
    if shutil.which("mvn") is None or shutil.which("javac") is None:
        assert os.environ.get("CI") != "true", "make conformance installs Java and Maven; they are not here"
        pytest.skip("LOUD SKIP: no Java and Maven here; nothing was held against the peers of SensorThings")
    classes = folder / "classes.txt"
    fetch = ["mvn", "-q", "-B", "-f", str(pom), "dependency:build-classpath", f"-Dmdep.outputFile={classes}"]
    subprocess.run(fetch, check=True, timeout=FETCH_S)
    return classes.read_text()


@pytest.mark.slow
@pytest.mark.timeout(FETCH_S + RUN_S + 60)
def test_sensing_core_passes_the_suite_of_ogc(hub: RunningHub, tmp_path: Path) -> None:
    classes = classes_of(POM, tmp_path)
    properties = tmp_path / "properties.xml"
    properties.write_text(PROPERTIES.format(url=f"http://127.0.0.1:{hub.api}/sensorthings/v1.1"))
    controller = "org.opengis.cite.sta10.TestNGController"
    command = ["java", f"-Duser.home={tmp_path}", "-cp", classes, controller, str(properties)]
    said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=RUN_S).stdout

    results = ET.parse(next(tmp_path.glob("testng/*/testng-results.xml"))).getroot()
    core = next(test for test in results.iter("test") if test.get("name") == CORE)
    outcome = {
        method.get("name"): method.get("status")
        for method in core.iter("test-method")
        if method.get("is-config") != "true"
    }
    assert len(outcome) == TESTS_OF_CORE, outcome
    assert set(outcome.values()) == {"PASS"}, (outcome, said[-3000:])


@pytest.mark.slow
@pytest.mark.timeout(FETCH_S + RUN_S + 60)
def test_a_program_written_for_frost_reads_and_posts(hub: RunningHub, tmp_path: Path) -> None:
    """Through Fraunhofer's own client: pages, filter, order, expand, what belongs to what, a new Observation, and refusals that it understands."""
    classes = classes_of(FROST / "pom.xml", tmp_path)
    subprocess.run(["javac", "-cp", classes, "-d", tmp_path, FROST / "AsksAHub.java"], check=True, timeout=RUN_S)
    lately = to_text(time.time_ns() // SECOND * SECOND - 60 * SECOND)
    asked = [f"http://127.0.0.1:{hub.api}/sensorthings/v1.1/", "underpass-1", "water_depth", lately]
    command = ["java", "-cp", f"{classes}:{tmp_path}", "AsksAHub", *asked]
    done = subprocess.run(command, capture_output=True, text=True, timeout=RUN_S)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "things 2",
        "location North Gate Point",
        "datastream water_depth m",
        "datastream water_temperature Cel",
        "observations 12 of 12",
        "first 0.02 at 2026-01-01T00:00:00Z",
        "created 0.31 of water_depth",
        "update 405",
        "delete 405",
    ]
