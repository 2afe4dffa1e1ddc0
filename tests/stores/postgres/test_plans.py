"""What a statement reads, whatever the planner believes of the table: its statistics are as old as the last look of autovacuum."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from oakum.model.job import Claimed, NewJob
from oakum.testing.conformance.bench import Bench

MANY, FEW = 4000, 10
READ = """
SELECT coalesce(idx_tup_fetch, 0) + seq_tup_read FROM pg_stat_xact_user_tables
WHERE schemaname = $1 AND relname = 'job'
"""


@pytest.fixture
def rows_read(bench: Bench, postgres_store_url: str) -> Callable[[Callable[[], Any]], int]:
    """How many rows of jobs a verb looks at, in a transaction: then its statistics are not sent away meanwhile."""
    schema = postgres_store_url.partition("?schema=")[2]

    def count(verb: Callable[[], Any]) -> int:
        def work(db: Any) -> int:
            before = db.one(READ, (schema,))
            verb()
            return int(db.one(READ, (schema,))[0] - before[0])

        return bench.store._connection.write(work)

    return count


def believe_in_none_but(bench: Bench, state: int) -> None:
    """The planner takes all jobs for being in one state."""

    def work(db: Any) -> None:
        db.run("UPDATE oakum.job SET state = $1, ended = 0, keep_until = 9000000000000000", (state,))
        db.script("ANALYZE oakum.job")

    bench.store._connection.write(work)


def test_a_claim_reads_what_it_takes(bench: Bench, rows_read: Callable[[Callable[[], Any]], int]) -> None:
    bench.plain(MANY)
    believe_in_none_but(bench, 4)
    bench.plain(MANY)
    worker = bench.worker()
    taken: list[Claimed] = []
    assert rows_read(lambda: taken.extend(bench.claim(worker, limit=FEW))) < 10 * FEW
    assert len(taken) == FEW


def test_a_promotion_reads_what_is_due(bench: Bench, rows_read: Callable[[Callable[[], Any]], int]) -> None:
    bench.plain(MANY)
    believe_in_none_but(bench, 4)
    bench.insert(*[NewJob(bench.id(), "t", b"", run_at_ms=bench.later(1)) for _ in range(MANY)])
    bench.clock.advance(1)
    promoted: list[int] = []
    assert rows_read(lambda: promoted.append(bench.store.promote(bench.now, FEW))) < 10 * FEW
    assert promoted == [FEW]


def test_what_expires_is_read_as_it_ends(bench: Bench, rows_read: Callable[[Callable[[], Any]], int]) -> None:
    bench.plain(MANY)
    believe_in_none_but(bench, 4)
    bench.insert(*[NewJob(bench.id(), "t", b"", expires_ms=bench.later(1)) for _ in range(MANY)])
    bench.clock.advance(1)
    expired: list[int] = []
    assert rows_read(lambda: expired.append(bench.store.promote(bench.now, FEW))) < 10 * FEW
    assert expired == [FEW]


def test_pruning_reads_what_is_over(bench: Bench, rows_read: Callable[[Callable[[], Any]], int]) -> None:
    bench.plain(MANY)
    believe_in_none_but(bench, 0)
    over = "UPDATE oakum.job SET state = 4, keep_until = $1::bigint - seq"
    bench.store._connection.write(lambda db: db.run(over, (bench.now.wall_ms,)))
    pruned: list[int] = []
    assert rows_read(lambda: pruned.append(bench.store.prune(bench.now, FEW))) < 10 * FEW
    assert pruned == [FEW]


def test_that_nothing_is_over_is_seen_at_once(bench: Bench, rows_read: Callable[[Callable[[], Any]], int]) -> None:
    bench.plain(MANY)
    believe_in_none_but(bench, 4)

    def scatter(db: Any) -> None:  # jobs are kept for different times, which makes an index look dear
        db.run("UPDATE oakum.job SET keep_until = keep_until + hashint8(seq)")
        db.script("ANALYZE oakum.job")

    bench.store._connection.write(scatter)
    pruned: list[int] = []
    assert rows_read(lambda: pruned.append(bench.store.prune(bench.now, FEW))) < FEW
    assert pruned == [0]
