"""`oakum store`: is the store sound; a copy of it; smaller; elsewhere. All of it while the store is used."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from oakum.cli import options
from oakum.errors import OakumError

if TYPE_CHECKING:
    from oakum.inspector.move import Load, Move, Moved
    from oakum.store.care import Care

_EPILOG: Final = """\
URL is $OAKUM_STORE, or sqlite:///oakum.db, where it is not given. Progress goes to standard error.

examples:
  oakum store check
  oakum store backup sqlite:///work.db /backups/work.db
  oakum store compact sqlite:///work.db
  oakum store move sqlite:///work.db postgresql://shop@db.example.com/shop --dry-run
"""
_MOVE: Final = """\
Moves a store to another kind or place while it is used. Ended jobs go first; then the store takes no more work, what runs
is settled, and the rest follows. Interrupted, the same command goes on from there."""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.epilog = _EPILOG
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION", title="actions")

    def add(name: str, summary: str, description: str = "") -> argparse.ArgumentParser:
        return actions.add_parser(name, help=summary, description=description or f"{summary[0].upper()}{summary[1:]}.")

    check = add("check", "say whether it is sound, with exit status 1 where it is not")
    backup = add("backup", "copy it, as it is at one moment, to a new file")
    compact = add("compact", "give back the room that it does not use")
    move = add("move", "move it to another kind of store, or another place", _MOVE)
    for each in (check, backup, compact):
        each.add_argument("url", metavar="URL", nargs="?", help="the store, like sqlite:///work.db")
    backup.add_argument("to", metavar="TO", help="a file that is not there yet")
    compact.add_argument("--block", action="store_true", help="also where all who use it have to wait for long")
    move.add_argument("source", metavar="FROM", help="the store, like sqlite:///work.db")
    move.add_argument("target", metavar="TO", help="where to, like postgresql://user@host/database")
    way = move.add_mutually_exclusive_group()
    way.add_argument("--dry-run", action="store_true", help="say what would be moved, and change nothing")
    way.add_argument("--undo", action="store_true", help="open FROM again after a move that did not come to its end")
    for each in (check, backup, compact, move):
        options.add_format(each)


def run(args: argparse.Namespace) -> int:
    action = {"check": _check, "backup": _backup, "compact": _compact, "move": _move}[args.action]
    return action(args)


def _check(args: argparse.Namespace) -> int:
    from oakum.cli import store_show

    looks = []
    with _care(args) as care:
        for look in care.looks():
            looks.append(look)
            if args.format == "text":
                store_show.print_look(look)
    if args.format == "json":
        store_show.print_looks(looks)
    return 1 if any(look.findings for look in looks) else 0


def _backup(args: argparse.Namespace) -> int:
    from oakum.cli import store_show

    with _care(args) as care:
        size = care.backup(args.to)
    store_show.print_backup(args.to, size, args.format)
    return 0


def _compact(args: argparse.Namespace) -> int:
    from oakum.cli import store_show

    with _care(args) as care:
        room = care.compact(block=args.block)
    store_show.print_room(room, args.format)
    return 0


def _move(args: argparse.Namespace) -> int:
    from oakum.cli import store_show
    from oakum.clock import SystemClock
    from oakum.inspector.move import open_move

    with (
        store_show.progress() as tell,
        open_move(args.source, args.target, SystemClock(), tell, look=args.dry_run or args.undo) as move,
    ):
        done: Load | Moved | None = None
        if args.undo:
            move.undo()
        elif args.dry_run:
            done = move.load()
        else:
            done = _run(move)
    store_show.print_move(done, args.source, args.format)
    return 0


def _run(move: Move) -> Moved:
    """Moves. Whoever interrupts that, or whatever fails in it, leaves behind stores that are shut: then it says so."""
    try:
        return move.run()
    except BaseException:
        with contextlib.suppress(OakumError):
            if move.is_under_way():
                print(
                    "oakum store: the store stays shut; the same command goes on, --undo opens it again",
                    file=sys.stderr,
                )
        raise


@contextlib.contextmanager
def _care(args: argparse.Namespace) -> Iterator[Care]:
    from oakum.cli import store_show
    from oakum.store.open import open_care

    url = args.url or os.environ.get("OAKUM_STORE") or options.DEFAULT_STORE
    with store_show.progress() as tell, contextlib.closing(open_care(url, tell)) as care:
        yield care
