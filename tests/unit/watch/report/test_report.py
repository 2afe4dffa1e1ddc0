"""The report in its three forms, of small histories."""

from __future__ import annotations

import io
import json
import re
from html.parser import HTMLParser

import pytest
from rich.console import Console
from tests.support.histories import HOUR, MB, START_S, Days

from oakum.model.finding import Finding, Severity
from oakum.watch.guard.outcome import Reason
from oakum.watch.guard.runlog import Run
from oakum.watch.report.as_json import as_json
from oakum.watch.report.chart import Frame, Layer, counted, scale, spark, stacked
from oakum.watch.report.html import as_html
from oakum.watch.report.summary import POINTS, summarise
from oakum.watch.report.text import print_report, sparkline
from oakum.watch.rules import diagnose
from oakum.watch.rules.case import Case

EVIL = "</code><script>alert(1)</script><img src=http://x/ onerror='y'> & \" `"


def busy_days():
    days = Days(48, boots=(40,))
    days.process("consumer --queue mail", lambda age: 60 * MB + 4 * MB * age)
    days.process("consumer --queue mail", 60 * MB, start=40.1, boot=1)
    days.process(f"web {EVIL}", lambda age: 60 * MB + 3 * MB * age)
    days.process("calm", 30 * MB)
    days.process("[kworker/0:1]", 0, ppid=2)
    days.history.notes.append(f"not readable: {EVIL}")
    return days


def report_of(days, runs=()):
    return summarise(days.history, diagnose(Case(days.history)), runs)


def text_of(report, most=15):
    console = Console(file=io.StringIO(), width=200, highlight=False)
    print_report(report, console, most)
    return console.file.getvalue()


# Summary


def test_families_come_by_what_their_floor_gained():
    days = Days()
    days.process("leak", lambda age: 100 * MB + 4 * MB * age, start=0)
    days.process("saw", lambda age: 20 * MB + 90 * MB * ((age / 3) % 1))
    days.process("calm", 300 * MB)
    report = report_of(days)
    leak, *others = report.families
    assert leak.name == "leak"
    assert leak.gained_bytes == pytest.approx(160 * MB, rel=0.02)
    assert leak.bytes_per_hour == pytest.approx(4 * MB, rel=0.02)
    assert leak.now_bytes == pytest.approx(292 * MB, rel=0.01)
    assert all(abs(family.gained_bytes) < 9 * MB for family in others)


def test_members_of_a_family_are_added_up_while_they_live():
    days = Days(24)
    days.process("w 1", 10 * MB, start=-5)
    days.process("w 2", 10 * MB, start=12)
    family = next(family for family in report_of(days).families if family.name == "w *")
    assert (family.living, family.seen) == (2, 2)
    assert (family.memory[0], family.memory[-1]) == (10 * MB, 20 * MB)
    assert (family.count[0], family.count[-1]) == (1, 2)


def test_without_the_hosts_figures_memory_in_use_is_the_sum_of_the_processes():
    days = Days(24)
    days.process("a", 10 * MB)
    report = report_of(days)
    assert report.total_bytes is None
    assert set(report.used_bytes) == {30 * MB}  # cron's 20 MB are among them
    days.host(mem_total=100 * MB, mem_available=lambda hour: 60 * MB)
    report = report_of(days)
    assert (report.total_bytes, set(report.used_bytes)) == (100 * MB, {40 * MB})


def test_reboots_are_told_and_nothing_is_known_between():
    report = report_of(busy_days())
    assert report.boots_s == (START_S + 40 * HOUR,)
    assert len(report.used_bytes) == POINTS


def test_a_single_look_is_a_report_too():
    days = Days(0.05)
    report = report_of(days)
    assert (report.ticks, report.hours) == (1, 0.0)
    assert "<h1>All is quiet</h1>" in as_html(report)
    assert "nothing found" in text_of(report)


def run(number, reason, status=0, **more):
    return Run(
        run=str(number), at=START_S + number * 300.0, command=["poll", "-a"], reason=reason, status=status, **more
    )


