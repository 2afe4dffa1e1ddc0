"""Blocks as bytes. Columns are differences, so an idle process is a run of zeros, which costs next to nothing.

A frame is magic, length, CRC-32, and a MessagePack of columns under LZMA. MessagePack gives small numbers one byte.
Strings and entities are written once a file, in the first block that has them; `Names` keeps count.
"""

from __future__ import annotations

import lzma
import struct
import zlib
from collections.abc import Iterator
from itertools import accumulate, groupby, repeat
from operator import add, sub
from typing import Final, TypeVar

import msgspec

from oakum.errors import UsageError
from oakum.units import KIB, MIB
from oakum.watch.block import Block, OpenBlock, OpenTable, Rows
from oakum.watch.history import UNKNOWN
from oakum.watch.names import Names
from oakum.watch.tables import Column, Entity, Table

_T = TypeVar("_T")

_MAGIC: Final = b"OAK\x01"
_HEAD: Final = struct.Struct("<4sII")
_VERSION: Final = 1
_LARGEST_PACKED: Final = 16 * MIB
_LARGEST_UNPACKED: Final = 128 * MIB
_FILTERS: Final = [{"id": lzma.FILTER_LZMA2, "preset": 6, "dict_size": 512 * KIB, "pb": 0}]
_BESIDE: Final = ("low", "mean", "high")  # stored as differences from their gauge: mostly zero


class BrokenBlock(ValueError):
    """A block whose check sum is right but whose contents make no sense."""


class _TablePart(msgspec.Struct, array_like=True):
    table: Table
    first_new: int
    new: int
    new_numbers: list[list[int]]
    new_labels: list[list[int]]
    entities: list[int]
    counts: list[int]
    ticks: list[int]
    columns: list[list[int]]


class _BlockPart(msgspec.Struct, array_like=True):
    version: int
    boot_id: str
    boot_started_ms: int
    step_s: int
    times_ms: list[int]
    first_new: int
    new_strings: list[str]
    tables: list[_TablePart]
    notes: list[str]


_decode = msgspec.msgpack.Decoder(_BlockPart).decode


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
        _differences(block.times_ms),
        first_new,
        names.strings[first_new:],
        tables,
        block.notes,
    )
    packed = lzma.compress(msgspec.msgpack.encode(part), lzma.FORMAT_RAW, filters=_FILTERS)
    return _HEAD.pack(_MAGIC, len(packed), zlib.crc32(packed)) + packed


def _pack_table(rows: OpenTable, texts: list[int], names: Names) -> _TablePart:
    name, ids = rows.table.name, names.entity_ids(rows.table.name)
    first_new, new = len(names.entities(name)), [entity for entity in rows.entities if entity not in ids]
    names.learn_entities(name, first_new, new)
    order = sorted(range(len(rows.ids)), key=rows.ids.__getitem__)
    counts = {key: sum(1 for _ in run) for key, run in groupby(map(rows.ids.__getitem__, order))}
    entities = list(rows.entities)
    columns: dict[Column, list[int]] = {}
    for column, values in zip(rows.table.columns, rows.columns, strict=True):
        if max(values) == UNKNOWN:
            continue  # never known: not even named
        if column.kind == "text":
            columns[column] = [texts[values[index]] if values[index] >= 0 else UNKNOWN for index in order]
        else:
            unit = column.unit
            columns[column] = [values[index] // unit for index in order]  # UNKNOWN // unit is UNKNOWN
    gauges = {column.name: values for column, values in columns.items()}
    return _TablePart(
        msgspec.structs.replace(rows.table, columns=tuple(columns)),
        first_new,
        len(new),
        [_differences(numbers) for numbers in _turned([entity.numbers for entity in new])],
        [[names.string(text) for text in texts] for texts in _turned([entity.labels for entity in new])],
        _differences([ids[entities[key]] for key in counts]),
        list(counts.values()),
        _differences([rows.ticks[index] for index in order]),
        [
            list(map(sub, values, gauges[_gauge(column)])) if column.kind in _BESIDE else _differences(values)
            for column, values in columns.items()
        ],
    )


def unpack(packed: bytes, names: Names) -> Block:
    """The block of a frame's contents; `names` learns what is new in it. Raises BrokenBlock, UsageError for a newer format."""
    try:
        plain = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=_FILTERS).decompress(packed, _LARGEST_UNPACKED)
        part = _decode(plain)
    except (lzma.LZMAError, msgspec.DecodeError) as error:
        raise BrokenBlock(str(error)) from error
    if part.version > _VERSION:
        raise UsageError("the archive was written by a newer Oakum: read it with that one")
    names.learn(part.first_new, part.new_strings)
    try:
        return Block(
            part.boot_id,
            part.boot_started_ms / 1000,
            part.step_s,
            [time_ms / 1000 for time_ms in accumulate(part.times_ms)],
            [_unpack_table(table, names, len(part.times_ms)) for table in part.tables],
            names.strings,
            part.notes,
        )
    except (IndexError, KeyError) as error:
        raise BrokenBlock(str(error)) from error


def _unpack_table(part: _TablePart, names: Names, ticks: int) -> Rows:
    table = part.table
    numbers = zip(*map(accumulate, part.new_numbers), strict=False) if table.numbers else repeat((), part.new)
    texts = ([names.strings[number] for number in column] for column in part.new_labels)
    labels = zip(*texts, strict=False) if table.labels else repeat((), part.new)
    names.learn_entities(table.name, part.first_new, map(Entity, numbers, labels))
    rows = Rows(
        table,
        [names.entities(table.name)[number] for number in accumulate(part.entities)],
        part.counts,
        list(accumulate(part.ticks)),
        _columns(table, part.columns),
    )
    lengths = {len(rows.ticks), sum(rows.counts), *map(len, rows.columns)}
    if (
        len(lengths) != 1
        or len(rows.counts) != len(rows.entities)
        or not 0 <= min(rows.ticks) <= max(rows.ticks) < ticks
    ):
        raise BrokenBlock(f"table {table.name}: columns of different length")
    return rows


def _columns(table: Table, stored: list[list[int]]) -> list[list[int]]:
    """The columns in what their names say: bytes, milliseconds."""
    plain: dict[str, list[int]] = {}
    for column, values in zip(table.columns, stored, strict=False):
        if column.kind in _BESIDE:
            plain[column.name] = list(map(add, values, plain[_gauge(column)]))
        else:
            plain[column.name] = list(accumulate(values))
    return [
        values if column.unit == 1 else [UNKNOWN if value < 0 else value * column.unit for value in values]
        for column, values in zip(table.columns, plain.values(), strict=True)
    ]


def _gauge(column: Column) -> str:
    """The gauge that a thinned companion belongs to: "rss" of "rss.low"."""
    return column.name.partition(".")[0]


def _differences(values: list[int]) -> list[int]:
    """What `accumulate` turns back."""
    return values[:1] + list(map(sub, values[1:], values))


def _turned(rows: list[tuple[_T, ...]]) -> list[list[_T]]:
    """Columns of rows."""
    return [list(column) for column in zip(*rows, strict=True)]


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
