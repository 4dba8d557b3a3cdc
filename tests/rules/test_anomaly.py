"""What stands off its own past: the operators through the engine, in words, and resumed from any point."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from hub.model import Device, Reading, Tick
from rules.book import RuleBook, load
from rules.engine import Engine

DEVICES = [Device("w", name="Works", kind="water-plant")]
MINUTE = 60_000_000_000
START = 1_780_272_000_000_000_000
RULES = """
- rule: unlike
  title: "{subject.name}: {far:.0f} spreads off"
  for_each: {kind: water-plant}
  let:
    salts: abs(anomaly(conductivity, 24 h, 1 h))
    cloud: abs(anomaly(turbidity, 24 h))
    acid: abs(anomaly(ph, 24 h))
    far: greatest_known(salts, cloud, acid)
    second: greatest_known(second_greatest(salts, cloud, acid), 0)
    third: greatest_known(third_greatest(salts, cloud, acid), 0)
  levels:
    yellow: second > 6
    orange: 3 of 3 (far > 20)
  clear: far < 3 for 5 min
"""


def book(tmp_path: Path, text: str = RULES) -> RuleBook | list[object]:
    path = tmp_path / "unlike.yaml"
    path.write_text(text)
    return load([path], [])  # type: ignore[return-value]


def readings() -> list[Reading | Tick]:
    events: list[Reading | Tick] = []
    for n in range(240):
        values: dict[str, float] = {"conductivity": 210.0 + n % 3, "turbidity": 0.20 + 0.01 * (n % 4)}
        if 150 <= n < 160:
            values["conductivity"] = 312.0
        if 155 <= n < 160:
            values["turbidity"] = 0.9
        if n == 201:
            values["conductivity"] = 900.0
        late = 3 if n % 37 == 5 else 0
        events.append(
            Reading("w", START + (n - late) * MINUTE, values, kind="water-plant", received_at=START + n * MINUTE)
        )
        events.append(Tick(START + n * MINUTE + MINUTE // 2))
    return events


def engine(rules: RuleBook) -> Engine:
    return Engine(rules, DEVICES, [])


def test_k_of_n_over_channels_and_the_reason_in_words(tmp_path: Path) -> None:
    rules = book(tmp_path)
    assert isinstance(rules, RuleBook), rules
    changes = engine(rules).feed(readings()).changes
    assert [(change.change, change.level, (change.at - START) // MINUTE) for change in changes] == [
        ("raised", "orange", 152), ("cleared", "orange", 165),
    ]  # fmt: skip
    assert "conductivity 312 uS/cm, 68 spreads above the median of 1 h" in changes[0].reason


@pytest.mark.parametrize("at", [1, 100, 301, 305, 319, 330])
def test_resumed_anywhere_the_same_changes_byte_for_byte(tmp_path: Path, at: int) -> None:
    rules = book(tmp_path)
    assert isinstance(rules, RuleBook), rules
    events = readings()
    whole = engine(rules).feed(events).changes
    first = engine(rules)
    before = first.feed(events[:at]).changes
    second = Engine.restore(first.snapshot(), rules, DEVICES, [])
    after = second.feed(events[at:]).changes
    assert msgspec.json.encode(before + after) == msgspec.json.encode(whole)


@pytest.mark.parametrize(
    "wrong",
    [
        "anomaly(conductivity)",
        "anomaly(conductivity, 24 h, 1 h, 5 min)",
        "anomaly(conductivity, 24 h, within 3 km)",
        "anomaly(name, 24 h)",
    ],
)
def test_what_is_written_wrongly_says_how_it_is_written(tmp_path: Path, wrong: str) -> None:
    text = f'- rule: x\n  title: "x"\n  for_each: {{kind: water-plant}}\n  levels: {{yellow: "{wrong} > 3"}}\n'
    mistakes = book(tmp_path, text)
    assert not isinstance(mistakes, RuleBook)
    assert any("anomaly is " in str(mistake) for mistake in mistakes)
