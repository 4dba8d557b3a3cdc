"""What tells readings apart: the same rule on every machine, and a memory that is bounded."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from hub.duplicates import Recent, key_everywhere, key_here
from hub.log.keyed import KEY_BYTES, packed, unpacked
from hub.model import Position, Reading

TIMES = st.integers(0, 2**63 - 1)
VALUES = st.dictionaries(
    st.text(max_size=8),
    st.floats(allow_nan=False) | st.integers(-(2**63), 2**63 - 1) | st.booleans() | st.text(max_size=8),
    max_size=4,
)
KEYS = [
    (0x2A94E61F6AF3F204, 0x4AA9FE5A78AE2A97),
    (0x384DCEC766CFDF54, 0x6E77BC8675D62334),
]
READINGS = st.builds(Reading, st.text(min_size=1, max_size=12), TIMES, VALUES)


def test_a_key_is_the_same_on_every_machine_and_in_every_version() -> None:
    """These numbers stand in the logs of cities: another rule would take no duplicate for one while machines are upgraded in turn."""
    plain = Reading("gauge-7", 1_700_000_000_000_000_000, {"water_level": 1.5})
    moving = Reading("jt808:014450376202", 1_700_000_000_000_000_001, {"speed": 12}, Position(121.5, 31.2))
    assert [key_everywhere(one) for one in (plain, moving)] == KEYS


@given(READINGS)
def test_a_reading_out_of_the_log_has_the_key_it_went_in_with(reading: Reading) -> None:
    came = msgspec.msgpack.decode(msgspec.msgpack.encode(reading), type=Reading)
    assert key_everywhere(came) == key_everywhere(reading)


@given(READINGS, READINGS)
def test_keys_differ_where_readings_do_and_their_places_where_device_or_time_do(one: Reading, other: Reading) -> None:
    for key in (key_everywhere, key_here):
        if (one.device, one.observed_at) != (other.device, other.observed_at):
            assert key(one)[0] != key(other)[0]
            assert key(one)[1] != key(other)[1]
        corrected = msgspec.structs.replace(one, values={**one.values, "more": 1.0})
        assert key(corrected)[0] == key(one)[0]
        assert key(corrected)[1] != key(one)[1]


@given(st.lists(st.tuples(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1)), max_size=50))
def test_keys_come_out_of_their_bytes_as_they_went_in(keys: list[tuple[int, int]]) -> None:
    assert len(packed(keys)) == KEY_BYTES * len(keys)
    assert unpacked(packed(keys)) == keys


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3)), max_size=60), st.integers(1, 30), st.integers(1, 20))
def test_what_others_took_is_remembered_as_if_it_had_come_here(
    keys: list[tuple[int, int]], most: int, at_once: int
) -> None:
    """The newest are known, whichever way they came, and never more than the limit."""
    told = Recent(most)
    for at in range(0, len(keys), at_once):
        told.learn(keys[at : at + at_once])
        assert len(told) <= max(2, most)
    last: dict[int, int] = {}
    for place, content in keys:
        last.pop(place, None)
        last[place] = content
    for place, content in list(last.items())[-max(1, most // 2) :]:
        assert told.knows((place, content))
