"""A few hand-made valid frames of every protocol, for the laws that all codecs meet (`test_codecs.py`)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cityhub.testing import Seed
from cityhub.testing.codecs import made
from hub.ports import Codec

_PUMP = str(Path(__file__).with_name("pump.toml"))


def _forwarded(items: bytes) -> bytes:
    body = b'{"version":1,"hub":"district-a",' + items + b"}"
    return b"POST / HTTP/1.1\r\nAuthorization: Bearer x\r\nContent-Length: %d\r\n\r\n" % len(body) + body


def _http(body: bytes) -> bytes:
    head = b"POST / HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n"
    return head % len(body) + body


_hex = bytes.fromhex

SEEDS: Mapping[str, Seed] = {
    "jt808": Seed(
        (
            _hex("7e020000250144503762020002000000000000000301dc89d0073d8aa5000c01c8005a26112216000001047d027d010102310109557e"),
            _hex("7e0200401c01000000000172998417380003400000010000000301dc89d0073d8aa5000c01c8005a261122160000527e"),
        ),
        pieces=(
            _hex("7e0704005d0144503762020004000301001c000000000000000301dc89d0073d8aa5000c01c8005a261122160000001c000000000000000301dc89d0073d8aa5000c01c8005a261122160001001c000000000000000301dc89d0073d8aa5000c01c8005a2611221600020b7e"),
            _hex("7e0704203e014450376202000500020001000401001c000000000000000301dc89d0073d8aa5000c01c8005a261122160000001c000000000000000301dc89d0073d8aa5000c01c8005a26112216005c7e"),
            _hex("7e0704203d01445037620200060002000201001c000000000000000301dc89d0073d8aa5000c01c8005a261122160002001c000000000000000301dc89d0073d8aa5000c01c8005a2611221600035a7e"),
            _hex("e70200001c012345678901230008000000000000000301dc89d0073e028aa5000c01c8005a261122160000b3e7"),
            b"(740190311185,1,001,ELOCK,3,529439)", b"$$", b"\x7e", b"\x7e\x7e", b"\xe7", b"(", b")", b"\x7e\x00", b"\xe7\x02\x7e\x7e\x7e", b"x" * 3000,
        ),
        endless=(b"\x7e", b"\xe7", b"("),
    ),
    "gb32960": Seed(
        (
            _hex("232302fe4c54455354303030303030303030303031010025190a1b14020201010301007a00000a1d1e81274355011e199900100500072733a101cf049c30"),
            _hex("232302fe4c5445535430303030303030303030303101001b190a1b14030201010301007a00000a1d1e81274355011e19990010ee"),
        ),
        pieces=(_hex("242407fe4c54455354303030303030303030303031010000a3"), b"noise##noise", b"#", b"$$", _hex("232308fe4c544553543030303030303030303030310100")),
        endless=(b"##", b"$$", _hex("232302fe4c5445535430303030303030303030303101ffff")),
    ),
    "teltonika": Seed(
        (
            _hex("00000000000000260801000001a20244e8fa0048676a68129d6180000c005a09002d000201ef0101422ee00000010000a8fa"),
            _hex("00000000000000291001000001a20244e8fa0048676a68129d6180000c005a09002d00000501000001001000000007000100008a14"),
        ),
        before=_hex("000f333536333037303432343431303133"),
        pieces=(
            _hex("000000000000007d8e02000001a20244e8fa0048676a68129d6180000c005a09002d000000030000000000010010000000070001004e000000000000000900010100000356494e000001a20244e8fa0048676a68129d6180000c005a09002d000000030000000000010010000000070001004e000000000000000900010100000356494e02000033cc"),
            _hex("0038cafe0105000f3335363330373034323434313031330801000001a20244e8fa0048676a68129d6180000c005a09002d000101150300000001"),
            _hex("000000000000000e0c010500000006676574766572010000a4c2"),
            b"\xff", b"\0", b"\0\0\0\0", b"\0\x0f35", b"\x01\0\x0f", bytes(12), b"q" * 9000,
            _hex("00000000000000260801000001a20244e8fa0048676a"),
        ),
        endless=(b"", b"\0\0\0\0\0\0\xff\xff", b"\xff\xff\xca\xfe"),
    ),
    "gt06": Seed(
        (
            _hex("787822221607160f1000cf0225e03f0bd723182c149701cc0075c300933301000002a5f0860d0a"),
            _hex("787822221607160f1000cf0225e03f0bd723182c149701cc0075c300933301000002a5f0860d0a"),
        ),
        before=_hex("78780d01012345678901234500018cdd0d0a"),
        pieces=(
            _hex("78780a13440604000200028f4f0d0a"), _hex("787822221607160f1000cf0225e03f0bd723182c149701cc0075"),
            _hex("787800171710231108290200cc080c4e2fa5640c4e2fa5640d0a"), b"\r\n", b"x", b"yy\x0f\xff",
        ),
        endless=(b"yy\x0f\xff", b"xx\xff", b"x"),
    ),
    "osmand": Seed(
        (
            b"GET /?id=7&timestamp=1377177267&lat=60.0&lon=30.0&speed=10&batt=87 HTTP/1.1\r\nHost: hub\r\n\r\n",
            _http(b"id=7&timestamp=1377177268&lat=60.0&lon=30.0&speed=10&bearing=90"),
        ),
        checked=False,
        junk=b"\x16\x03\x01 no request\r\n\r\n",
        pieces=(
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nid=7\r\n0\r\n\r\n",
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            b"POST / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nbroken\r\n\r\n", b"AAAAAAAAGE", b"T /",
        ),
        endless=(b"GET /?", b"POST / HTTP/1.1\r\nContent-Length: 60000\r\n\r\n", b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"),
        holds_bytes=600_000,
    ),
    "hub": Seed(
        (
            _forwarded(b'"readings":[{"device":"district-a/gauge-1","at":1795334400000000000,"values":{"water_level":3.41},"path":["district-a"],"lon":121.4,"lat":31.2}]'),
            _forwarded(b'"readings":[{"device":"village/gauge-1","at":1795334400000000001,"values":{"water_level":3.4},"path":["village","district-a"]}]'),
        ),
        checked=False,
        junk=b"\x16\x03\x01 no request\r\n\r\n",
        pieces=(
            _forwarded(b'"changes":[{"alert":"district-a/flood@g@t","ordinal":1,"at":1795334400000000000,"rule":"flood","subject":"district-a/g","change":"raised","level":"red","area":"district-a","origin":{"hub":"district-a","ordinal":1,"path":["district-a"]}}]'),
            _forwarded(b'"changes":[1,{}],"readings":[{},[],{"device":"a","at":99999999999999999999999,"values":{},"path":[]}]'),
            _forwarded(b'"changes":[{"alert":"a","ordinal":1,"at":1,"rule":"r","subject":"s","change":"raised","level":"red","evidence":[{"x":1e999,"y":99999999999999999999999}]}]'),
            b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\n[1]", b"GET / HTTP/1.1\r\n\r\n", b"POST / HTTP/1.1\r\n\r\n", b"AAAAAAAAGE", b"T /",
        ),
        endless=(b"POST / HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n", b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"),
        options={"hub": "city"},
        holds_bytes=5_000_000,
    ),
    "hj212": Seed(
        (
            b"##0118QN=20240501130000123;ST=22;CN=2061;PW=123456;MN=S1;Flag=5;CP=&&DataTime=20240501120000;a34004-Avg=35.5,a34004-Flag=N&&8801\r\n",
            b"##0118QN=20240501130000123;ST=22;CN=2061;PW=123456;MN=S1;Flag=5;CP=&&DataTime=20240501120000;a34004-Avg=35.5,a34004-Flag=N&&8801\r\n",
        ),
        pieces=(b"##0300QN=20240501130000123;ST=22;", b"##0010QN=2024050113;CP=&&&&8801\r\n", b"##0101QN=CP=&&", b"##", b"\r\n", b"0000\r\n"),
        endless=(b"##9999QN=1;", b"##"),
    ),
    "sl651": Seed(
        (
            _hex("7e7e010012345678123432002b020003240501080000f1f1001234567848f0f02405010800201900012526190031963923000289603812131203208c"),
            _hex("01303130303132333435363738313233343332303033340230303033323430353031303830303030205354203030313233343536373820482054542032343035303130383030205a20312e300334383942"),
        ),
        pieces=(
            _hex("7e7e0100123456781234360020160030010003240501080000f1f1001234567848f0f02405010800f3f3ffd8ffe0173087"),
            _hex("7e7e010012345678123436000816003002010203040517639d"), _hex("7e7e010012345678123436000516003003ffd903b2c7"),
            b"\x7e", b"\x01", b"\x01" + b"0" * 20, _hex("7e7e010012345678123432002b02000324050108"),
        ),
        endless=(b"\x7e\x7e", b"\x01", _hex("7e7e010012345678123432ffff02")),
    ),
    "gb26875": Seed(
        (
            _hex("404001000101203a091a090c790300000000385b0100000030000202010101280a0002000200c8fdb2e3d7dfc0c80000000000000000000000000000000000000000000000023a091a090c1e2323"),
            _hex("404001000101203a091a090c790300000000385b0100000030000202010101280a0002000200c8fdb2e3d7dfc0c80000000000000000000000000000000000000000000000023a091a090c1e2323"),
        ),
        pieces=(b"@", b"@@", _hex("404001000101203a091a090c790300000000385b01000000300002"), b"##"),
        endless=(b"@@", b"@"),
    ),
    "ais": Seed(
        (
            b"!AIVDM,1,1,,B,15M67FC000G?ufbE`FepT@3n00Sa,0*5C\r\n",
            b"!AIVDM,1,1,,A,15NPOOPP00o?b=bE`UNv4?w428D;,0*24\r\n",
        ),
        junk=b"no sentence\r\n",
        pieces=(
            b"!AIVDM,2,1,4,A,55O0W7`00001L@gCWGA2uItLth@DqtL5@F22220j1h742t0Ht0000000,0*08\r\n", b"!AIVDM,2,2,4,A,000000000000000,2*20\r\n",
            b"$GPRMC,1*00\n", b"!AIVDM,1,1,,B,,0*25\r\n", b"!AIVDM,1,1,,B,15M67FC000", b"\\s:", b"\\g:1-2-7*55\\", b"y" * 1500, b"\n",
        ),
        endless=(b"!AIVDM,", b"\\s:"),
    ),
    "nmea0183": Seed(
        (
            b"$GPRMC,123519,A,4807.038,N,01131.000,E,022.4,084.4,230394,003.1,W*6A\r\n",
            b"$GPRMC,123520,A,4807.038,N,01131.000,E,022.4,084.4,230394,003.1,W*60\r\n",
        ),
        junk=b"no sentence\r\n",
        pieces=(b"$GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,*47\r\n", b"\\s:x*00\\", b"$GPGGA,1", b"z" * 1500, b"\r\n"),
        endless=(b"$GPRMC,", b"\\s:"),
    ),
    "json": Seed(
        (
            b'{"device":"a","time":"2026-11-22T08:00:00Z","values":{"ph":7}}\n',
            b'{"device":"b","time":"2026-11-22T08:00:00Z","values":{"ph":6.5}}\n',
        ),
        checked=False,
        junk=b"no json\n",
        pieces=(b'{"device":\n', b'[{"device":"b","values":{"ph":"x"}}]\n', b"\r\n\n", b"[[[["),
        endless=(b'{"device":"', b"["),
        holds_bytes=1_200_000,
    ),
    "senml-json": Seed(
        (b'[{"n":"a/ph","v":7,"bt":1.7e9}]\n', b'[{"bn":"b/","n":"ph","v":6.5,"t":1.7e9}]\n'),
        checked=False,
        junk=b"no json\n",
        pieces=(b'[{"n":"a/ph"}]\n', b"[{", b"\n", b'[{"bver":99}]\n'),
        endless=(b'[{"n":"', b"["),
        holds_bytes=1_200_000,
    ),
    "coap-json": Seed(
        (b'[{"n":"a/ph","v":7,"bt":1.7e9}]\n', b'{"device":"b","time":"2026-11-22T08:00:00Z","values":{"ph":6.5}}\n'),
        checked=False,
        junk=b"no json\n",
        pieces=(b'{"n":"a/ph"}\n', b"[{", b"\n"),
        endless=(b'[{"n":"', b"["),
        holds_bytes=1_200_000,
    ),
    "senml-cbor": Seed(
        (_hex("81a30064612f7068020706fb41d954fc40000000"), _hex("81a30064622f7068020606fb41d954fc40000000")),
        checked=False,
        junk=None,
        pieces=(b"\x81", b"\xff", b"\x9f\xbf", b"\x1b" * 9),
        endless=(b"\x5f\x5a\xff\xff\xff\xff",),
        holds_bytes=1_200_000,
    ),
    "sparkplug": Seed(
        (
            b"spBv1.0/G/NDATA/E\t0880d09392a034120d1001200a6900000000000010401801\n",
            b"spBv1.0/G/NDATA/E\t0881d09392a034120d1001200a6900000000000014401801\n",
        ),
        before=b"spBv1.0/G/NBIRTH/E\t0880d09392a03412190a0a54616e6b2f4c6576656c1001200a690000000000000c401800\n",
        checked=False,
        junk=b"no line of sparkplug\n",
        pieces=(b"spBv1.0/G/NDEATH/E\t", b"spBv1.0/G/DDATA/E/d\t08\n", b"\t\n", b"00"),
        endless=(b"spBv1.0/G/NDATA/E\t",),
        holds_bytes=2_300_000,
    ),
    "modbus-tcp": Seed(
        (_hex("000100000007110304000041bc"), _hex("000200000007110304000041bd")),
        before=_hex("000100000006110300640002000200000006110300640002"),
        checked=False,
        junk=b"junkjunk",
        pieces=(_hex("000100000009010306001100110011"), _hex("000200000003018302"), _hex("00030000000611030064000a")),
        endless=(_hex("0001000000ff1103"),),
        options={"map": _PUMP},
        junk_bytes=1_000_000,
    ),
    "modbus-rtu": Seed(
        (_hex("110304000041bcda13"), _hex("110304000041bcda13")),
        before=_hex("1103006400028744"),
        junk=b"\x00\x00\x00",
        pieces=(_hex("1103006b0003"), b"\x11\x2b", b"\x05", _hex("0a8102")),
        endless=(_hex("1110000100ff"),),
        options={"map": _PUMP},
        junk_bytes=1_000_000,
    ),
}  # fmt: skip


def make(protocol: str) -> Codec:
    """A new codec, with the options of its seed."""
    return made(protocol, SEEDS[protocol])