def test_guarded_runs_are_counted_by_lock_or_command():
    days = Days(24)
    runs = [
        run(1, Reason.FINISHED, seconds=2.0, peak_bytes=5 * MB),
        run(2, Reason.FINISHED, 3, seconds=4.0),
        run(3, Reason.TIMED_OUT, 124, seconds=60.0),
        run(4, Reason.OVER_MEMORY, 137, seconds=1.0),
        run(5, Reason.BUSY, 75),
        run(6, None),
        run(7, Reason.FINISHED, lock="other"),
    ]
    first, second = report_of(days, runs).runs
    assert (first.name, first.runs, first.well, first.failed) == ("poll -a", 5, 1, 1)
    assert (first.timed_out, first.over_memory, first.skipped, first.unended) == (1, 1, 1, 1)
    assert (first.median_seconds, first.longest_seconds, first.peak_bytes) == (4.0, 60.0, 5 * MB)
    assert (second.name, second.runs) == ("other", 1)


# Text


def test_text_has_findings_families_and_the_time():
    text = text_of(report_of(busy_days(), [run(3, Reason.TIMED_OUT, 124)]))
    assert text.startswith("2025-12-21 00:00 to 2025-12-22 23:55 UTC (48 h): ")
    assert "booted 2025-12-22 16:00 UTC" in text
    assert "warning OAK101 process-grows" in text
    assert re.search(r"consumer --queue mail +1 +57.2 MiB", text)
    assert "RUN BY oakum run" in text
    assert EVIL in text


@pytest.mark.parametrize(("width", "bars"), [(100, 24), (80, 12)])
def test_figures_do_not_give_way_to_long_names_nor_names_to_bars(width, bars):
    days = Days()
    days.process("python -m thing " + "--option value " * 20, lambda age: 60 * MB + 4 * MB * age, start=-1)
    console = Console(file=io.StringIO(), width=width, highlight=False)
    print_report(report_of(days), console, 5)
    lines = console.file.getvalue().splitlines()
    [line] = [line for line in lines if line.startswith("python -m thing --op")]
    assert re.search(rf"…  +1  +2\d\d MiB  +\+1\d\d MiB  +\+3\.\d+ MiB  ▃[▁-█]{{{bars - 1}}}$", line.rstrip())
    finding = lines[lines.index("warning OAK101 process-grows") + 1 :]
    assert all(line.startswith("  ") for line in finding[: finding.index("")])


def test_the_text_lists_as_many_families_as_it_is_told_to():
    assert "and 2 more families; --top shows more" in text_of(report_of(busy_days()), most=2)


def test_brackets_in_a_command_are_no_markup():
    days = Days()
    days.process("worker [bold]x[/bold] [/]", lambda age: 60 * MB + 4 * MB * age)
    assert "worker [bold]x[/bold] [/]" in text_of(report_of(days))


@pytest.mark.parametrize(
    ("figures", "line"),
    [
        ([0, 1, 2, 3, 4, 5, 6, 7], "▁▂▃▄▅▆▇█"),
        ([7, None, 7], "█ █"),
        ([0, 0], "▁▁"),
        ([], ""),
        ([None], " "),
        ([-5, 5], "▁█"),
    ],
)
def test_sparklines(figures, line):
    assert sparkline(figures) == line


def test_a_sparkline_shows_the_largest_of_what_it_joins():
    line = sparkline([0.0] * 70 + [9.0] + [0.0] * 73, 36)
    assert (len(line), line.count("█"), line.count("▁")) == (36, 1, 35)


# JSON


def test_json_is_plain_and_its_findings_have_the_stable_schema():
    report = json.loads(json.dumps(as_json(report_of(busy_days()))))
    assert set(report) == {
        "window", "record", "findings", "host", "families", "families_left_out", "boots_s", "gaps", "guarded_runs",
        "notes", "damage",
    }  # fmt: skip
    for finding in report["findings"]:
        assert list(finding) == [
            "code", "name", "severity", "subject", "message", "evidence", "mend", "forecast", "where",
        ]  # fmt: skip


# HTML


class Strict(HTMLParser):
    """Notes every tag and attribute, and that tags close as they were opened."""

    VOID = ("meta", "link", "br", "hr", "img")

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.attributes = [], set(), []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += attrs
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def parsed(page):
    parser = Strict()
    parser.feed(page)
    parser.close()
    assert parser.open == []
    return parser


