"""What a million stored jobs cost those that come and go."""

from __future__ import annotations

from statistics import mean
from typing import NamedTuple

from bench.measures.served import SINGLES, Stage
from bench.rig.figure import Figure, share
from bench.rig.scene import scene

FEW, MANY = 10_000, 1_000_000
SHARE, SHARE_OF_MORE = 0.8, 0.6  # to be kept at a million, and beyond
TIMED = 0.8  # of the jobs: a few have run before the first is seen, and the last are not to meet an empty store


class _Rates(NamedTuple):
    jobs: float
    many: float
    single: float


def waiting(stage: Stage) -> list[Figure]:
    """Rates with so many jobs waiting in the same queue, beside those with 10,000 of them."""
    return _beside(stage, "waiting", ended=False)


def ended(stage: Stage) -> list[Figure]:
    """Rates with so many ended jobs kept, beside those with 10,000 of them."""
    return _beside(stage, "ended", ended=True)


def _beside(stage: Stage, what: str, *, ended: bool) -> list[Figure]:
    """10,000 first and last: whatever else changed meanwhile is in their mean."""
    first, *found, last = [_rates(stage, rows, ended=ended) for rows in (FEW, *stage.rows, FEW)]
    few = _Rates(*(mean(pair) for pair in zip(first, last, strict=True)))
    return [figure for rows, many in zip(stage.rows, found, strict=True) for figure in _figures(rows, what, many, few)]


def _figures(rows: int, what: str, many: _Rates, few: _Rates) -> list[Figure]:
    goal = share(SHARE if rows <= MANY else SHARE_OF_MORE)
    names = f"jobs at {rows:,} {what}", f"enqueue_many at {rows:,} {what}", f"enqueue at {rows:,} {what}"
    note = f"against: at {FEW:,}"
    return [
        Figure(name, "1/s", value, against, goal, note) for name, value, against in zip(names, many, few, strict=True)
    ]


def _rates(stage: Stage, rows: int, *, ended: bool) -> _Rates:
    with scene(url=stage.server.fresh()) as one:
        stage.server.stock(one, rows, ended=ended)
        stage.server.settle()
        many, single = one.fill(stage.jobs), one.fill_singly(SINGLES)
        with one.worker() as worker:
            pace = worker.run(int(stage.jobs * TIMED))
    return _Rates(pace.rate, many, single)
