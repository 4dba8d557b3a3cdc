"""The pages for personas, walked through: their files written, their commands run in order, what they show found in the answers.

A block with a `title` is a file of that name. `sh` blocks are commands in one folder; a `text` block after them is what the last of them shows,
line by line (… stands for anything). `cityhub run city` begins a hub, which runs until the page ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import NamedTuple

import pytest

from hub.cli import main, parser
from tests.acceptance.ports import free_port
from tests.hub.running import running
from tests.shared import ROOT

pytestmark = pytest.mark.acceptance

PAGES = {page.stem: page.read_text("utf-8") for page in sorted((ROOT / "docs" / "personas").glob("*.md"))}
WALKED = [name for name, text in PAGES.items() if "```" in text and not name.endswith(".zh")]
PATIENCE_S = 60.0
ASKED_AGAIN = re.compile(r"cityhub (alerts|devices|delivery|export|health)|cat |curl [^@]*$")
"""Commands that only look: they are asked again until they show what the page says, since a hub takes a moment."""


class Block(NamedTuple):
    language: str
    title: str | None
    text: str


class Said(NamedTuple):
    code: int
    text: str


def blocks(page: str) -> list[Block]:
    found = re.finditer(r'```(\w+)(?: title="([^"]+)")?\n(.*?)```', page, re.DOTALL)
    return [Block(one[1], one[2], one[3]) for one in found]


def commands(block: str) -> Iterator[str]:
    """Lines, continued ones joined, comments taken off."""
    for line in block.replace("\\\n", " ").splitlines():
        if command := re.sub(r"(^|\s)#\s.*$", "", line).strip():
            yield command


class Walk:
    """One page in one folder. Ports of the page become free ones; `said` is what the last command answered."""

    def __init__(self, folder: Path, page: str) -> None:
        self.folder = folder
        self.ports = {port: str(free_port()) for port in sorted(set(re.findall(r"127\.0\.0\.1[:/](\d+)", page)))}
        self.stack = AsyncExitStack()
        self.last = ""

    def here(self, text: str) -> str:
        for port, free in self.ports.items():
            text = re.sub(rf"(127\.0\.0\.1[:/]){port}\b", rf"\g<1>{free}", text)
        return text

    async def go(self, page: str) -> None:
        async with self.stack:
            said = Said(0, "")
            for block in blocks(page):
                if block.title:
                    (self.folder / block.title).write_text(self.here(block.text), "utf-8")
                elif block.language == "sh":
                    for command in commands(block.text):
                        self.last = self.here(command)
                        said = await self.done(self.last)
                elif block.language == "text":
                    await self.find(block.text, said)

    async def done(self, command: str) -> Said:
        """What a command says that has to succeed; a peer begun on the page may take a moment to listen."""
        until = asyncio.get_running_loop().time() + PATIENCE_S
        while (said := await self.run(command)).code != 0:
            assert ASKED_AGAIN.match(command), f"{command}\n{said.text}"
            assert asyncio.get_running_loop().time() < until, f"{command}\n{said.text}"
            await asyncio.sleep(0.1)
        return said

    async def run(self, command: str) -> Said:
        if command.startswith("cityhub run "):
            await self.stack.enter_async_context(running(self.folder / command.split()[2]))
            return Said(0, "")
        if command.endswith("&"):
            self.stack.callback(_end, _begin(command[:-1]))
            return Said(0, "")
        return await asyncio.to_thread(_cityhub if re.fullmatch(r"cityhub [^|<>$']+", command) else _shell, command)

    async def find(self, shown: str, said: Said) -> None:
        until = asyncio.get_running_loop().time() + PATIENCE_S
        while lost := [line for line in shown.splitlines() if not _stands(line, said.text)]:
            assert ASKED_AGAIN.match(self.last), f"{self.last}\n{lost}\n{said.text}"
            assert asyncio.get_running_loop().time() < until, f"{self.last}\n{lost}\n{said.text}"
            await asyncio.sleep(0.1)
            said = await self.run(self.last)


def _stands(line: str, text: str) -> bool:
    """Whether a line of the answer has it, however wide the columns are."""
    parts = [re.escape(" ".join(part.split())) for part in line.split("…")]
    return any(re.search(".*".join(parts), " ".join(one.split())) for one in text.splitlines())


def _cityhub(command: str) -> Said:
    """In this process: starting Python for each costs most of a page's time."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        try:
            code = main(shlex.split(command)[1:])
        except SystemExit as usage:
            code = int(usage.code or 0)
    return Said(code, out.getvalue())


def _shell(command: str) -> Said:
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, timeout=120, env=_environment(), check=False
    )
    return Said(done.returncode, done.stdout + done.stderr)


def _environment() -> dict[str, str]:
    return {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}


def _begin(command: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(["bash", "-c", f"exec {command}"], env=_environment())


def _end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    process.wait(30)


@pytest.mark.parametrize("name", WALKED)
async def test_a_persona_can_do_the_whole_job(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    await Walk(tmp_path, PAGES[name]).go(PAGES[name])


@pytest.mark.parametrize("name", WALKED)
def test_the_chinese_page_has_the_same_files_and_commands(name: str) -> None:
    """What is inside the blocks is the same to the letter, but for the comments."""
    pages = [PAGES[name], PAGES[f"{name}.zh"]]
    english, chinese = ([_bare(block) for block in blocks(page)] for page in pages)
    assert english == chinese
    assert len(english) > 3


def _bare(block: Block) -> Block:
    return block._replace(text=re.sub(r"[ \t]*#\s.*$", "", block.text, flags=re.MULTILINE))


@pytest.mark.parametrize("name", PAGES)
def test_commands_in_running_text_exist(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A command may be named without its arguments; what is given of them must be what it takes."""
    prose = re.sub(r"```.*?```", "", PAGES[name], flags=re.DOTALL)
    for command in re.findall(r"`cityhub ([^`]+)`", prose):
        with contextlib.suppress(SystemExit):
            parser().parse_args(shlex.split(command))
        said = capsys.readouterr().err
        assert "invalid choice" not in said, said
        assert "unrecognized" not in said, said
