"""Codecs of stations, fire panels and plants: frames a second that one core decodes (`feed`), one frame a call and 30 a call.

python -m tests.bench.bench_stations
"""

from __future__ import annotations

from collections.abc import Callable

from adapters.gb26875 import PLUGIN as GB26875
from adapters.hj212 import PLUGIN as HJ212
from adapters.hj212.checksum import crc16
from adapters.modbus import PLUGINS as MODBUS
from adapters.sl651 import PLUGIN as SL651
from hub.ports import Codec, Plugin
from tests.bench.bench_trackers import per_second

AIR = (
    b"QN=20240501130000123;ST=22;CN=2011;PW=123456;MN=010000A8900016F000169DC0;Flag=5;CP=&&DataTime=20240501130000;"
    b"a34004-Rtd=35.5,a34004-Flag=N;a34002-Rtd=60,a34002-Flag=N;a21026-Rtd=8,a21026-Flag=N;a21004-Rtd=31,a21004-Flag=N;"
    b"a05024-Rtd=92,a05024-Flag=N;a21005-Rtd=0.8,a21005-Flag=N&&"
)
FRAMES: dict[str, tuple[Plugin, bytes]] = {
    "hj212, six factors": (HJ212, b"##%04d%b%04X\r\n" % (len(AIR), AIR, crc16(AIR))),
    "sl651, four elements": (
        SL651,
        bytes.fromhex(
            "7e7e011000000006000032002b022f7c221202133716f1f1100000000648f0f0"
            "2212021335201900000026190031963923000289603812131203367c"
        ),
    ),
    "gb26875, device state": (
        GB26875,
        bytes.fromhex("404001000101203a091a090c790300000000385b01000000090005150108023a091a090c452323"),
    ),
    "modbus-tcp, ten registers": (MODBUS[1], bytes.fromhex("000300000017110314") + bytes(20)),
}


def main() -> None:
    for name, (plugin, frame) in FRAMES.items():
        made = plugin.codec
        assert made is not None
        make: Callable[[], Codec] = lambda made=made: made({})  # noqa: E731
        assert not any(message.faults for message in make().feed(frame, 1))
        one, many = per_second(make, frame, 1), per_second(make, frame, 30)
        print(f"{name:<30}{len(frame):>5} bytes {one:>10,.0f} frames/s one by one {many:>10,.0f} frames/s 30 a call")


if __name__ == "__main__":
    main()