def test_the_page_runs_nothing_and_fetches_nothing_whatever_commands_are_called():
    page = as_html(report_of(busy_days(), [run(3, Reason.FINISHED)]))
    parser = parsed(page)
    assert not parser.tags & {"script", "img", "link", "iframe", "object", "form", "a"}
    names = {name for name, _ in parser.attributes}
    assert not {name for name in names if name.startswith("on") or name in ("src", "href", "srcset", "style")}
    assert "url(" not in page
    assert "@import" not in page
    assert "default-src &#x27;none&#x27;" in page or "default-src 'none'" in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_the_page_says_what_the_report_says():
    report = report_of(busy_days(), [run(3, Reason.TIMED_OUT, 124)])
    page = as_html(report)
    assert f"<h1>{len(report.findings)} findings, none urgent</h1>" in page
    for words in (
        "process-grows",
        "booted",
        "Guarded runs",
        "the host went down and came back",
        "consumer --queue mail",
    ):
        assert words in page
    assert page.count("<article") == len(report.findings)


def test_each_finding_about_a_family_has_its_chart():
    days = Days()
    for number in range(9):
        days.process("python poll.py", 50 * MB, start=1 + number * 4)
    days.process("leak", lambda age: 60 * MB + 4 * MB * age)
    days.host(mem_total=9_000 * MB, mem_available=lambda hour: 3_000 * MB - 30 * MB * hour)
    page = as_html(report_of(days))
    assert "processes alive of <code>python poll.py</code>" in page
    assert "resident memory of <code>leak</code>" in page
    assert "<figcaption>memory in use</figcaption>" in page


def test_a_finding_about_nothing_that_is_shown_has_no_chart():
    days = Days()
    finding = Finding(code="OAK999", name="x", severity=Severity.ERROR, subject="elsewhere", message="m `c` n", mend="")
    page = as_html(summarise(days.history, [finding], []))
    assert "1 finding, 1 urgent" in page
    assert "m <code>c</code> n" in page
    assert "figcaption" not in page.partition("</style>")[2]


# Charts


@pytest.mark.parametrize(
    ("largest", "base", "step", "top"),
    [
        (0, 2, 1, 1),
        (300 * 1024**2, 2, 64 * 1024**2, 320 * 1024**2),
        (8 * 1024**3, 2, 2 * 1024**3, 8 * 1024**3),
        (9, 10, 2, 10),
        (18, 10, 5, 20),
        (47, 10, 10, 50),
        (120, 10, 50, 150),
    ],
)
def test_scales_are_round_and_hold_the_largest(largest, base, step, top):
    assert scale(largest, base) == (step, top)


def frame(columns=4):
    return Frame(0.0, 4 * HOUR, [HOUR * (n + 0.5) for n in range(columns)], [2.0 * HOUR], [])


def points(svg, kind):
    return [
        [tuple(map(float, pair.split(","))) for pair in text.split()]
        for text in re.findall(rf'<{kind}[^>]* points="([^"]*)"', svg)
    ]


def test_layers_stand_on_one_another():
    svg = stacked(frame(), [Layer("a", "x", [1, 1, 1, 1]), Layer("b", "y", [2, 2, 2, 2])], width=474, height=238)
    lower, upper = points(svg, "polyline")
    assert {y for _, y in lower} == {147.3}
    assert {y for _, y in upper} == {14.0}
    assert [x for x, _ in lower] == [124.0, 224.0, 324.0, 424.0]


@pytest.mark.parametrize(
    ("seconds", "marks"), [(300, ["00:01", "00:02", "00:03", "00:04"]), (1800, ["00:05", "00:10"])]
)
def test_a_short_record_has_its_minutes_marked(seconds, marks):
    short = Frame(0.0, float(seconds), [0.0, seconds / 2], [], [])
    svg = stacked(short, [Layer("a", "x", [1, 1])], width=474, height=238)
    assert re.findall(r'<text class="time[^>]*>([^<]*)', svg)[: len(marks)] == marks


def test_what_is_not_known_is_a_hole_and_no_zero():
    svg = counted(frame(), Layer("a", "x", [1, None, 1, 1]), width=474, height=238)
    assert [len(line) for line in points(svg, "polyline")] == [1, 2]
    assert "a: not known" in svg


def test_the_bound_is_drawn_where_it_is_near():
    layers = [Layer("a", "x", [4.0] * 4)]
    assert "all there is: 6 B" in stacked(frame(), layers, width=474, height=238, bound=6)
    assert "all there is" not in stacked(frame(), layers, width=474, height=238, bound=600)


def test_sparks_hold_their_box():
    [box] = points(spark([0, 5, 10]), "polygon")
    assert {y for _, y in box} <= {2.0, 15.0, 28.0}
    assert spark([]).count("polygon") == 0
