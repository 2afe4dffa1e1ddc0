"""What a store's URL may say."""

from __future__ import annotations

import sqlite3

import pytest

from oakum.errors import UsageError
from oakum.store.open import open_store, sqlite_path


def library(url, **words):
    return open_store(url, **words)._connection.library.name


def test_which_library_opens_a_file():
    assert library("sqlite:///work.db") == library("sqlite:///work.db?library=apsw") == "apsw"
    assert library("sqlite:///work.db?library=sqlite3") == "sqlite3"
    assert library("sqlite:///work.db?library=sqlite3", alone=True) == "apsw"


def test_an_option_is_no_part_of_the_name():
    assert sqlite_path("sqlite:////var/lib/work.db?library=sqlite3") == "/var/lib/work.db"
    assert sqlite_path("sqlite:///what%3F.db") == "what?.db"


@pytest.mark.parametrize("options", ["library=mysql", "timeout=5", "library=sqlite3&timeout=5"])
def test_what_is_no_option_is_told(options):
    with pytest.raises(UsageError, match=f"'{options}' is none of its options; there are library=sqlite3"):
        open_store(f"sqlite:///work.db?{options}")


def test_a_file_needs_a_name():
    with pytest.raises(UsageError, match="names no file"):
        open_store("sqlite:///?library=sqlite3")


def test_a_library_that_is_too_old_is_told(monkeypatch):
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 26, 0))
    with pytest.raises(UsageError, match=r"library=sqlite3: this Python's SQLite is .*, 3\.35\.5 is needed"):
        open_store("sqlite:///work.db?library=sqlite3")
