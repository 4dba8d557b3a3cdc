"""Payloads of the format's own description, and the frost point."""

import pytest
from cityhub_lpp.codec import LppCodec
from cityhub_lpp.figures import FROST_POINT

from cityhub.plugin import NoOptions, Position
from cityhub.testing import decoded


def test_temperature_and_humidity() -> None:
    (message,) = decoded(LppCodec(NoOptions()), [b"yard-1,0167010A026873*46\n"], 7)
    (reading,) = message.readings
    assert (reading.device, reading.observed_at) == ("lpp:yard-1", 7)
    assert reading.values == {"air_temperature": 26.6, "relative_humidity": 57.5}


def test_a_place_and_a_temperature_below_zero() -> None:
    (message,) = decoded(LppCodec(NoOptions()), [b"bus-7,018806765FF2960A0003E80167FFD7*20\n"])
    assert message.readings[0].position == Position(-87.9094, 42.3519, 10.0)
    assert message.readings[0].values == {"air_temperature": -4.1}


def test_a_type_that_is_not_known_is_said() -> None:
    (message,) = decoded(LppCodec(NoOptions()), [b"yard-2,0199*3C\n"])
    assert not message.readings
    assert "type 0x99" in message.faults[0].detail


@pytest.mark.parametrize(("temperature", "humidity", "point"), [(0.0, 100.0, 0.0), (-10.0, 80.0, -11.4)])
def test_the_frost_point(temperature: float, humidity: float, point: float) -> None:
    assert FROST_POINT.function(temperature, humidity) == pytest.approx(point, abs=0.1)
