"""Several processes at one file, at once: nothing lost, nothing doubled, whoever dies in between."""

from __future__ import annotations

import signal

from oakum.model.job import JobQuery, State

SECONDS = 60
WORK = """
holder = store.enrol(Identity("host", "boot", 1, os.getpid(), 1), 30_000, now())
want = Want(holder, ("default",), {"t": 1}, 1000, 25)
spec = TaskSpec("t", retry=(RetryRule(1, delay_s=0),))
def take(): return store.claim(want, now())
def finish(jobs, tries=0):
    ends = [settle(job, Completed() if job.tries == tries else Failed("E"), None, spec, now().wall_ms, 0.5) for job in jobs]
    late = store.settle(ends, holder, now())
    assert not late, late
"""
IMPORTS = "from oakum.model.retry import RetryRule\n"


def test_producers_and_workers_lose_nothing_and_double_nothing(bench, start):
    """Every job fails once, so that each is claimed twice, by whom it may be."""
    bench.plain(1, task="other")
    producers = [start("for _ in range(20): store.insert([new() for _ in range(5)], now())") for _ in range(3)]
    workers = [
        start(IMPORTS + WORK + "ended = 0\nwhile ended < 10_000:\n    jobs = take()\n    finish(jobs, 1)\n"
              "    for job in jobs: say(job.id.hex(), job.token)\n    if not jobs and not hear(): break\n")
        for _ in range(3)
    ]  # fmt: skip
    for producer in producers:
        assert producer.wait(SECONDS) == 0, producer.stderr.read()
    seen: list[str] = []
    for worker in workers:
        said, complaint = worker.communicate("\n" * 100_000, timeout=SECONDS)
        assert worker.returncode == 0, complaint
        seen += said.splitlines()
    left = bench.claim(bench.worker())
    assert left == [], "the last worker saw all there was"
    assert bench.counts() == {State.AVAILABLE: 1, State.COMPLETED: 300}
    with bench.store._connection.read() as db:
        counted = dict(db.execute("SELECT state, count(*) FROM job GROUP BY state").fetchall())
    assert counted == bench.counts(), "what is kept beside the jobs is what a full scan finds"
    assert len(seen) == len(set(seen)) == 600, "no claim was given twice"
    tokens = [line.split()[1] for line in seen]
    assert (tokens.count("1"), tokens.count("2")) == (300, 300)


def test_a_worker_that_is_killed_in_between_loses_nothing(bench, start):
    jobs = {job.id for job in bench.plain(300)}
    worker = start(
        IMPORTS
        + WORK
        + "while True:\n    finish(take()); say('some'); held = take(); say(len(held)); hear(); finish(held)\n"
    )
    assert worker.stdout.readline() == "some\n"
    assert worker.stdout.readline() == "25\n"
    worker.send_signal(signal.SIGKILL)
    worker.wait(SECONDS)
    (dead,) = bench.store.holders()
    assert len(bench.store.held(dead.number, 100)) == 25
    assert bench.counts() == {State.COMPLETED: 25, State.RUNNING: 25, State.AVAILABLE: 250}
    assert bench.store.fence(dead.number, dead.lease_until_ms)
    assert {view.id for view in bench.store.jobs(JobQuery(limit=1000)).jobs} == jobs


def test_a_producer_that_is_killed_loses_nothing_that_was_acknowledged(bench, start):
    producers = [
        start("while True:\n    job = new(); store.insert([job], now()); say(job.id.hex())\n") for _ in range(3)
    ]
    acknowledged = []
    for producer in producers:
        acknowledged += [producer.stdout.readline() for _ in range(20)]
    for producer in producers:
        producer.send_signal(signal.SIGKILL)
    for producer in producers:
        acknowledged += [line for line in producer.stdout if line.endswith("\n")]
    there = [bench.store.outcome(bytes.fromhex(line)) for line in acknowledged]
    assert len(there) >= 60
    assert set(there) == {(State.AVAILABLE, None)}
    assert len(acknowledged) <= bench.counts()[State.AVAILABLE] <= len(acknowledged) + 3


def test_processes_that_make_the_file_at_the_same_time_make_one(bench, start):
    processes = [start("hear(); store.insert([new()], now()); say('done')") for _ in range(6)]
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    for process in processes:
        said, complaint = process.communicate(timeout=SECONDS)
        assert said == "done\n", complaint
    assert bench.counts() == {State.AVAILABLE: 6}


def test_a_producer_beside_a_saturated_worker_gets_in(bench, start):
    """While one producer's commit waits its turn, a busy worker commits a few times at most."""
    busy = start(
        "commits = 0\n"
        "while True:\n"
        "    store.pause('q', commits % 2 == 0); commits += 1; open(words[0], 'w').write(str(commits))\n"
        "    if commits == 1: say('on')\n",
        bench.store._connection.path + ".commits",
    )
    assert busy.stdout.readline() == "on\n"
    turns = []
    for _ in range(30):
        before = commits(bench)
        bench.plain(1)
        turns.append(commits(bench) - before)
    assert sorted(turns)[15] <= 5, turns


def commits(bench) -> int:
    with open(bench.store._connection.path + ".commits") as file:
        return int(file.read() or 0)
