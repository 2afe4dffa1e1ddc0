"""Schedules meet the store: declared ones are put there, due ones become jobs. Everything by bounded pages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple

import msgspec

from oakum.errors import DuplicateJob, QueueFull, StoreTooNew, UsageError
from oakum.model.schedule.change import Standing, declare
from oakum.model.schedule.decide import SET_BACK_MS, Verdict, decide
from oakum.model.schedule.spec import Course, Entry, Schedule, Skip, decode_course, decode_entry, encode
from oakum.model.schedule.words import warning
from oakum.store.base import Instant, Store
from oakum.store.kept import Scheduled

PAGE: Final = 100
FIRED_AT_ONCE: Final = 25  # each in a commit of its own, and jobs are to be handed out in between
MOST_WARNINGS: Final = 20

SafeInterval = Callable[[Schedule], int | None]
Now = Callable[[], Instant]


class Ticker:
    """One user of a store's schedules. `safe_ms` answers the smallest safe interval of a schedule, None while nobody
    knows. `warnings` are in force, by the schedule's name, a bounded number of them."""

    def __init__(self, store: Store, now: Now, safe_ms: SafeInterval) -> None:
        self._store, self._now, self._safe_ms = store, now, safe_ms
        self.warnings: dict[str, str] = {}

    def fire(self, holder: int, overdue_ms: int = 0) -> int:
        """Decides what is due, and has been for `overdue_ms`: some of it, the earliest. How many schedules were changed."""
        due = self._store.schedules(due_ms=self._now().wall_ms - overdue_ms, limit=FIRED_AT_ONCE)
        return sum(self._look(row, holder) for row in due)

    def declare(self, declared: Iterable[tuple[str, Schedule]], app: str) -> Iterator[None]:
        """Puts what the code of `app` declares, by name, in place of what it declared before; a step at a time.

        Both sides are walked side by side in the order of their names, so that neither is ever held as a whole.
        """
        kept = rows(self._store)
        row = next(kept, None)
        for name, schedule in declared:
            while row is not None and row.name < name:
                self._leave(row, app)
                row = next(kept, None)
                yield
            here = row if row is not None and row.name == name else None
            self._declare(name, schedule, app, here)
            row = next(kept, None) if here is not None else row
            yield
        while row is not None:
            self._leave(row, app)
            row = next(kept, None)
            yield

    def review(self) -> Iterator[None]:
        """Looks at schedules that wait for a time which a clock set back has put far away; a step at a time."""
        for row in rows(self._store):
            known = self._read(row)
            if known is not None and known.course.since_ms - self._now().wall_ms > SET_BACK_MS:
                self._look(row, None)
            yield

    def _look(self, row: Scheduled, holder: int | None) -> bool:
        """Decides one schedule; whether that was written."""
        known = self._read(row)
        if known is None:
            return False
        entry, course = known
        try:
            verdict = self._decide(row.name, entry, course)
        except UsageError as error:  # this host lacks the time zone that another one has
            self._say(row.name, f"schedule {row.name}: {error}")
            return False
        if not verdict.jobs and (verdict.course, verdict.next_ms) == (course, row.next_ms):
            return False
        try:
            done = self._write(row, verdict, holder)
        except (QueueFull, DuplicateJob) as error:  # this tick is over: nothing is tried again
            barred: Skip = "queue full" if isinstance(error, QueueFull) else "duplicate"
            verdict = self._decide(row.name, entry, course, barred)
            done = self._write(row, verdict, holder)
        if done:
            if verdict.cancel:
                self._store.cancel(verdict.cancel, self._now())
            self._warn(row.name, entry, verdict.course)
        return done

    def _decide(self, name: str, entry: Entry, course: Course, barred: Skip | None = None) -> Verdict:
        outcomes = {job: self._store.outcome(job) for job in course.jobs}
        states = {job: found[0] for job, found in outcomes.items() if found is not None}
        safe_ms = self._safe_ms(entry.schedule)
        return decide(name, entry, course, self._now().wall_ms, states, safe_ms=safe_ms, barred=barred)

    def _write(self, row: Scheduled, verdict: Verdict, holder: int | None) -> bool:
        after = Scheduled(row.name, row.version + 1, verdict.next_ms, row.spec, encode(verdict.course))
        return self._store.write_schedule(after, verdict.jobs, holder, self._now())

    def _declare(self, name: str, schedule: Schedule, app: str, row: Scheduled | None) -> None:
        """Another worker that declares the same at the same time has written it then; nobody minds."""
        known = self._read(row) if row is not None else None
        if row is not None and known is None:
            return
        entry, course = known or (None, None)
        standing = declare(name, entry, course, schedule, app, self._now().wall_ms)
        self._warn(name, standing.entry, standing.course)
        if standing.entry != entry:
            version = row.version + 1 if row is not None else 1
            self._store.write_schedule(written(name, version, standing), (), None, self._now())

    def _leave(self, row: Scheduled, app: str) -> None:
        """A schedule that is not declared (any more): it goes if it was this application's."""
        known = self._read(row)
        if known is not None and known.entry.app == app:
            self._store.drop_schedule(row.name)
            self._say(row.name, "")

    def _read(self, row: Scheduled) -> Known | None:
        """What is known of a schedule; None, with a warning, for one that another version of Oakum has written."""
        try:
            return read(row)
        except StoreTooNew as error:
            self._say(row.name, str(error))
            return None

    def _warn(self, name: str, entry: Entry, course: Course) -> None:
        self._say(name, warning(name, entry, course))

    def _say(self, name: str, text: str) -> None:
        self.warnings.pop(name, None)
        if text and len(self.warnings) < MOST_WARNINGS:
            self.warnings[name] = text


class Known(NamedTuple):
    """A schedule of the store, read."""

    entry: Entry
    course: Course


def read(row: Scheduled) -> Known:
    """What a row says. Raises StoreTooNew where this version does not understand it."""
    try:
        return Known(decode_entry(row.spec), decode_course(row.state))
    except msgspec.MsgspecError as error:
        raise StoreTooNew(f"schedule {row.name}: written by a newer Oakum than this one; upgrade here") from error


def rows(store: Store) -> Iterator[Scheduled]:
    """All schedules by name, a page at a time."""
    after = ""
    while page := store.schedules(after=after, limit=PAGE):
        yield from page
        after = page[-1].name


def written(name: str, version: int, standing: Standing) -> Scheduled:
    """A change as the store keeps it."""
    return Scheduled(name, version, standing.next_ms, encode(standing.entry), encode(standing.course))


def find(store: Store, name: str) -> Scheduled | None:
    """The schedule of a name, None when there is none."""
    just_before = f"{name[:-1]}{chr(ord(name[-1]) - 1)}\U0010ffff"
    return next((row for row in store.schedules(after=just_before, limit=1) if row.name == name), None)
