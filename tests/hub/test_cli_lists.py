"""What commands show: in the city's time, at once however long, and never cut in silence."""

from __future__ import annotations

import argparse
import csv
import io
import json
import resource
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hub.cli import main, parser
from hub.cli.output import write_csv
from hub.cli.parsing import FAR
from hub.text_files import as_written, harmless
from tests.acceptance.ports import free_port
from tests.acceptance.running import RunningHub, cityhub, write_city

pytestmark = pytest.mark.xdist_group("lists of commands")


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHub]:
    """With one warning, and 450 readings of unknown devices in quarantine."""
    api = free_port()
    running = RunningHub(write_city(tmp_path_factory.mktemp("city"), api=api), api)
    assert running.reading({"water_depth": 0.5}, "underpass-1", time=_now())[0] == 200
    for number in range(450):
        running.reading({"water_depth": 0.5}, f"stranger-{number}")
    running.wait(lambda: bool(running.get("/api/v1/alerts")["open"]), "nothing was raised")
    running.wait(
        lambda: bool((running.get("/api/v1/devices/underpass-1")["now"] or {}).get("values")), "lists are behind"
    )
    yield running
    assert running.stop() == 0


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def test_times_are_the_citys_unless_utc_or_json_is_asked_for(hub: RunningHub) -> None:
    raised = hub.get("/api/v1/alerts")["open"][0]["raised_at"]
    for command in ("alerts", "devices"):
        assert "+08:00" in cityhub(command, hub.folder).stdout
        utc = cityhub(command, hub.folder, "--utc").stdout
        assert "+08:00" not in utc
        assert raised[:19] in utc
    assert json.loads(cityhub("alerts", hub.folder, "--json").stdout.splitlines()[0])["at"].endswith("Z")
    assert "+08:00" in cityhub("devices", hub.folder, "--unknown").stdout
    assert "+08:00" in cityhub("quarantine", hub.folder, "list").stdout


LISTS = [
    "devices CITY", "devices CITY --unknown", "alerts CITY --all", "quarantine CITY list", "users list CITY", "audit show CITY",
    "plugins", "health CITY", "rules list CITY", "maintenance CITY list", "cameras CITY --at 121.491,31.241",
]  # fmt: skip


