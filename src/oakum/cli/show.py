"""What the listings share: a console, JSON, short cells, and text that can do a terminal no harm."""

from __future__ import annotations

import os
import re
import sys
import time
from typing import TYPE_CHECKING, Any, Final

from oakum.units import format_duration, format_size

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

UNKNOWN: Final = "-"
STATE_STYLES: Final = {
    "available": "default",
    "scheduled": "blue",
    "held": "blue",
    "running": "cyan",
    "completed": "green",
    "failed": "red",
    "cancelled": "bright_black",
    "expired": "yellow",
    "quarantined": "magenta",
}
_PIPE_WIDTH: Final = 160
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # all but tab and newline


def console() -> Console:
    """Standard output; where it is no terminal, as wide as COLUMNS says or wide enough for most lines."""
    from rich.console import Console

    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else _PIPE_WIDTH
    return Console(width=width, highlight=False, markup=False, emoji=False)


def print_json(value: Any) -> None:
    """A value of the inspector for programs, indented."""
    import msgspec

    print(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def table(*heads: str, left: int = 1, gap: int = 2) -> Table:
    """A quiet table: the first `left` columns flush left, the others, which are numbers, flush right; `gap` between them."""
    from rich.table import Table

    made = Table(box=None, pad_edge=False, padding=(0, gap, 0, 0), header_style="bright_black")
    for place, head in enumerate(heads):
        made.add_column(head, justify="left" if place < left else "right", no_wrap=True, vertical="bottom")
    return made


def clean(text: str) -> str:
    """Text from a job without the control characters that would steer a terminal."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)


def tail(text: str, width: int) -> str:
    """`text`, its beginning left out where it is longer than `width`: the end of a name says most."""
    text = clean(text)
    return text if len(text) <= width else f"…{text[len(text) - width + 1 :]}"


def size(count: float | None) -> str:
    """Bytes in five places: `12.3M` is 12.3 MiB."""
    return UNKNOWN if count is None else format_size(count).replace(" ", "").removesuffix("iB")


def count(value: int | None) -> str:
    """A count that may be unknown, or unbounded."""
    return UNKNOWN if value is None else f"{value:,}"


def duration(seconds: float | None) -> str:
    """Seconds in five or six places: `12ms`, `1.15s`, `4m10s`."""
    return UNKNOWN if seconds is None else format_duration(seconds).replace(" ", "")


def age(milliseconds: int) -> str:
    """How long ago, to the second: `35s`, `4m10s`."""
    seconds = max(0, milliseconds) // 1000
    return f"{seconds}s" if seconds < 60 else duration(seconds)


def micros(count: int | None) -> str:
    """Microseconds as `duration` shows seconds."""
    return duration(None if count is None else count / 1e6)


def number(count: int) -> str:
    """A count; nothing for none, so that what there is stands out."""
    return f"{count:,}" if count else UNKNOWN


def jobs(count: int) -> str:
    """So many jobs, in words."""
    return "1 job" if count == 1 else f"{count:,} jobs"


def moment(wall_ms: int) -> str:
    """Wall time as a clock on the wall shows it."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(wall_ms / 1000))
