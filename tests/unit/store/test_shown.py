"""What is told of a store."""

from __future__ import annotations

from oakum import Oakum
from oakum.store.shown import address, shown_url


def test_a_store_is_shown_without_its_password():
    assert shown_url("postgresql://anna:secret@db/work") == "postgresql://db/work"
    assert shown_url("sqlite:///work.db") == "sqlite:///work.db"


def test_an_address_says_which_store_it_is_and_nothing_else(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert address("sqlite:///work.db") == address(f"sqlite:///{tmp_path}/work.db") == f"sqlite:///{tmp_path}/work.db"
    assert address("sqlite:///a%20b.db") == f"sqlite:///{tmp_path}/a b.db"
    url = "postgresql://anna:secret@db:5432/work?sslmode=require&schema=jobs&password=secret"
    assert address(url) == "postgresql://db:5432/work?schema=jobs"
    assert address("redis://:secret@db/0?prefix=shop&socket_timeout=3") == "redis://db/0?prefix=shop"


def test_an_application_tells_no_password():
    assert repr(Oakum("redis://anna:secret@db/0")) == "<Oakum redis://db/0, 0 tasks>"
