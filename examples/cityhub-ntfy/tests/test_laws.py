"""The destination is held to the laws of all that deliver by HTTP."""

from cityhub_ntfy import NtfyOptions, NtfySink

from cityhub.plugin import Sink
from cityhub.testing import SinkLaws


class TestLaws(SinkLaws):
    def make(self, url: str) -> Sink:
        return NtfySink(NtfyOptions(url=url, topic="duty"))

    def test_the_level_is_the_priority(self) -> None:
        _, asked = self._deliver(200)
        assert b'"priority":5' in asked.replace(b'": ', b'":')
        assert b'"topic":"duty"' in asked.replace(b'": ', b'":')