@pytest.mark.parametrize("line", LISTS)
def test_every_list_is_also_csv_with_as_many_rows_as_json(
    hub: RunningHub, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [word.replace("CITY", str(hub.folder)) for word in line.split()]
    main([*command, "--json"])
    as_json = [json.loads(text) for text in capsys.readouterr().out.splitlines()]
    main([*command, "--csv"])
    columns, *rows = csv.reader(io.StringIO(capsys.readouterr().out))
    assert all(columns)
    assert len(set(columns)) == len(columns) > 2
    assert len(rows) == len(as_json)
    assert {len(row) for row in rows} <= {len(columns)}
    if "observed" in " ".join(columns):
        assert any("+08:00" in cell for row in rows for cell in row)


def test_a_delivery_list_as_csv_is_that_of_the_dead_letters(
    hub: RunningHub, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["delivery", str(hub.folder), "list", "--csv"]) == 0
    (columns,) = csv.reader(io.StringIO(capsys.readouterr().out))
    assert columns[0] == "letter"


def test_a_name_becomes_no_formula_and_orders_no_terminal() -> None:
    made = io.StringIO()
    write_csv(made, ["name", "at"], [["=HYPERLINK(1)", -3], ["-121.5", "two\x1b[2J\nlines"], ["-x, y", None]])
    assert made.getvalue() == "name,at\r\n'=HYPERLINK(1),-3\r\n-121.5,two�[2J�lines\r\n\"'-x, y\",\r\n"


def test_a_rule_is_explained_without_its_pack_where_one_can_be_meant(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    city = write_city(tmp_path)
    assert main(["rules", "explain", "underpass-flooding", "--city", str(city)]) == 0
    assert "city/underpass-flooding" in capsys.readouterr().out
    assert main(["rules", "explain", "river-stage"]) == 0
    assert "flood/river-stage" in capsys.readouterr().out
    assert main(["rules", "explain", "underpass-flooding"]) == 2
    assert "a city's own rules are known with --city DIR" in capsys.readouterr().err


@example("\r0")  # float() takes it
@given(st.text(max_size=8) | st.from_regex(r"'{0,2}[=+@\-\t\r][\x20-\x7e]{0,4}", fullmatch=True))
def test_what_a_spreadsheet_would_run_is_kept_from_it_and_reads_back(text: str) -> None:
    shown = harmless(text)
    assert as_written(shown) == text
    assert not shown.startswith(("=", "@", "\t", "\r"))
    if shown[:1] in ("+", "-"):
        float(shown)


def test_a_list_that_is_cut_says_so_and_how_to_go_on(hub: RunningHub) -> None:
    listed = cityhub("quarantine", hub.folder, "list")
    assert listed.stdout.count("stranger-") == 2 * 100, "id and sentence, of a hundred entries"
    assert "100 of 450 shown; --limit N shows more" in listed.stderr
    more = cityhub("quarantine", hub.folder, "list", "--limit", "321")
    assert "321 of 450 shown" in more.stderr
    whole = cityhub("quarantine", hub.folder, "list", "--limit", "1000")
    assert "shown" not in whole.stderr
    assert whole.stdout.count("stranger-") == 2 * 450
    assert len(cityhub("quarantine", hub.folder, "export").stdout.splitlines()) == 450
    assert len(cityhub("quarantine", hub.folder, "list", "--json").stdout.splitlines()) == 450
    shown = json.loads(cityhub("quarantine", hub.folder, "show", "7").stdout)
    assert (shown["offset"], shown["device"]) == (7, "stranger-7")
    assert cityhub("quarantine", hub.folder, "show", "450").returncode == 1
    assert cityhub("quarantine", hub.folder, "list", "--limit", "0").returncode == 2


@pytest.mark.parametrize(
    ("path", "key"), [("/api/v1/unknown", "devices"), ("/api/v1/quarantine", "entries"), ("/api/v1/devices", "devices")]
)
def test_every_page_together_is_the_whole_list_once(hub: RunningHub, path: str, key: str) -> None:
    found, following = [], f"{path}?limit=97"
    while following:
        answer = hub.get(following)
        assert len(answer[key]) <= 97 == answer["limit"]
        assert answer["truncated"] == (answer["next"] is not None)
        found += [item.get("offset", item["device"]) for item in answer[key]]
        following = answer["next"]
    assert len(found) == len(set(found)) == {"/api/v1/devices": 1}.get(path, 450)


@pytest.mark.parametrize(
    "path", ["/api/v1/alerts", "/api/v1/maintenance", "/api/v1/delivery", "/api/v1/series?device=underpass-1"]
)
def test_every_list_says_whether_it_is_whole(hub: RunningHub, path: str) -> None:
    answer = hub.get(path)
    assert (answer["truncated"], answer["next"]) == (False, None)
    assert "limit" in answer


def test_how_every_part_is_can_be_asked_on_the_machine(hub: RunningHub, tmp_path: Path) -> None:
    shown = cityhub("health", hub.folder)
    assert shown.returncode == 0, shown.stdout
    assert "store" in shown.stdout
    assert shown.stdout.endswith("ready\n")
    parts = [json.loads(line) for line in cityhub("health", hub.folder, "--json").stdout.splitlines()]
    assert {"log/events", "store", "rules", "api", "adapter/api"} <= {part["part"] for part in parts}
    nobody = cityhub("health", write_city(tmp_path))
    assert (nobody.returncode, "no hub runs on" in nobody.stderr) == (1, True)


def test_20_000_devices_are_shown_in_seconds(tmp_path: Path) -> None:
    city = write_city(tmp_path)
    rows = "".join(f"gauge-{n},水位 {n},river-gauge,121.4,31.2,3,north,water,\n" for n in range(20_000) if n != 7)
    (city / "devices.csv").write_text((city / "devices.csv").read_text() + rows)
    began = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime  # of the CPU, which a busy machine does not stretch
    shown = cityhub("devices", city)
    took = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - began
    lines = shown.stdout.splitlines()
    assert len(lines) == 20_000 + 3
    assert lines[0].split()[:2] == ["device", "kind"]
    assert took < 15, f"{took:.1f} s; it was 16 to 43"


def test_a_list_of_a_hub_that_does_not_run_promises_no_calm(tmp_path: Path) -> None:
    """At three in the morning a dead hub said "no warning is open", and "every destination has taken what it was given"."""
    api = free_port()
    city = write_city(tmp_path, api=api)
    hub = RunningHub(city, api)
    try:
        calm = cityhub("alerts", city)
        assert (calm.stdout, calm.stderr) == ("no warning is open\n", "")
        assert "every destination has taken" in cityhub("delivery", city, "list").stdout
    finally:
        hub.stop()
    for command in (("alerts",), ("devices",), ("delivery", "list"), ("maintenance", "list")):
        told = cityhub(command[0], city, *command[1:])
        assert told.returncode == 0
        assert f"no hub runs on {city}" in told.stderr
        assert "no warning is open" not in told.stdout
        assert "every destination" not in told.stdout


def test_testing_nothing_is_no_success(tmp_path: Path) -> None:
    (tmp_path / "rules").mkdir()
    done = cityhub("rules", "test", tmp_path / "rules")
    assert (done.returncode, "no tests there" in done.stderr) == (1, True)
    done = cityhub("rules", "test", tmp_path / "nowhere")
    assert (done.returncode, "no tests there" in done.stderr) == (1, True)
    assert cityhub("init", tmp_path / "city").returncode == 0
    assert cityhub("rules", "test", tmp_path / "city").returncode == 0
    assert cityhub("rules", "test", tmp_path / "city", tmp_path / "rules").returncode == 1, "one of two is nothing"


def test_a_table_sends_no_control_characters_to_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    from hub.cli.output import LAID_OUT_MAX, table

    for rows in (1, LAID_OUT_MAX + 1):
        table(("name",), [("\x1b[2Jevil\n\u202e",)] * rows, "")
        shown = capsys.readouterr().out
        assert "\x1b[2J" not in shown
        assert shown.count("evil") == rows


def _commands(top: argparse.ArgumentParser, *before: str) -> Iterator[tuple[list[str], argparse.ArgumentParser]]:
    below = [action for action in top._actions if isinstance(action, argparse._SubParsersAction)]
    if not below:
        yield list(before), top
    for action in below:
        for name, command in action.choices.items():
            yield from _commands(command, *before, name)


def test_an_argument_that_may_be_left_out_may_stand_behind_an_option() -> None:
    """Of every command: `decode json --map F frames.txt` called the frames an unrecognised argument."""
    tried = 0
    for words, command in _commands(parser()):
        places = command._get_positional_actions()
        options = [
            action
            for action in command._actions
            if action.option_strings and action.nargs is None and not action.choices
        ]
        if not places or not options or not all(place.nargs in (None, "?") for place in places):
            continue
        if any(action.required for action in command._actions if action.option_strings):
            continue
        option = next((one for one in options if one.type is None and FAR not in one.option_strings), None)
        if option is None:
            continue
        given = [str(place.choices[0]) if place.choices else str(at + 1) for at, place in enumerate(places)]
        read = parser().parse_args([*words, *given[:-1], option.option_strings[-1], "x", given[-1]])
        assert [str(getattr(read, place.dest)) for place in places] == given, words
        tried += 1
    assert tried >= 5
