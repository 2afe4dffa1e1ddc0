"""Reads crontabs: which line runs what, how often, and what of it a guard can stand in front of. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice, pairwise
from typing import Final

_NICKNAMES: Final = {
    "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *", "@monthly": "0 0 1 * *", "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@hourly": "0 * * * *",
}  # fmt: skip
_SETTING: Final = re.compile(r"\s*[\"']?\w+[\"']?\s*=")
_LINE: Final = re.compile(r"(?P<schedule>@\w+|(?:\S+\s+){4}\S+)\s+(?P<rest>\S.*?)\s*", re.DOTALL)
_EPOCH: Final = datetime(2025, 1, 1, tzinfo=UTC)
_LOOKED_AT: Final = 200  # ticks of a schedule that are read for its smallest interval


@dataclass(frozen=True, slots=True)
class CronLine:
    """One job of a crontab. `start` is where in the line its command begins; `user` only in system crontabs."""

    number: int
    text: str
    schedule: str
    user: str | None
    start: int

    @property
    def command(self) -> str:
        """What cron hands to its shell."""
        return self.text[self.start :]


def interval(schedule: str) -> float | None:
    """The smallest number of seconds between two starts; None for `@reboot` and for what cron would refuse."""
    from cronsim import CronSim, CronSimError  # the recorder reads crontabs too, and stays small

    try:
        ticks = CronSim(_NICKNAMES.get(schedule, schedule), _EPOCH)
    except CronSimError:
        return None
    return min(((b - a).total_seconds() for a, b in pairwise(islice(ticks, _LOOKED_AT))), default=None)


def read_crontab(text: str, *, system: bool = False) -> Iterator[CronLine]:
    """The jobs of a crontab; `system` for `/etc/crontab` and `/etc/cron.d`, whose lines name a user."""
    for number, line in enumerate(text.split("\n"), 1):
        bare = line.lstrip()
        if not bare or bare.startswith("#") or _SETTING.match(bare):
            continue
        match = _LINE.fullmatch(bare)
        if match is None:
            continue
        user, command = None, match["rest"]
        if system:
            user, *rest = command.split(None, 1)
            command = rest[0] if rest else ""
        if command:
            whole = line.rstrip()
            yield CronLine(number, whole, match["schedule"], user, len(whole) - len(command))
