"""An old snapshot, a prepared transaction and a slot that nobody reads are told, with what to do; they are real ones."""

from __future__ import annotations

from contextlib import closing

import psycopg
import pytest
from tests.support.postgres import new_schema

from oakum.store.postgres.store import PostgresStore


@pytest.fixture
def at_once(monkeypatch):
    monkeypatch.setattr("oakum.store.postgres.horizon.HELD_S", 0.0)


@pytest.mark.usefixtures("at_once")
def test_an_old_snapshot_is_told_until_it_ends(server):
    with new_schema(server.url) as url, closing(PostgresStore(url)) as store:
        with psycopg.connect(server.url, application_name="horizon-test") as old:
            old.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            old.execute("SELECT 1 FROM pg_class LIMIT 1")
            (told,) = store.warnings()
            pid = old.info.backend_pid
            assert told.startswith(f"session {pid} (horizon-test, idle in transaction) has held its snapshot for ")
            assert told.endswith(f"end it: SELECT pg_terminate_backend({pid})")
        assert store.warnings() == []


@pytest.mark.usefixtures("at_once")
def test_a_transaction_that_has_written_is_told_too(server):
    with new_schema(server.url) as url, closing(PostgresStore(url)) as store:
        with psycopg.connect(server.url) as old:
            old.execute("CREATE TABLE written_by_somebody()")
            assert len(store.warnings()) == 1
            old.rollback()
        assert store.warnings() == []


def test_what_is_young_is_not_told(server):
    with new_schema(server.url) as url, closing(PostgresStore(url)) as store, psycopg.connect(server.url) as young:
        young.execute("SELECT txid_current()")
        assert store.warnings() == []


@pytest.mark.usefixtures("at_once")
def test_prepared_transactions_and_slots_are_told(server, monkeypatch):
    monkeypatch.setattr("oakum.store.postgres.horizon.HELD_BACK", -1)
    with new_schema(server.url) as url, closing(PostgresStore(url)) as store:
        with psycopg.connect(server.url, autocommit=True) as beside:
            beside.execute("SELECT pg_create_logical_replication_slot('nobody_reads', 'test_decoding')")
            beside.execute("BEGIN; CREATE TABLE t(); PREPARE TRANSACTION 'left behind'")
            prepared, slot = store.warnings()
            beside.execute("ROLLBACK PREPARED 'left behind'")
            beside.execute("SELECT pg_drop_replication_slot('nobody_reads')")
        assert "the prepared transaction 'left behind' is open for" in prepared
        assert slot.endswith("SELECT pg_drop_replication_slot('nobody_reads')")
        assert store.warnings() == []
