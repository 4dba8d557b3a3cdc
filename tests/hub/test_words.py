"""What the hub says of its parts, of faults and of errors, in both languages; and that nobody in it reports in one of them only."""

from __future__ import annotations

import ast
import errno
import re
import socket
import ssl
from pathlib import Path

import httpx
import pytest

from hub.api.problem import Problem
from hub.bilingual import Text, quoted
from hub.error_words import NO_ANSWER, named, of_system, words_of
from hub.fault_words import MEANING
from hub.health import Health
from hub.model import Fault, FaultKind
from hub.ports import LogFull, StoreUnavailable
from tests.acceptance.ports import free_port
from tests.acceptance.running import write_city
from tests.acceptance.test_rules_that_fail import hub_of, until
from tests.shared import ROOT
from tests.waiting import PATIENCE_S

CHINESE = re.compile("[\u4e00-\u9fff]")


def test_every_kind_of_fault_has_a_sentence_in_both_languages() -> None:
    assert set(MEANING) == set(FaultKind)
    for kind, meaning in MEANING.items():
        assert meaning.en.endswith("."), kind
        assert meaning.zh.endswith("。"), kind
        assert CHINESE.search(meaning.zh), kind


@pytest.mark.parametrize(
    ("error", "en", "zh"),
    [
        (LogFull(Text("the log is full", "日志已满")), "the log is full", "日志已满"),
        (StoreUnavailable("what a store of another hand says"), "what a store of another hand says", "「what a store of another hand says」"),
        (ConnectionRefusedError(errno.ECONNREFUSED, "Connect call failed ('127.0.0.1', 1)"), "Connection refused", "对方拒绝连接，该端口无人监听"),
        (OSError("Multiple exceptions: [Errno 111] Connect call failed ('::1', 1), [Errno 113] No route"), "Connection refused; No route to host", "对方拒绝连接，该端口无人监听；主机不可达"),
        (FileNotFoundError(errno.ENOENT, "No such file or directory", "/etc/x"), "No such file or directory (/etc/x)", "文件或目录不存在（/etc/x）"),
        (OSError(9999, "nobody knows this number"), "[Errno 9999] nobody knows this number", "「[Errno 9999] nobody knows this number」"),
        (socket.gaierror(-2, "Name or service not known"), "the host name cannot be resolved (Name or service not known)", "主机名无法解析"),
        (OSError(errno.ENOSPC, "it needs 7 bytes beside the log"), "it needs 7 bytes beside the log", "磁盘空间不足"),
        (RuntimeError("[Errno 111] Connection refused"), "Connection refused", "对方拒绝连接，该端口无人监听"),
        (RuntimeError("a file said [Errno 2] something"), "a file said [Errno 2] something", "「a file said [Errno 2] something」"),
        (OSError(errno.ENOENT, "could not open port /dev/ttyUSB9: [Errno 2] No such file or directory: '/dev/ttyUSB9'"), "No such file or directory", "文件或目录不存在"),
        (ssl.SSLError(1, "wrong version number"), "[SSL: 1] wrong version number", "TLS 连接失败："),
        (TimeoutError(), NO_ANSWER.en, NO_ANSWER.zh),
        (ValueError(), "ValueError", "「ValueError」"),
    ],
)  # fmt: skip
def test_an_error_in_words(error: Exception, en: str, zh: str) -> None:
    said = words_of(error)
    assert said.zh.startswith(zh)
    if not isinstance(error, ssl.SSLError):
        assert said == Text(en, zh)


def test_an_error_with_its_type_and_one_of_the_disk() -> None:
    assert named(ZeroDivisionError("by zero")) == Text("ZeroDivisionError: by zero", "ZeroDivisionError：「by zero」")
    assert named(RuntimeError()) == quoted("RuntimeError")
    assert of_system(OSError(errno.ENOSPC, "No space left on device")) == Text(
        "No space left on device", "磁盘空间不足"
    )


