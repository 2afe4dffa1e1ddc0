"""What is memory:// alone: it belongs to one process, and says so."""

from __future__ import annotations

import os

import pytest

from oakum.errors import StoreError
from oakum.store.memory import MemoryStore
from oakum.store.open import open_store


def test_a_url_opens_a_store_of_its_own_each_time():
    one, other = open_store("memory://"), open_store("memory://")
    one.pause("q", True)
    assert (one.paused(), other.paused()) == ({"q"}, frozenset())


def test_a_forked_child_is_told_that_it_has_no_part_in_it(monkeypatch):
    store = MemoryStore()
    monkeypatch.setattr(os, "getpid", lambda: -1)
    with pytest.raises(StoreError, match="forked from; use sqlite:///"):
        store.counts()


def test_it_claims_no_durability():
    assert "ends with the process" in MemoryStore().durability
