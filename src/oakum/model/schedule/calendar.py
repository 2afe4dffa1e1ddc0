"""Cron texts in time zones: a calendar walked in local time, from one change of the zone's offset to the next.

What the text means in plain local time is cronsim's to know. What becomes of it where clocks are set is Debian cron's
rule. A text with fixed times (neither minute nor hour begins with a star): a time that falls into the gap runs once, at
the gap's end; one in a repeated stretch runs the first time only. Any other text follows the time that passes: it
skips what is left out, and goes on through what is repeated, each time at a moment of its own.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

from oakum.errors import UsageError

_DAY_MS: Final = 86_400_000
_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - naive: it is the zero of local times too
_MILLISECOND: Final = timedelta(milliseconds=1)


def check_cron(text: str, zone: str) -> None:
    """Raises UsageError for a text that makes no sense or never fires, and for a zone that there is not."""
    from cronsim import CronSimError

    _zone(zone)
    try:
        fires = _next_local(text, 0) is not None
    except CronSimError as error:  # it knows of some days that there are not
        raise UsageError(
            f"cron: {text!r} makes no sense or never fires ({error}); five fields are like '*/15 8-18 * * mon-fri'"
        ) from None
    if not fires:
        raise UsageError(f"cron: {text!r} never fires: no day fits it")


def cron_after(text: str, zone: str, ms: int) -> int | None:
    """The first moment later than `ms` that `text` names in `zone`, None when fifty years have none."""
    where = _zone(zone)
    fields = text.split()
    minute, hour = fields[-5], fields[-4]
    if minute.startswith("*") or hour.startswith("*"):
        return _passing(text, where, ms)
    return _fixed(text, where, ms)


def _fixed(text: str, zone: tzinfo, ms: int) -> int | None:
    """Local times, each once: the first of two, the end of a gap instead of what lies in it."""
    local = ms + _offset(zone, ms)
    while (found := _next_local(text, local)) is not None:
        local = found
        tick = _first_moment(zone, local)
        if tick > ms:
            return tick
    return None


def _passing(text: str, zone: tzinfo, ms: int) -> int | None:
    """Moments in the order in which they pass, by the offset that holds at each."""
    since, local = ms, ms + _offset(zone, ms)
    while (found := _next_local(text, local)) is not None:
        tick = found - _offset(zone, since)
        change = _change(zone, since, tick)
        if change is None:
            return tick
        since, local = change, change + _offset(zone, change) - 1  # the change itself may be a tick
    return None


def _first_moment(zone: tzinfo, local: int) -> int:
    """The moment at which a clock in `zone` first shows `local`, or, where it never does, the end of the gap."""
    shown = (_EPOCH + local * _MILLISECOND).replace(tzinfo=zone)  # fold 0: the first of two
    moment = round(shown.timestamp() * 1000)
    if moment + _offset(zone, moment) == local:
        return moment
    gap_end = _change(zone, moment - _DAY_MS, moment)
    assert gap_end is not None
    return gap_end


def _change(zone: tzinfo, after: int, upto: int) -> int | None:
    """The first moment in (after, upto] whose offset is not that of `after`. Beyond a day, changes that cancel out are not
    seen: what fits the text there would have fitted before."""
    offset = _offset(zone, after)
    end = next((each for each in (min(upto, after + _DAY_MS), upto) if _offset(zone, each) != offset), None)
    if end is None:
        return None
    begin = after
    while end - begin > 1:
        middle = (begin + end) // 2
        if _offset(zone, middle) == offset:
            begin = middle
        else:
            end = middle
    return end


def _offset(zone: tzinfo, ms: int) -> int:
    """By how many milliseconds clocks in `zone` are ahead of UTC."""
    offset = datetime.fromtimestamp(ms / 1000, zone).utcoffset()
    assert offset is not None
    return offset // _MILLISECOND


def _next_local(text: str, local: int) -> int | None:
    """The next time that fits `text` on a clock that nobody sets; milliseconds since 1970 on that clock."""
    from cronsim import CronSim  # here: few workers have a schedule

    try:
        return (next(CronSim(text, _EPOCH + local * _MILLISECOND)) - _EPOCH) // _MILLISECOND
    except StopIteration:
        return None


def _zone(name: str) -> tzinfo:
    if name == "UTC":
        return UTC
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise UsageError(
            f"cron: there is no time zone {name!r} here; names are like 'Europe/Berlin' (`pip install tzdata` brings them all)"
        ) from None
