"""Who keeps PostgreSQL from cleaning up: old snapshots, under which each claim steps over ever more that is dead.

A row that has changed is cleaned up once nobody's snapshot is older than the change; the queue's own index is where the
rows that are not cleaned up yet are passed over. See "Routine Vacuuming" in PostgreSQL's manual.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from oakum.store.postgres.db import Db
from oakum.units import format_duration

HELD_S: Final = 60.0
HELD_BACK: Final = 1_000_000  # transactions: the age of a slot is not told in time
_SESSIONS: Final = """
SELECT pid, application_name, state, extract(epoch FROM clock_timestamp() - xact_start)::float8 AS age
FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
    AND backend_type <> 'autovacuum worker' AND (backend_xmin IS NOT NULL OR backend_xid IS NOT NULL)
    AND xact_start <= clock_timestamp() - make_interval(secs => $1::float8) ORDER BY age DESC LIMIT 5
"""
_PREPARED: Final = """
SELECT gid, extract(epoch FROM clock_timestamp() - prepared)::float8 AS age FROM pg_prepared_xacts
WHERE database = current_database() AND prepared <= clock_timestamp() - make_interval(secs => $1::float8)
ORDER BY age DESC LIMIT 5
"""
_SLOTS: Final = """
SELECT slot_name, greatest(age(xmin), age(catalog_xmin))::bigint AS behind FROM pg_replication_slots
WHERE greatest(age(xmin), age(catalog_xmin)) > $1 ORDER BY behind DESC LIMIT 5
"""
_COST: Final = "keeps PostgreSQL from cleaning up, and claims get slower and slower"


def warnings(db: Db) -> Iterator[str]:
    """A line for each session, prepared transaction and replication slot that has held on for too long, with the remedy."""
    for pid, application, state, age in db.all(_SESSIONS, (HELD_S,)):
        who = f"session {pid} ({', '.join(filter(None, (application, state)))})"
        yield (
            f"{who} has held its snapshot for {format_duration(age)}: it {_COST}; end it:"
            f" SELECT pg_terminate_backend({pid})"
        )
    for name, age in db.all(_PREPARED, (HELD_S,)):
        yield (
            f"the prepared transaction {name!r} is open for {format_duration(age)}: it {_COST}; COMMIT PREPARED or"
            " ROLLBACK PREPARED it"
        )
    for name, behind in db.all(_SLOTS, (HELD_BACK,)):
        yield (
            f"the replication slot {name} is {behind:,} transactions behind: it {_COST}; have its reader catch up, or"
            f" SELECT pg_drop_replication_slot('{name}')"
        )
