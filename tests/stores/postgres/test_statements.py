"""How many statements a verb takes: each is a way to the server and back, which a job waits for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from oakum.model.bounds import Rules
from oakum.model.job import DEFAULT_QUEUE
from oakum.store.postgres.db import Db
from oakum.testing.conformance.bench import Bench
from oakum.units import GIB

WEIGHTS = {"t": 1, "u": 1}


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], Any]], list[str]]:
    """What a verb says to the server."""
    run, said = Db.run, []

    def listened(db: Db, text: str, values: tuple = ()) -> int:
        said.append(text)
        return run(db, text, values)

    monkeypatch.setattr(Db, "run", listened)

    def listen(verb: Callable[[], Any]) -> list[str]:
        said.clear()
        verb()
        return list(said)

    return listen


def test_jobs_of_one_task_are_claimed_in_one(bench: Bench, statements) -> None:
    worker = bench.worker()
    assert bench.claim(worker, WEIGHTS, (DEFAULT_QUEUE, "another")) == []  # all names are known
    jobs = bench.plain(3)
    claimed: list[bytes] = []
    said = statements(
        lambda: claimed.extend(job.id for job in bench.claim(worker, WEIGHTS, (DEFAULT_QUEUE, "another")))
    )
    assert (len(said), claimed) == (1, [job.id for job in jobs])


@pytest.mark.parametrize("bound", [None, GIB])
def test_only_a_bounded_store_is_measured_for_an_insert(bench: Bench, statements, bound: int | None) -> None:
    bench.store.declare("store", {"": Rules(max_bytes=bound)})
    bench.plain(1)
    bench.clock.advance(2)
    said = statements(lambda: bench.plain(1))
    assert any("pg_total_relation_size" in text for text in said) is (bound is not None)
