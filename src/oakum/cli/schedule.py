"""`oakum schedule`: schedules with their next and last ticks; pause, resume, trigger, set, reset and drop them."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from oakum.cli import options
from oakum.errors import UsageError

if TYPE_CHECKING:
    from oakum.inspector.schedules import ScheduleRow

_EPILOG: Final = """\
What is paused or set here stays so, whatever the code declares, until `oakum schedule reset`.

examples:
  oakum schedule
  oakum schedule show refresh
  oakum schedule set refresh --every 5s
  oakum schedule set report --cron '0 7 * * mon-fri' --zone Europe/Berlin
  oakum schedule trigger report
"""

_ACTIONS: Final = (
    ("list", "all schedules by name"),
    ("show", "everything about some"),
    ("pause", "no more ticks until they are resumed"),
    ("resume", "ticks again, from now on"),
    ("trigger", "make a job of each now, outside its ticks"),
    ("set", "another timing instead of the code's"),
    ("reset", "back to what the code declares"),
    ("drop", "forget them; a worker that declares one brings it back when it starts"),
)


def configure(parser: argparse.ArgumentParser) -> None:
    parser.epilog = _EPILOG
    options.add_actions(parser, _ACTIONS, _add_timing)


def _add_timing(change: argparse.ArgumentParser) -> None:
    timing = change.add_mutually_exclusive_group(required=True)
    timing.add_argument("--every", metavar="DURATION", help="an interval, like 5s or 15m")
    timing.add_argument("--cron", metavar="TEXT", help="a cron text of five or six fields")
    change.add_argument("--zone", metavar="NAME", help="the time zone of --cron (default: UTC)")


def run(args: argparse.Namespace) -> int:
    return _list(args) if args.action == "list" else _ACT[args.action](args)


def _list(args: argparse.Namespace) -> int:
    from oakum.cli import show
    from oakum.cli.schedule_view import list_view

    with options.open_inspector(options.store_url(args)) as inspector:
        rows, now_ms = list(inspector.schedules.all()), inspector.now_ms()
    if args.format == "json":
        show.print_json(rows)
    elif rows:
        console = show.console()
        console.print(*list_view(rows, now_ms, console.width), sep="\n")
    else:
        print("no schedules: `app.schedule(...)` declares one, and a worker brings it here when it starts")
    return 0


def _show(args: argparse.Namespace) -> int:
    from oakum.cli import show
    from oakum.cli.schedule_view import schedule_view

    with options.open_inspector(options.store_url(args)) as inspector:
        rows, now_ms = [inspector.schedules.show(name) for name in args.name], inspector.now_ms()
    if args.format == "json":
        show.print_json(rows)
    else:
        for row in rows:
            show.console().print(schedule_view(row, now_ms), soft_wrap=True)
    return 0


def _set(args: argparse.Namespace) -> int:
    from oakum.model.schedule.timing import cron, every

    if args.every is not None and args.zone is not None:
        raise UsageError("--zone: an interval has no time zone; it goes with --cron")
    timing = every(args.every) if args.every is not None else cron(args.cron, zone=args.zone or "UTC")
    return _change(args, lambda schedules, name: schedules.retime(name, timing))


def _change(args: argparse.Namespace, change: Callable[..., ScheduleRow]) -> int:
    """Does it to each, and says how each stands then."""
    from oakum.cli import show
    from oakum.cli.schedule_view import standing

    with options.open_inspector(options.store_url(args)) as inspector:
        rows = [change(inspector.schedules, name) for name in args.name]
        now_ms = inspector.now_ms()
    if args.format == "json":
        show.print_json(rows)
    else:
        for row in rows:
            print(show.clean(f"schedule {row.name}: {standing(row, now_ms)}"))
    return 0


def _trigger(args: argparse.Namespace) -> int:
    from oakum.cli import show

    with options.open_inspector(options.store_url(args)) as inspector:
        made = {name: inspector.schedules.trigger(name) for name in args.name}
    if args.format == "json":
        show.print_json(made)
    else:
        for name, job in made.items():
            print(f"schedule {name}: job {job}")
    return 0


def _drop(args: argparse.Namespace) -> int:
    with options.open_inspector(options.store_url(args)) as inspector:
        for name in args.name:
            inspector.schedules.drop(name)
            print(f"schedule {name}: dropped; its jobs stay")
    return 0


_ACT: Final[dict[str, Callable[[argparse.Namespace], int]]] = {
    "show": _show,
    "pause": lambda args: _change(args, lambda schedules, name: schedules.pause(name)),
    "resume": lambda args: _change(args, lambda schedules, name: schedules.resume(name)),
    "trigger": _trigger,
    "set": _set,
    "reset": lambda args: _change(args, lambda schedules, name: schedules.reset(name)),
    "drop": _drop,
}
