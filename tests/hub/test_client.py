"""`cityhub.client`: against a running hub, blocking and not, with what goes wrong as types."""

from __future__ import annotations

import asyncio
import inspect
import os
import re
import sys
import typing
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
from starlette.responses import StreamingResponse

from cityhub.client import AsyncClient, Away, Call, Client, Heard, HubError, Refused, answers, calls, questions
from hub.api.gate import Authority
from hub.api.questions import Nothing
from hub.api.routes import endpoints
from hub.app.hub import Hub
from tests.acceptance.running import write_city
from tests.hub.askers import as_token
from tests.hub.running import running, shown
from tests.shared import ROOT

T = TypeVar("T")
TOKENS = """
[tokens.chief]
token = "chief"
roles = ["ingest", "view", "operate", "administer"]
[tokens.feed]
token = "feed"
roles = ["ingest"]
"""
NO_CALL = {"/", "/metrics", "/tiles/basemap.pmtiles", "/api/v1/openapi.json", "/api/v1/docs", "/sensorthings/v1.1/{path:path}", "/api/v1/cameras/{camera:path}/picture", "/api/v1/report/{what}", "/oidc/login", "/oidc/back"}  # fmt: skip
"""Pages, ways of a browser, other standards, documents and pictures: programs have readers for them."""


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Hub]:
    folder = write_city(tmp_path, '[api]\nlisten = "127.0.0.1:0"\ntokens_file = "tokens.toml"\n')
    (folder / "tokens.toml").write_text(TOKENS)
    async with running(folder) as hub:
        yield hub


async def blocking(hub: Hub, put: Callable[[Client], T], token: str = "chief") -> T:
    """What the blocking client brings, beside the hub in this loop."""

    def asked() -> T:
        with Client(hub.address, token) as client:
            return put(client)

    return await asyncio.to_thread(asked)


def sample(function: Callable[..., Call[Any]]) -> Call[Any]:
    """The call with a word for each part of its path."""
    given = {
        "told": [], "name": "gauge/7", "device": "gauge/7", "what": "zones", "alert": "a/b", "action": "retry", "id": "a/b", "user": "u", "password": "p",
    }  # fmt: skip
    kinds = typing.get_type_hints(function)
    arguments: list[Any] = []
    for name, parameter in inspect.signature(function).parameters.items():
        if name != "asked":
            arguments.append(given[name])
        elif parameter.default is inspect.Parameter.empty:
            arguments.append({questions.Plan: questions.Plan("gauge-7"), questions.Command: questions.Command("locate"), questions.Exercise: questions.Exercise("x"), questions.NewUser: questions.NewUser("li"), questions.ChangedUser: questions.ChangedUser(), questions.TakenOver: questions.TakenOver(1), questions.Entry: questions.Entry(0), questions.Roses: questions.Roses("a", "2026-11"), questions.Admission: questions.Admission("a"), questions.Refused: questions.Refused("a"), questions.Fence: questions.Fence("a")}.get(kinds["asked"]) or kinds["asked"]())  # fmt: skip
    return function(*arguments)


def asked_type(function: Callable[..., Call[Any]]) -> type:
    kind = typing.get_type_hints(function).get("asked", Nothing)
    return next((one for one in typing.get_args(kind) if one is not type(None)), kind)


async def test_there_is_a_call_for_every_route_with_its_types(hub: Hub) -> None:
    """Made from the routes: a new one without a call fails."""
    functions = {
        name: made
        for name, made in vars(calls).items()
        if inspect.isfunction(made) and made.__module__ == calls.__name__ and not name.startswith("_")
    }
    left = dict(functions)
    for item in endpoints(hub.state, Authority(hub.state, False)):
        if item.path in NO_CALL or item.local:
            continue
        pattern = re.compile(re.sub(r"\{\w+(:path)?\}", "[^/]+", item.path))
        function = functions.get(item.handler.__name__)
        assert function is not None, f"no call for {item.method} {item.path}: {item.handler.__name__}"
        call = sample(function)
        assert (call.method, bool(pattern.fullmatch(call.path))) == (item.method, True), (item.path, call.path)
        if item.gives is not None:
            assert call.gives is item.gives, item.path
        if not item.raw and item.takes is not questions.LogIn:
            assert asked_type(function) is item.takes, item.path
        left.pop(function.__name__, None)
    assert not left, f"calls without a route: {sorted(left)}"


