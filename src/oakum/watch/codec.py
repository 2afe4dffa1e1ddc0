"""Blocks as bytes. Columns are differences, so an idle process is a run of zeros, which costs next to nothing.

A frame is magic, length, CRC-32, and a MessagePack of columns under LZMA. MessagePack gives small numbers one byte.
Strings and entities are written once a file, in the first block that has them; `Names` keeps count.
"""

from __future__ import annotations

import lzma
import struct
import zlib
from array import array
from collections.abc import Iterator
from functools import partial
from itertools import accumulate, groupby, repeat
from operator import sub
from typing import Final

import msgspec

from oakum.errors import CannotRun, UsageError
from oakum.units import KIB, MIB
from oakum.watch.block import Block, OpenBlock, OpenTable, Rows
from oakum.watch.names import Names
from oakum.watch.tables import UNKNOWN, Column, Entity, Table

_MAGIC: Final = b"OAK\x01"
_HEAD: Final = struct.Struct("<4sII")
_VERSION: Final = 1
_LARGEST_PACKED: Final = 16 * MIB
_LARGEST_UNPACKED: Final = 128 * MIB
# A larger dictionary finds nothing more in columns of so few bytes, and the encoder takes eleven times its size.
_FILTERS: Final = [{"id": lzma.FILTER_LZMA2, "preset": 6, "dict_size": 128 * KIB, "pb": 0}]
_BESIDE: Final = ("low", "mean", "high")  # stored as differences from their gauge: mostly zero


class BrokenBlock(CannotRun):
    """A block whose check sum is right but whose contents make no sense: no accident makes it."""


class _TablePart(msgspec.Struct, array_like=True):
    table: Table
    first_new: int
    new: int
    new_numbers: list[msgspec.Raw]
    new_labels: list[list[int]]
    entities: msgspec.Raw
    counts: list[int]
    ticks: msgspec.Raw
    columns: list[msgspec.Raw]  # each is made and read by itself: a block's columns are never all in memory as lists


class _BlockPart(msgspec.Struct, array_like=True):
    version: int
    boot_id: str
    boot_started_ms: int
    step_s: int
    times_ms: msgspec.Raw
    first_new: int
    new_strings: list[str]
    tables: list[_TablePart]
    notes: list[str]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_BlockPart).decode
_decode_list = msgspec.msgpack.Decoder(list[int]).decode


def pack(block: OpenBlock, names: Names) -> bytes:
    """The frame of a block; `names` learns what is new in it."""
    first_new = len(names.strings)
    texts = [names.string(text) for text in block.texts]
    tables = [_pack_table(rows, texts, names) for rows in block.tables.values() if rows.ids]  # learns strings, too
    part = _BlockPart(
        _VERSION,
        block.boot_id,
        round(block.boot_started_s * 1000),
        block.step_s,
        _coded(block.times_ms),
        first_new,
        names.strings[first_new:],
        tables,
        block.notes,
    )
    packed = lzma.compress(_encode(part), lzma.FORMAT_RAW, filters=_FILTERS)
    return _HEAD.pack(_MAGIC, len(packed), zlib.crc32(packed)) + packed


def _pack_table(rows: OpenTable, texts: list[int], names: Names) -> _TablePart:
    name, ids = rows.table.name, names.entity_ids(rows.table.name)
    first_new, new = len(names.entities(name)), [entity for entity in rows.entities if entity not in ids]
    names.learn_entities(name, first_new, new)
    order = sorted(range(len(rows.ids)), key=rows.ids.__getitem__)
    counts = {key: sum(1 for _ in run) for key, run in groupby(map(rows.ids.__getitem__, order))}
    entities = list(rows.entities)
    recorded = dict(zip(rows.table.columns, rows.columns, strict=True))
    known = tuple(column for column, values in recorded.items() if max(values) != UNKNOWN)  # the others are not named
    return _TablePart(
        msgspec.structs.replace(rows.table, columns=known),
        first_new,
        len(new),
        [_coded(list(numbers)) for numbers in zip(*(entity.numbers for entity in new), strict=True)],
        [[names.string(text) for text in labels] for labels in zip(*(entity.labels for entity in new), strict=True)],
        _coded([ids[entities[key]] for key in counts]),
        list(counts.values()),
        _coded([rows.ticks[index] for index in order]),
        [_pack_column(column, recorded, order, texts) for column in known],
    )


