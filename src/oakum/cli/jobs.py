"""`oakum jobs`: a listing, newest first; `oakum jobs show ID`: one job's whole story."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Final

from oakum.cli import jobs_show, options

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from oakum.inspector.views import JobPage, JobRow

_EPILOG: Final = """\
examples:
  oakum jobs --state failed,quarantined
  oakum jobs --task shop.tasks.resize --limit 100 --format json
  oakum jobs show 01k9q0c7n4e8s2v5x3m6t1b0za --payload
"""
_OTHER_COLUMNS: Final = 26 + 11 + 7 + 6 + 5 + 2 * 5  # id, state, age, took, peak, and what is between them
_SHORTEST_NAME: Final = 16
_SHORTEST_NOTE: Final = 20


def configure(parser: argparse.ArgumentParser) -> None:
    parser.usage = "oakum jobs [options]\n       oakum jobs show [options] ID"
    parser.epilog = _EPILOG
    parser.set_defaults(action=_list)
    options.add_store(parser)
    options.add_format(parser)
    options.add_filters(parser, "all")
    parser.add_argument("--limit", type=int, default=20, metavar="N", help="at most N jobs (default: %(default)s)")
    parser.add_argument("--before", metavar="ID", help="only jobs older than this one: the next page")
    actions = parser.add_subparsers(prog="oakum jobs", metavar="ACTION", title="actions")
    summary = "every start of one job, its progress and what it printed"
    show = actions.add_parser("show", help=summary, description=f"{summary.capitalize()}.")
    jobs_show.configure(show)
    options.add_store(show, again=True)
    options.add_format(show, again=True)
    show.set_defaults(action=jobs_show.run)


def run(args: argparse.Namespace) -> int:
    return int(args.action(args))


def _list(args: argparse.Namespace) -> int:
    import msgspec

    from oakum.cli import show
    from oakum.model.ids import parse_id

    before = parse_id(args.before) if args.before is not None else None
    query = msgspec.structs.replace(options.read_query(args), limit=args.limit, before=before)
    with options.open_inspector(options.store_url(args)) as inspector:
        page = inspector.jobs(query)
        now_ms = inspector.now_ms()
    if args.format == "json":
        show.print_json(page)
    elif page.jobs:
        _print(page, now_ms, show.console())
    else:
        print(
            "no such jobs"
            if query != type(query)(limit=args.limit)
            else "no jobs yet: `oakum enqueue MODULE:APP TASK` makes one"
        )
    return 0


def _print(page: JobPage, now_ms: int, console: Console) -> None:
    from rich.text import Text

    from oakum.cli import show

    longest = max(len(job.task) for job in page.jobs)
    names = min(longest, max(_SHORTEST_NAME, console.width - _OTHER_COLUMNS))
    notes = console.width - _OTHER_COLUMNS - names - 2
    table = show.table("ID", "STATE", "TASK", "AGE", "TOOK", "PEAK", left=3)
    if notes >= _SHORTEST_NOTE:
        table.expand = True
        table.add_column("NOTE", no_wrap=True, overflow="ellipsis", ratio=1)
    for job in page.jobs:
        cells: list[str | Text] = [
            job.id,
            Text(job.state, show.STATE_STYLES[job.state]),
            show.tail(job.task, names),
            show.age(now_ms - job.created_ms),
            show.micros(job.duration_us),
            show.size(job.peak),
        ]
        if notes >= _SHORTEST_NOTE:
            cells.append(Text(show.clean(_note(job, now_ms)), "bright_black"))
        table.add_row(*cells)
    console.print(table)
    if page.before is not None:
        console.print(f"older ones: --before {page.before}", style="bright_black")


def _note(job: JobRow, now_ms: int) -> str:
    """What is worth knowing of a job, in a few words."""
    from oakum.cli import show

    if job.state == "running":
        return jobs_show.progress_text(job.progress) if job.progress is not None else ""
    if job.state == "scheduled":
        due = show.age(job.run_at_ms - now_ms)
        return f"in {due}" + (f", after {job.error}" if job.error else "")
    return job.error
