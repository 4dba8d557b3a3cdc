"""A rule pack's own tests, for pytest."""

from __future__ import annotations

from rules.testing import run_pack


def check_pack(pack: str) -> int:
    """Run the `tests.yaml` of an installed pack; gives how many tests passed. Raises AssertionError with every problem."""
    found = run_pack(pack)
    problems = [*map(str, found.mistakes), *(f"{one.name}: {said}" for one in found.results for said in one.problems)]
    assert not problems, "\n".join(problems)
    assert found.results, f"the pack {pack} has no tests"
    return len(found.results)
