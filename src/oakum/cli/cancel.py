"""`oakum cancel`: ends waiting jobs, and asks running ones to stop."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from typing import Final

from oakum.cli import options, selection
from oakum.errors import UsageError

_STATES: Final = "available,scheduled,held,running"
_EPILOG: Final = """\
examples:
  oakum cancel 01k9q0c7n4e8s2v5x3m6t1b0za
  oakum cancel --task shop.tasks.resize --state available --dry-run
"""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.epilog = _EPILOG
    selection.configure(parser, _STATES)


def run(args: argparse.Namespace) -> int:
    from oakum.cli.show import jobs
    from oakum.model.ids import id_text
    from oakum.model.job import State

    chosen = selection.read(args, _STATES)
    if any(state.terminal for state in chosen.query.states):
        raise UsageError(f"--state: jobs that have ended can't be cancelled; name some of {_STATES}")
    with options.open_inspector(options.store_url(args)) as inspector:
        if args.dry_run:
            print(f"{jobs(chosen.count(inspector))} would be cancelled (dry run: nothing was changed)")
            return 0
        states: Counter[State] = Counter()
        missing: list[bytes] = []
        for ids in chosen.batches(inspector):
            after = inspector.cancel(ids)
            states.update(after.values())
            missing += [each for each in ids if each not in after]
    ended = sum(count for state, count in states.items() if state.terminal and state is not State.CANCELLED)
    parts = [f"{jobs(states[State.CANCELLED])} cancelled"]
    if states[State.RUNNING]:
        parts.append(f"{states[State.RUNNING]:,} running and asked to stop")
    if ended:
        parts.append(f"{ended:,} had ended before")
    print(", ".join(parts))
    for each in missing:
        print(f"oakum: job {id_text(each)}: not in the store (any more)", file=sys.stderr)
    return 3 if missing and chosen.ids else 0