async def test_readings_in_and_everything_back_by_either_client(hub: Hub) -> None:
    told = [
        {"device": "underpass-1", "time": f"2026-11-29T08:00:{second:02}Z", "values": {"water_depth": 0.3}}
        for second in range(30)
    ]
    async with AsyncClient(hub.address, "chief") as client:
        assert (await client.ask(calls.readings(told))).readings == 30
        async with asyncio.timeout(60):
            while not (found := (await client.ask(calls.alerts())).open):
                await asyncio.sleep(0.02)
            while len((await client.ask(calls.series(questions.Series(limit=100)))).rows or ()) < 30:
                await asyncio.sleep(0.02)
        alert = found[0]["alert"]
        assert (await client.ask(calls.operate(alert, "acknowledge", questions.Act(note="seen")))).ok
        shown = await client.ask(calls.device("underpass-1"))
        pages = [page async for page in client.pages(calls.series(questions.Series(device=["underpass-1"], limit=8)))]
    assert isinstance(shown, answers.Detail)
    assert shown.now is not None
    assert shown.now["values"]["water_depth"]["value"] == 0.3
    assert [len(page.rows or ()) for page in pages] == [8, 8, 8, 6]
    rows = {row.time for page in pages for row in page.rows or ()}
    assert len(rows) == 30
    again = await blocking(
        hub, lambda client: list(client.pages(calls.series(questions.Series(device=["underpass-1"], limit=8))))
    )
    assert again == pages
    buckets = await blocking(hub, lambda client: client.ask(calls.series(questions.Series(start="2026-11-29T00:00:00Z", end="2026-11-30T00:00:00Z", every=3600.0))))  # fmt: skip
    assert [bucket.count for bucket in buckets.buckets or ()] == [30]
    word = await blocking(hub, lambda client: client.ask(calls.vocabulary(questions.Words(family="water", limit=1))))
    assert (len(word.metrics), word.truncated) == (1, True)


async def test_what_goes_wrong_has_a_type_and_the_hub_s_own_words(hub: Hub) -> None:
    with pytest.raises(Refused, match="there is no device 'nobody'") as refused:
        await blocking(hub, lambda client: client.ask(calls.device("nobody")))
    assert (refused.value.status, refused.value.title) == (404, "Not Found")
    with pytest.raises(Refused) as refused:
        await blocking(hub, lambda client: client.ask(calls.readings([{"device": "gauge-7", "values": {"x": 1}}])))
    assert refused.value.more["faults"][0]["kind"] == "unknown-metric"
    async with AsyncClient(hub.address, "feed") as client:
        with pytest.raises(Refused, match="lacks the right 'view'"):
            await client.ask(calls.devices())
        with pytest.raises(Refused, match="lacks the right 'view'"):
            await anext(client.listen())
    async with AsyncClient("http://127.0.0.1:1") as nobody:
        with pytest.raises(Away, match=r"no answer from http://127\.0\.0\.1:1") as away:
            await nobody.ask(calls.alive())
    assert away.value.status is None


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (httpx.Response(200, text="<html>"), HubError, "something else than Alive"),
        (httpx.Response(200, json={"ok": True}), HubError, "something else than Alive"),
        (httpx.Response(502, text="Bad Gateway"), Away, "the answer was 502: Bad Gateway"),
        (httpx.Response(429, headers={"retry-after": "7"}, json={"title": "Too Many Requests", "detail": "slower"}), Away, "slower"),
        (httpx.Response(404, content=b"\xff\xfe"), Refused, "the answer was 404"),
        (httpx.Response(400, json=["x"]), Refused, "the answer was 400"),
    ],
)  # fmt: skip
def test_what_is_no_hub_s_answer_is_an_error_too(answer: httpx.Response, kind: type[HubError], words: str) -> None:
    client = Client("http://hub", transport=httpx.MockTransport(lambda _: answer))
    with client, pytest.raises(kind, match=words) as raised:
        client.ask(calls.alive())
    assert raised.value.status == answer.status_code
    if answer.status_code == 429:
        assert isinstance(raised.value, Away)
        assert raised.value.retry_after_s == 7


