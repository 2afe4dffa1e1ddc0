"""Reads an archive, also one that is being written, into a History."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from typing import Final

from oakum.errors import CannotRun
from oakum.watch.block import Block, Rows
from oakum.watch.history import CronJob, History
from oakum.watch.names import Names
from oakum.watch.segments import OPEN_FILE, blocks, segments, stamp
from oakum.watch.series import Identity, ProcessKey, Series
from oakum.watch.tables import CGROUPS, CHURN, CRONTABS, HOST, PROCESSES, UNKNOWN, Entity

_TRIES: Final = 5  # a file may be thinned, and so replaced, between listing and reading


def load(directory: str, since_s: float = 0.0, until_s: float = float("inf")) -> History:
    """What the archive holds from `since_s` to `until_s` (seconds since 1970). Raises CannotRun where there is none.

    Damage is passed over and named in `History.damage`. Reads what was sealed and what is still open.
    """
    history = History()
    loader = _Loader(history, since_s, until_s)
    for block in read_blocks(directory, since_s, until_s, history.damage):
        loader.add(block)
    return history


def read_blocks(directory: str, since_s: float, until_s: float, damage: list[str]) -> Iterator[Block]:
    """The blocks that may hold samples of a window, in order of time. The open one may repeat what was just sealed."""
    done = ""
    for attempt in range(_TRIES):
        opened = _read_open(directory)  # before the segments: if it is sealed meanwhile it comes twice, not never
        try:
            for each in segments(directory):
                if (
                    each.stamp > done
                    and each.end >= stamp(since_s)
                    and (until_s == float("inf") or each.stamp <= stamp(until_s))
                ):
                    yield from blocks(each.path, Names(), damage)
                    done = each.stamp
        except FileNotFoundError:
            if attempt + 1 == _TRIES:
                raise
            continue
        yield from opened
        return


def newest_s(directory: str) -> float:
    """When the newest sample was taken, in seconds since 1970. Raises CannotRun where there is none that can be read."""
    damage: list[str] = []
    files = (list(blocks(each.path, Names(), damage)) for each in reversed(segments(directory)))
    for found in chain([_read_open(directory)], files):
        if found:
            return found[-1].times_s[-1]
    if damage:
        raise CannotRun(f"{directory}: nothing in it can be read: {damage[0]}")
    raise CannotRun(
        f"{directory}: nothing is recorded there yet; `oakum watch` records, `oakum watch import` takes over"
    )


def _read_open(directory: str) -> list[Block]:
    try:
        return list(blocks(os.path.join(directory, OPEN_FILE), Names(), []))
    except FileNotFoundError:
        return []


class _Loader:
    """Adds blocks to a history."""

    def __init__(self, history: History, since_s: float, until_s: float) -> None:
        self._history = history
        self._since_s, self._until_s = since_s, until_s
        self._texts: dict[str, int] = {}

    def add(self, block: Block) -> None:
        """Adds the samples of a block that lie in the window and after all that is there."""
        history = self._history
        newest = history.times[-1] if history.times else 0.0
        wanted = [newest < time_s and self._since_s <= time_s <= self._until_s for time_s in block.times_s]
        if not any(wanted):
            return
        boot = history.boot(block.boot_id, block.boot_started_s)
        ticks = [
            history.tick(time_s, block.step_s) if want else UNKNOWN
            for time_s, want in zip(block.times_s, wanted, strict=True)
        ]
        for rows in block.tables:
            rows = _placed(rows, ticks)
            columns = self._columns(rows, block.texts)
            if rows.table.name == PROCESSES.name:
                self._add_processes(rows, columns, boot)
            elif rows.table.name == CHURN.name:
                self._add_churn(rows, columns)
            elif rows.table.name == CRONTABS.name:
                self._take_cron_jobs(rows, columns)
            else:
                self._add_others(rows, columns)
        history.notes += [note for note in block.notes if note not in history.notes]
        history.fold_churn(len(history.times) - 1)

    def _columns(self, rows: Rows, texts: list[str]) -> dict[str, list[int]]:
        """All columns by name; those of texts point to the history's own."""
        columns = {}
        for column in rows.table.columns:
            values = rows.column(column.name)
            if column.kind == "text":
                known = {old: UNKNOWN if old == UNKNOWN else self._text(texts[old]) for old in set(values)}
                values = [known[old] for old in values]
            columns[column.name] = values
        return columns

    def _text(self, name: str) -> int:
        if name not in self._texts:
            self._texts[name] = len(self._history.texts)
            self._history.texts.append(name)
        return self._texts[name]

    def _add_processes(self, rows: Rows, columns: dict[str, list[int]], boot: int) -> None:
        """A process that called exec is several entities: one series, with its last command line."""
        started_s = self._history.boots[boot].started_s or 0.0
        runs: dict[ProcessKey, list[tuple[Entity, slice]]] = {}
        for entity, run in rows.runs():
            if entity is not None and run.start < run.stop:
                pid, start_cs, _ = entity.numbers
                runs.setdefault(ProcessKey(boot, pid, int(started_s + start_cs / 100)), []).append((entity, run))
        for key, parts in runs.items():
            parts.sort(key=lambda part: rows.ticks[part[1].stop - 1])
            newest, run = parts[-1]
            user, comm, args, cgroup = newest.labels
            series = self._history.process(key, Identity(newest.numbers[2], user, comm, args, cgroup))
            if len(parts) == 1:
                series.extend(rows.ticks[run], {name: values[run] for name, values in columns.items()})
                continue
            order = sorted((i for _, run in parts for i in range(run.start, run.stop)), key=rows.ticks.__getitem__)
            series.extend(
                [rows.ticks[i] for i in order], {name: [values[i] for i in order] for name, values in columns.items()}
            )

    def _add_churn(self, rows: Rows, columns: dict[str, list[int]]) -> None:
        for entity, run in rows.runs():
            if entity is not None:
                family, example, user = entity.labels
                for tick, count, rss_high in zip(
                    rows.ticks[run], columns["count"][run], columns["rss_high"][run], strict=True
                ):
                    self._history.count_churn(family, example, user, tick, count, rss_high)

    def _take_cron_jobs(self, rows: Rows, columns: dict[str, list[int]]) -> None:
        """Those of the newest reading: a line that is gone from a crontab is not among them."""
        newest = max(rows.ticks, default=UNKNOWN)
        self._history.cron_jobs = [
            CronJob(entity.labels[0], columns["line"][run][-1], *entity.labels[1:])
            for entity, run in rows.runs()
            if entity is not None and run.start < run.stop and rows.ticks[run.stop - 1] == newest
        ] or self._history.cron_jobs

    def _add_others(self, rows: Rows, columns: dict[str, list[int]]) -> None:
        history = self._history
        for entity, run in rows.runs():
            if entity is None or run.start == run.stop:
                continue
            name = " ".join(entity.labels)
            if rows.table.name == HOST.name:
                series = history.host
            else:
                table = (
                    history.cgroups
                    if rows.table.name == CGROUPS.name
                    else history.tables.setdefault(rows.table.name, {})
                )
                series = table.setdefault(name, Series(name))
            series.extend(rows.ticks[run], {name: values[run] for name, values in columns.items()})


def _placed(rows: Rows, ticks: list[int]) -> Rows:
    """The rows with the history's ticks, without those of ticks that are not wanted."""
    placed = [ticks[tick] for tick in rows.ticks]
    if UNKNOWN not in placed:
        return replace(rows, ticks=placed)
    kept = [index for index, tick in enumerate(placed) if tick != UNKNOWN]

    def column(name: str) -> list[int]:
        values = rows.column(name)
        return [values[index] for index in kept]

    counts = [sum(tick != UNKNOWN for tick in placed[run]) for _, run in rows.runs()]
    return Rows(rows.table, rows.entities, counts, [placed[index] for index in kept], column)
