"""The codec is held to the laws that the hub's own codecs meet."""

from cityhub.testing import CodecLaws, Seed


class TestLaws(CodecLaws):
    protocol = "lpp"
    seed = Seed(
        (b"yard-1,0167010A026873*46\n", b"bus-7,018806765FF2960A0003E80167FFD7*20\n"),
        junk=b"no line at all\n",
        pieces=(b"yard-2,0199*3C\n", b"yard-3,01*"),
        endless=(b"yard-1,",),
    )
