"""The measure: what is a hit, a lead, a false raise, a raise outside events, with hand-made series for each sentence of it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
import pytest

from hub.app.city import load_city
from hub.app.plugins import Plugins
from hub.backtest.baseline import stands_off
from hub.backtest.evaluation import Marked, Summary, dominated, evaluate, unborne
from hub.backtest.events import Event, read_events
from hub.backtest.judgement import judge, observed_for
from hub.backtest.observed import Observed
from hub.backtest.recorded import open_recording
from hub.backtest.run import Backtest
from hub.backtest.taken_back import momentary, taken_back
from hub.model import AlertChange, Change, Position, Reading
from hub.moment import SECOND, from_text, to_text
from rules.book import RuleBook, load

MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
START = from_text("2026-01-01T00:00:00Z")


def at(hour: float) -> int:
    return START + round(hour * HOUR)


def book() -> RuleBook:
    found = load([], ["flood", "air-cn"])
    assert isinstance(found, RuleBook)
    return found


BOOK = book()


def step(
    hour: float,
    change: Change = Change.RAISED,
    level: str = "orange",
    subject: str = "a",
    rule: str = "air-cn/pm25-hourly",
    alert: str = "",
) -> AlertChange:
    return AlertChange(alert or f"{rule} {subject}", 0, at(hour), rule, subject, change, level)


def seen(
    kind: str = "air-station", metric: str = "pm25", every: float = 1.0, first: float = 0.0, **series: Sequence[float]
) -> Observed:
    """Readings each `every` hours from `first` on."""
    observed = Observed()
    for device, values in series.items():
        for n, value in enumerate(values):
            observed.add(Reading(device, at(first + n * every), {metric: value}, kind=kind))
    return observed


def judged(
    changes: Sequence[AlertChange],
    event: Event,
    observed: Observed | None = None,
    again: Sequence[AlertChange] | None = None,
) -> Summary:
    return evaluate(changes, [event], observed or seen(a=[30.0] * 72), BOOK, again)


SMOG = Event("smog", "smog", "a", at(40), at(44), at(50))


# ------------------------------------------------------------------------------------------------- hits


def test_orange_by_the_peak_is_a_hit() -> None:
    (found,) = judged([step(42)], SMOG).events
    assert (found.hit, found.subject, found.level, found.at, found.lead_s) == (
        True,
        "a",
        "orange",
        to_text(at(42)),
        7200.0,
    )


def test_a_warning_after_the_peak_is_a_miss_however_grave() -> None:
    """A collision that is told a minute late has not been warned of."""
    summary = judged([step(44 + 1 / 60, level="red")], SMOG)
    (found,) = summary.events
    assert (found.hit, summary.pod, found.lead_s) == (False, 0.0, -60.0)
    assert summary.median_lead_min is None


def test_yellow_is_a_miss_and_orange_after_the_peak_does_not_make_it_a_hit() -> None:
    (found,) = judged([step(41, level="yellow"), step(45, Change.ESCALATED)], SMOG).events
    assert (found.hit, found.level) == (False, "yellow")


def test_warn_by_takes_the_place_of_the_peak() -> None:
    early = SMOG._replace(warn_by=at(41))
    assert judged([step(40.5)], early).hits == 1
    assert judged([step(42)], early).hits == 0


def test_what_ended_before_the_event_hits_nothing_and_counts_as_outside() -> None:
    summary = judged([step(36), step(38, Change.CLEARED)], SMOG)
    assert (summary.hits, summary.outside.orange) == (0, 1)


def test_one_warning_that_stands_on_hits_one_event() -> None:
    """Else a warning that is never lifted would hit whatever comes."""
    later = SMOG._replace(event="later", start=at(60), peak=at(62), end=at(64))
    observed = seen(a=[30.0] * 72)
    stands = evaluate([step(41)], [SMOG, later], observed, BOOK)
    assert [found.hit for found in stands.events] == [True, False]
    anew = [step(41), step(55, Change.CLEARED), step(61, alert="again")]
    assert [found.hit for found in evaluate(anew, [SMOG, later], observed, BOOK).events] == [True, True]


def test_silence_is_no_hit() -> None:
    assert judged([step(42, rule="air-cn/pm25-hourly:silent")], SMOG).hits == 0


# ------------------------------------------------------------------------------------------------- subjects


def test_all_named_subjects_must_be_warned_or_the_share_of_them_that_the_event_names() -> None:
    observed = seen(a=[30.0] * 72, b=[30.0] * 72, c=[30.0] * 72)
    changes = [step(41), step(42, subject="b"), step(45, subject="c")]
    three = SMOG._replace(device="a;b;c")
    assert judged(changes, three, observed).hits == 0
    (found,) = judged(changes, three._replace(share=0.6), observed).events
    assert (found.hit, found.subject, found.lead_s) == (True, "b", 2 * 3600.0)


def test_a_regions_event_is_not_hit_by_any_one_station() -> None:
    """Of `*` half must be warned where it is of a kind that spreads; an accident is where it is."""
    observed = seen(a=[30.0] * 72, b=[30.0] * 72, c=[30.0] * 72)
    everywhere = SMOG._replace(device="*")
    assert judged([step(41)], everywhere, observed).hits == 0
    assert judged([step(41), step(43, subject="b")], everywhere, observed).hits == 1
    assert judged([step(41)], everywhere._replace(kind="explosion"), observed).hits == 1


def test_either_vessel_and_the_pair_stand_for_a_pair() -> None:
    observed = seen("vessel", "sog", a=[9.0] * 72, b=[9.0] * 72)
    pair = Event("crash", "collision", "a+b", at(40), at(44), at(45))
    assert judged([step(43, subject="a+b", rule="maritime/collision")], pair, observed).hits == 1
    assert judged([step(43, subject="a+b", rule="maritime/collision")], pair._replace(device="b"), observed).hits == 1
    assert judged([step(43, subject="c+d", rule="maritime/collision")], pair, observed).hits == 0


def test_an_event_of_another_year_or_place_is_neither_hit_nor_missed() -> None:
    summary = judged([], SMOG._replace(device="z"))
    assert (summary.events, summary.pod) == ([], None)


# ------------------------------------------------------------------------------------------------- lead


def test_a_warning_that_stood_for_days_has_no_more_lead_than_the_event() -> None:
    (found,) = judged([step(2)], SMOG).events
    assert (found.hit, found.lead_s) == (True, 4 * 3600.0)


def test_the_lead_counts_from_when_the_data_rose_where_they_rose_before() -> None:
    rising = [30.0] * 36 + [30.0, 35.0, 200.0, 220.0] + [300.0] * 32  # a quarter of the way at hour 38
    (found,) = judged([step(37)], SMOG, seen(a=rising)).events
    assert found.lead_s == 6 * 3600.0
    (at_once,) = judged([step(39)], SMOG, seen(a=rising)).events
    assert at_once.lead_s == 5 * 3600.0


def test_a_rise_that_fell_back_before_the_event_is_none() -> None:
    broken = [30.0] * 36 + [200.0, 210.0, 31.0, 30.0] + [300.0] * 32
    (found,) = judged([step(36)], SMOG, seen(a=broken)).events
    assert found.lead_s == 4 * 3600.0


def test_a_wave_up_the_river_is_a_rise_of_the_data() -> None:
    wave = [1.0] * 36 + [1.0, 4.0, 5.0, 6.0] + [7.0] * 32
    observed = seen("river-gauge", "water_level", a=[1.0] * 42 + [6.0] * 30, up=wave)
    flood = SMOG._replace(kind="flash-flood")
    told = [step(37.5, rule="flood/flood-wave-upstream")]
    assert evaluate(told, [flood], observed, BOOK, above={"a": {"up"}}).events[0].lead_s == 6.5 * 3600.0
    assert evaluate(told, [flood], observed, BOOK).events[0].lead_s == 4 * 3600.0


# ------------------------------------------------------------------------------------------------- false


def test_a_raise_that_good_data_never_bore_is_false() -> None:
    summary = judged([step(42)], SMOG, seen(a=[140.0] * 72))
    assert [found.why for found in summary.false_raises] == ["no good reading met its limit (pm25 > 150)"]
    assert judged([step(42)], SMOG, seen(a=[160.0] * 72)).false == 0


def test_a_rate_is_held_against_the_data_too() -> None:
    """A rule about a rise is no excuse: the river did not move."""
    rise = step(42, rule="flood/fast-rise", level="red")
    assert judged([rise], SMOG, seen("river-gauge", "water_level", 0.25, a=[2.0] * 288)).false == 1
    burst = [2.0] * 166 + [4.0, 6.0] + [8.0] * 120
    assert judged([rise], SMOG, seen("river-gauge", "water_level", 0.25, a=burst)).false == 0


@pytest.mark.parametrize(
    ("rule", "subject", "hour", "false"),
    [
        ("air-cn/pm25-hourly", "a", 42, 1), ("air-cn/pm25-hourly", "a", 42.9, 1), ("air-cn/pm25-hourly", "a", 41.1, 1), ("air-cn/pm25-hourly", "a", 43.1, 0),
        ("air-cn/pm25-hourly", "b", 42, 0), ("air-cn/pm10-hourly", "a", 42, 0),
    ],
)  # fmt: skip
def test_a_raise_that_people_marked_is_false(rule: str, subject: str, hour: float, false: int) -> None:
    """The data bear it out, the same rule raises it again: the mark alone says so, of this rule, subject and time."""
    mark = Marked(rule, subject, at(hour), "marked as a false alarm by li: a barbecue")
    summary = evaluate([step(42)], [SMOG], seen(a=[160.0] * 72), BOOK, [step(42)], marked=[mark])
    assert (summary.false, summary.marked, [found.why for found in summary.false_raises]) == (false, false, [mark.why] * false)  # fmt: skip
    assert (summary.hits, summary.far) == (1, float(false)), "a hit stays one"


def test_all_steps_of_a_marked_warning_are_false() -> None:
    """An hour counts from where the warning was raised, not from its later steps."""
    changes = [step(42), step(45, Change.ESCALATED, "red"), step(47, Change.CLEARED), step(50, alert="next")]
    mark = Marked("air-cn/pm25-hourly", "a", at(42), "no")
    summary = evaluate(changes, [SMOG], seen(a=[300.0] * 72), BOOK, changes, marked=[mark])
    assert (summary.raises, summary.false, summary.marked) == (3, 2, 2)


def test_a_raise_that_does_not_come_again_without_what_was_taken_back_is_false() -> None:
    changes = [step(42), step(43, Change.CLEARED)]
    loud = seen(a=[160.0] * 72)
    assert judged(changes, SMOG, loud, again=[]).false == 1
    assert judged(changes, SMOG, loud, again=[step(43.5)]).false == 0
    assert judged(changes, SMOG, loud, again=[step(50)]).false == 1
    assert judged(changes, SMOG, loud, again=[step(42, level="yellow")]).false == 1


def the_run(longest: int, *values: float) -> list[tuple[int, int, float]]:
    observed = seen(a=[*[30.0, 32.0, 29.0, 31.0] * 4, *values, *[30.0, 32.0, 29.0, 31.0] * 4])
    return [(start - 15, length, sign) for start, length, sign, _ in momentary(observed.series[("a", "pm25")], longest)]


@pytest.mark.parametrize(
    ("values", "runs"),
    [
        ([600.0], [(1, 1, 1.0)]),
        ([0.0], [(1, 1, -1.0)]),
        ([29.0, 355.0, 651.0, 63.0, 1.0], [(2, 2, 1.0)]),  # two hours are no proof
        ([200.0, 400.0, 600.0, 590.0, 400.0, 200.0], []),  # a peak has shoulders
        ([100.0, 300.0, 310.0, 305.0, 300.0], []),
    ],
)
def test_runs_that_the_next_reading_takes_back_up_and_down(
    values: list[float], runs: list[tuple[int, int, float]]
) -> None:
    assert [run for run in the_run(2, *values) if run[0] in (1, 2)] == runs


def test_neighbours_that_moved_bear_a_spike_out_and_calm_ones_deny_a_longer_run() -> None:
    calm = [30.0, 32.0, 29.0, 31.0] * 4
    places = {name: Position(116.0 + n / 100, 39.9) for n, name in enumerate("abc")}
    lone = [*calm, 500.0, *calm]
    fireworks = seen(a=lone, b=[*calm, 400.0, *calm], c=[*calm, 31.0, *calm])
    assert not {device for device, _, _ in taken_back(fireworks, places)}
    assert taken_back(seen(a=lone, b=[*calm, 31.0, *calm], c=[*calm, 31.0, *calm]), places) == {("a", "pm25", at(16))}
    longer = [*calm, 500.0, 498.0, 503.0, 500.0, *calm]
    flat = [*calm, 30.0, 31.0, 30.0, 32.0, *calm]
    assert not taken_back(seen(a=longer), places)
    assert len(taken_back(seen(a=longer, b=flat, c=flat), places)) == 4


def test_rain_is_momentary_by_nature() -> None:
    assert not taken_back(seen("rain-gauge", "rainfall", a=[0.0] * 20 + [9.0] + [0.0] * 20), {})


def test_resolution_is_no_spike() -> None:
    assert not taken_back(
        seen("river-gauge", "water_level", a=[1.00, 1.00, 1.00, 1.01, 1.00, 1.00, 1.01, 1.01, 1.00] * 4), {}
    )


# ------------------------------------------------------------------------------------------------- outside events


def test_raises_outside_events_are_counted_and_the_data_bear_them_out_or_not() -> None:
    stays = [1.0, 1.01, 0.99, 1.0] * 24 + [5.0] * 60
    sinks = [1.0, 1.01, 0.99, 1.0] * 24 + [5.0, 1.0] + [1.0] * 58
    far = SMOG._replace(start=at(36), peak=at(37), end=at(38))
    told = [step(24, rule="flood/fast-rise", level="red")]
    outside = judged(told, far, seen("river-gauge", "water_level", 0.25, a=stays)).outside
    assert (outside.orange, outside.red, outside.borne_out) == (0, 1, 1.0)
    assert judged(told, far, seen("river-gauge", "water_level", 0.25, a=sinks)).outside.borne_out == 0.0
    assert outside.site_months == pytest.approx(155 * 0.25 / 24 / 30, abs=1e-3)


def test_air_is_borne_out_by_the_official_limit_alone() -> None:
    from hub.backtest.official import of_packs

    def share(values: list[float]) -> float | None:
        found = evaluate([step(48)], [SMOG], seen(a=values), BOOK, official=of_packs({"air-cn"}))
        return found.outside.borne_out if found.outside.orange else None

    event_over = [30.0] * 48
    far = [*event_over, 160.0, 170.0, 140.0]
    assert share([*event_over, 160.0, 170.0, 140.0, *[30.0] * 9]) is None or share(far) == 1.0
    assert share([*[30.0] * 48, 160.0, 100.0, 40.0, *[30.0] * 9]) in (None, 0.0)


def test_a_raise_on_an_unlisted_device_is_outside() -> None:
    observed = seen(a=[160.0] * 72, b=[160.0] * 72)
    outside = judged([step(42), step(42, subject="b")], SMOG, observed).outside
    assert outside.orange == 1


def test_a_wave_that_reaches_the_gauge_bears_its_warning_out() -> None:
    def share(then: float) -> float | None:
        observed = seen("river-gauge", "water_level", 0.25, a=[1.0, 1.01, 0.99, 1.0] * 24 + [1.0] * 12 + [then] * 30)
        told = [step(24, rule="flood/flood-wave-upstream")]
        return judged(told, SMOG._replace(device="z"), observed).outside.borne_out

    assert (share(4.0), share(1.0)) == (1.0, 0.0)


def test_two_vessels_that_did_pass_close_bear_their_raise_out() -> None:
    def observed(cpa: float) -> Observed:
        found = seen("vessel", "sog", a=[9.0] * 72, b=[9.0] * 72)
        for minute in range(6):
            moment = at(20) + minute * MINUTE
            found.add(Reading("a+b", moment, {"cpa": cpa, "tcpa": 5.0 - minute}, kind="vessel-pair"))
        return found

    told = [step(20, subject="a+b", rule="maritime/collision")]
    event = SMOG._replace(kind="collision", device="a")
    assert judged(told, event, observed(100.0)).outside.borne_out == 1.0
    assert judged(told, event, observed(900.0)).outside.borne_out == 0.0


# ------------------------------------------------------------------------------------------------- beside a plain threshold


RULES = """
- rule: slow
  title: "{subject.name}"
  for_each: {kind: air-station}
  levels: {orange: 5 of 5 (pm25 > 150 ug/m3)}
  clear: pm25 < 100 ug/m3
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "hub.toml").write_text('[hub]\nname = "trial"\ntimezone = "UTC"\n[rules]\npacks = ["air-cn"]\n')
    (tmp_path / "devices.csv").write_text("device,name,kind,lon,lat\na,a,air-station,116.0,39.9\n")
    return tmp_path


