"""The page of `oakum status`: nothing is wider than the terminal, nothing of the room is lost, and it says what to do."""

from __future__ import annotations

import msgspec
import pytest
from rich.console import Console

from oakum.cli.status_view import view
from oakum.inspector.rates import Rates
from oakum.inspector.views import Overview, QueueRow, Tally, TaskRow, WorkerRow
from oakum.model.report import ChildReport, WorkerReport
from oakum.units import MIB

EMPTY = Overview(60_000, "memory: everything ends with the process", (), (), (), ())
BUSY = ChildReport(
    71, resting=3 * MIB, reserved=40 * MIB, measured=20 * MIB, task="shop.resize", running_s=1.5, in_hand=2
)
IDLE = ChildReport(72, resting=3 * MIB, reserved=0, measured=0)
REPORT = WorkerReport(
    pid=70, app="shop:app", state="running", started_ms=0, at_ms=0, room=100 * MIB, supervisor=10 * MIB,
    template=10 * MIB, slots=2, children=(BUSY, IDLE), durability="", ended=1234, rate=12.4,
    rings=("1 child: RLIMIT_DATA", "2 meter: looks", "3 off: not wanted"),
)  # fmt: skip
WORKER = WorkerRow(1, "elsewhere", 70, "running", REPORT)


def task(number: int, runs: int = 5) -> TaskRow:
    name = f"shop.with.a.rather.long.name.of.a.module.resize_{number}"
    return TaskRow(name, Tally(available=1), runs, 2, 12_000, 990_000, 1 * MIB, 2 * MIB, 3 * MIB, 10, 40 * MIB)


def lines(page: Overview, width: int = 80, rates: Rates | None = None, height: int | None = None) -> list[str]:
    console = Console(width=width, color_system=None, markup=False, highlight=False)
    with console.capture() as captured:
        console.print(view("sqlite:///work.db", page, rates, width, height))
    return [line.rstrip() for line in captured.get().splitlines()]


def line_of(words: str, found: list[str]) -> str:
    (line,) = [line for line in found if words in line]
    return line


@pytest.mark.parametrize("width", [80, 100, 120, 200])
def test_no_line_is_cut_or_wider_than_the_terminal(width):
    full = Overview(
        60_000, "memory", (WORKER,), (QueueRow("a.queue.of.a.very.very.long.name.indeed", True, Tally(available=10**7)),),
        (task(1), task(2)), ("a note " * 30,),
    )  # fmt: skip
    found = lines(full, width, Rates({task(1).name: 100.0}, {"a.queue.of.a.very.very.long.name.indeed": -9.0}))
    assert max(map(len, found)) <= width
    assert "resize_1" in line_of("resize_1", found)
    assert line_of("resize_1", found).split()[-2 if width >= 110 else -1] == "40.0M"


def test_the_bar_shows_the_whole_room_and_each_part_of_it():
    found = lines(msgspec.structs.replace(EMPTY, workers=(WORKER,)), 100)
    assert line_of("█▓", found) == "█" * 20 + "▓" * 6 + "▒" * 20 + "░" * 20 + "·" * 34
    assert "room 100M  █ supervisor+template 20.0M  ▓ resting 6.00M  ▒ measured 20.0M  ░ reserved 40.0M" in found
    assert "· free 34.0M" in found


def test_the_smallest_part_is_still_seen_and_the_bar_is_no_longer():
    tiny = msgspec.structs.replace(REPORT, room=10_000 * MIB, children=(msgspec.structs.replace(BUSY, measured=1),))
    found = lines(msgspec.structs.replace(EMPTY, workers=(msgspec.structs.replace(WORKER, report=tiny),)))
    assert line_of("█▓", found) == "█▓▒░" + "·" * 76
    assert not any(line.startswith("··") for line in found)  # nothing was left over for a second line


def test_a_worker_says_what_it_does_and_which_rings_hold():
    found = lines(msgspec.structs.replace(EMPTY, workers=(WORKER,)), 120)
    assert "worker 70 on elsewhere  running  shop:app  for 1m00s  1,234 done  12/s  PSS 0B" in found
    assert "rings  ● 1 child: RLIMIT_DATA  ● 2 meter: looks  ○ 3 off: not wanted" in found
    assert line_of("shop.resize", found).split() == ["71", "shop.resize", "1.50s", "20.0M", "40.0M", "3.00M", "2"]
    assert "1 idle child, 3.00M" in found


def test_of_a_worker_that_is_silent_nothing_old_is_shown_as_if_it_were_new():
    silent = msgspec.structs.replace(WORKER, state="silent")
    found = lines(msgspec.structs.replace(EMPTY, workers=(silent,)))
    assert "worker 70 on elsewhere  silent" in found
    assert not any("█" in line for line in found)


def test_a_worker_that_is_gone_is_left_to_its_note():
    gone = msgspec.structs.replace(
        EMPTY, workers=(msgspec.structs.replace(WORKER, state="gone"),), notes=("it is gone",)
    )
    found = lines(gone)
    assert "! it is gone" in found
    assert not any("worker 70" in line for line in found)


def test_many_busy_children_are_not_all_listed():
    report = msgspec.structs.replace(REPORT, children=(BUSY,) * 20 + (IDLE,) * 3)
    found = lines(msgspec.structs.replace(EMPTY, workers=(msgspec.structs.replace(WORKER, report=report),)))
    assert sum("shop.resize" in line for line in found) == 8
    assert "12 more busy, 3 idle children, 3.00M each" in found


def test_queues_tell_when_they_will_be_empty():
    queues = (QueueRow("down", False, Tally(available=20)), QueueRow("up", True, Tally(failed=1, quarantined=2)))
    page = msgspec.structs.replace(EMPTY, queues=queues)
    found = lines(page, rates=Rates({}, {"down": -2.0, "up": 5.0}))
    assert line_of("down", found).split() == ["down", "20", "-", "-", "-", "-", "-2.0/s", "10.0s"]
    assert line_of("up", found).split() == ["up", "paused", "-", "-", "-", "-", "3", "+5.0/s", "-"]
    assert "GROWS" not in " ".join(lines(page))  # one look knows no rate


def test_where_there_is_nothing_it_says_what_to_do():
    assert "no jobs yet: `oakum enqueue MODULE:APP TASK` makes one" in lines(EMPTY)


@pytest.mark.parametrize("height", [24, 40])
def test_a_page_is_no_higher_than_the_terminal_and_keeps_the_busiest_tasks(height):
    page = Overview(
        0, "memory", (WORKER,), (QueueRow("q", False, Tally()),), tuple(task(n, runs=n) for n in range(50)), ()
    )
    found = lines(page, height=height)
    assert height - 1 <= len(found) <= height
    shown = [line for line in found if "resize_" in line]
    assert len(shown) >= 4
    assert ["resize_49" in line for line in shown] == [False] * (len(shown) - 1) + [True]
    assert found[-1] == f"and {50 - len(shown)} tasks with fewer runs: oakum status --once"
    assert sum("resize_" in line for line in lines(page)) == 50


def test_names_of_jobs_cannot_steer_the_terminal():
    page = msgspec.structs.replace(EMPTY, notes=("\x1b[2J",), queues=(QueueRow("\x1b[31mq", False, Tally()),))
    assert "\x1b" not in "".join(lines(page))
