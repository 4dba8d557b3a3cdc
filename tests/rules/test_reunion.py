"""What of parts is no subject's goes into one engine, too: how the rules are."""

from __future__ import annotations

import msgspec

from rules.part import FrozenPart
from rules.state.health import Health, Illness


def ill(event: int, count: int, **by_subject: int) -> Health:
    made = Health()
    made.event, made.skipped = event, count
    made.ill["slow"] = Illness(
        "slow", "d", f"failed at {event}", "car", event, 100 - event, event - 1, count, by_subject
    )
    return made


def test_a_rule_is_as_ill_as_in_all_parts() -> None:
    one = Health.of_all([ill(7, 3, a=2, b=1), Health(), ill(9, 2, c=2)])
    found = one.ill["slow"]
    assert (found.error, found.event, found.since, found.first_event) == ("failed at 9", 9, 91, 6)
    assert (found.by_subject, found.count, one.skipped) == ({"a": 2, "b": 1, "c": 2}, 3, 3)


def test_what_all_parts_began_with_is_counted_once() -> None:
    """Else a rule would be left out after another change or two of the number of parts."""
    one = Health.of_all([ill(7, 3, a=2)] * 4)
    assert one.ill["slow"].by_subject == {"a": 2}
    assert not one.left_out("slow", "a")


def test_a_part_reads_its_snapshot_of_before_it_said_who_is_a_guest() -> None:
    before = msgspec.msgpack.encode({"part": 0, "parts": 2, "homes": {0: []}, "engine": b"state"})
    assert msgspec.msgpack.decode(before, type=FrozenPart) == FrozenPart(0, 2, {0: []}, b"state")
