"""What is told of a store."""

from __future__ import annotations

from oakum import Oakum
from oakum.store.shown import shown_url


def test_a_store_is_shown_without_its_password():
    assert shown_url("postgresql://anna:secret@db/work") == "postgresql://db/work"
    assert shown_url("sqlite:///work.db") == "sqlite:///work.db"


def test_an_application_tells_no_password():
    assert repr(Oakum("redis://anna:secret@db/0")) == "<Oakum redis://db/0, 0 tasks>"
