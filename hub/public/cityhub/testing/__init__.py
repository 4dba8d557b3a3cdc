"""The laws of codecs, destinations and stores as test classes, for packages of other hands. Needs pytest and hypothesis: `pip install cityhub[testing]`.

A codec in three lines:

    class TestLaws(CodecLaws):
        protocol = "lora-bin"
        seed = Seed((b"tank-1 0102\\n", b"tank-2 0304\\n"), checked=False, junk=b"junk\\n")
"""

from cityhub.testing.codecs import CodecLaws, Seed
from cityhub.testing.messages import decoded, detail, seen
from cityhub.testing.packs import check_pack
from cityhub.testing.sinks import SinkLaws
from cityhub.testing.stores import StoreLaws

__all__ = ["CodecLaws", "Seed", "SinkLaws", "StoreLaws", "check_pack", "decoded", "detail", "seen"]
