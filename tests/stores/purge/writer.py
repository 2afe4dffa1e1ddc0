"""A second connection that tries to write at the moments when a batch says that it takes its lock and gives it back."""

from __future__ import annotations

from contextlib import closing, contextmanager

from oakum.purge import keyset
from oakum.purge.lock import LockTime


@contextmanager
def writer_at_each_end_of_a_lock(other, busy, monkeypatch):
    """Whether the SQLite connection `other` could write when the lock was "taken" and when it was "given back".

    It must be of the library that purges: two of them in one process don't see each other's locks.
    """
    may_write = {"taken": [], "given back": []}
    with closing(other):

        def look(moment):
            try:
                other.execute("BEGIN IMMEDIATE")
            except busy:
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
