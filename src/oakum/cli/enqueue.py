"""`oakum enqueue`: stores one job, and waits for its value where that is wanted."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from typing import TYPE_CHECKING, Any, Final, cast

from oakum.cli import options
from oakum.errors import CannotRun, JobError, UsageError
from oakum.units import parse_duration

if TYPE_CHECKING:
    from oakum.run.app import Oakum
    from oakum.run.options import CallOptions
    from oakum.run.task import Task

_EPILOG: Final = """\
examples:
  oakum enqueue shop.tasks:app resize '["a.png", 300]'
  oakum enqueue shop.tasks:app resize '{"path": "a.png", "width": 300}' --delay 5m --unique args
  oakum enqueue shop.tasks:app resize '["a.png", 300]' --wait

The job's id is printed; with --wait its value, as JSON.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.epilog = _EPILOG
    add = parser.add_argument
    add("app", metavar="MODULE:APP", help="where the application is, like shop.tasks:app")
    add("task", metavar="TASK", help="the task's name, or the end of it where that is enough")
    add("arguments", metavar="JSON-ARGS", nargs="?", default="[]", help="a list, or an object of keyword arguments")
    add("--queue", metavar="NAME", help="another queue than the task's own")
    add("--priority", type=int, metavar="N", help="higher runs sooner")
    add("--delay", metavar="TIME", help="not before this long from now")
    add("--expires", metavar="TIME", help="never later than this")
    add("--key", metavar="KEY", help="jobs of one key run one at a time, in order")
    add("--unique", choices=("args", "task"), help="not while such a job waits or runs already")
    add("--on-conflict", choices=("keep", "replace", "reject"), help="what becomes of it then (default: keep)")
    add("--debounce", metavar="TIME", help="start this long after the last such call, with its arguments")
    add("--throttle", metavar="TIME", help="at most one such job in this time: the first")
    add("--block-for", metavar="TIME", help="how long to wait for room in a full queue (0: not at all)")
    add("--idempotency-key", metavar="KEY", help="not where a job was stored with this key already")
    add("--wait", action="store_true", help="wait for the job's end and print its value")


def run(args: argparse.Namespace) -> int:
    from oakum.model.ids import id_text

    app = options.load_app(args.app)
    if app.desk.url.startswith("memory:"):
        raise UsageError(
            f"{args.app} keeps its jobs in memory://, which ends with this command; give it a store to enqueue to"
        )
    positional, keywords = _read_arguments(args.arguments)
    block_s = None if args.block_for is None else parse_duration(args.block_for, name="--block-for", zero=True)
    with contextlib.closing(app):
        new = _find(app, args.task).using(**_read_options(args)).job(*positional, **keywords)
        stored = app.desk.insert_one(new, block_s)
        if stored != new.id:
            print("oakum: not stored: the job with that key is there already", file=sys.stderr)
        if args.wait:
            _wait(app, args.app, id_text(stored))
        else:
            print(id_text(stored))
    return 0


def _find(app: Oakum, name: str) -> Task[Any, Any, Any]:
    """The task of this name, or the only one whose name ends with it."""
    meant = [known for known in app.tasks if known.endswith(f".{name}")]
    return app.find_task(meant[0] if name not in app.tasks and len(meant) == 1 else name)


def _read_arguments(text: str) -> tuple[list[Any], dict[str, Any]]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise UsageError(f"JSON-ARGS: {text!r} is not JSON ({error}); write it like '[1, \"two\"]'") from error
    if isinstance(value, list):
        return value, {}
    if isinstance(value, dict):
        return [], value
    raise UsageError(f"JSON-ARGS: {text} is one value; put it into a list, like '[{text}]'")


def _read_options(args: argparse.Namespace) -> CallOptions:
    names = ("queue", "priority", "delay", "expires", "key", "debounce", "throttle", "idempotency_key")
    given = {name: getattr(args, name) for name in names if getattr(args, name) is not None}
    if args.on_conflict is not None:
        from oakum.run.unique import Unique

        given["unique"] = Unique(args=() if args.unique == "task" else None, on_conflict=args.on_conflict)
    elif args.unique is not None:
        given["unique"] = args.unique
    return cast("CallOptions", given)


def _wait(app: Oakum, target: str, job_id: str) -> None:
    from oakum.cli import show
    from oakum.inspector.inspector import Inspector

    if not any(worker.alive for worker in Inspector(app.store, app.desk.clock).overview().workers):
        print(f"oakum: no worker runs; job {job_id} waits for one: oakum worker {target}", file=sys.stderr)
    try:
        show.print_json(app.job(job_id).wait())
    except JobError as error:
        raise CannotRun(f"job {job_id}: {error}; see `oakum jobs show {job_id} --app {target}`") from error
