"""`/metrics`: the ledger, the readers and the log as Prometheus text (exposition format 0.0.4)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate

from hub.api.state import State
from hub.delivery import Courier
from hub.health import WORST
from hub.moment import SECOND
from hub.stages import BOUNDS_S, Stages


def render(state: State) -> str:
    """Every counter of the hub. Labels are bounded: adapters, readers, fault kinds, streams."""
    lines: list[str] = []
    ledger = state.books()

    def family(name: str, kind: str, text: str, samples: Iterable[tuple[Mapping[str, str], float]]) -> None:
        lines.append(f"# HELP {name} {text}")
        lines.append(f"# TYPE {name} {kind}")
        lines.extend(
            f"{name}{_labels(labels)} {value!r}" if value != int(value) else f"{name}{_labels(labels)} {int(value)}"
            for labels, value in samples  # every digit: six of them leave a time in error by hours
        )

    def by_adapter(field: str) -> Iterable[tuple[Mapping[str, str], float]]:
        return [({"adapter": name}, getattr(counts, field)) for name, counts in sorted(ledger.adapters.items())]

    family("cityhub_frames_received_total", "counter", "Frames taken from the wire.", by_adapter("frames"))
    family(
        "cityhub_readings_received_total",
        "counter",
        "Readings decoded: logged + in flight + quarantined + duplicate.",
        by_adapter("received"),
    )
    family("cityhub_readings_logged_total", "counter", "Readings on disk in the log.", by_adapter("logged"))
    family("cityhub_readings_in_flight", "gauge", "Readings on their way to the disk.", by_adapter("in_flight"))
    family(
        "cityhub_readings_quarantined_total", "counter", "Readings that could not be used.", by_adapter("quarantined")
    )
    family("cityhub_readings_duplicate_total", "counter", "Readings that were known already.", by_adapter("duplicate"))
    family(
        "cityhub_readings_refused_total",
        "counter",
        "Readings told to come again: the hub was full.",
        by_adapter("refused"),
    )
    family(
        "cityhub_faults_total",
        "counter",
        "Input that could not be used, by kind.",
        [
            ({"adapter": name, "kind": kind}, count)
            for name, counts in sorted(ledger.adapters.items())
            for kind, count in sorted(counts.faults.items())
        ],
    )
    family(
        "cityhub_faults_unkept_total",
        "counter",
        "Faults that found no place in quarantine: it could not be written, or their kind has used up its share.",
        by_adapter("unkept"),
    )
    stored = [(reader, name) for reader in sorted(ledger.stored) for name in sorted(ledger.adapters)]
    family(
        "cityhub_readings_stored_total",
        "counter",
        "Readings that a required reader has stored, by its own answer.",
        [({"reader": reader, "adapter": name}, ledger.stored[reader][name]) for reader, name in stored],
    )
    family(
        "cityhub_readings_store_refused_total",
        "counter",
        "Readings of which a required reader has taken nothing, for good.",
        [({"reader": reader, "adapter": name}, ledger.refused[reader][name]) for reader, name in stored],
    )
    family(
        "cityhub_readings_replaced_total",
        "counter",
        "Readings that took the place of an earlier one with the same device, metric and time.",
        [({"reader": reader, "adapter": name}, ledger.replaced[reader][name]) for reader, name in stored],
    )
    family(
        "cityhub_readings_waiting",
        "gauge",
        "Readings logged that a required reader has not stored yet.",
        [({"reader": reader, "adapter": name}, ledger.waiting(reader, name)) for reader, name in stored],
    )
    family(
        "cityhub_adapter_up",
        "gauge",
        "1 while the adapter works.",
        [({"adapter": name}, door.status.state == "up") for name, door in sorted(state.ingest.doors.items())],
    )
    family(
        "cityhub_requests_limited_total",
        "counter",
        "Requests refused with 429 because a user, token or address asked too often.",
        [({"by": by}, state.limited.get(by, 0)) for by in ("principal", "address")],
    )
    parts = state.health.parts()
    family(
        "cityhub_ready", "gauge", "1 while every part works that the hub cannot do without.", [({}, state.health.ready)]
    )
    family(
        "cityhub_part_state",
        "gauge",
        "1 at the state that a part of the hub is in.",
        [({"part": part.name, "state": name}, part.state == name) for part in parts for name in WORST],
    )
    family(
        "cityhub_part_since_seconds",
        "gauge",
        "Since when a part is in its state, as Unix time.",
        [({"part": part.name}, part.since / SECOND) for part in parts],
    )
    readers = list(state.readers())
    family(
        "cityhub_reader_lag_entries",
        "gauge",
        "Log entries that a reader has not taken yet.",
        [
            ({"reader": item.name, "stream": item.stream}, state.log.streams[item.stream].lag(item.cursor))
            for item in readers
        ],
    )
    family(
        "cityhub_reader_skipped_total",
        "counter",
        "Entries an optional reader was moved past.",
        [({"reader": item.name}, item.skipped) for item in readers],
    )
    family(
        "cityhub_reader_up",
        "gauge",
        "1 while the reader works.",
        [({"reader": item.name}, item.state == "up") for item in readers],
    )
    refusals, couriers = state.journal.refusals, [one for one in state.couriers.values() if isinstance(one, Courier)]
    family(
        "cityhub_dead_letters",
        "gauge",
        "Warnings that a destination refused for good, kept until somebody retries or drops them.",
        [
            ({"destination": name}, refusals[name].count if name in refusals else 0)
            for name in sorted({*refusals, *(courier.name for courier in couriers)})
        ],
    )
    family(
        "cityhub_dead_letters_since_seconds",
        "gauge",
        "When the oldest dead letter of a destination was refused, as Unix time.",
        [({"destination": name}, found.since / SECOND) for name, found in sorted(refusals.items())],
    )
    family(
        "cityhub_dead_letters_lost_total",
        "counter",
        "Dead letters that made room for newer ones.",
        [({"destination": courier.name}, courier.status.dead_letters_lost) for courier in couriers],
    )
    streams = sorted(state.log.streams.items())
    family(
        "cityhub_log_bytes",
        "gauge",
        "Bytes a stream of the log occupies.",
        [({"stream": name}, stream.size()) for name, stream in streams],
    )
    family(
        "cityhub_log_entries_total",
        "counter",
        "Entries ever appended to a stream.",
        [({"stream": name}, stream.next) for name, stream in streams],
    )
    family(
        "cityhub_log_refusing",
        "gauge",
        "1 while a stream takes no input.",
        [({"stream": name}, stream.refusing is not None) for name, stream in streams],
    )
    family(
        "cityhub_log_damaged",
        "gauge",
        "Damaged places found in a stream.",
        [({"stream": name}, len(stream.damage)) for name, stream in streams],
    )
    follows = state.follows()
    family("cityhub_devices", "gauge", "Devices heard of.", [({}, len(state.live.devices))] if follows else [])
    family(
        "cityhub_alerts_open",
        "gauge",
        "Open warnings by level.",
        [
            ({"level": level}, sum(item.level == level for item in state.alerts.open.values()))
            for level in ("blue", "yellow", "orange", "red")
            if follows
        ],
    )
    family(
        "cityhub_rule_ill",
        "gauge",
        "1 for a rule that fails and is left out where it does; `engine`: events were skipped.",
        [({"rule": item["rule"]}, 1) for item in state.rules().get("ill", ())],
    )
    family(
        "cityhub_rule_failures_total",
        "counter",
        "How often a rule has failed since it was last edited.",
        [({"rule": item["rule"]}, item["count"]) for item in state.rules().get("ill", ())],
    )
    if state.traces is not None:
        spans = (("sent", state.traces.collector.sent), ("lost", state.traces.collector.lost))
        text = "Spans of traces that the collector has taken, and that it has not."
        family("cityhub_spans_total", "counter", text, [({"outcome": name}, count) for name, count in spans])
    if state.stages is not None:
        lines.extend(_stages(state.stages))
    return "\n".join(lines) + "\n"


def _stages(stages: Stages) -> Iterator[str]:
    """A histogram has cumulative counts by upper bound, a sum and a number."""
    name = "cityhub_stage_seconds"
    yield f"# HELP {name} How long a stage of a reading's or a warning's journey takes."
    yield f"# TYPE {name} histogram"
    for stage, found in stages.histograms.items():
        counted = list(accumulate(found.counts))
        for bound, count in zip((*map("{:g}".format, BOUNDS_S), "+Inf"), counted, strict=True):
            yield f"{name}_bucket{_labels({'stage': stage, 'le': bound})} {count}"
        yield f"{name}_sum{_labels({'stage': stage})} {found.sum_s:.6f}"
        yield f"{name}_count{_labels({'stage': stage})} {counted[-1]}"


def _labels(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escape(value)}"' for name, value in labels.items()) + "}"


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
