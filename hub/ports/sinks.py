"""Handing warnings, readings and reports out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

import msgspec

from hub.bilingual import Text
from hub.model import AlertChange, Device, Reading


class Delivery(msgspec.Struct, frozen=True):
    """The outcome of one attempt. Exactly one of the three: taken, final refusal, or try again."""

    taken: bool
    final: bool = False
    detail: str = ""
    retry_after_s: float | None = None
    partly: bool = False
    """With `taken`: not for everybody whom it should reach. `detail` says for whom not; it is not offered again."""
    gone: bool = False
    """With `final`: the destination wants nothing more (HTTP 410); it rests until a person wakes it."""
    detail_zh: str = ""
    """The same in Chinese; empty where only the peer's own words are there, which are quoted."""


class Sink(Protocol):
    """A destination for alert changes. `deliver` is called in order, one change at a time, until taken or finally refused."""

    async def deliver(self, change: AlertChange, key: str, now: int) -> Delivery:
        """Hand over one change. `key` is stable across retries; `now` is ns. Never raises for what the peer does."""
        ...

    async def close(self) -> None: ...


class ReportWishes(msgspec.Struct, frozen=True):
    """Which reports a destination wants: `fleet` and `air` each day, `air-month` each month; at what time of the city's day, as what, in
    which language ("en", "zh")."""

    reports: tuple[str, ...]
    at: str = "07:00"
    form: str = "pdf"
    language: str = "en"


class ReportFile(msgspec.Struct, frozen=True):
    """A report as a file: its title for people, its name, its content."""

    title: str
    name: str
    data: bytes


@runtime_checkable
class ReportSink(Protocol):
    """A sink that takes reports too, where `reports` says which."""

    reports: ReportWishes | None

    async def deliver_report(self, report: ReportFile, key: str, now: int) -> Delivery:
        """As `Sink.deliver`, for a report."""
        ...


class Chosen(msgspec.Struct, frozen=True):
    """Which readings a destination wants; an empty list wants all."""

    kinds: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    areas: tuple[str, ...] = ()
    """Of the registry."""
    every_ns: int = 0
    """Thinned to the newest value of each device and metric in so much observed time; 0 for all of them."""


@runtime_checkable
class ReadingSink(Protocol):
    """A sink that takes readings too, where `chosen` says which."""

    chosen: Chosen | None

    async def deliver_readings(self, readings: Sequence[Reading], key: str, now: int) -> Delivery:
        """As `Sink.deliver`, for a batch: taken where any of it was, with what was refused in `detail`."""
        ...


@runtime_checkable
class RenewingSink(Protocol):
    """A sink whose messages run out (CAP's `expires`): it says what has to be said again of warnings that still stand."""

    def due(self, now: int) -> Sequence[str]:
        """Keys of what has to be said again now (ns)."""
        ...

    async def renew(self, key: str, now: int) -> Delivery:
        """As `Sink.deliver`. What is no longer due is taken, with the reason in `detail`."""
        ...


@runtime_checkable
class HistorySink(Protocol):
    """A sink for which the past counts: when new it begins so far back, not at the end, as far as the log reaches."""

    catch_up_s: float


@runtime_checkable
class RunningSink(Protocol):
    """A sink that keeps a session of its own (registration, keepalive). The hub runs `run` while it delivers, cancels it to stop."""

    async def run(self) -> None: ...


@runtime_checkable
class SessionSink(Protocol):
    """A sink that knows between deliveries whether its peer answers (a registration, keepalives)."""

    def trouble(self) -> Text | str:
        """Why nothing could be delivered now, in a sentence (in both languages, or in English only); empty while the peer answers."""
        ...


@runtime_checkable
class KnowingSink(Protocol):
    """A sink that says more of a device than its readings do."""

    def know(self, device: Callable[[str], Device | None], personal: Callable[[str], bool]) -> None:
        """Called before anything is delivered. `device`: what the registry has under a name at that moment; `personal`: whether where a device of this
        kind is tells of a person."""
        ...


@runtime_checkable
class RememberingSink(Protocol):
    """A sink that began something at its peer and must end it, also after a restart. The hub gives it a file of its own before it
    delivers."""

    def remember_in(self, path: Path) -> None: ...


# ---------------------------------------------------------------------------------------------- the plug-in itself
