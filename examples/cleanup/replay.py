"""Replays the incident: fills a database, runs a worker and both clean-ups, and says how each one ended.

cd examples/cleanup && python replay.py [SESSIONS]
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta


def main(sessions: int) -> None:
    with tempfile.TemporaryDirectory() as directory:
        os.environ["CLEANUP_DATABASE"] = f"{directory}/cleanup.db"
        os.environ["CLEANUP_STORE"] = f"sqlite:///{directory}/work.db"
        import jobs

        print(f"{sessions:,} sessions are old, each with a command; each job may add {jobs.MEMORY} to its process")
        fill(sessions)
        with worker():
            for task in (jobs.clean_naively, jobs.clean):
                tell(jobs.app, task, jobs.expired)
        jobs.app.close()


def fill(sessions: int) -> None:
    """Sessions of a hundred days ago, each with a command, and a hundred sessions of today."""
    from django.db import connection
    from django.utils import timezone
    from terminal.models import Command, Session

    with connection.schema_editor() as editor:
        for model in (Session, Command):
            editor.create_model(model)
    numbers = f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {sessions + 100:d})"
    now = timezone.now()
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO terminal_session (id, user, asset, date_start) {numbers} "
            "SELECT i, 'somebody', 'a host', CASE WHEN i <= %s THEN %s ELSE %s END FROM n",
            [sessions, now - timedelta(days=100), now],
        )
        cursor.execute(
            f"INSERT INTO terminal_command (session_id, input, output) {numbers} SELECT i, 'ls', printf('%%0400d', i) FROM n"
        )
    connection.close()


@contextmanager
def worker() -> Iterator[None]:
    command = [sys.executable, "-m", "oakum", "worker", "jobs:app", "--memory", "600MiB", "--slots", "1"]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def tell(app, task, expired) -> None:
    """Runs one job of the task and says how it ended, what it took and what is left."""
    from oakum import JobError
    from oakum.model.ids import parse_id
    from oakum.model.outcome import decode_record
    from oakum.units import format_duration, format_size

    job = task.enqueue()
    try:
        ended = f"deleted {job.wait(timeout='10m'):,} sessions"
    except JobError as error:
        ended = f"ended: {error}"
    story = app.store.story(parse_id(job.id))
    record = decode_record(story.job.record)
    print(f"\n{task.name}\n  {ended}")
    print(f"  added {format_size(record.usage.peak)} in {format_duration(record.usage.duration_us / 1e6)}")
    print(f"  {expired().count():,} old sessions are left")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 300_000)
