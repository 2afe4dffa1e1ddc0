"""A real deadlock between a purge and somebody else's transaction: the purge's batch is undone, and tried again."""

from __future__ import annotations

import threading
import time
from contextlib import closing, contextmanager

import pytest

from oakum import purge
from oakum.purge import Options, keyset
from oakum.purge.sql.connect import connect
from oakum.purge.target import Contended

PATIENCE_SECONDS = 30.0
WAITS = {  # whether the purge waits for a lock
    "postgresql": "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
    "mysql": "SELECT 1 FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'",
}
PATIENT = {"postgresql": "?options=-c%20deadlock_timeout%3D3s", "mysql": ""}  # leaves time to make it one
# The purge is to be the victim. PostgreSQL ends who looks first; InnoDB ends who has changed less.
VICTIM = {
    "postgresql": ["SET deadlock_timeout = '60s'", "BEGIN"],
    "mysql": ["BEGIN", "UPDATE events SET t = 1 WHERE id > 100"],
}
EXTRA = {"postgresql": "", "mysql": " ENGINE=InnoDB"}


@pytest.fixture(params=["postgresql", "mysql"])
def kind(request):
    return request.param


@pytest.fixture
def other(kind, urls):
    """A connection beside the purge's, with a table of 200 events."""
    with closing(connect(urls[kind])) as database:
        database.change(f"CREATE TABLE events (id integer PRIMARY KEY, t integer){EXTRA[kind]}")
        numbers = ", ".join(f"({number}, 0)" for number in range(1, 201))
        database.change(f"INSERT INTO events VALUES {numbers}")
        yield database
        database.change("ROLLBACK")  # of a test that failed half-way
        database.change("DROP TABLE events")


@pytest.fixture
def undone(monkeypatch):
    """Why batches were undone."""
    reasons = []
    really = keyset.told_apart

    @contextmanager
    def listening():
        try:
            with really():
                yield
        except Contended as error:
            reasons.append(str(error).lower())
            raise

    monkeypatch.setattr(keyset, "told_apart", listening)
    return reasons


def test_a_deadlock_undoes_the_batch_and_the_purge_goes_on(kind, urls, other, undone):
    for statement in VICTIM[kind]:
        other.change(statement)
    other.change("UPDATE events SET t = 2 WHERE id = 3")
    reports = []
    options, url = Options(largest_batch=5, pause="0s"), urls[kind] + PATIENT[kind]
    work = threading.Thread(
        target=lambda: reports.append(purge.table(url, "events", where=["id<=20"], options=options))
    )
    work.start()  # its first batch takes the rows 1 and 2, and waits for 3
    with closing(connect(urls[kind])) as looker:  # PostgreSQL shows one moment to all of a transaction
        until(lambda: looker.query(WAITS[kind]))
    other.change("UPDATE events SET t = 2 WHERE id = 1")  # waits for the purge, which waits for this
    other.change("COMMIT")
    work.join(PATIENCE_SECONDS)
    [report] = reports
    assert any("deadlock" in reason for reason in undone)  # on a slow machine it may have waited too long, too
    assert (report.rows, report.ended) == (20, "done")
    assert other.query("SELECT count(*), min(id) FROM events") == [(180, 21)]


def until(condition):
    """Waits for a condition that the other thread brings about."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it never came to that"
        threading.Event().wait(0.2)  # InnoDB shows nothing new to who looks more often than every 0.1 s
