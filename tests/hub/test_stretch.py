"""Whoever looks at the log by the API sees all of what is asked for, and keeps nobody else waiting."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path

import pytest

import hub
from hub.api import stretch
from hub.api.problem import Problem
from hub.log.jetstream import JetStreamLog, Servers
from hub.model import Fault, FaultKind
from tests.acceptance.nats_server import NatsServer

COUNT = 100
"""More messages than the servers are asked for at once."""
FIRST_THEN = {"app/hub.py", "app/warning.py", "app/terminal.py", "ledger.py", "log/log.py", "cli/client.py"}
"""Who may read the log and block: a hub that starts and has nobody beside it, commands, and the demo, whose log is its own."""


async def filled(server: NatsServer) -> JetStreamLog:
    """A log with one entry of quarantine a message, of which nothing is in memory."""
    writing = Servers([server.url])
    log = JetStreamLog(writing, "test", 1)
    for number in range(COUNT):
        await log.quarantine.append([Fault(FaultKind.FRAME, str(number), b"raw", f"g{number}")])
    await log.close()
    await asyncio.to_thread(writing.close)
    return JetStreamLog(Servers([server.url]), "test", 1)


async def test_the_newest_entries_are_all_there_however_many_messages_hold_them(server: NatsServer) -> None:
    log = await filled(server)
    found = await stretch.newest(log.quarantine, COUNT - 1)
    assert [fault.detail for fault in found.entries] == [str(number) for number in range(1, COUNT)]
    assert len(found.positions) == COUNT
    older = await stretch.newest(log.quarantine, 2, found.positions[10])
    assert [fault.detail for fault in older.entries] == ["9", "10"]
    await log.close()
    await asyncio.to_thread(log.servers.close)


async def test_while_servers_do_not_answer_whoever_looks_is_told_and_nobody_else_waits(
    server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = await filled(server)
    monkeypatch.setattr(stretch, "WITHIN_S", 0.5)
    monkeypatch.setattr(Servers.insist, "__defaults__", (0.5,))
    assert server.pid is not None
    os.kill(server.pid, signal.SIGSTOP)
    longest, looking = (
        0.0,
        [
            asyncio.ensure_future(stretch.newest(log.quarantine, COUNT - 1)),
            asyncio.ensure_future(stretch.between(log.quarantine, log.quarantine.first, log.quarantine.next)),
        ],
    )
    try:
        while not all(one.done() for one in looking):
            began = time.monotonic()
            await asyncio.sleep(0.01)
            longest = max(longest, time.monotonic() - began)
        for one in looking:
            with pytest.raises(Problem, match="cannot be read now"):
                one.result()
        assert longest < 0.9  # a single question takes longer
    finally:
        os.kill(server.pid, signal.SIGCONT)
    assert len((await stretch.newest(log.quarantine, COUNT)).entries) == COUNT
    await log.close()
    await asyncio.to_thread(log.servers.close)


def test_nothing_that_runs_on_the_event_loop_reads_the_log_and_blocks() -> None:
    root = Path(hub.__file__).parent
    reads = {str(path.relative_to(root)) for path in root.rglob("*.py") if ".read_now(" in path.read_text()}
    assert reads <= FIRST_THEN
