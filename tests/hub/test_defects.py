"""What a defect leaves behind: its type and place, and not the value at which it failed, which may be a person's name or a password."""

from __future__ import annotations

import ast
import asyncio
import json
import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest

from hub import defects
from hub.app.sources import run_adapter
from hub.app.tasks import kept
from hub.bilingual import Text
from hub.cli import telling
from hub.health import Health
from hub.options import AdapterConfig, LoggingOptions
from hub.ports import Plugin
from hub.whole_file import read
from rules.state.health import Health as RulesHealth
from tests.acceptance.running import write_city
from tests.hub.running import running

SECRET = "Zhuge Liang, plate B-77Q31"
ROOT = Path(__file__).resolve().parents[2]


def fail(*_: Any, **__: Any) -> Any:
    return float(SECRET)


async def fail_later(*_: Any, **__: Any) -> Any:
    fail()


def raised(work: Any) -> BaseException:
    try:
        work()
    except BaseException as error:
        return error
    raise AssertionError("nothing was raised")


@pytest.fixture
def logged(capsys: pytest.CaptureFixture[str]) -> Iterator[Any]:
    """What the process's log says: with the formatters of `cityhub run`, put away afterwards."""
    root = logging.getLogger()
    before = list(root.handlers), root.level
    hooks = telling.sys.excepthook, threading.excepthook

    def begin(form: str) -> Any:
        telling.set_up(LoggingOptions(format=cast(Any, form)))
        return lambda: capsys.readouterr().err

    yield begin
    root.handlers[:] = before[0]
    root.setLevel(before[1])
    telling.sys.excepthook, threading.excepthook = hooks


# ------------------------------------------------------------------------------------------------- the words


def test_of_a_defect_type_and_place_are_told() -> None:
    said = defects.told(raised(fail))
    line = fail.__code__.co_firstlineno + 1
    assert said.en == f"ValueError at tests.hub.test_defects:{line}"
    assert said.zh == f"ValueError（位于 tests.hub.test_defects:{line}）"
    assert defects.told(KeyError(SECRET)) == Text("KeyError", "KeyError"), "never raised, so it has no place"


def test_of_a_library_that_failed_who_called_it_is_told_too() -> None:
    said = defects.told(raised(lambda: json.loads(SECRET))).en
    assert said.startswith("JSONDecodeError at json.decoder:")
    assert "called from" not in said, "no frame is ours"
    ours: dict[str, Any] = {"__name__": "hub.imagined", "json": json}
    exec("def read(text):\n    return json.loads(text)", ours)
    told = defects.told(raised(lambda: ours["read"](SECRET)))
    assert told.en == f"{said}, called from hub.imagined:2"
    assert told.zh.endswith("，由 hub.imagined:2 调用）")


@pytest.mark.parametrize(
    ("error", "en"),
    [
        (OSError(28, "No space left on device"), "OSError: No space left on device"),
        (ZeroDivisionError("float division by zero"), "ZeroDivisionError: float division by zero"),
        (ValueError(Text("the map has no time", "映射缺少时间")), "the map has no time"),
        (TimeoutError(), "TimeoutError: no answer in time"),
    ],
)
def test_what_is_meant_for_people_and_holds_no_value_keeps_its_words(error: Exception, en: str) -> None:
    assert defects.told(error).en == en


def test_a_traceback_keeps_frames_and_causes_and_no_words() -> None:
    def caused() -> None:
        try:
            fail()
        except ValueError as error:
            raise KeyError(SECRET) from error

    def meanwhile() -> None:
        try:
            caused()
        except KeyError:
            raise ExceptionGroup(SECRET, [raised(fail), RuntimeError(SECRET)])  # type: ignore[list-item]  # noqa: B904

    text = defects.traceback_of(raised(meanwhile))
    assert SECRET not in text
    assert text.count("return float(SECRET)") == 2
    assert [line for line in text.splitlines() if line.endswith(("Error", "Group"))] == ["ValueError", "KeyError", "ExceptionGroup", "  | ValueError", "  | RuntimeError"]  # fmt: skip
    assert "direct cause" in text
    assert "During handling" in text
    loop = RuntimeError(SECRET)
    loop.__cause__ = KeyError(SECRET)
    loop.__cause__.__cause__ = loop
    assert defects.traceback_of(loop).count("RuntimeError") == 1


# ------------------------------------------------------------------------------------------------- the log of the process