def judged_city(folder: Path, values: Sequence[float], event: Event) -> Summary:
    city, mistakes = load_city(folder, Plugins())
    assert city is not None, mistakes
    path = folder / "readings.csv"
    path.write_text("time,device,pm25\n" + "".join(f"{to_text(at(n))},a,{value}\n" for n, value in enumerate(values)))
    observed = observed_for(city.book)

    def once(observed: Observed | None, without: Collection[tuple[str, str, int]] = ()) -> list[AlertChange]:
        recording = open_recording([path])
        return list(Backtest(city, recording.messages, recording.kind, recording.rows, observed, without).changes())

    return judge(city, once(observed), [event], observed, lambda without: once(None, without))


def test_a_plain_threshold_stands_beside_and_a_pack_that_it_dominates_is_told(folder: Path) -> None:
    values = [30.0] * 40 + [160.0, 170.0, 240.0, 300.0, 320.0, 300.0, 260.0, 200.0] + [60.0] * 24
    good = judged_city(folder, values, SMOG)
    assert good.baseline is not None
    assert [(found.hit, found.at) for found in good.baseline.events] == [(True, to_text(at(40)))]
    late = evaluate([step(44)], [SMOG], seen(a=values), BOOK)
    early = evaluate([step(40)], [SMOG], seen(a=values), BOOK)
    import msgspec

    told = dominated(msgspec.structs.replace(late, baseline=early))
    assert told is not None
    assert "14400 s later" in told
    assert dominated(msgspec.structs.replace(early, baseline=late)) is None
    noisy = evaluate([step(40), step(10, alert="x"), step(11, Change.CLEARED, alert="x")], [SMOG], seen(a=values), BOOK)
    assert unborne(noisy) == 1
    assert dominated(msgspec.structs.replace(late, baseline=noisy)) is None


