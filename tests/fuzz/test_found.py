"""What fuzzing found once is tried again; and a few inputs of each target, so that `make fuzz` itself works."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import pytest

from tests.fuzz.__main__ import FOUND, tried
from tests.fuzz.targets import TARGETS, Target


def kept(target: Target) -> list[Path]:
    return sorted((FOUND / target.name.replace(" ", "-")).glob("*"))


def test_what_was_found_is_mended() -> None:
    for target in TARGETS.values():
        if kept(target):
            with target.open() as attempt:
                for path in kept(target):
                    attempt(path.read_bytes())


@pytest.mark.parametrize("name", [name for name in TARGETS if not name.startswith("decoder")])
def test_a_target_takes_what_nobody_meant(name: str) -> None:
    """Decoders have `tests/laws/test_codec_fuzz.py`."""
    done = tried(TARGETS[name], 0.2, seed=7)
    assert done.inputs >= 20
    assert done.found == {}


def test_what_a_target_raises_is_found() -> None:
    def fails(data: bytes) -> None:
        raise ValueError(data)

    done = tried(Target("sick", [b"abc"], lambda: nullcontext(fails)), 0.01, seed=1)
    assert [what.partition(" at ")[0] for what in done.found] == ["ValueError"]
