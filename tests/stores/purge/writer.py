"""A second connection that tries to write at the moments when a batch says that it takes its lock and gives it back."""

from __future__ import annotations

from contextlib import closing, contextmanager

import apsw

from oakum.purge import keyset
from oakum.purge.lock import LockTime


@contextmanager
def writer_at_each_end_of_a_lock(url, monkeypatch):
    """Whether another could write into the SQLite database when the lock was "taken" and when it was "given back"."""
    may_write = {"taken": [], "given back": []}
    with closing(apsw.Connection(url.removeprefix("sqlite:///"))) as other:

        def look(moment):
            try:
                other.execute("BEGIN IMMEDIATE")
            except apsw.BusyError:
                may_write[moment].append(False)
            else:
                other.execute("ROLLBACK")
                may_write[moment].append(True)

        class Watched(LockTime):
            def taken(self):
                if self._since is None:
                    look("taken")
                super().taken()

            def given_back(self):
                super().given_back()
                look("given back")

        monkeypatch.setattr(keyset, "LockTime", Watched)
        yield may_write
