"""What the machine itself can give: the design's loop with no engine around it, and a bare writer of rows.

The loop claims 512 jobs in SQL, hands them to two forked children as MessagePack frames over socket pairs, takes each
job's memory peak by clear_refs and VmHWM, and settles 512 in one commit: WAL, synchronous=FULL. It knows no task,
no limit, no lease, no failure, no retry, and answers nobody.
"""

from __future__ import annotations

import os
import select
import socket
import tempfile
import time
from collections.abc import Iterator
from typing import Any

import apsw
import msgspec

BATCH = 512
FRAME = 64
SLOTS = 2

SCHEMA = """
CREATE TABLE job(seq INTEGER PRIMARY KEY, id BLOB NOT NULL, task INTEGER NOT NULL, state INTEGER NOT NULL,
    rank INTEGER NOT NULL, run_at INTEGER NOT NULL, payload BLOB NOT NULL, token INTEGER NOT NULL, holder INTEGER,
    ended INTEGER, record BLOB);
CREATE UNIQUE INDEX job_id ON job(id);
CREATE INDEX job_ready ON job(task, rank, run_at) WHERE state = 0;
"""
INSERT = "INSERT INTO job(id, task, state, rank, run_at, payload, token) VALUES(?, 1, 0, 0, ?, ?, 0)"
READY = "SELECT seq, payload FROM job WHERE state = 0 AND task = 1 ORDER BY rank, run_at LIMIT ?"
TAKE = "UPDATE job SET state = 1, holder = 1, token = token + 1 WHERE seq = ?"
SETTLE = "UPDATE job SET state = 3, holder = NULL, ended = ?, record = ? WHERE seq = ? AND token = 1 AND holder = 1"
PAYLOAD = b"\x90"  # a call without arguments

encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder().decode
Row = tuple[bytes, int, bytes]


def connect(path: str) -> apsw.Connection:
    """A new database, durable as Oakum's is."""
    db = apsw.Connection(path)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA wal_autocheckpoint = 4000")
    db.execute(SCHEMA)
    db.execute("PRAGMA synchronous = FULL")
    return db


def rows(count: int) -> Iterator[Row]:
    """Jobs as they would come from a producer."""
    now_ms = int(time.time() * 1000)
    return ((now_ms.to_bytes(6, "big") + os.urandom(10), now_ms, PAYLOAD) for _ in range(count))


def insert_rate(path: str, count: int, batch: int) -> float:
    """Rows a second, `batch` in a commit."""
    db = connect(path)
    began = time.perf_counter()
    for first in range(0, count, batch):
        batch_rows = list(rows(min(batch, count - first)))
        with db:
            db.executemany(INSERT, batch_rows)
    seconds = time.perf_counter() - began
    db.close()
    return count / seconds


def commit_times_ms(path: str, rate: float, count: int) -> list[float]:
    """How long single inserts with their commits take, at a leisurely `rate` a second, in order of size."""
    db = connect(path)
    times = []
    for row in rows(count):
        time.sleep(1 / rate)
        began = time.perf_counter()
        db.execute(INSERT, row)
        times.append((time.perf_counter() - began) * 1000)
    db.close()
    return sorted(times)


def loop_rate(path: str, count: int) -> tuple[float, float]:
    """Jobs a second through the loop, from the first claim to the last settle, and processor microseconds for each."""
    db = connect(path)
    with db:
        db.executemany(INSERT, rows(count))
    db.close()  # no connection crosses a fork
    children = [_fork() for _ in range(SLOTS)]
    db = apsw.Connection(path)
    db.execute("PRAGMA synchronous = FULL")
    try:
        began, cpu = time.perf_counter(), time.process_time()
        _loop(db, [line for line, _ in children], count)
        rate, cpu = count / (time.perf_counter() - began), time.process_time() - cpu
    finally:
        db.close()
        for line, _ in children:  # all of them first: a later child holds the earlier ones' lines too
            line.close()
        for _, pid in children:
            usage = os.wait4(pid, 0)[2]
            cpu += usage.ru_utime + usage.ru_stime
    return rate, cpu / count * 1e6


def _loop(db: apsw.Connection, lines: list[socket.socket], count: int) -> None:
    poll = select.epoll()
    by_fd = {line.fileno(): line for line in lines}
    for fd in by_fd:
        poll.register(fd, select.EPOLLIN)
    done: list[tuple[int, bytes, int]] = []
    settled = handed = 0
    while settled < count:
        while handed - settled - len(done) < SLOTS * BATCH and (jobs := _claim(db)):
            for place, first in enumerate(range(0, len(jobs), FRAME)):
                lines[place % SLOTS].send(encode(jobs[first : first + FRAME]))
            handed += len(jobs)
        while len(done) < min(BATCH, handed - settled):
            for fd, _ in poll.poll():
                done += decode(by_fd[fd].recv(1 << 17))
        with db:
            db.executemany(SETTLE, done)
        settled += len(done)
        done.clear()


def _claim(db: apsw.Connection) -> list[Any]:
    with db:
        jobs = db.execute(READY, (BATCH,)).fetchall()
        db.executemany(TAKE, [(seq,) for seq, _ in jobs])
    return jobs


def _fork() -> tuple[socket.socket, int]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    pid = os.fork()
    if pid:
        theirs.close()
        return ours, pid
    try:
        ours.close()
        _run(theirs)
    finally:
        os._exit(0)


def _run(line: socket.socket) -> None:
    """A child: runs no-ops, and measures the peak of each."""
    status, refs = os.open("/proc/self/status", os.O_RDONLY), os.open("/proc/self/clear_refs", os.O_WRONLY)
    while frame := line.recv(1 << 17):
        answers = []
        for seq, payload in decode(frame):
            os.write(refs, b"5")
            value = _noop(*decode(payload))
            text = os.pread(status, 2048, 0)
            peak = int(text[text.index(b"VmHWM:") + 6 :].split(None, 1)[0])
            answers.append((int(time.time() * 1000), encode((peak, value)), seq))
        line.send(encode(answers))


def _noop() -> None:
    pass


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="oakum-bench-") as directory:
        print(f"loop         {loop_rate(f'{directory}/loop.db', 100_000)[0]:9,.0f} jobs/s with {SLOTS} children")
        print(f"insert 1,000 {insert_rate(f'{directory}/many.db', 200_000, 1000):9,.0f} rows/s")
        print(f"insert one   {insert_rate(f'{directory}/one.db', 1_000, 1):9,.0f} rows/s")


if __name__ == "__main__":
    main()