def test_a_lone_spike_of_two_hours_is_false_end_to_end(folder: Path) -> None:
    (folder / "rules").mkdir()
    (folder / "rules" / "slow.yaml").write_text(RULES.replace("5 of 5", "2 of 2"))
    calm = [30.0, 32.0, 29.0, 31.0] * 10
    summary = judged_city(folder, [*calm, 29.0, 355.0, 651.0, 63.0, 1.0, *calm], SMOG._replace(device="z"))
    assert summary.raises
    assert summary.false == summary.raises
    assert summary.baseline is not None
    assert summary.baseline.false == summary.baseline.raises == 1


def test_what_stands_off_its_own_last_day() -> None:
    times = np.arange(0, 200, dtype=np.int64) * 10 * MINUTE
    values = np.array([1.0, 1.1, 0.9, 1.05, 0.95] * 40)
    values[150] = 3.0
    assert list(np.flatnonzero(stands_off(times, values))) == [150]


# ------------------------------------------------------------------------------------------------- the file of events


def test_an_events_file_may_say_by_when_and_at_how_many() -> None:
    text = (
        "event,kind,device,start,peak,end,warn_by,share\n"
        "e,k,a;b,2026-01-01T00:00:00Z,2026-01-01T01:00:00Z,2026-01-01T02:00:00Z,2026-01-01T00:30:00Z,50 %\n"
        "f,k,a,2026-01-01T00:00:00Z,2026-01-01T01:00:00Z,2026-01-01T02:00:00Z,,\n"
    )
    first, second = read_events(text)
    assert (first.warn_by, first.share) == (at(0.5), 0.5)
    assert (second.warn_by, second.share, second.deadline) == (None, None, at(1))


def test_an_events_file_is_checked_line_by_line() -> None:
    with pytest.raises(ValueError, match="peak is missing"):
        read_events("event,kind,device,start,end\n")
    head = "event,kind,device,start,peak,end,share\n"
    with pytest.raises(ValueError, match="line 2: start, peak and end"):
        read_events(head + "e,k,a,2026-01-02T00:00:00Z,2026-01-01T00:00:00Z,2026-01-03T00:00:00Z,\n")
    with pytest.raises(ValueError, match=r"line 2: .*no time zone"):
        read_events(head + "e,k,a,2026-01-02T00:00:00,2026-01-02T00:00:00,2026-01-03T00:00:00,\n")
    with pytest.raises(ValueError, match="line 2: share '7'"):
        read_events(head + "e,k,a,2026-01-02T00:00:00Z,2026-01-02T00:00:00Z,2026-01-03T00:00:00Z,7\n")
