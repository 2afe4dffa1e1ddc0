"""Telling others that there is something for them, seldom: a NOTIFY makes all commits of a database wait for each other.

One process notifies a topic at most once in `EVERY_S`; what comes between is owed, and a bell that has rung rings once
more after that time, so that it is not missed. A worker that sleeps is not made to wait for that: having found its queues
empty it says so in its row, and looks once more. Whoever commits jobs for it then takes the note away and notifies.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Sequence
from typing import Any, Final

from oakum.errors import StoreError
from oakum.store.base import Topic
from oakum.store.postgres.bell import EVERY_S, channel
from oakum.store.postgres.connection import Connection
from oakum.store.postgres.db import HASTY

NOTIFY: Final = "SELECT pg_notify($1, '')"
_RING: Final = "SELECT pg_notify(bell, '') FROM unnest($1::text[]) AS bell"
WOKEN: Final = (
    "woken AS (UPDATE oakum.holder SET waits = NULL WHERE number IN (SELECT number FROM idle) RETURNING number)"
)
"""Of a statement with the workers that sleep in `idle`: takes their notes away."""
_WAKE: Final = f"""
WITH {HASTY}, idle AS MATERIALIZED (
    SELECT number FROM oakum.holder, hasty WHERE waits && $2::bigint[]::integer[] ORDER BY number FOR UPDATE OF holder
), {WOKEN}
SELECT pg_notify($1, '') FROM woken LIMIT 1
"""


class Ringer:
    """Rings for one process's changes, after they are committed. What it fails to do, polling makes up for."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._last: dict[Topic, float] = {}
        self._owed: set[Topic] = set()

    def wake(self, queues: Iterable[int]) -> None:
        """There are jobs in these queues."""
        numbers = sorted(set(queues))
        if numbers and not self.ring("work"):
            self._quietly(_WAKE, (self.channel("work"), numbers))

    def ring(self, *topics: Topic) -> bool:
        """Tells whoever waits for these; false if one of them was told just now, and is owed."""
        now = time.monotonic()
        self._owed.update(topics)
        due = [each for each in self._owed if now - self._last.get(each, -EVERY_S[each]) >= EVERY_S[each]]
        if due:
            self.rang(*due)
            self._quietly(_RING, ([self.channel(topic) for topic in due],))
        return self._owed.isdisjoint(topics)

    def rang(self, *topics: Topic) -> None:
        """Whoever waits for these is told by a statement that does other things, too."""
        self._last.update(dict.fromkeys(topics, time.monotonic()))
        self._owed.difference_update(topics)

    def channel(self, topic: Topic) -> str:
        """The name under which a topic is notified."""
        return channel(self._connection.address.schema, topic)

    def _quietly(self, text: str, values: Sequence[Any]) -> None:
        with contextlib.suppress(StoreError):  # the change is made, and who was not told of it polls
            self._connection.once(lambda db: db.run(text, values))
