"""What a machine says of which another fills the role: in both languages, as people hear it at the console."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from hub.api.problem import Problem
from hub.app.elsewhere import kept_elsewhere, no_backup, not_here
from hub.options import WORK


async def _of(role: str) -> None:
    await not_here(role)


async def _now(raises: Callable[[], Any]) -> None:
    raises()


@pytest.mark.parametrize(
    "asked", [*(lambda role=role: _of(role) for role in WORK), lambda: _now(no_backup), lambda: _now(kept_elsewhere)]
)
async def test_it_is_said_in_both_languages(asked: Callable[[], Awaitable[None]]) -> None:
    with pytest.raises(Problem) as raised:
        await asked()
    assert raised.value.status_code == 409
    assert re.search("[一-鿿]", raised.value.more["detail_zh"])
    assert not re.search("[一-鿿]", raised.value.detail)