async def test_the_stream_goes_on_behind_the_last_event_over_a_broken_connection(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hub ends the stream after each block of events; the listener hears every change once all the same."""
    monkeypatch.setattr("hub.client.listening.WAIT_S", 0.05)
    whole = StreamingResponse.__call__

    async def cut(self: StreamingResponse, scope: Any, receive: Any, send: Any) -> None:
        """Ends behind the first status."""

        async def first(events: Any) -> AsyncIterator[bytes]:
            async for event in events:
                yield event
                if b"event: status" in event:
                    return

        self.body_iterator = first(self.body_iterator)
        await whole(self, scope, receive, send)

    monkeypatch.setattr(StreamingResponse, "__call__", cut)
    heard: list[Heard] = []

    async def listen() -> None:
        async with AsyncClient(hub.address, "chief") as client:
            async for event in client.listen():
                heard.append(event)

    listening = asyncio.create_task(listen())
    async with AsyncClient(hub.address, "chief") as client, asyncio.timeout(60):
        await client.ask(calls.readings([{"device": "underpass-1", "values": {"water_depth": 0.3}}]))
        while not (found := (await client.ask(calls.alerts())).open):
            await asyncio.sleep(0.02)
        for number in range(5):
            await client.ask(calls.operate(found[0]["alert"], "acknowledge", questions.Act(note=str(number))))
            while [event.data["note"] for event in heard if event.event == "change"][-1:] != [str(number)]:
                await asyncio.sleep(0.02)
    listening.cancel()
    notes = [event.data["note"] for event in heard if event.event == "change"]
    assert notes == ["", "0", "1", "2", "3", "4"]
    assert len([event for event in heard if event.event == "status"]) > 3, "the stream was cut in between"

    def rest(client: Client) -> list[str]:
        found = []
        changes = [event for event in heard if event.event == "change"]
        for event in client.listen(last_event_id=changes[2].id):
            if event.event == "change":
                found.append(event.data["note"])
            if len(found) == 3:
                return found
        raise AssertionError("the stream ended")

    assert await blocking(hub, rest) == ["2", "3", "4"]


async def test_the_example_of_the_docs_runs(hub: Hub, tmp_path: Path) -> None:
    """docs/api.md, "From Python", as it stands there."""
    section = (ROOT / "docs" / "api.md").read_text("utf-8").partition("## From Python")[2]
    [example] = re.findall(r"```python\n(.*?)```", section, re.S)
    script = tmp_path / "example.py"
    script.write_text(example, "utf-8")
    async with as_token(hub, "chief") as client:  # the list may be behind what the example itself says
        before = {"device": "underpass-1", "values": {"water_depth": 0.0}}
        assert (await client.post("/api/v1/readings", json=before)).status_code == 200
        await shown(client)
    paths = os.pathsep.join([str(ROOT), str(ROOT / "hub" / "public")])
    ran = await asyncio.create_subprocess_exec(
        sys.executable, str(script), env={**os.environ, "HUB": hub.address, "HUB_TOKEN": "chief", "PYTHONPATH": paths},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    said, wrong = await asyncio.wait_for(ran.communicate(), 120)
    assert ran.returncode == 0, wrong.decode()
    lines = said.decode().splitlines()
    assert lines[0] == "on disk: 1"
    assert lines[1].startswith("refused: ")
    assert "underpass-1" in lines[2:]
    assert lines[-1].startswith("change raised North Gate: water")
