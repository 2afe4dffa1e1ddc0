"""`oakum jobs`: a listing, newest first; `oakum jobs show ID`: one job's whole story."""

from __future__ import annotations

import argparse
from typing import Final

from oakum.cli import options

_EPILOG: Final = """\
examples:
  oakum jobs --state failed,quarantined
  oakum jobs --task shop.tasks.resize --limit 100 --format json
  oakum jobs show 01k9q0c7n4e8s2v5x3m6t1b0za --payload
"""


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
    show.add_argument("id", metavar="ID", help="the job's id, as `oakum jobs` prints it")
    show.add_argument("--payload", action="store_true", help="show its arguments and its result too")
    options.add_store(show, again=True)
    options.add_format(show, again=True)
    show.set_defaults(action=_show)


def run(args: argparse.Namespace) -> int:
    return int(args.action(args))


def _list(args: argparse.Namespace) -> int:
    import msgspec

    from oakum.cli import show
    from oakum.cli.jobs_view import page_view
    from oakum.model.ids import parse_id

    before = parse_id(args.before) if args.before is not None else None
    query = msgspec.structs.replace(options.read_query(args), limit=args.limit, before=before)
    with options.open_inspector(options.store_url(args)) as inspector:
        page = inspector.jobs(query)
        now_ms = inspector.now_ms()
    if args.format == "json":
        show.print_json(page)
    elif page.jobs:
        console = show.console()
        console.print(page_view(page, now_ms, console.width))
    elif any((args.state, args.task, args.queue, args.tag, args.before)):
        print("no such jobs")
    else:
        print("no jobs yet: `oakum enqueue MODULE:APP TASK` makes one")
    return 0


def _show(args: argparse.Namespace) -> int:
    from oakum.cli import show
    from oakum.cli.story_view import story_view
    from oakum.model.ids import parse_id

    job_id = parse_id(args.id)
    with options.open_inspector(options.store_url(args)) as inspector:
        story = inspector.story(job_id, with_call=args.payload)
        now_ms = inspector.now_ms()
    if args.format == "json":
        show.print_json(story)
    else:
        show.console().print(*story_view(story, now_ms), sep="\n", soft_wrap=True)
    return 0
