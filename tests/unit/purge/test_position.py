"""The kept position: read back as it was, or not at all."""

import os
from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

import pytest

from oakum.errors import CannotRun
from oakum.purge.position import Position

KEYS = [
    (7,), ("it's\na key",), (1.5, 2), (b"\x00\xff",), (UUID(int=5),), (Decimal("1.10"),),
    (datetime(2026, 1, 1, 12, tzinfo=UTC), 4), (date(2026, 1, 1),),
]  # fmt: skip


@pytest.mark.parametrize("key", KEYS)
def test_a_key_comes_back_as_it_was(tmp_path, key):
    Position(tmp_path / "p", "t").save(key)
    back = Position(tmp_path / "p", "t").load()
    assert back == key
    assert [type(part) for part in back] == [type(part) for part in key]


def test_a_shorter_key_overwrites_a_longer_one(tmp_path):
    position = Position(tmp_path / "p", "t")
    position.save(("x" * 9000,))
    position.save((1,))
    assert position.load() == (1,)


def test_saving_again_needs_no_new_room(tmp_path):
    position = Position(tmp_path / "p", "t")
    position.save((1,))
    before = os.stat(tmp_path / "p")
    position.save((10**12,))
    after = os.stat(tmp_path / "p")
    assert (before.st_ino, before.st_size, before.st_blocks) == (after.st_ino, after.st_size, after.st_blocks)


@pytest.mark.parametrize(
    "broken",
    [b"", b"{", b"[]", b'{"about": "t", "key": [["int", "x"]]}', b'{"about": "t", "key": [["os.system", "x"]]}'],
)
def test_a_broken_file_is_no_position(tmp_path, broken):
    (tmp_path / "p").write_bytes(broken)
    assert Position(tmp_path / "p", "t").load() is None


def test_a_key_without_a_text_form_is_not_kept(tmp_path):
    Position(tmp_path / "p", "t").save((object(),))
    assert not (tmp_path / "p").exists()


def test_a_link_in_its_place_is_not_written_through(tmp_path):
    (tmp_path / "victim").write_text("precious")
    (tmp_path / "p").symlink_to(tmp_path / "victim")
    with pytest.raises(CannotRun, match="cannot write the purge's position"):
        Position(tmp_path / "p", "t").save((1,))
    assert (tmp_path / "victim").read_text() == "precious"
