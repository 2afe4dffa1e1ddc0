"""Conditions of the command line: typed, and never SQL."""

from datetime import UTC, date, datetime
from uuid import UUID

import pytest

from oakum.errors import UsageError
from oakum.purge.sql.database import Table, split_name
from oakum.purge.sql.where import Condition, parse_condition

TABLE = Table(
    None,
    "events",
    {
        "id": "integer", "status": "text", "rate": "real", "on": "boolean", "created": "datetime", "day": "date",
        "ref": "uuid", "odd name": "text", "x;--": "integer",
    },
    ("id",),
    frozenset(),
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("status=done", Condition("status", "=", "done")),
        ("status = done", Condition("status", "=", "done")),
        ("status!=done", Condition("status", "<>", "done")),
        ("status=a<b", Condition("status", "=", "a<b")),
        ("status=", Condition("status", "=", "")),
        ("status='; DROP TABLE events; --", Condition("status", "=", "'; DROP TABLE events; --")),
        ("id<=7", Condition("id", "<=", 7)),
        ("rate>1.5", Condition("rate", ">", 1.5)),
        ("on=true", Condition("on", "=", True)),
        ("created<2024-01-01", Condition("created", "<", datetime(2024, 1, 1))),
        ("created<2024-01-01T02:00:00+02:00", Condition("created", "<", datetime(2024, 1, 1, tzinfo=UTC))),
        ("day<2024-01-01", Condition("day", "<", date(2024, 1, 1))),
        ("ref=00000000-0000-0000-0000-000000000005", Condition("ref", "=", UUID(int=5))),
        ("odd name=x", Condition("odd name", "=", "x")),
        ("x;--=1", Condition("x;--", "=", 1)),
        ("status is null", Condition("status", "IS NULL")),
        ("status IS NOT NULL", Condition("status", "IS NOT NULL")),
    ],
)
def test_conditions(text, expected):
    assert parse_condition(text, TABLE) == expected


@pytest.mark.parametrize(
    "text", ["", "status", "=x", "1=1 OR 1=1", "id<seven", "on=perhaps", "created<soon", "nothing is null"]
)
def test_what_does_not_fit_is_refused(text):
    with pytest.raises(UsageError):
        parse_condition(text, TABLE)


def test_a_missing_column_names_those_that_there_are():
    with pytest.raises(UsageError, match=r"table events has no column 'state'; it has id, status"):
        parse_condition("state=done", TABLE)


@pytest.mark.parametrize(("text", "parts"), [("events", (None, "events")), ("public.events", ("public", "events"))])
def test_a_schema_may_stand_in_front(text, parts):
    assert split_name(text) == parts


@pytest.mark.parametrize("text", ["", ".events", "events.", "a\0b"])
def test_what_names_no_table_is_refused(text):
    with pytest.raises(UsageError, match="not a table's name"):
        split_name(text)
