"""`oakum dead`: jobs that ended in failure, grouped by cause; run them again or let them go, one, some or all."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

from oakum.cli import options
from oakum.errors import UsageError

if TYPE_CHECKING:
    from oakum.inspector.inspector import Inspector
    from oakum.model.job import JobQuery

_STATES: Final = "failed,quarantined"
_EPILOG: Final = """\
examples:
  oakum dead
  oakum dead show 5f0c21aa
  oakum dead retry --group 5f0c21aa --dry-run
  oakum dead drop --task shop.tasks.resize
"""

Act = Callable[["Inspector", Sequence[bytes]], "tuple[int, str]"]
"""What is done to some jobs: to how many it was, and why not to all of them, as far as that ends it."""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.usage = "oakum dead [options]\n       oakum dead (show | retry | drop) [options] ..."
    parser.epilog = _EPILOG
    parser.set_defaults(action=_list)
    _add_filters(parser)
    options.add_format(parser)
    options.add_store(parser)
    actions = parser.add_subparsers(prog="oakum dead", metavar="ACTION", title="actions")
    show = _action(actions, "show", "one group: its error, its traceback and its newest jobs", _show)
    show.add_argument("group", metavar="GROUP", help="as `oakum dead` prints it")
    options.add_format(show, again=True)
    for name, summary, action in (
        ("retry", "run them again, as new jobs; they leave this list", _retry),
        ("drop", "let them go for good", _drop),
    ):
        sub = _action(actions, name, summary, action)
        sub.add_argument("id", metavar="ID", nargs="*", help="single jobs by their ids")
        _add_filters(sub, again=True)
        sub.add_argument("--group", metavar="GROUP", help="only those of one cause, as `oakum dead` prints it")
        sub.add_argument("--all", action="store_true", help="yes, every one")
        sub.add_argument("--dry-run", action="store_true", help="count them and change nothing")


def run(args: argparse.Namespace) -> int:
    return int(args.action(args))


def _action(
    actions: argparse._SubParsersAction[argparse.ArgumentParser],  # it has no public name
    name: str,
    summary: str,
    action: Callable[[argparse.Namespace], int],
) -> argparse.ArgumentParser:
    sub = actions.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
    sub.set_defaults(action=action)
    options.add_store(sub, again=True)
    return sub


def _add_filters(parser: argparse.ArgumentParser, *, again: bool = False) -> None:
    default = argparse.SUPPRESS if again else None
    parser.add_argument("--state", choices=_STATES.split(","), default=default, help="only these")
    parser.add_argument("--task", metavar="NAME", default=default, help="only jobs of this task")
    parser.add_argument("--queue", metavar="NAME", default=default, help="only jobs of this queue")
    parser.add_argument("--tag", metavar="TAG", default=default, help="only jobs that bear this tag")


def _query(args: argparse.Namespace) -> JobQuery:
    from oakum.model.job import JobQuery

    return JobQuery(states=options.read_states([args.state or _STATES]), task=args.task, queue=args.queue, tag=args.tag)


def _list(args: argparse.Namespace) -> int:
    from oakum.cli import show
    from oakum.cli.dead_view import groups_view

    with options.open_inspector(options.store_url(args)) as inspector:
        groups, now_ms = inspector.dead(_query(args)), inspector.now_ms()
    if args.format == "json":
        show.print_json(groups)
    elif groups:
        console = show.console()
        console.print(groups_view(groups, now_ms, console.width))
    else:
        print("no dead letters: nothing has failed or been quarantined, as far as it is still kept")
    return 0


def _show(args: argparse.Namespace) -> int:
    from oakum.cli import show
    from oakum.cli.dead_view import group_view

    with options.open_inspector(options.store_url(args)) as inspector:
        ids = [each for batch in inspector.dead_ids(_query(args), args.group) for each in batch]
        if not ids:
            raise UsageError(
                f"group: no failed job has the fingerprint {args.group!r}; `oakum dead` lists those there are"
            )
        story = inspector.story(ids[0])
        now_ms = inspector.now_ms()
    if args.format == "json":
        show.print_json({"fingerprint": args.group, "jobs": len(ids), "newest": story})
    else:
        show.console().print(*group_view(args.group, ids, story, now_ms), sep="\n", soft_wrap=True)
    return 0


def _retry(args: argparse.Namespace) -> int:
    return _act(args, "would run again", "will run again", _run_again)


def _drop(args: argparse.Namespace) -> int:
    return _act(args, "would be let go", "let go", lambda inspector, ids: (inspector.forget(ids), ""))


def _run_again(inspector: Inspector, ids: Sequence[bytes]) -> tuple[int, str]:
    copies, full = inspector.retry(ids)
    inspector.forget(list(copies))
    return len(copies), full


def _act(args: argparse.Namespace, would: str, did: str, act: Act) -> int:
    from oakum.cli.show import jobs

    chosen = args.group or args.state or args.task or args.queue or args.tag or args.all
    if bool(args.id) == bool(chosen):
        raise UsageError("say which: jobs by their ids, or --group, --task, --queue, --tag, --state, or --all")
    with options.open_inspector(options.store_url(args)) as inspector:
        found = changed = 0
        full = ""
        for ids in _ids(inspector, args):
            found += len(ids)
            if not args.dry_run:
                done, full = act(inspector, ids)
                changed += done
            if full:
                break
    if args.dry_run:
        print(f"{jobs(found)} {would} (dry run: nothing was changed)")
        return 0
    print(f"{jobs(changed)} {did}" + (f", {found - changed:,} left as they are" if found > changed else ""))
    if full:
        print(f"oakum: {full}", file=sys.stderr)
    return 3 if full or (args.id and changed < len(args.id)) else 0


def _ids(inspector: Inspector, args: argparse.Namespace) -> Iterator[Sequence[bytes]]:
    from oakum.model.ids import id_text, parse_id

    if args.group:
        return inspector.dead_ids(_query(args), args.group)
    if not args.id:
        return inspector.ids(_query(args))
    dead = options.read_states([_STATES])
    known: list[bytes] = []
    for each in map(parse_id, args.id):
        state = inspector.state(each)
        if state in dead:
            known.append(each)
        else:
            what = "not in the store (any more)" if state is None else f"is {state.label}, no dead letter"
            print(f"oakum: job {id_text(each)}: {what}", file=sys.stderr)
    return iter([known] if known else [])
