"""What plug-ins and rules may import of the hub, as lists: import-linter's contracts name what is forbidden, and a new module is not."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ALLOWED = {
    "rules": {"hub.bilingual", "hub.defects", "hub.extensions", "hub.metrics", "hub.model", "hub.moment", "hub.pairs", "hub.units"},
    "adapters": {
        "hub.bilingual", "hub.content_coding", "hub.decoding", "hub.defects", "hub.error_words", "hub.forwarding", "hub.identity", "hub.json_once", "hub.metrics", "hub.model", "hub.moment", "hub.numbers", "hub.pairs", "hub.ports", "hub.secret_files", "hub.sockets", "hub.tls", "hub.units", "hub.whole_file", "hub.wire",
    },
}  # fmt: skip
PURE = {"asyncio", "os", "random", "socket", "subprocess", "threading", "time", "urllib", "httpx", "datetime"}
"""What no rule may import: the world outside, its time and chance. (`rules/calendars.py` has the time zones' own dates.)"""


def imported(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" if node.module == "hub" else node.module for alias in node.names}
    return found


@pytest.mark.parametrize("folder", ["rules", "adapters"])
def test_only_what_is_listed_is_imported_of_the_hub(folder: str) -> None:
    files = sorted((ROOT / folder).rglob("*.py"))
    assert files
    strays = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in files
        for name in imported(path)
        if name.split(".")[0] == "hub" and not any(name == ok or name.startswith(ok + ".") for ok in ALLOWED[folder])
    }
    assert strays == set()


def test_rules_ask_nobody_for_the_time_and_leave_nothing_to_chance() -> None:
    strays = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in sorted((ROOT / "rules").rglob("*.py"))
        for name in imported(path)
        if name.split(".")[0] in PURE and path.name != "calendars.py"
    }
    assert strays == set()


def test_a_hub_starts_without_what_few_cities_need() -> None:
    """Each of these takes longer to load than a small city's whole folder; who uses one loads it."""
    few = {
        "aiocoap", "aiomqtt", "amqtt", "authlib", "duckdb", "grafana_client", "influxdb_client", "joserfc", "mapbox_vector_tile", "nats",
        "opentelemetry", "pyais", "pymodbus", "reportlab", "xlsxwriter",
    }  # fmt: skip
    told = subprocess.run(
        [sys.executable, "-c", "import hub.cli.serving, sys; print(*{name.split('.')[0] for name in sys.modules})"],
        cwd=ROOT, capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    loaded = set(told.stdout.split())
    assert "hub" in loaded
    assert loaded & few == set()