def _pack_column(column: Column, recorded: dict[Column, array[int]], order: list[int], texts: list[int]) -> msgspec.Raw:
    values, unit = recorded[column], column.unit
    if column.kind == "text":
        return _coded([texts[values[index]] if values[index] >= 0 else UNKNOWN for index in order])
    if column.kind in _BESIDE:
        gauge = next(values for other, values in recorded.items() if other.name == _gauge(column))
        return msgspec.Raw(_encode([values[index] // unit - gauge[index] // unit for index in order]))
    return _coded([values[index] // unit for index in order])  # UNKNOWN // unit is UNKNOWN


def unpack(packed: bytes, names: Names) -> Block:
    """The block of a frame's contents; `names` learns what is new in it. Raises BrokenBlock, UsageError for a newer format."""
    try:
        plain = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=_FILTERS).decompress(packed, _LARGEST_UNPACKED)
        part = _decode(plain)
    except (lzma.LZMAError, msgspec.DecodeError) as error:
        raise BrokenBlock(f"the archive is broken: {error}") from error
    if part.version > _VERSION:
        raise UsageError("the archive was written by a newer Oakum: read it with that one")
    names.learn(part.first_new, part.new_strings)
    try:
        return Block(
            part.boot_id,
            part.boot_started_ms / 1000,
            part.step_s,
            [time_ms / 1000 for time_ms in _decoded(part.times_ms)],
            [_unpack_table(table, names, len(part.times_ms)) for table in part.tables],
            names.strings,
            part.notes,
        )
    except (IndexError, ValueError) as error:
        raise BrokenBlock(f"the archive is broken: {error}") from error


def _unpack_table(part: _TablePart, names: Names, ticks: int) -> Rows:
    table = part.table
    numbers = zip(*map(_decoded, part.new_numbers), strict=False) if table.numbers else repeat((), part.new)
    texts = ([names.strings[number] for number in column] for column in part.new_labels)
    labels = zip(*texts, strict=False) if table.labels else repeat((), part.new)
    names.learn_entities(table.name, part.first_new, map(Entity, numbers, labels))
    entities = [names.entities(table.name)[number] for number in _decoded(part.entities)]
    stored = {column.name: (column, raw) for column, raw in zip(table.columns, part.columns, strict=True)}
    rows = Rows(table, entities, part.counts, _decoded(part.ticks), partial(_column, stored, sum(part.counts)))
    if len(rows.ticks) != sum(rows.counts) or len(rows.counts) != len(entities) or max(rows.ticks, default=0) >= ticks:
        raise ValueError(f"table {table.name} does not fit together")
    return rows


def _column(stored: dict[str, tuple[Column, msgspec.Raw]], length: int, name: str) -> list[int]:
    """One column in what its name says: bytes, milliseconds."""
    column, raw = stored[name]
    try:
        values = _decode_list(raw) if column.kind in _BESIDE else _decoded(raw)
    except msgspec.DecodeError as error:
        raise BrokenBlock(f"the archive is broken: {error}") from error
    if len(values) != length:
        raise BrokenBlock(f"the archive is broken: {len(values)} figures of {name} for {length} samples")
    if column.kind in _BESIDE:
        unit = column.unit
        gauge = _column(stored, length, _gauge(column))
        return [
            UNKNOWN if value == UNKNOWN else value + beside * unit for value, beside in zip(gauge, values, strict=True)
        ]
    if column.unit == 1:
        return values
    return [UNKNOWN if value < 0 else value * column.unit for value in values]


def _gauge(column: Column) -> str:
    """The gauge that a thinned companion belongs to: "rss" of "rss.low"."""
    return column.name.partition(".")[0]


def _coded(values: list[int]) -> msgspec.Raw:
    """A list as its differences."""
    return msgspec.Raw(_encode(values[:1] + list(map(sub, values[1:], values))))


def _decoded(raw: msgspec.Raw) -> list[int]:
    """What was coded."""
    return list(accumulate(_decode_list(raw)))


def frames(data: bytes) -> Iterator[bytes | int]:
    """The contents of each sound frame of a file; for damage, the number of bytes that are lost with it."""
    start = 0
    while start < len(data):
        packed = _frame_at(data, start)
        if packed is not None:
            yield packed
            start += _HEAD.size + len(packed)
            continue
        after = start + 1
        while (after := data.find(_MAGIC, after)) >= 0 and _frame_at(data, after) is None:
            after += 1
        lost = (len(data) if after < 0 else after) - start
        yield lost
        start += lost


def _frame_at(data: bytes, start: int) -> bytes | None:
    if len(data) - start < _HEAD.size:
        return None
    magic, length, crc = _HEAD.unpack_from(data, start)
    packed = data[start + _HEAD.size : start + _HEAD.size + length]
    sound = magic == _MAGIC and len(packed) == length <= _LARGEST_PACKED and zlib.crc32(packed) == crc
    return packed if sound else None