@pytest.mark.parametrize("form", ["text", "json"])
async def test_no_line_of_the_log_quotes_the_value(logged: Any, form: str) -> None:
    """Also of what nobody caught: in a task, a thread, or the process itself."""
    written = logged(form)
    loop = asyncio.get_running_loop()
    telling.take_what_nobody_caught(loop)
    logging.getLogger("uvicorn.error").error("Exception in ASGI application", exc_info=raised(fail))
    lost = loop.create_task(fail_later())
    await asyncio.wait([lost])
    del lost
    await asyncio.sleep(0)
    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    error = raised(fail)
    telling.sys.excepthook(type(error), error, error.__traceback__)
    text = written()
    assert "Zhuge" not in text
    for said in ("Exception in ASGI application", "never retrieved; report this", "a thread has failed", "the hub has failed"):  # fmt: skip
        assert said in text
    assert text.count("return float(SECRET)") == 4


# ------------------------------------------------------------------------------------------------- health, journal, audit


async def test_no_part_says_the_value(logged: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = logged("text")
    said: list[str] = []
    health = Health(lambda: 0, said.append, lambda at: "now")
    again = [asyncio.create_task(kept(fail_later, health.part(name))) for name in ("judge", "ticker")]
    door = SimpleNamespace(report=lambda state, why: said.append(f"{state}: {why}"))
    plugin = cast(Plugin, SimpleNamespace(source=fail))
    config = cast(AdapterConfig, SimpleNamespace(name="x", options=SimpleNamespace(connect="a:1"), codec_options=None))
    source = asyncio.create_task(run_adapter(plugin, config, cast(Any, door), {}))
    while len(said) < 3:
        await asyncio.sleep(0.01)
    for task in (*again, source):
        task.cancel()
    await asyncio.gather(*again, source, return_exceptions=True)
    (tmp_path / "counts.json").write_text("{")
    assert read(tmp_path / "counts.json", fail, None) is None
    ill = RulesHealth()
    ill.alone("city/x", "bus-9", 0, fail, None)
    text = f"{said} {written()} {ill.ill}"
    assert "Zhuge" not in text
    assert text.count("ValueError at tests.hub.test_defects:") >= 5


async def test_a_request_that_fails_leaves_no_value_in_answer_audit_and_log(
    logged: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_city(tmp_path, '[api]\nlisten = "127.0.0.1:0"\n')
    async with running(folder) as hub:
        written = logged("text")
        monkeypatch.setattr(hub.state, "rebuild", fail_later)
        async with httpx.AsyncClient(base_url=hub.address, timeout=60) as client:
            answer = await client.post("/api/v1/store/rebuild", json={})
        assert answer.status_code == 500
        audited = b"".join(path.read_bytes() for path in (hub.data / "audit").rglob("*") if path.is_file()).decode()
        text = answer.text + audited + written()
    assert "store/rebuild" in audited
    assert "ValueError at tests.hub.test_defects:" in audited
    assert "Zhuge" not in text


# ------------------------------------------------------------------------------------------------- everywhere

MAY_QUOTE = {
    "hub/extensions.py": "why a package cannot be imported, before there are any values",
    "hub/config.py": "what a plug-in says of its options in hub.toml, to whoever wrote them",
    "adapters/ais/report.py": "a fault in quarantine, beside the bytes themselves; shown to who may see those",
    "adapters/senml/codec.py": "a fault in quarantine, as for AIS",
}
"""Files that catch what they cannot foresee and quote it, and why they may."""


def test_whoever_catches_any_exception_says_it_without_its_words() -> None:
    """Held against the whole source, so a new place is tried by being there."""
    found: dict[str, list[int]] = {}
    for path in sorted(path for top in ("hub", "adapters", "rules") for path in (ROOT / top).rglob("*.py")):
        for caught in ast.walk(ast.parse(path.read_text())):
            if isinstance(caught, ast.ExceptHandler) and caught.name and _any(caught.type):
                lines = [node.lineno for node in ast.walk(caught) if _quotes(node, caught.name)]
                if lines:
                    found[str(path.relative_to(ROOT))] = lines
    assert found.keys() == MAY_QUOTE.keys(), found


def _any(caught: ast.expr | None) -> bool:
    return isinstance(caught, ast.Name) and caught.id in ("Exception", "BaseException")


def _quotes(node: ast.AST, error: str) -> bool:
    """Whether the node makes the exception's words into a text."""
    if isinstance(node, ast.FormattedValue):
        return isinstance(node.value, ast.Name) and node.value.id == error
    if isinstance(node, ast.Call):
        name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        logs = name in ("debug", "info", "warning", "error", "exception", "critical")
        if name in ("str", "repr", "words_of", "named", "quoted") or logs:
            return any(isinstance(one, ast.Name) and one.id == error for one in node.args)
    return False
