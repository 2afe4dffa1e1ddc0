"""Lives of the engine by seed: whatever goes wrong around it, no job is lost, doubled or settled twice.

A life that fails is lived again by its seed: pytest tests/faults/test_simulation.py -k "memory-1234". Thousands more are
in `script/soak lives`, where `--seed 1234 --count 1` lives that one again.
"""

from __future__ import annotations

import contextlib
import random
from collections import Counter
from urllib.parse import urlsplit, urlunsplit

import pytest
from tests.faults.simulation import SPECS, STEPS, Simulation
from tests.support.proxy import Fault, Proxy

from oakum.model.lifecycle import settle
from oakum.model.outcome import Released
from oakum.store.memory import MemoryStore
from oakum.store.open import open_store
from oakum.store.sqlite.store import SqliteStore


@pytest.mark.parametrize("seed", range(150))
def test_a_life_in_memory(seed):
    life = Simulation(seed, MemoryStore())
    life.live(STEPS)
    assert life.finish() == []


@pytest.mark.parametrize("seed", range(1000, 1012))
def test_a_life_in_sqlite(seed, tmp_path):
    with contextlib.closing(SqliteStore(str(tmp_path / "work.db"))) as store:
        life = Simulation(seed, store)
        life.live(STEPS)
        assert life.finish() == []


@pytest.mark.parametrize("seed", range(2000, 2003))
@pytest.mark.parametrize("kind", ["postgres", "redis"])
def test_a_life_beyond_a_line_that_breaks(kind, seed, request):
    """Requests and answers are cut off, one every dozen steps: who hears nothing asks again, and nothing counts twice."""
    parts = urlsplit(request.getfixturevalue(f"{kind}_store_url"))
    user = f"{parts.username}@" if parts.username else ""
    with Proxy(parts.hostname, parts.port) as proxy:
        through = urlunsplit(parts._replace(netloc=f"{user}127.0.0.1:{proxy.port}"))
        luck = random.Random(seed)

        def cut() -> None:
            proxy.do(luck.choice((Fault.CUT_REPLY, Fault.CUT_REPLY, Fault.CUT_REQUEST)), times=1)

        with contextlib.closing(open_store(through)) as store:
            life = Simulation(seed, store, cut)
            life.live(STEPS)
            proxy.do(Fault.NONE)
            assert life.finish() == []
        assert proxy.hits[Fault.CUT_REPLY] > 3
        assert life.store.unanswered > 3


def test_the_same_seed_is_the_same_life():
    one, two = (Simulation(7, MemoryStore()) for _ in range(2))
    for life in (one, two):
        life.live(STEPS)
        assert life.finish() == []
    assert one.hits == two.hits
    assert one.clock.wall() == two.clock.wall()


def test_lives_are_hard():
    """Each kind of trouble strikes in these lives, and more than once."""
    hits = Counter[str]()
    for seed in range(30):
        life = Simulation(seed, MemoryStore())
        life.live(STEPS)
        hits += life.hits
    wanted = {
        "asked again", "cancelled", "retried", "late", "lease lost", "recovered", "clock set",
        "crashed with jobs in hand", "stalled with jobs in hand", "host slept with jobs in hand",
    }  # fmt: skip
    assert {what for what in wanted if hits[what] < 5} == set()


class Forgetful(MemoryStore):
    """A store that settles what is late."""

    def settle(self, settlements, holder, now):
        super().settle(settlements, holder, now)
        return []


class Lenient(MemoryStore):
    """A store that hands jobs out again to whoever asks, while they run."""

    def claim(self, want, now):
        for holder in self.holders():
            if holder.number != want.holder:
                held = self.held(holder.number, 1)
                released = [settle(job, Released(), None, SPECS[job.task], now.wall_ms, 0.5) for job in held]
                super().settle(released, holder.number, now)
        return super().claim(want, now)


@pytest.mark.parametrize("broken", [Forgetful, Lenient])
def test_a_broken_store_is_found_out(broken):
    found = []
    for seed in range(30):
        life = Simulation(seed, broken())
        with contextlib.suppress(AssertionError):
            life.live(STEPS)
            found += life.finish()
    assert found
