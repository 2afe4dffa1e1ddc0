"""The report as one HTML page: nothing is fetched, nothing runs; it can be mailed, kept and printed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import escape
from importlib.resources import files
from string import Template
from typing import Final

from oakum._version import __version__
from oakum.model.finding import Finding, Severity
from oakum.units import format_duration, format_size
from oakum.watch.report.chart import Frame, Layer, counted, spark, stacked
from oakum.watch.report.moments import moment, stretch
from oakum.watch.report.summary import Family, Report

_NAMED_LAYERS: Final = 6  # families with a colour of their own in the host's chart
_MOST_ROWS: Final = 30
_WIDE: Final = (1040, 300)
_SMALL: Final = (500, 170)


def as_html(report: Report) -> str:
    """The whole page."""
    frame = Frame(report.begin_s, report.end_s, report.columns_s, report.boots_s, report.gaps)
    layers = _layers(report)
    return Template(_resource("page.html")).substitute(
        style=_resource("page.css"),
        title=f"{moment(report.begin_s)} to {moment(report.end_s)} UTC",
        lead=_lead(report),
        facts="".join(_facts(report)),
        findings="".join(_card(finding, report, frame) for finding in report.findings) or _NOTHING,
        host=stacked(frame, layers, width=_WIDE[0], height=_WIDE[1], bound=report.total_bytes),
        legend="".join(_legend(layers)),
        families="".join(map(_family_row, report.families[:_MOST_ROWS])),
        families_more=_more(report),
        events="".join(_events(report)),
        runs=_runs_table(report),
        notes="".join(f"<li>{escape(note)}</li>" for note in (*report.notes, *report.damage)),
        version=__version__,
    )


_NOTHING: Final = '<p class="calm">Nothing found: no process grows for more than a day, none pile up, none hang.</p>'


def _resource(name: str) -> str:
    return files("oakum.watch.report").joinpath(name).read_text(encoding="utf-8")


def _lead(report: Report) -> str:
    count = len(report.findings)
    if not count:
        return "All is quiet"
    urgent = sum(finding.severity is Severity.ERROR for finding in report.findings)
    return f"{count} finding{'s' if count > 1 else ''}, {urgent or 'none'} urgent"


def _facts(report: Report) -> Iterator[str]:
    known = [figure for figure in report.used_bytes if figure is not None]
    of = f"of {format_size(report.total_bytes)}" if report.total_bytes is not None else "sum of all processes"
    yield _fact(stretch(report.hours), f"{report.samples:,} samples, one each {format_duration(report.step_s)}")
    if known:
        yield _fact(format_size(known[-1]), f"memory in use, {of}")
        yield _fact(format_size(max(known)), "at most")
    yield _fact(f"{report.processes:,}", f"processes, and {report.passing:,} seen once")
    yield _fact(str(len(report.boots_s)), "reboot" if len(report.boots_s) == 1 else "reboots")


def _fact(figure: str, words: str) -> str:
    return f"<div><b>{escape(figure)}</b><span>{escape(words)}</span></div>"


def _card(finding: Finding, report: Report, frame: Frame) -> str:
    return (
        f'<article class="{finding.severity}"><div class="said"><h3><span class="tag">{finding.severity}</span> '
        f"{escape(finding.name)} <small>{finding.code}</small></h3><p>{_with_code(finding.message)}</p>"
        f'<p class="mend">{_with_code(finding.mend)}</p></div>{_card_chart(finding, report, frame)}</article>'
    )


def _with_code(text: str) -> str:
    """Escaped, with what stands between backticks set as code."""
    parts = escape(text).split("`")
    return "".join(f"<code>{part}</code>" if number % 2 else part for number, part in enumerate(parts))


def _card_chart(finding: Finding, report: Report, frame: Frame) -> str:
    """What the finding speaks of, over the whole time; nothing where it is no family that the report shows."""
    width, height = _SMALL
    if finding.name == "memory-forecast":
        layer = Layer("in use", "one", report.used_bytes)
        drawn = stacked(frame, [layer], width=width, height=height, bound=report.total_bytes)
        return f"<figure><figcaption>memory in use</figcaption>{drawn}</figure>"
    family = next((family for family in report.families if family.name == finding.subject), None)
    if family is None:
        return ""
    if finding.name in ("processes-accumulate", "process-hung"):
        drawn = counted(frame, Layer("alive", "one", family.count), width=width, height=height)
        words = "processes alive"
    else:
        drawn = stacked(frame, [Layer("resident", "one", family.memory)], width=width, height=height)
        words = "resident memory"
    return f"<figure><figcaption>{words} of <code>{escape(family.name)}</code></figcaption>{drawn}</figure>"


def _layers(report: Report) -> list[Layer]:
    """The largest gainers each with a colour, on the rest of what is in use."""
    chosen = [family for family in report.families if family.gained_bytes > 0][:_NAMED_LAYERS]
    rest = [
        None if used is None else max(used - sum(family.memory[index] or 0.0 for family in chosen), 0.0)
        for index, used in enumerate(report.used_bytes)
    ]
    named = [Layer(family.name, f"c{number}", family.memory) for number, family in enumerate(reversed(chosen))]
    return [Layer("everything else", "rest", rest), *named]


def _legend(layers: list[Layer]) -> Iterator[str]:
    for layer in reversed(layers):
        last = next((figure for figure in reversed(layer.figures) if figure is not None), 0.0)
        yield f'<li><i class="{layer.style}"></i><code>{escape(layer.name)}</code> <b>{format_size(last)}</b></li>'


def _family_row(family: Family) -> str:
    sign = "+" if family.gained_bytes > 0 else ""
    cells = (
        str(family.living),
        f"{family.seen:,}",
        format_size(family.now_bytes),
        f"{sign}{format_size(family.gained_bytes)}",
        f"{sign}{format_size(family.bytes_per_hour)}",
    )
    return (
        f"<tr><th scope=row><code>{escape(family.name)}</code> <small>{escape(family.user)}</small></th>"
        + "".join(f"<td>{cell}</td>" for cell in cells)
        + f"<td>{spark(family.memory)}</td></tr>"
    )


def _more(report: Report) -> str:
    more = len(report.families) + report.families_left_out - _MOST_ROWS
    return f"<p class=quiet>and {more} more families; the JSON report has them</p>" if more > 0 else ""


def _events(report: Report) -> Iterator[str]:
    for gap in report.gaps:
        what = "the host went down and came back" if gap.reboot else "nobody looked"
        length = format_duration(gap.end_s - gap.start_s)
        yield f"<li><b>{moment(gap.start_s)}</b> {what}: no samples for {length}</li>"
    if not report.gaps:
        yield "<li>The host stayed up, and was looked at all the time.</li>"


def _runs_table(report: Report) -> str:
    if not report.runs:
        return ""
    names = (
        "command",
        "runs",
        "well",
        "failed",
        "timed out",
        "over memory",
        "skipped",
        "unended",
        "median",
        "longest",
        "peak",
    )
    rows = []
    for line in report.runs:
        numbers = (line.runs, line.well, line.failed, line.timed_out, line.over_memory, line.skipped, line.unended)
        durations = (format_duration(line.median_seconds), format_duration(line.longest_seconds))
        cells = (*map(str, numbers), *durations, format_size(line.peak_bytes))
        rows.append(
            f'<tr><th scope=row title="{escape(line.command)}"><code>{escape(line.name)}</code></th>{_cells(cells)}</tr>'
        )
    head = "".join(f"<th scope=col>{name}</th>" for name in names)
    return f"<section><h2>Guarded runs</h2><table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></section>"


def _cells(texts: Iterable[str]) -> str:
    return "".join(f"<td>{escape(text)}</td>" for text in texts)
