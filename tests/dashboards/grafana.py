"""Grafana's own JavaScript, asked from Python: how it reads variables, computes intervals, expands queries, and what a
panel shows of InfluxDB's answers. The other half is `grafana.cjs`; npm installs Grafana's packages (tests/npm.py)."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tests.npm import FOLDER, installed, node, or_skip

SCRIPT = Path(__file__).with_suffix(".cjs")


class Span(NamedTuple):
    """What a person looks at: from, to (ms since 1970) and how wide the panel is (pixels)."""

    start: int
    end: int
    width: int


class Grafana:
    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def _do(self, what: str, **request: Any) -> Any:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps({"do": what, **request}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "the node process ended"
        answer = json.loads(line)
        assert "error" not in answer, answer["error"]
        return answer["ok"]

    def variables(self, model: dict[str, Any]) -> dict[str, Any]:
        """Each custom variable's options as Grafana reads them."""
        return self._do("variables", model=model)  # type: ignore[no-any-return]

    def ask(self, model: dict[str, Any], span: Span, **values: str | list[str]) -> dict[str, Any]:
        """Queries of all panels, annotations and variables, ready to be sent. `values` chooses variables' values."""
        wide = {"from": span.start, "to": span.end, "width": span.width}
        return self._do("ask", model=model, values=values, **wide)  # type: ignore[no-any-return]

    def draw(self, panel: dict[str, Any], answers: dict[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
        """Frames with titles, texts and colours of each cell, from InfluxDB's series by target."""
        told = [{"refId": ref, "series": series} for ref, series in answers.items()]
        return self._do("draw", panel=panel, answers=told)  # type: ignore[no-any-return]

    def annotations(self, annotation: dict[str, Any], series: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return self._do("annotations", annotation=annotation, series=series)  # type: ignore[no-any-return]


@contextlib.contextmanager
def grafana() -> Iterator[Grafana]:
    installed()
    with or_skip():
        program = node()
    process = subprocess.Popen(
        [program, str(SCRIPT)], cwd=FOLDER, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        yield Grafana(process)
    finally:
        assert process.stdin
        assert process.stdout
        process.stdin.close()
        process.wait(20)
        process.stdout.close()
