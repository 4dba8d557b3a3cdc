"""InfluxDB's faults and refusals, on a real server behind a shim that can misbehave."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import httpx
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.model import AlertChange, Change, Position, Reading
from hub.ports import SeriesQuery, StoreUnavailable
from hub.store.influxdb import InfluxDBOptions, InfluxDBStore
from hub.store.influxql import Influxql
from hub.store.lineprotocol import Encoder, alert_line
from hub.store.rollups import HOUR, MINUTE, WIDTHS, denied, parts, remake_touched, touched
from tests.acceptance.influx_shim import Shim, influx_shim

T = 1_770_000_000_000_000_000
DAY = 86_400_000_000_000
numbers = itertools.count()


# ---------------------------------------------------------------------------------------------- lines, without a server


def test_the_schema_in_one_line_per_family() -> None:
    said = Reading(
        "bus 7,east=1",
        T,
        {"speed": 31.5, "pm25": 12, "ignition": True, "alarms": ["sos"]},
        Position(116.4, 39.9, 50.0),
        {"speed": "estimated"},
        T + 2_000_000_000,
        "trackers",
        "bus",
    )
    place = "lat=39.9,lon=116.4,alt=50.0,received_at=1770000002000000000i 1770000000000000000"
    assert Encoder({"bus 7,east=1": "old town"}).lines(said) == [
        f'vehicle,area=old\\ town,device=bus\\ 7\\,east\\=1,kind=bus speed=31.5,q_speed=9i,ignition=1.0,alarms="[\\"sos\\"]",{place}',
        f"air,area=old\\ town,device=bus\\ 7\\,east\\=1,kind=bus pm25=12.0,{place}",
    ]


def test_a_metric_keeps_the_type_that_the_vocabulary_gives_it() -> None:
    encoder = Encoder()
    assert " name=" in encoder.lines(Reading("a", T, {"name": "7"}))[0]
    assert encoder.lines(Reading("a", T, {"name": 7.0}))[0].startswith('vessel,device=a name="7.0"')
    with pytest.raises(ValueError, match="pm25: 'high' is a text where the vocabulary has a number"):
        encoder.lines(Reading("a", T, {"pm25": "high"}))


def test_alert_changes_of_one_instant_are_different_points() -> None:
    def line(subject: str) -> str:
        return alert_line(AlertChange(f"r/{subject}", 0, T, "r", subject, Change.RAISED, "red"))

    stamps = {int(line(f"d{n}").rsplit(" ", 1)[1]) for n in range(50)}
    assert len(stamps) == 50
    assert all(0 <= stamp - T < 1_000_000 for stamp in stamps)


def test_an_encounter_names_its_two_in_fields_of_their_own_and_a_device_called_as_one_has_none() -> None:
    """Pages took a warning about the device `A+B` for an encounter."""
    device = AlertChange("r/x", 0, T, "r", "A+B", Change.RAISED, "red")
    pair = msgspec.structs.replace(device, pair=("A", "B"))
    assert 'one="A",other="B"' in alert_line(pair)
    assert "other=" not in alert_line(device)


def test_a_giant_alert_change_goes_without_its_evidence() -> None:
    giant = AlertChange("r/a", 0, T, "r", "a", Change.RAISED, "red", evidence=[{"x": "y" * 70_000}])
    assert len(alert_line(giant)) < 1_000


# ---------------------------------------------------------------------------------------------- with the server


class Rig:
    def __init__(self, upstream: str, shim: Shim, store: InfluxDBStore, database: str) -> None:
        self.upstream, self.shim, self.store, self.database = upstream, shim, store, database

    def ask(self, query: str) -> None:
        httpx.post(f"{self.upstream}/query", params={"q": query}).raise_for_status()

    def put(self, line: str) -> None:
        """Somebody else writes into the same database."""
        httpx.post(f"{self.upstream}/write", params={"db": self.database}, content=line).raise_for_status()

    def cells(self) -> list[tuple[str, str, object]]:
        return [(row.device, row.metric, row.value) for row in self.store.series(SeriesQuery())]


@pytest.fixture(params=[1, 2, 3])
def rig(request: pytest.FixtureRequest, influxd: str, tmp_path: Path) -> Iterator[Rig]:
    """A store of each family, `batch_lines` small so that a write takes several requests."""
    version: int = request.param
    database = f"db{next(numbers)}"
    httpx.post(f"{influxd}/query", params={"q": f"CREATE DATABASE {database}"}).raise_for_status()
    with influx_shim(influxd, token="t", mode=version) as shim:
        options = InfluxDBOptions(
            url=shim.url, version=version, database=database, token="t", timeout_s=1.0, batch_lines=100
        )
        made = Rig(influxd, shim, InfluxDBStore(tmp_path, options), database)
        yield made
        made.store.close()


def readings(count: int, **more: float) -> list[Reading]:
    return [Reading(f"d{n}", T + n, {"pm25": float(n), **more}) for n in range(count)]


@pytest.mark.acceptance
@pytest.mark.parametrize(
    "fault",
    [500, 502, 503, 429, 401, 403, 404, 302, 200, b"garbage\r\n\r\n", b"", b"HTTP/1.1 400 \xff\xfe\r\nconnection: close\r\ncontent-length: 2\r\n\r\n\xff\xfe", "hang"],
)  # fmt: skip
def test_a_server_that_fails_delays_and_loses_nothing(rig: Rig, fault: int | bytes | str) -> None:
    rig.store.write("events", readings(1), 0, 1)
    batch = readings(250)
    rig.shim.faults = (
        [fault]
        if fault != b"HTTP/1.1 400 \xff\xfe\r\nconnection: close\r\ncontent-length: 2\r\n\r\n\xff\xfe"
        else [fault, fault]
    )
    with pytest.raises(StoreUnavailable, match="InfluxDB"):
        rig.store.write("events", batch, 1, 251)
    assert rig.store.cursor("events") == 1
    rig.shim.faults = []
    assert rig.store.write("events", batch, 1, 251) == []
    assert len(rig.cells()) == 250
    assert rig.store.cursor("events") == 251


@pytest.mark.acceptance
def test_a_failure_in_the_middle_leaves_the_cursor_before_the_batch(rig: Rig) -> None:
    batch = readings(250)
    taken_before = rig.shim.requests

    class Later(list[int]):
        """The second request fails."""

        def __bool__(self) -> bool:
            return rig.shim.requests == taken_before + 2

        def pop(self, at: int = -1) -> int:  # type: ignore[override]
            return 503

    rig.shim.faults = Later()  # type: ignore[assignment]
    with pytest.raises(StoreUnavailable, match="503"):
        rig.store.write("events", batch, 0, 250)
    assert rig.store.cursor("events") is None
    rig.shim.faults = []
    rig.store.write("events", batch, 0, 250)
    assert len(rig.cells()) == 250


@pytest.mark.acceptance
def test_a_server_that_is_gone_is_said_so(tmp_path: Path) -> None:
    for version in (1, 2):
        store = InfluxDBStore(tmp_path, InfluxDBOptions(url="http://127.0.0.1:9", version=version, timeout_s=1))
        with pytest.raises(StoreUnavailable, match="cannot be reached"):
            store.write("events", readings(1), 0, 1)
        with pytest.raises(StoreUnavailable, match="cannot be asked"):
            store.latest()
        store.close()


@pytest.mark.acceptance
def test_a_wrong_token_and_a_missing_database_are_no_fault_of_the_readings(rig: Rig) -> None:
    rig.shim.token = "another"
    if rig.store._options.version > 1:
        with pytest.raises(StoreUnavailable, match="401"):
            rig.store.write("events", readings(3), 0, 3)
    rig.shim.token = ""
    rig.ask(f"DROP DATABASE {rig.database}")
    with pytest.raises(StoreUnavailable, match="404"):
        rig.store.write("events", readings(3), 0, 3)
    rig.ask(f"CREATE DATABASE {rig.database}")
    assert rig.store.write("events", readings(3), 0, 3) == []
    assert len(rig.cells()) == 3


@pytest.mark.acceptance
def test_a_proxy_that_refuses_everything_sends_nothing_into_quarantine(rig: Rig) -> None:
    rig.shim.faults = [400] * 10
    with pytest.raises(StoreUnavailable, match="refuses every line with 400"):
        rig.store.write("events", readings(10), 0, 10)


@pytest.mark.acceptance
@pytest.mark.parametrize("marks", [None, {"no2": "suspect"}])
def test_sparse_history_is_made_in_few_requests(rig: Rig, tmp_path: Path, marks: dict[str, str] | None) -> None:
    """Readings hours apart took ten queries each, 26 where a value of each was doubted: the fields again for each question, and a
    request for each window and width."""
    told = [
        Reading(f"d{n}", T + (n + 10 * k) * 3 * HOUR, {"pm25": float(n), "no2": 1.0}, None, marks, kind="air-station")
        for n in range(10)
        for k in range(6)
    ]
    gauge = Reading("gauge", T, {"water_level": 1.0}, kind="gauge")
    patient = msgspec.structs.replace(rig.store._options, timeout_s=60.0)
    rig.store.close()
    rig.store = InfluxDBStore(tmp_path / "patient", patient)
    rig.store.write("events", [*told, gauge], 0, len(told) + 1)
    before = len(rig.shim.questions)
    for part in parts(touched(told)):
        for width in WIDTHS:
            remake_touched(rig.store, width, part, denied(told))
    asked = len(rig.shim.questions) - before
    if rig.store._options.version == 3:  # a statement a request, of each window, width and measurement; the fields once
        assert asked <= len(told) * (15 if marks else 5) + 20
    else:
        assert asked <= 25
    assert len(rig.store.rollups("1m", SeriesQuery(metric="pm25"))) == len(told)
    assert len(rig.store.rollups("1m", SeriesQuery(metric="no2"))) == (0 if marks else len(told))


@pytest.mark.acceptance
@pytest.mark.parametrize("rig", [1], indirect=True)
def test_an_answer_that_leaves_out_statements_is_none(rig: Rig) -> None:
    """Rollups made of a part of what was asked would look whole."""
    rig.store.write("events", readings(2), 0, 2)
    queries = [SeriesQuery(T - T % MINUTE, T - T % MINUTE + MINUTE, device) for device in ("d0", "d1")]
    assert [len(found) for found in rig.store.buckets_of([queries], MINUTE)] == [2]

    def cut(request: httpx.Request) -> httpx.Response:
        answer = httpx.get(f"{rig.upstream}{request.url.raw_path.decode()}")
        one = answer.content.splitlines(keepends=True)[:1] if b"%3B" in request.url.query else [answer.content]
        return httpx.Response(200, content=b"".join(one))

    with httpx.Client(base_url=rig.upstream, transport=httpx.MockTransport(cut)) as client:
        cutting = Influxql(client, rig.database, 10.0)
        with pytest.raises(StoreUnavailable, match="1 of 2 statements"):
            list(cutting.buckets_of([queries], MINUTE))


@pytest.mark.acceptance
def test_a_type_conflict_of_one_field_takes_no_neighbour_with_it(rig: Rig) -> None:
    rig.put(f'air,device=other pm25="text",received_at=1i {T}')
    batch = readings(40, no2=1.0)
    batch[7].values.pop("pm25")
    refused = rig.store.write("events", batch, 0, 40)
    assert [(r.reading and r.reading.device, r.reading and list(r.reading.values)) for r in refused] == [
        (f"d{n}", ["pm25"]) for n in range(40) if n != 7
    ]
    assert all("conflict" in r.reason for r in refused)
    assert sorted(cell for cell in rig.cells() if cell[1] == "no2") == sorted((f"d{n}", "no2", 1.0) for n in range(40))
    assert rig.store.cursor("events") == 40


@pytest.mark.acceptance
def test_a_few_refused_lines_among_many_are_found_by_halving(rig: Rig) -> None:
    rig.put(f'air,device=other so2="text",received_at=1i {T}')
    batch = readings(300)
    for n in (5, 6, 130, 299):
        batch[n].values = {"so2": 1.0}
    before = rig.shim.requests
    refused = rig.store.write("events", batch, 0, 300)
    assert [r.reading and r.reading.device for r in refused] == ["d5", "d6", "d130", "d299"]
    assert len([cell for cell in rig.cells() if cell[1] == "pm25"]) == 296
    assert rig.shim.requests - before < 90


@pytest.mark.acceptance
def test_readings_older_than_the_retention_go_to_quarantine_with_that_reason(rig: Rig) -> None:
    rig.ask(f'CREATE RETENTION POLICY short ON "{rig.database}" DURATION 1d REPLICATION 1 DEFAULT')
    before = rig.shim.requests
    refused = rig.store.write(
        "events", [Reading("a", 1_000_000_000_000_000_000 + n, {"pm25": 1.0}) for n in range(80)], 0, 80
    )
    assert len(refused) == 80
    assert all("retention" in r.reason for r in refused)
    assert rig.shim.requests - before < 10 or rig.store._options.version == 3


@pytest.mark.acceptance
@settings(max_examples=1, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(st.data())
def test_any_text_and_any_device_name_is_stored_or_refused(rig: Rig, data: st.DataObject) -> None:
    names = data.draw(st.lists(st.text(min_size=1, max_size=12), min_size=60, max_size=60, unique=True))
    batch = [Reading(name, T + n, {"name": name, "pm25": 1.0}) for n, name in enumerate(names)]
    refused = {r.reading.device for r in rig.store.write("events", batch, 0, 60) if r.reading}
    stored = {device for device, metric, _ in rig.cells() if metric == "pm25"}
    assert stored | refused == set(names)
    assert not stored & refused
