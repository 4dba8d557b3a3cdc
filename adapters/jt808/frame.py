"""One frame as the protocol sees it: what `cityhub decode` shows, built only when somebody asks."""

from __future__ import annotations

from datetime import tzinfo
from typing import Any

import msgspec

from adapters.jt808 import bodies
from adapters.jt808.wire import Header

_LOCATIONS = frozenset({0x0200, 0x0201, 0x0704})
"""Bodies whose detail shows every byte anyway."""


class Frame(msgspec.Struct, gc=False):
    """Header, body and checksum of one frame; for the last sub-package the body is the whole message's."""

    header: Header
    body: bytes
    zone: tzinfo
    checksum: int
    computed: int
    missing: tuple[int, ...] = ()
    """Numbers of the sub-packages that had not come when this one, the last, did."""
    complete: bool = True
    """Whether `body` is a whole message, not one sub-package of several."""
    serials: tuple[int, ...] = ()
    """Serials of all sub-packages of the message that this frame completes."""

    def detail(self) -> dict[str, Any]:
        """All fields by the names of the standard; hex where it leaves the meaning open."""
        header, terminal = self.header, self.header.terminal
        found: dict[str, Any] = {
            "msg_id": f"0x{header.msg_id:04x}",
            "name": bodies.NAMES.get(header.msg_id, "platform message" if header.msg_id & 0x8000 else "unknown"),
            "body_props": f"0x{header.props:04x}",
            "body_length_declared": header.declared,
            "body_length_actual": len(self.body),
            "encryption": header.encryption,
            "subpackaged": header.subpackaged,
            "version": terminal.edition,
            "terminal_id_bcd": terminal.number,
            "serial": header.serial,
            "checksum": f"{self.checksum:02x}",
            "checksum_ok": self.checksum == self.computed,
        }
        if terminal.version is not None:
            found["protocol_version"] = terminal.version
        if terminal.imei:
            found["imei"] = terminal.imei
        if header.subpackaged:
            found |= {"package_total": header.total, "package_no": header.number, "complete": self.complete}
        if self.missing:
            found["missing"] = list(self.missing)
        if header.msg_id not in _LOCATIONS or not self.complete:
            found["body_hex"] = self.body.hex()
        if self.complete and not header.encryption and self.checksum == self.computed:
            try:
                found |= bodies.read(header.msg_id, self.body, terminal.version is not None, self.zone)
            except bodies.ShortBody as short:
                found["body_error"] = str(short)
        return found