def test_a_part_says_why_in_both_languages() -> None:
    said: list[str] = []
    health = Health(lambda: 0, said.append, lambda at: "now")
    streams = [health.part(name) for name in ("a", "b")]
    whole = health.whole("log", streams, required=True)
    streams[0].report("down", Text("the disk is\nfull", "磁盘\n已满"))
    streams[1].report("down", "a plug-in speaks English")
    assert (whole.state, whole.reason) == ("down", "the disk is full; a plug-in speaks English")
    assert whole.why.zh == "磁盘 已满；「a plug-in speaks English」"
    assert said == ["now log: down: the disk is full"], "the journal of the service manager stays English"
    streams[0].report("down", Text("the disk is full", "磁盘满了"))
    assert streams[0].why.zh == "磁盘满了", "another Chinese sentence is news too"


def test_a_refusal_brings_its_chinese() -> None:
    assert Problem(409, Text("no", "不行"), base="x").more == {"base": "x", "detail_zh": "不行"}
    assert Problem(409, "no").more == {}


@pytest.mark.parametrize("folder", ["hub", "adapters"])
def test_nothing_of_ours_reports_in_one_language(folder: str) -> None:
    """A literal, or an f-string, is one language. What other hands write may be; the console quotes it."""
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in sorted((ROOT / folder).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and _in_one_language(node)
    ]
    assert found == []


def _in_one_language(call: ast.Call) -> bool:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    told = (
        call.args[1:2]
        if name == "report"
        else call.args[:1]
        if name in ("LogFull", "StoreUnavailable", "NotProposed")
        else []
    )
    return any(isinstance(part, ast.JoinedStr | ast.Constant | ast.BinOp) and _is_text(part) for part in told)


def _is_text(part: ast.expr) -> bool:
    if isinstance(part, ast.BinOp):
        return _is_text(part.left) or _is_text(part.right)
    return isinstance(part, ast.JoinedStr) or (isinstance(part, ast.Constant) and isinstance(part.value, str))


def test_the_law_finds_what_it_is_for() -> None:
    wrong = ['part.report("down", f"{error}; again")', 'x.report("down", "gone")', 'LogFull("full")', 'x.report("up", why + "; again")']  # fmt: skip
    right = ['part.report("down", words_of(error))', 'x.report("up")', "LogFull(why)", 'x.report("up", a + Text("b", "c"))']  # fmt: skip
    calls = [ast.parse(text, mode="eval").body for text in (*wrong, *right)]
    assert [isinstance(call, ast.Call) and _in_one_language(call) for call in calls] == [True] * 4 + [False] * 4


async def test_the_api_speaks_the_language_of_who_asks(tmp_path: Path) -> None:
    dead = free_port()
    toml = f'[[adapters]]\nname = "ships"\nprotocol = "ais"\nconnect = "tcp://127.0.0.1:{dead}"\n'
    hub = hub_of(write_city(tmp_path, toml, free_port()))
    await hub.start()
    try:
        async with httpx.AsyncClient(base_url=hub.address, timeout=PATIENCE_S) as client:
            await client.post("/api/v1/readings", json={"device": "underpass-1", "values": {"water_depth": 1e9}})
            await hub.log.quarantine.append([Fault(FaultKind.CHECKSUM, "stated 1F, found 2E", b"x")])

            async def down() -> bool:
                return bool(
                    (await client.get("/readyz", params={"part": "adapter/ships"})).json()["parts"][0]["reason"]
                )

            await until(down)
            for path, find in (
                ("/readyz?part=adapter/ships", lambda told: told["parts"][0]["reason"]),
                ("/api/v1/status", lambda told: next(one["detail"] for one in told["adapters"] if one["name"] == "ships")),
                ("/api/v1/quarantine", lambda told: told["entries"][0]["meaning"]),
                ("/api/v1/devices/underpass-1", lambda told: told["faults"][0]["meaning"]),
                ("/api/v1/quarantine/decode?offset=999", lambda told: told["detail"]),
            ):  # fmt: skip
                english = find((await client.get(path)).json())
                chinese = find((await client.get(path, headers={"accept-language": "zh-CN,zh;q=0.9"})).json())
                assert not CHINESE.search(english), path
                assert CHINESE.search(chinese), path
            entry = (await client.get("/api/v1/quarantine?lang=zh")).json()["entries"][0]
            assert entry["detail"] == "stated 1F, found 2E", "what a decoder says is for engineers, as it is"
            assert (await client.get("/api/v1/rules?lang=zh")).json()["rules"][0]["levels"][0]["when"] == "水深 ≥ 15 cm"
    finally:
        await hub.stop()
