"""Which jobs `oakum cancel` and `oakum retry` mean: some by their ids, or all that filters describe."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from oakum.cli import options
from oakum.errors import UsageError

if TYPE_CHECKING:
    from oakum.inspector.inspector import Inspector
    from oakum.model.job import JobQuery


class Selection(NamedTuple):
    """Either `ids`, or what `query` describes."""

    ids: list[bytes]
    query: JobQuery

    def count(self, inspector: Inspector) -> int:
        """How many jobs that is now."""
        return len(self.ids) or inspector.count(self.query)

    def batches(self, inspector: Inspector) -> Iterator[Sequence[bytes]]:
        """Their ids in batches, with a bar on a terminal where there are many."""
        if self.ids:
            yield self.ids
            return
        from rich.console import Console
        from rich.progress import Progress

        with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
            task = bar.add_task("jobs", total=self.count(inspector))
            for ids in inspector.ids(self.query):
                yield ids
                bar.advance(task, len(ids))


def configure(parser: argparse.ArgumentParser, states: str) -> None:
    """`states`: the ones that are meant where --state is not given."""
    parser.add_argument("id", metavar="ID", nargs="*", help="jobs by their ids, as `oakum jobs` prints them")
    options.add_filters(parser, states)
    parser.add_argument("--all", action="store_true", help=f"yes, every one that is {states}")
    parser.add_argument("--dry-run", action="store_true", help="count them and change nothing")
    options.add_store(parser)


def read(args: argparse.Namespace, states: str) -> Selection:
    """What was chosen; `states` holds where --state is not given. Raises UsageError for nothing, and for ids with filters."""
    import msgspec

    from oakum.model.ids import parse_id

    query = options.read_query(args)
    filtered = query.states or query.task or query.queue or query.tag or args.all
    if bool(args.id) == bool(filtered):
        raise UsageError(f"say which jobs: their ids, or filters like --task or --queue, or --all that are {states}")
    if not query.states:
        query = msgspec.structs.replace(query, states=options.read_states([states]))
    return Selection([parse_id(word) for word in args.id], query)
