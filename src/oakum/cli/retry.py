"""`oakum retry`: runs ended jobs again, each as a new job that names the old one as its parent."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Final

from oakum.cli import options, selection
from oakum.errors import UsageError

if TYPE_CHECKING:
    from oakum.inspector.inspector import Inspector

_STATES: Final = "failed,quarantined"
_EPILOG: Final = """\
The jobs themselves stay as they ended: to do this once more runs them once more. `oakum dead retry` takes them off its list.

examples:
  oakum retry 01k9q0c7n4e8s2v5x3m6t1b0za
  oakum retry --task shop.tasks.resize --dry-run
"""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.epilog = _EPILOG
    selection.configure(parser, _STATES)


def run(args: argparse.Namespace) -> int:
    from oakum.cli.show import jobs
    from oakum.model.ids import id_text

    chosen = selection.read(args, _STATES)
    if not all(state.terminal for state in chosen.query.states):
        raise UsageError("--state: only jobs that have ended can run again; name some of those states")
    with options.open_inspector(options.store_url(args)) as inspector:
        if args.dry_run:
            print(f"{jobs(chosen.count(inspector))} would run again (dry run: nothing was changed)")
            return 0
        begun, left, full = 0, list[bytes](), ""
        for ids in chosen.batches(inspector):
            copies, full = inspector.retry(ids)
            begun += len(copies)
            left += [each for each in ids if each not in copies]
            if chosen.ids:
                for old, new in copies.items():
                    print(f"{id_text(old)} runs again as {id_text(new)}")
            if full:
                break
        for each in left if chosen.ids else ():
            print(f"oakum: job {id_text(each)}: {_why_not(inspector, each, full)}", file=sys.stderr)
    if not chosen.ids:
        print(f"{jobs(begun)} will run again" + (f", {len(left):,} left as they are" if left else ""))
        if full:
            print(f"oakum: {full}", file=sys.stderr)
    return 3 if full or (left and chosen.ids) else 0


def _why_not(inspector: Inspector, id: bytes, full: str) -> str:
    state = inspector.state(id)
    if state is None:
        return "not in the store (any more)"
    if not state.terminal:
        return f"has not ended; it is {state.label}"
    return full or "another job holds its unique key now"
