"""The columns of `ps`, by their header line, and what stands in them."""

from __future__ import annotations

import time

import pytest

from oakum.watch.pslog.layout import USUAL, Layout, Span, clock, command, layout, started

NOW = time.mktime((2025, 12, 21, 11, 15, 0, 0, 0, -1))


def at(*moment: int) -> float:
    return time.mktime((*moment, *(0,) * (6 - len(moment)), 0, 0, -1))


def split(columns: Layout, line: bytes) -> list[bytes]:
    return line.split(None, columns.splits)


def test_the_usual_columns() -> None:
    words = split(USUAL, b"  77 1 app Sun Dec 21 11:10:01 2025 299 51200 python          python manage.py x")
    assert (words[USUAL.pid], words[USUAL.rss]) == (b"77", b"51200")
    assert started(USUAL, words, NOW) == Span(at(2025, 12, 21, 11, 10, 1), at(2025, 12, 21, 11, 10, 1))
    assert command(USUAL, words[-1]) == ("python", "python manage.py x")


def test_columns_in_another_order() -> None:
    columns = layout(b"USER RSS PID %CPU STARTED TIME NLWP STAT COMMAND")
    assert columns is not None
    words = split(columns, b"app 4096 77 0.1 Sun Dec 21 11:10:01 2025 00:01:02 3 Ssl nginx: worker process")
    assert (words[columns.pid], words[columns.rss]) == (b"77", b"4096")
    assert columns.cpu is not None
    assert clock(words[columns.cpu]) == 62
    assert command(columns, words[-1]) == ("nginx:", "nginx: worker process")


@pytest.mark.parametrize("header", [b"", b"hello world", b"PID USER COMMAND", b"RSS COMMAND", b"COMMAND PID RSS"])
def test_what_is_no_header(header: bytes) -> None:
    assert layout(header) is None


class TestStart:
    def aux(self, start: bytes) -> Span | None:
        columns = layout(b"USER PID %CPU %MEM VSZ RSS TTY STAT START TIME COMMAND")
        assert columns is not None
        return started(columns, split(columns, b"root 1 0 0 1 1 ? Ss " + start + b" 0:01 init"), NOW)

    def test_a_time_of_today(self) -> None:
        assert self.aux(b"10:32") == Span(at(2025, 12, 21, 10, 32), at(2025, 12, 21, 10, 33))

    def test_a_time_that_is_still_to_come_was_yesterday(self) -> None:
        assert self.aux(b"23:10") == Span(at(2025, 12, 20, 23, 10), at(2025, 12, 20, 23, 11))

    def test_a_day_of_this_year_or_the_last(self) -> None:
        assert self.aux(b"Dec20") == Span(at(2025, 12, 20), at(2025, 12, 21))
        assert self.aux(b"Dec30") == Span(at(2024, 12, 30), at(2024, 12, 31))

    def test_a_year(self) -> None:
        assert self.aux(b"2023") == Span(at(2023, 1, 1), at(2024, 1, 1))

    def test_another_language_is_helped_by_the_elapsed_time(self) -> None:
        words = split(USUAL, "77 1 app 日 12月 21 11:10:01 2025 299 51200 python python".encode())
        assert started(USUAL, words, NOW) == Span(NOW - 300, NOW - 298)

    def test_day_before_month(self) -> None:
        words = split(USUAL, b"77 1 app Sun 21 Dec 11:10:01 2025 299 51200 python python")
        assert started(USUAL, words, NOW) == Span(at(2025, 12, 21, 11, 10, 1), at(2025, 12, 21, 11, 10, 1))

    def test_a_listing_without_any_start(self) -> None:
        columns = layout(b"PID RSS COMMAND")
        assert columns is not None
        assert started(columns, [b"1", b"1", b"init"], NOW) is None


@pytest.mark.parametrize(
    ("text", "seconds"), [(b"360", 360), (b"06:00", 360), (b"1:06:00", 3960), (b"2-01:06:00", 2 * 86400 + 3960)]
)
def test_clocks(text: bytes, seconds: int) -> None:
    assert clock(text) == seconds


@pytest.mark.parametrize(
    ("rest", "comm", "args"),
    [
        (b"tmux: server    /usr/bin/tmux new", "tmux: server", "/usr/bin/tmux new"),
        (b"kworker/0:1-events [kworker/0:1-events]", "kworker/0:1-events", "[kworker/0:1-events]"),
        (b"sh /bin/sh -c x", "sh", "/bin/sh -c x"),
        (b"defunct", "defunct", "defunct"),
        (b"a\xff a\xff", "a\ufffd", "a\ufffd"),
    ],
)
def test_comm_and_args(rest: bytes, comm: str, args: str) -> None:
    assert command(USUAL, rest) == (comm, args)
