"""Ring 1 in a process of its own: peaks that are exact, a limit that malloc meets, a child that says when it cannot keep one."""

from __future__ import annotations

import subprocess
import sys

HEAD = """
import mmap
from oakum.run.child.gauge import Gauge
MIB = 1 << 20
gauge, kept = Gauge(), []
assert gauge.ring1 == "", gauge.ring1

def block(mib): return bytearray(b"x" * MIB) * mib
def job(work, limit=0):
    declined = gauge.arm(limit * MIB, 8 * MIB)
    if declined: return declined
    work()
    return tuple(size if size is None else round(size / MIB) for size in gauge.finish())
"""


def said(code: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", HEAD + code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_each_job_has_the_peak_that_is_its_own() -> None:
    peaks = said("for mib in (60, 2, 30, 0): print(job(lambda: block(mib))[0])")
    for seen, expected in zip(map(int, peaks), (60, 2, 30, 0), strict=True):
        assert expected <= seen <= expected + 2


def test_what_a_job_leaves_behind_is_told_and_not_charged_to_the_next() -> None:
    kept, rest, grown = said(
        "print(job(lambda: kept.append(block(20)))[1])\nprint(job(lambda: None)[0])\nprint(gauge.retained // MIB)"
    )
    assert 20 <= int(kept) <= 22
    assert int(rest) == 0
    assert 19 <= int(grown) <= 22


def test_the_limit_is_what_the_job_may_add_whatever_was_kept_before() -> None:
    assert said(
        """
kept.append(block(100))
gauge = Gauge()
job(lambda: kept.append(block(30)), 50)
print(job(lambda: block(40), 50)[0] // 40)
gauge.arm(50 * MIB, 8 * MIB)
try: block(80); print("had it")
except MemoryError: gauge.disarm(); print("refused", len(block(80)) // MIB)
"""
    ) == ["1", "refused 80"]


def test_a_heap_with_much_free_in_it_declines_a_small_limit() -> None:
    (declined, fine) = said(
        """
job(lambda: None)
pieces = [b"x" * 50_000 for _ in range(1000)]  # below malloc's own threshold for a mapping: they come from the heap
kept.append(pieces[-1])
del pieces  # free, and held by the last of them
gauge._free = gauge._heap.free()
gauge._heap.trim = lambda: None
print(job(lambda: None, 20))
print(job(lambda: None, 1000))
"""
    )
    assert "free inside malloc would hide growth under 20.0 MiB" in declined
    assert fine.startswith("(0")
