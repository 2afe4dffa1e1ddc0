"""When schedules tick: intervals, cron texts through the clock changes of three zones, given moments."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oakum.errors import UsageError
from oakum.model.schedule.timing import At, Cron, Every, Timing, at, cron, every, latest

ZONES = ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe"]
YEARS = (datetime(2024, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC))
MINUTE_MS = 60_000
DAY_MS = 86_400_000


def ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def local(tick: int, zone: str) -> datetime:
    return datetime.fromtimestamp(tick / 1000, ZoneInfo(zone))


def ticks(timing: Timing, begin: datetime, end: datetime) -> list[int]:
    found: list[int] = []
    tick = timing.after(ms(begin) - 1)
    while tick is not None and tick < ms(end):
        found.append(tick)
        tick = timing.after(tick)
    return found


def shown(text: str, zone: str, day: date) -> list[str]:
    """The ticks of one local day, as clocks show them."""
    begin = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone))
    end = datetime.combine(day + timedelta(days=1), datetime.min.time(), ZoneInfo(zone))
    return [local(tick, zone).strftime("%H:%M%z") for tick in ticks(cron(text, zone=zone), begin, end)]


def test_intervals_are_counted_from_1970_or_from_an_anchor() -> None:
    assert every("15m") == Every(900_000)
    assert every("15m").after(900_000) == 1_800_000
    assert every("15m").after(1_799_999) == 1_800_000
    anchored = every("1h", anchor=datetime(1970, 1, 1, 0, 20, tzinfo=UTC))
    assert [anchored.after(each) for each in (-1, 1_199_999, 1_200_000)] == [1_200_000, 1_200_000, 4_800_000]


def test_moments_come_in_order_and_once() -> None:
    first, second = datetime(2030, 1, 1, tzinfo=UTC), datetime(2031, 1, 1, tzinfo=UTC)
    timing = at(second, first, second)
    assert timing == At((ms(first), ms(second)))
    assert [timing.after(each) for each in (0, ms(first), ms(second))] == [ms(first), ms(second), None]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("*/20 8-9 * * *", ["08:00", "08:20", "08:40", "09:00", "09:20", "09:40"]),
        ("30 6,18 * * MON-FRI", ["06:30", "18:30"]),
        ("0 12 * MAR *", []),
        ("0 12 L * *", ["12:00"]),
        ("0 12 * * 5L", ["12:00"]),
        ("0 12 * * FRI#5", ["12:00"]),
        ("15 30 12 * * *", ["12:30"]),
    ],
)
def test_cron_texts_mean_what_they_mean_elsewhere(text: str, expected: list[str]) -> None:
    assert [each[:5] for each in shown(text, "UTC", date(2026, 7, 31))] == expected  # a Friday, the last of its month


def test_six_fields_begin_with_the_seconds() -> None:
    assert cron("*/20 * * * * *").after(0) == 20_000


@pytest.mark.parametrize(
    ("zone", "day", "text", "expected"),
    [  # clocks go forward: what is left out runs once, at the end of the gap
        ("Europe/Berlin", date(2026, 3, 29), "30 2 * * *", ["03:00+0200"]),
        ("America/New_York", date(2026, 3, 8), "0,30 2 * * *", ["03:00-0400"]),
        ("Australia/Lord_Howe", date(2026, 10, 4), "15 2 * * *", ["02:30+1100"]),
        ("Australia/Lord_Howe", date(2026, 10, 4), "45 2 * * *", ["02:45+1100"]),
        ("Europe/Berlin", date(2026, 3, 29), "*/30 1-3 * * *", ["01:00+0100", "01:30+0100", "03:00+0200", "03:30+0200"]),
        # clocks go back: a fixed time runs the first time only, any other text goes on with the time that passes
        ("Europe/Berlin", date(2026, 10, 25), "30 2 * * *", ["02:30+0200"]),
        ("America/New_York", date(2026, 11, 1), "30 1 * * *", ["01:30-0400"]),
        ("Australia/Lord_Howe", date(2026, 4, 5), "45 1 * * *", ["01:45+1100"]),
        ("Australia/Lord_Howe", date(2026, 4, 5), "0 0 5 * * *", ["05:00+1030"]),
        ("Europe/Berlin", date(2026, 10, 25), "0 2-3 * * *", ["02:00+0200", "03:00+0100"]),
        ("America/New_York", date(2026, 11, 1), "*/30 1 * * *", ["01:00-0400", "01:30-0400", "01:00-0500", "01:30-0500"]),
        ("Australia/Lord_Howe", date(2026, 4, 5), "*/15 1 * * *",
         ["01:00+1100", "01:15+1100", "01:30+1100", "01:45+1100", "01:30+1030", "01:45+1030"]),
    ],
)  # fmt: skip
def test_where_clocks_are_set(zone: str, day: date, text: str, expected: list[str]) -> None:
    assert shown(text, zone, day) == expected


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("text", ["30 2 * * *", "45 1 * * *", "0 0 * * *", "15 2 1-31 * *"])
def test_a_daily_time_comes_once_on_every_day_of_years(zone: str, text: str) -> None:
    days = [local(tick, zone).date() for tick in ticks(cron(text, zone=zone), *YEARS)]
    assert 1095 <= len(days) <= 1097
    assert all(after - before == timedelta(days=1) for before, after in pairwise(days))


@pytest.mark.parametrize("zone", ZONES)
def test_quarters_of_an_hour_pass_evenly_through_a_year(zone: str) -> None:
    year = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
    found = ticks(cron("*/15 * * * *", zone=zone), *year)
    assert len(found) == (year[1] - year[0]) // timedelta(minutes=15)
    assert {after - before for before, after in pairwise(found)} == {15 * MINUTE_MS}


@given(
    moment=st.integers(ms(YEARS[0]), ms(YEARS[1])),
    text=st.sampled_from(
        ["*/7 * * * *", "30 2 * * *", "5,50 1-3 * * *", "*/10 2 * * *", "0 */6 * * sun", "10 30 1 1 * *"]
    ),
    zone=st.sampled_from(ZONES),
    part=st.floats(0, 1, exclude_max=True),
)
def test_the_next_tick_does_not_depend_on_who_asks_when(moment: int, text: str, zone: str, part: float) -> None:
    timing = Cron(text, zone)
    tick = timing.after(moment)
    assert tick is not None and tick > moment
    assert timing.after(moment + int((tick - moment) * part)) == tick
    assert timing.after(tick - 1) == tick


@given(
    timing=st.sampled_from(
        [Every(7_000, 3), Cron("*/5 3 * * *", "Europe/Berlin"), At(tuple(range(0, 50_000_000, 999_983)))]
    ),
    begin=st.integers(0, 40_000_000),
    length=st.integers(-10, 10_000_000),
    most=st.integers(1, 40),
)
def test_the_latest_ticks_are_the_last_of_all(timing: Timing, begin: int, length: int, most: int) -> None:
    every_one: list[int] = []
    tick = timing.after(begin)
    while tick is not None and tick <= begin + length:
        every_one.append(tick)
        tick = timing.after(tick)
    assert latest(timing, begin, begin + length, most) == (every_one[-most:], len(every_one))


def test_years_of_missed_ticks_cost_nothing() -> None:
    found, count = latest(cron("* * * * *"), 0, 10**12, 2)
    assert found == [10**12 - 40_000 - MINUTE_MS, 10**12 - 40_000]
    assert count == 2000  # from there on they are not counted
    assert latest(every("1s"), 0, 10**12, 1) == ([10**12], 10**9)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda: every(0), "every: 0 is not a duration"),
        (lambda: every("-1s"), "every: '-1s' is not a duration"),
        (lambda: every("1ms"), "every: '1ms' is less than 10 ms"),
        (lambda: every("1s", anchor=datetime(2030, 1, 1)), "every: anchor: .* is no moment"),
        (lambda: cron("0 0 30 2 *"), "'0 0 30 2 .' makes no sense or never fires .Bad day-of-month"),
        (lambda: cron("0 0 */28 * MON#2"), "never fires: no day fits it"),
        (lambda: cron("61 * * * *"), "Bad minute"),
        (lambda: cron("* * * *"), "Wrong number of fields"),
        (lambda: cron("* * * * *", zone="Mars/Base"), "there is no time zone 'Mars/Base' here"),
        (lambda: cron("* * * * *", zone="../../etc/passwd"), "there is no time zone"),
        (at, "at: 0 moments"),
        (lambda: at(datetime(2030, 1, 1)), "at: .* is no moment"),
        (lambda: at("2030-01-01"), "at: '2030-01-01' is no moment"),
    ],
)
def test_what_makes_no_sense_is_said_in_one_line(wrong, words: str) -> None:
    with pytest.raises(UsageError, match=words) as told:
        wrong()
    assert "\n" not in str(told.value)
