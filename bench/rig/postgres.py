"""A PostgreSQL server of the benchmark's own."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
from bench.rig.scene import Scene
from bench.rig.servers import install
from tests.support.postgres import PostgresServer

SEED = 10_000
AS_SHIPPED = ("-c wal_level=replica", "-c max_prepared_transactions=0")  # not as the tests have them

# Copies of what the store's verbs have written, each a second older than the one before, with ids of that time.
_SEED = "CREATE TEMPORARY TABLE seed AS SELECT * FROM oakum.job ORDER BY seq"
_COPY = """
INSERT INTO oakum.job(run_at, queue, task, token, rank, state, tries, id, payload, ended, keep_until, marked, record)
SELECT run_at - %(back)s, queue, task, token, rank, state, tries,
    overlay(replace(id::text, '-', '') PLACING lpad(to_hex(run_at - %(back)s), 12, '0') FROM 1 FOR 12)::uuid,
    payload, ended, keep_until, marked, record FROM seed
"""
_COUNT = """
INSERT INTO oakum.delta SELECT queue, task, state, count(*) * %(copies)s, sum(octet_length(payload)) * %(copies)s
FROM seed GROUP BY queue, task, state
"""


class OwnPostgres:
    """See `bench.rig.servers.Server`. Its settings are those that it comes with: fsync and synchronous_commit are on."""

    def __init__(self, url: str, connection: psycopg.Connection) -> None:
        self.url, self._connection = url, connection
        self.pid = int(self._ask("SELECT split_part(pg_read_file('postmaster.pid'), E'\\n', 1)"))
        version, synced = self._ask("SHOW server_version"), self._ask("SHOW synchronous_commit")
        self.about = f"PostgreSQL {version.split()[0]} with its default settings, synchronous_commit={synced}"

    def fresh(self) -> str:
        self._connection.execute(
            "DROP SCHEMA IF EXISTS oakum CASCADE; DROP SCHEMA public CASCADE; CREATE SCHEMA public"
        )
        return self.url

    def stock(self, one: Scene, rows: int, *, ended: bool) -> None:
        """The first 10,000 by its verbs, and copies of their rows."""
        one.fill(SEED)
        if ended:
            with one.worker() as worker:
                worker.finish()
        copies = rows // SEED - 1
        self._connection.execute(_SEED)
        for copy in range(copies, 0, -1):
            self._connection.execute(_COPY, {"back": copy * 1000})
        self._connection.execute(_COUNT, {"copies": copies})
        self._connection.execute("DROP TABLE seed")

    def settle(self) -> None:
        self._connection.execute("VACUUM ANALYZE")
        self._connection.execute("CHECKPOINT")

    def used(self) -> int:
        return int(self._ask("SELECT pg_database_size(current_database())"))

    def _ask(self, question: str) -> str:
        row = self._connection.execute(question).fetchone()
        assert row is not None
        return str(row[0])


@contextlib.contextmanager
def own_postgres() -> Iterator[OwnPostgres]:
    """Started anew on a free port, ended afterwards."""
    if not list(Path("/usr/lib/postgresql").glob("*/bin/initdb")):
        install("initdb", "postgresql")
    with tempfile.TemporaryDirectory(prefix="oakum-bench-") as directory:
        os.chmod(directory, 0o755)  # it does not serve as root, but as somebody who must get in
        with (
            PostgresServer(Path(directory) / "server", *AS_SHIPPED) as server,
            psycopg.connect(server.url, autocommit=True) as connection,
        ):
            yield OwnPostgres(server.url, connection)
