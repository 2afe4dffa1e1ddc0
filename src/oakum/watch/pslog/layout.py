"""What the columns of a `ps` listing mean, told by its header line; and what stands in them."""

from __future__ import annotations

import calendar
import time
from collections.abc import Callable
from dataclasses import dataclass
from operator import itemgetter
from typing import Final, NamedTuple, cast

from oakum.watch.families import printable

_LSTART_WORDS: Final = 5  # Sun Dec 21 11:15:00 2025
_COMM_WIDTH: Final = 15  # ps pads `comm` to it where another column follows
_COMMANDS: Final = (b"COMMAND", b"CMD", b"ARGS", b"COMM", b"UCMD")
_CHANGING: Final = (b"ELAPSED", b"RSS", b"RSZ", b"%CPU", b"%MEM", b"VSZ", b"SZ", b"TIME", b"STAT", b"S", b"C", b"NLWP")
_MONTHS: Final = {name.encode(): number for number, name in enumerate(calendar.month_abbr) if name}
_DAY: Final = 86400


class Span(NamedTuple):
    """Seconds since 1970 between which something happened."""

    earliest: float
    latest: float


@dataclass(frozen=True, slots=True)
class Layout:
    """Where each column's first word stands when a line is split at most `splits` times; the last word is the command."""

    splits: int
    pid: int
    ppid: int | None
    user: int | None
    start: int | None
    start_words: int
    elapsed: int | None
    rss: int
    cpu: int | None
    state: int | None
    commands: int
    key: Callable[[list[bytes]], tuple[bytes, ...]]  # the words that stay as they are while a process lives


def layout(header: bytes) -> Layout | None:
    """The layout under a header line such as `PID PPID USER STARTED ELAPSED RSS COMMAND COMMAND`; None if it is none."""
    words = header.split()
    commands = sum(word in _COMMANDS for word in words)
    names = words[: len(words) - commands]
    if b"PID" not in names or not (b"RSS" in names or b"RSZ" in names) or words[-1] not in _COMMANDS or commands > 2:
        return None
    place: dict[bytes, int] = {}
    steady: list[int] = []
    splits = 0
    for name in names:
        width = _LSTART_WORDS if name == b"STARTED" else 1
        place.setdefault(name, splits)
        if name not in _CHANGING:
            steady.extend(range(splits, splits + width))
        splits += width
    start = _first(place, b"STARTED", b"START", b"STIME")
    return Layout(
        splits=splits,
        pid=place[b"PID"],
        ppid=place.get(b"PPID"),
        user=_first(place, b"USER", b"EUSER", b"RUSER", b"UID"),
        start=start,
        start_words=_LSTART_WORDS if b"STARTED" in place else 1,
        elapsed=_first(place, b"ELAPSED"),
        rss=place[b"RSS"] if b"RSS" in place else place[b"RSZ"],
        cpu=_first(place, b"TIME"),
        state=_first(place, b"STAT", b"S"),
        commands=commands,
        key=itemgetter(*steady, splits),
    )


def _first(place: dict[bytes, int], *names: bytes) -> int | None:
    return next((place[name] for name in names if name in place), None)


def started(layout: Layout, words: list[bytes], now_s: float) -> Span | None:
    """When the process of a line began, as exactly as the line says; None where it does not say."""
    if layout.start is not None:
        texts = words[layout.start : layout.start + layout.start_words]
        span = _calendar(texts) if len(texts) == _LSTART_WORDS else _short(texts[0], now_s)
        if span is not None:
            return span
    if layout.elapsed is not None:  # lstart in a language that is not ours
        began = now_s - clock(words[layout.elapsed])
        return Span(began - 1, began + 1)
    return None


def _calendar(texts: list[bytes]) -> Span | None:
    _, month, day, clock_text, year = texts
    if month.isdigit():
        month, day = day, month
    number = _MONTHS.get(month)
    if number is None:
        return None
    hour, minute, second = map(int, clock_text.split(b":"))
    moment = time.mktime((int(year), number, int(day), hour, minute, second, 0, 0, -1))
    return Span(moment, moment)


def _short(text: bytes, now_s: float) -> Span | None:
    """The START of `ps aux`: 11:15 within a day, Dec21 within a year, else 2025."""
    now = time.localtime(now_s)
    if b":" in text:
        hour, minute = map(int, text.split(b":")[:2])
        moment = time.mktime((now.tm_year, now.tm_mon, now.tm_mday, hour, minute, 0, 0, 0, -1))
        moment -= _DAY if moment > now_s + 60 else 0
        return Span(moment, moment + 60)
    if text.isdigit():
        return Span(*(time.mktime((int(text) + more, 1, 1, 0, 0, 0, 0, 0, -1)) for more in (0, 1)))
    month = _MONTHS.get(text[:3])
    if month is None:
        return None
    moment = time.mktime((now.tm_year, month, int(text[3:]), 0, 0, 0, 0, 0, -1))
    if moment > now_s:
        moment = time.mktime((now.tm_year - 1, month, int(text[3:]), 0, 0, 0, 0, 0, -1))
    return Span(moment, moment + _DAY)


def clock(text: bytes) -> int:
    """Seconds of `etimes`, `etime` and TIME: `360`, `06:00`, `1:06:00`, `2-01:06:00`. Raises ValueError."""
    days, _, rest = text.rpartition(b"-")
    seconds = 0
    for part in rest.split(b":"):
        seconds = seconds * 60 + int(part)
    return int(days or 0) * _DAY + seconds


def command(layout: Layout, rest: bytes) -> tuple[str, str]:
    """(comm, args) of what follows the other columns."""
    text = printable(rest.decode("utf-8", "replace").rstrip())
    if layout.commands == 1:
        first = text.partition(" ")[0]
        return (first[1:-1] if first.startswith("[") else first.rpartition("/")[2])[:_COMM_WIDTH], text
    if text[_COMM_WIDTH : _COMM_WIDTH + 1] == " " and text[_COMM_WIDTH + 1 : _COMM_WIDTH + 2].strip():
        return text[:_COMM_WIDTH].rstrip(), text[_COMM_WIDTH + 1 :]  # comm itself may hold spaces: `tmux: server`
    comm, _, args = text.partition(" ")
    return comm, args.lstrip() or comm


USUAL: Final = cast(
    Layout, layout(b"PID PPID USER STARTED ELAPSED RSS COMMAND COMMAND")
)  # where no header line is seen
