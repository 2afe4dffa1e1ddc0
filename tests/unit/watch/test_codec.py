"""Blocks as bytes: what is written is read, and damage costs no more than what it hit."""

from __future__ import annotations

import lzma
import struct
import zlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oakum.errors import UsageError
from oakum.watch.block import Block, OpenBlock
from oakum.watch.codec import BrokenBlock, frames, pack, unpack
from oakum.watch.names import Names
from oakum.watch.tables import PROCESSES, UNKNOWN, Column, Entity, Table

TABLE = Table("things", ("number",), ("name",), (Column("size", "gauge", 4096), Column("word", "text")))


def block_of(samples: dict[int, list[tuple[str, int, str]]], start_s: float = 1000.0) -> OpenBlock:
    """Ticks of (name, size, word)."""
    block = OpenBlock("boot", 900.0, 60)
    for number, things in samples.items():
        tick = block.tick(start_s + 60 * number)
        for name, size, word in things:
            block.table(TABLE).add(tick, Entity((len(name),), (name,)), (size, block.text(word) if word else UNKNOWN))
    return block


def read_back(block: Block) -> list[tuple[float, str, int, str]]:
    """(time, name, size, word) of every sample, in order of time and name."""
    found = []
    for rows in block.tables:
        sizes = {name: rows.column(name) for name in rows.names}
        for entity, run in rows.runs():
            for index in range(run.start, run.stop):
                word = sizes.get("word", [UNKNOWN] * len(rows.ticks))[index]
                name = "?" if entity is None else entity.labels[0]
                size = sizes.get("size", [UNKNOWN] * len(rows.ticks))[index]
                found.append((block.times_s[rows.ticks[index]], name, size, block.texts[word] if word >= 0 else ""))
    return sorted(found)


things = st.lists(
    st.tuples(
        st.text(max_size=8),
        st.one_of(st.just(UNKNOWN), st.integers(0, 2**40).map(lambda pages: pages * 4096)),
        st.text(max_size=4),
    ),
    max_size=6,
    unique_by=lambda thing: thing[0],
)


@given(st.lists(things, min_size=1, max_size=8))
def test_what_is_written_is_read(samples: list[list[tuple[str, int, str]]]) -> None:
    block = block_of(dict(enumerate(samples)))
    (frame,) = frames(pack(block, Names()))
    assert isinstance(frame, bytes)
    expected = [(1000.0 + 60 * tick, *thing) for tick, found in enumerate(samples) for thing in found]
    read = unpack(frame, Names())
    assert read_back(read) == sorted(expected)
    assert (read.boot_id, read.boot_started_s, read.step_s) == ("boot", 900.0, 60)


def test_figures_are_kept_in_whole_units() -> None:
    (frame,) = frames(pack(block_of({0: [("a", 4096 * 3 + 17, "")]}), Names()))
    assert isinstance(frame, bytes)
    assert read_back(unpack(frame, Names())) == [(1000.0, "a", 4096 * 3, "")]


def test_a_name_is_written_once_a_file() -> None:
    name = "a-very-long-command-line-" * 40
    names = Names()
    first = pack(block_of({0: [(name, 4096, name)]}), names)
    second = pack(block_of({1: [(name, 8192, name)]}), names)
    assert len(second) < len(first) - 30
    reader = Names()
    blocks = [unpack(frame, reader) for frame in frames(first + second) if isinstance(frame, bytes)]
    assert [read_back(block) for block in blocks] == [[(1000.0, name, 4096, name)], [(1060.0, name, 8192, name)]]


def test_a_column_that_was_never_known_takes_no_room() -> None:
    block = OpenBlock("boot", 0.0, 60)
    tick = block.tick(60.0)
    block.table(PROCESSES).add(tick, Entity((1, 2, 0), ("root", "init", "/sbin/init", "")), (4096, *[UNKNOWN] * 7))
    (frame,) = frames(pack(block, Names()))
    assert isinstance(frame, bytes)
    (rows,) = unpack(frame, Names()).tables
    assert [column.name for column in rows.table.columns] == ["rss"]


class TestDamage:
    def pieces(self) -> list[bytes]:
        names = Names()
        return [pack(block_of({number: [(f"n{number}", 4096, "w"), ("same", 8192, "")]}), names) for number in range(3)]

    def read(self, data: bytes) -> tuple[list[list[tuple[float, str, int, str]]], int]:
        """(what each sound block holds, bytes lost)."""
        names, blocks, lost = Names(), [], 0
        for frame in frames(data):
            if isinstance(frame, int):
                lost += frame
            else:
                blocks.append(read_back(unpack(frame, names)))
        return blocks, lost

    def test_a_torn_tail_costs_the_last_block_wherever_it_tears(self) -> None:
        pieces = self.pieces()
        whole, _ = self.read(b"".join(pieces))
        for cut in range(1, len(pieces[2])):
            assert self.read(b"".join(pieces)[:-cut]) == (whole[:2], len(pieces[2]) - cut)

    def test_a_changed_byte_costs_one_block_and_names_that_were_new_in_it(self) -> None:
        pieces = self.pieces()
        whole, _ = self.read(b"".join(pieces))
        for place in range(len(pieces[1])):
            broken = bytearray(pieces[1])
            broken[place] ^= 0x55
            blocks, lost = self.read(pieces[0] + bytes(broken) + pieces[2])
            assert blocks == [whole[0], whole[2]]
            assert lost == len(pieces[1])

    def test_a_file_that_is_no_archive_holds_nothing(self) -> None:
        noise = bytes(range(256)) * 50
        assert self.read(noise) == ([], len(noise))

    def test_contents_that_make_no_sense_are_told_from_damage(self) -> None:
        for plain in (b"", b"\x93\x01", msgspec.msgpack.encode([1, "boot", 0, 60, [0], 0, [], [], []])[:-3]):
            packed = lzma.compress(plain, lzma.FORMAT_RAW, filters=[{"id": lzma.FILTER_LZMA2, "preset": 6}])
            frame = struct.pack("<4sII", b"OAK\x01", len(packed), zlib.crc32(packed)) + packed
            (sound,) = frames(frame)
            assert isinstance(sound, bytes)
            with pytest.raises(BrokenBlock):
                unpack(sound, Names())

    def test_columns_of_different_length_are_refused(self) -> None:
        part = [
            1,
            "boot",
            0,
            60,
            [0, 60],
            0,
            ["a"],
            [[["t", [], ["n"], [["x", "gauge", 1]]], 0, 1, [], [[0]], [0], [2], [0, 1], [[5]]]],
            [],
        ]
        (rows,) = unpack(
            lzma.compress(msgspec.msgpack.encode(part), lzma.FORMAT_RAW, filters=_filters()), Names()
        ).tables
        with pytest.raises(BrokenBlock, match="1 figures of x for 2 samples"):
            rows.column("x")

    def test_a_newer_format_is_named(self) -> None:
        part = [99, "boot", 0, 60, [0], 0, [], [], []]
        with pytest.raises(UsageError, match="newer Oakum"):
            unpack(lzma.compress(msgspec.msgpack.encode(part), lzma.FORMAT_RAW, filters=_filters()), Names())


def _filters() -> list[dict[str, int]]:
    return [{"id": lzma.FILTER_LZMA2, "preset": 6, "pb": 0, "dict_size": 512 * 1024}]
