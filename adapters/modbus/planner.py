"""Which requests read a set of fields: neighbours joined over small gaps, never over a limit. Pure.

A gap may hold an address that the device refuses (exception 2). Then the block is split there for good, and in the end
only the field itself that the device does not have is left out.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from adapters.modbus.registers import Field, Unit

_Span = tuple[str, int, int, Field]
"""Table, first address, address behind the last, field."""


class Block(msgspec.Struct, frozen=True):
    """One request: a range of one table, and the fields inside it."""

    table: str
    address: int
    count: int
    fields: tuple[Field, ...]

    @property
    def text(self) -> str:
        return f"{self.table} {self.address}" + (f"..{self.address + self.count - 1}" if self.count > 1 else "")


def plan(unit: Unit, fields: Iterable[Field], gap: int | None = None) -> list[Block]:
    """The fewest requests for these fields under the unit's limits, by table and address."""
    spans = sorted((span for field in fields for span in _spans(field)), key=lambda one: (one[0], one[1], one[2]))
    allowed = unit.gap if gap is None else gap
    blocks: list[tuple[str, int, int, list[Field]]] = []
    for table, address, end, field in spans:
        limit = unit.bits_max if field.is_bits else unit.registers_max
        # Sixteen bits travel in the room of one register.
        reach = allowed * 16 if field.is_bits else allowed
        if blocks:
            last = blocks[-1]
            if last[0] == table and address - last[2] <= reach and max(end, last[2]) - last[1] <= limit:
                blocks[-1] = (table, last[1], max(end, last[2]), [*last[3], field])
                continue
        blocks.append((table, address, end, [field]))
    return [Block(table, start, end - start, tuple(dict.fromkeys(held))) for table, start, end, held in blocks]


def _spans(field: Field) -> list[_Span]:
    """The ranges a field needs: its own registers, and its scale register where it has one."""
    own = (field.table, field.address, field.address + max(1, field.registers), field)
    if field.scale_register is None:
        return [own]
    return [own, (field.table, field.scale_register, field.scale_register + 1, field)]


def split(unit: Unit, block: Block) -> list[Block]:
    """What to ask instead of a block that the device refused as an illegal address; empty where nothing smaller is left."""
    inside = [field for field in block.fields if any(_within(span, block) for span in _spans(field))]
    for parts in (plan(unit, inside, gap=0), [part for field in inside for part in plan(unit, [field], gap=0)]):
        smaller = [part for part in dict.fromkeys(parts) if part.count < block.count and _within(_extent(part), block)]
        if smaller:
            return smaller
    return []


def _extent(block: Block) -> _Span:
    return block.table, block.address, block.address + block.count, block.fields[0]


def _within(span: _Span, block: Block) -> bool:
    table, start, end, _ = span
    return table == block.table and block.address <= start and end <= block.address + block.count


def halve(unit: Unit, block: Block) -> list[Block]:
    """Two smaller requests for a block that is answered in part: cut between two fields, or inside a text; empty where neither can be."""
    spans = sorted({span[1:3] for field in block.fields for span in _spans(field) if _within(span, block)})
    middle = block.address + block.count / 2
    cuts = [end for _, end in spans if not any(start < end < stop for start, stop in spans)]
    inside = [cut for cut in cuts if block.address < cut < block.address + block.count]
    if inside:
        cut = min(inside, key=lambda one: abs(one - middle))
        parts = ((block.address, cut), (min(start for start, _ in spans if start >= cut), block.address + block.count))
    elif block.count > 1 and all(field.type == "string" for field in block.fields):
        cut = block.address + block.count // 2
        parts = ((block.address, cut), (cut, block.address + block.count))
    else:
        return []
    return [_part(block, start, end) for start, end in parts]


def _part(block: Block, start: int, end: int) -> Block:
    held = [
        field
        for field in block.fields
        if any(table == block.table and first < end and last > start for table, first, last, _ in _spans(field))
    ]
    return Block(block.table, start, end - start, tuple(held))
