"""Which processes of a family grow, and how sure that is: what OAK101 tells and OAK106 asks. Pure."""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple

from oakum.watch.rhythm import Life, growth_beneath_rhythm
from oakum.watch.rules.case import Case, Group
from oakum.watch.rules.room import room_of
from oakum.watch.series import ProcessSeries
from oakum.watch.trend import CERTAIN, EARLY, HOUR, LEAST_SPAN_S, Demand, Growth, may_grow, steady_growth

# For one of several boots that say the same: over less than a day a slow cache bends too little for CERTAIN to see.
_PART_OF_A_DAY: Final = CERTAIN._replace(least_span_s=6 * HOUR, goes_on=0.7, goes_on_long=0.7)
_ALIKE: Final = 2.0  # times as fast one boot may show it as another
_OFTEN_REPLACED: Final = 2  # generations that ended by themselves make a habit
_MOST_LIVES: Final = 16
_STRONG_H: Final = 7 * 24.0  # what would take longer to fill the whole room can wait until it is certain


class Confidence(StrEnum):
    """How sure it is that the growth goes on."""

    HIGH = "high"  # one life of more than a day shows it
    MEDIUM = "medium"  # several lives show it, each shorter than a day
    LOW = "low"  # one life shows it for hours: what a day gives and takes looks the same so far


class Growing(NamedTuple):
    """The members of a family that grow, the fastest first, in how many lives that was seen, and how sure it is."""

    members: list[tuple[ProcessSeries, Growth]]
    confidence: Confidence
    lives: int = 1


def growing(case: Case, group: Group) -> Growing | None:
    """What grows of a family in one boot; None where nothing does, or the growing ones are replaced in time."""
    found = _for_a_day(case, group) or _in_each_boot(case, group) or _beneath_rhythm(case, group) or _early(case, group)
    return None if found is None or _replaced_in_turn(case, group, found) else found


def _for_a_day(case: Case, group: Group) -> Growing | None:
    members = _steady(case, group)
    return Growing(members, Confidence.HIGH) if members else None


def _steady(case: Case, group: Group, demand: Demand = CERTAIN) -> list[tuple[ProcessSeries, Growth]]:
    """The members that grow, the fastest first."""
    found = []
    for process in case.lasting(group):
        figures = process.low("rss") or ()
        growth = steady_growth(case.history.times_of(process), figures, process.key.start_s, demand)
        if growth is not None:
            found.append((process, growth))
    return sorted(found, key=lambda pair: -pair[1].rate)


def _in_each_boot(case: Case, group: Group) -> Growing | None:
    """What grows in each boot that is long enough to tell, where all of them together are longer than a day."""
    now = _steady(case, group, _PART_OF_A_DAY)
    if not now:
        return None
    fastest = [now[0][1]]
    for before in _until(case, group)[1:]:
        then = _steady(case, before, _PART_OF_A_DAY)
        if then:
            fastest.append(then[0][1])
        elif any(case.watched(process) >= 2 * _PART_OF_A_DAY.least_span_s for process in case.lasting(before)):
            return None
    rates = [growth.rate for growth in fastest]
    enough = sum(growth.hours for growth in fastest) * HOUR >= LEAST_SPAN_S and max(rates) <= _ALIKE * min(rates)
    return Growing(now, Confidence.MEDIUM, len(fastest)) if enough else None


def _beneath_rhythm(case: Case, group: Group) -> Growing | None:
    """What all lives of a family show together beneath a daily rhythm, those before a reboot among them."""
    now = case.lasting(group)
    lives = [process for each in _until(case, group) for process in case.lasting(each)]
    if len(lives) > _MOST_LIVES or not any(may_grow(process.low("rss") or ()) for process in now):
        return None
    times_of = case.history.times_of
    growth = growth_beneath_rhythm(
        [Life(times_of(process), process.low("rss") or (), process.key.start_s) for process in lives]
    )
    return None if growth is None else Growing([(process, growth) for process in now], Confidence.HIGH, len(lives))


def _until(case: Case, group: Group) -> list[Group]:
    """The family in this boot and those before it, the newest first."""
    return [each for each in case.lives(group.family) if each.boot <= group.boot]


def _early(case: Case, group: Group) -> Growing | None:
    """What grows straight for hours and would fill the whole room in a week, where no life of it says otherwise."""
    now = _steady(case, group, EARLY)
    if not now or _another_life_was_level(case, group, now):
        return None
    room = room_of(case, now[0][0])
    size = room.size if room is not None else case.resident()
    strong = sum(growth.rate for _, growth in now) * _STRONG_H >= size
    return Growing(now, Confidence.LOW) if strong else None


def _another_life_was_level(case: Case, group: Group, now: list[tuple[ProcessSeries, Growth]]) -> bool:
    """Whether the command was watched for as long as it grows now without growing: before a reboot, or beside it."""
    grows = {process.key for process, _ in now}
    longest = max(case.watched(process) for process, _ in now)
    others = (process for each in _until(case, group) for process in each.members if process.key not in grows)
    return any(case.watched(process) >= longest for process in others)


def _replaced_in_turn(case: Case, group: Group, found: Growing) -> bool:
    """Whether earlier members ended by themselves at the age that the growing ones have: they will, too."""
    ages = [case.age(process) for process in group.members if case.history.ended(process)]
    youngest = min(case.age(process) for process, _ in found.members)
    return sum(age >= youngest / 2 for age in ages) >= _OFTEN_REPLACED
