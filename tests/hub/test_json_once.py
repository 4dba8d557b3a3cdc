"""A key that stands twice in one object is said, at every door and in every file: the last value won in silence."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.json import decode_native, read_map
from adapters.osmand.codec import OsmandCodec, OsmandCodecOptions
from adapters.senml.codec import decode_any_json, decode_json
from hub.api.endpoint import decoded
from hub.api.problem import Problem
from hub.api.questions import Act, Nothing
from hub.inventories import read_openstreetmap
from hub.json_once import Repeated, RepeatedKey, decode, key_repeated, loads
from hub.model import FaultKind
from hub.registry import load_registry

documents = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(documents, st.booleans())
def test_what_names_no_key_twice_is_read_as_ever(document: Any, ascii: bool) -> None:
    data = json.dumps(document, ensure_ascii=ascii).encode("utf-8", "surrogatepass")
    try:
        data.decode()
    except UnicodeDecodeError:
        return
    assert decode(data) == document == loads(data.decode())
    assert key_repeated(data) is None


@given(st.text(max_size=5), documents, documents, st.sampled_from(["", " ", "\n"]))
def test_a_key_that_stands_twice_is_found_however_it_is_written(key: str, one: Any, other: Any, blank: str) -> None:
    name = json.dumps(key)
    inner = f"{{{name}{blank}:{json.dumps(one)},{name}:{json.dumps(other)}}}"
    data = f'[{{"beside": [{inner}]}}]'.encode()
    found = decode(data)[0]["beside"][0]
    assert isinstance(found, Repeated)
    assert found.keys_repeated == (json.loads(name),)
    assert key_repeated(data) == json.loads(name)
    with pytest.raises(RepeatedKey):
        loads(data.decode())


def told(message: Any) -> tuple[list[Any], list[str]]:
    return [(r.device, r.values) for r in message.readings], [fault.detail for fault in message.faults]


@pytest.mark.parametrize(
    ("payload", "kept", "why"),
    [
        ('{"device": "a", "values": {"pm25": 1}, "values": {"pm25": 2}}', [], "values"),
        ('{"device": "a", "device": "b", "values": {"pm25": 2}}', [], "device"),
        ('{"device": "a", "values" : {"pm25": 1, "no2": 2, "pm25": 3}}', [("a", {"no2": 2.0})], "pm25"),
        ('{"device": "a", "values": {"pm25": 1}, "marks": {"pm25": "fault", "pm25": "manual"}}', [("a", {"pm25": 1.0})], "pm25"),
        ('[{"device": "b", "values": {"pm25": 4}}, {"device": "a", "values": {"pm25": 1}, "lon": 1, "lat": 2, "lon": 3}]', [("b", {"pm25": 4.0})], "lon"),
        ('{"device": "a", "values": {"name": "say \\"x\\": y", "pm25": 1}}', [("a", {"name": 'say "x": y', "pm25": 1.0})], ""),
    ],
)  # fmt: skip
def test_a_reading_that_says_something_twice(payload: str, kept: list[Any], why: str) -> None:
    readings, faults = told(decode_native(payload.encode(), 1))
    assert readings == kept
    assert len(faults) == bool(why)
    assert all(why in detail and "stands twice" in detail for detail in faults)


def test_other_doors() -> None:
    pack = b'[{"bn": "a:", "n": "pm25", "v": 1, "v": 2, "u": "ug/m3"}]'
    for read in (decode_json, decode_any_json):
        readings, faults = told(read(pack, 1))
        assert (readings, len(faults)) == ([], 1)
        assert "'v' stands twice" in faults[0]
    found = read_map({"device": "{dev}", "values": {"pm25": "data.pm"}})
    assert told(found.decode(b'{"dev": "a", "data": {"pm": 3}, "rssi": 1, "rssi": 2}', 1))[0] == [("a", {"pm25": 3.0})]
    message = found.decode(b'{"dev": "a", "data": {"pm": 3, "pm": 4}}', 1)
    assert message.readings == []
    assert [fault.kind for fault in message.faults] == [FaultKind.SYNTAX]
    body = b'{"device_id": "a", "device_id": "b", "location": {"coords": {"latitude": 1, "longitude": 2}}}'
    request = b"POST / HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    [message] = OsmandCodec(OsmandCodecOptions()).feed(request, 1)
    assert not message.readings
    assert "stands twice" in message.faults[0].detail
    with pytest.raises(Problem, match="'note' twice"):
        decoded(b'{"note": "a", "note": "b"}', Act)


def test_a_body_whose_fields_are_passed_over_is_read_all_the_same() -> None:
    """What takes no fields reads none of them; looking for keys must not fail over what stands there."""
    assert decoded(b'{"from": %s}' % (b"9" * 5_000), Nothing) == Nothing()
    with pytest.raises(Problem, match="'from' twice"):
        decoded(b'{"from": %s, "from": 1}' % (b"9" * 5_000), Nothing)
    with pytest.raises(Problem) as refused:
        decoded(b'{"from": "\xc0\x80"}', Nothing)
    assert refused.value.status_code == 400


def test_files(tmp_path: Path) -> None:
    zone = '{"type": "Feature", "properties": {"zone": "a",\n "kind": "park", "kind": "road"}, "geometry": {"type": "Polygon", "coordinates": [[[1, 1], [2, 1], [2, 2], [1, 1]]]}}'
    (tmp_path / "zones.geojson").write_text(f'{{"type": "FeatureCollection", "features": [\n{zone}]}}')
    (tmp_path / "devices.csv").write_text("device,kind\n")
    [mistake] = [one for one in load_registry(tmp_path)[1] if "zones" in one.file]
    assert (mistake.line, mistake.message) == (3, "the key 'kind' stands twice in one object")
    with pytest.raises(ValueError, match="stands twice"):
        read_openstreetmap('{"elements": [], "elements": []}', {})


def test_the_mark_that_editors_put_first_is_no_part_of_the_document() -> None:
    assert decode(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}
    assert decode(b'\xef\xbb\xbf{"a": NaN, "a": 1}').keys_repeated == ("a",)


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        (b"", "it is empty"),
        (b" \n", "it is empty"),
        (b"<html>502 Bad Gateway</html>", "it is HTML or XML, and begins with '<html>502 Bad Gatewa'"),
        (b'{"device": "g", "val', "it breaks off after"),
        (b'{"device": "g" "values": 1}', "Expecting ',' delimiter at character 16, where '\"values\": 1}' stands"),
        (b"device=g", "Expecting value at character 1, where 'device=g' stands"),
        (b"\x1f\x8b", "it is packed by gzip"),
    ],
)
def test_what_is_no_json_is_told_by_what_stands_there(payload: bytes, why: str) -> None:
    """It was told in a library's words: "Expecting value: line 1 column 1 (char 0)"."""
    with pytest.raises(ValueError, match=re.escape(why)):
        decode(payload)
