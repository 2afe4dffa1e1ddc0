"""The application that is measured: tasks that count themselves, and one that takes all the memory it can get."""

from __future__ import annotations

import os
import time

from bench.rig import hits

from oakum import Oakum, cron, every

HOG_BUDGET = "300MiB"
NAP_S = 0.005


def noop() -> None:
    hits.hit()


def late(sent_ns: int) -> None:
    hits.late(sent_ns)


def nap() -> None:
    """Waits as long as a quick answer from elsewhere takes."""
    time.sleep(NAP_S)
    hits.hit()


def spin(rounds: int) -> None:
    """A fixed amount of work."""
    for _ in range(rounds):
        pass
    hits.hit()


def capped() -> None:
    """Keeps a slot as long as its worker runs."""
    time.sleep(3600)


def hog(kind: str, mib: int, lift_ring_1: bool) -> int:
    """Takes `mib` MiB in one of several ways, keeps them for a moment, and answers how many it got."""
    if lift_ring_1:
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    TAKE[kind](mib)
    hits.hit()
    return mib


def take_blocks(mib: int) -> None:
    held = [b"\1" * (1 << 20) for _ in range(mib)]
    time.sleep(0.2)
    del held


def take_at_once(mib: int) -> None:
    held = bytearray(b"\1") * (mib << 20)
    time.sleep(0.2)
    del held


def take_shared(mib: int) -> None:
    import mmap

    with mmap.mmap(-1, mib << 20) as shared:
        for at in range(0, mib << 20, 1 << 20):
            shared[at : at + (1 << 20)] = b"\1" * (1 << 20)
        time.sleep(0.2)


def take_numpy(mib: int) -> None:
    import numpy

    held = numpy.ones(mib << 17)
    time.sleep(0.2)
    del held


def take_elsewhere(mib: int) -> None:
    import subprocess
    import sys

    program = f"import time; held = [b'\\1' * (1 << 20) for _ in range({mib})]; time.sleep(0.2)"
    subprocess.run([sys.executable, "-c", program], check=True)


TAKE = {
    "blocks": take_blocks,
    "at once": take_at_once,
    "shared": take_shared,
    "numpy": take_numpy,
    "elsewhere": take_elsewhere,
}


def application(url: str) -> Oakum:
    """The same tasks on any store."""
    app = Oakum(url)
    app.task(name="noop")(noop)
    app.task(name="late")(late)
    app.task(name="nap")(nap)
    app.task(name="spin", memory="50MiB")(spin)
    app.task(name="hog", memory=HOG_BUDGET)(hog)
    return app


def add_capped(app: Oakum) -> None:
    """One more task, of which one job runs at a time. An application without it has no limits at all."""
    app.task(name="capped", limit=1, timeout="2h")(capped)


def plan(app: Oakum, yearly: int, beats_s: float) -> None:
    """So many schedules that tick once a year, and one that ticks all the time, unless that is 0."""
    noop = app.find_task("noop")
    for number in range(yearly):
        app.schedule(f"yearly report of tenant {number:05}", cron("0 0 1 1 *"), noop.job())
    if beats_s:
        app.schedule("beat", every(beats_s), noop.job(), overlap="allow")


app = application(os.environ.get("BENCH_STORE", "sqlite:///unused.db"))
if "BENCH_CAPPED" in os.environ:
    add_capped(app)
plan(app, int(os.environ.get("BENCH_YEARLY", "0")), float(os.environ.get("BENCH_BEAT_S", "0")))
