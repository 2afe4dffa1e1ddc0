"""Which rows of a table go: typed comparisons of a column with a value, parsed by us and bound, never pasted into SQL."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final, Literal, NamedTuple, cast
from uuid import UUID

from oakum.errors import UsageError
from oakum.purge.sql.database import Kind, Table

Operator = Literal["=", "<>", "<", "<=", ">", ">=", "IS NULL", "IS NOT NULL"]

_COMPARISON: Final = re.compile(r"\s*([^<>=!]+?)\s*(<=|>=|<>|!=|=|<|>)\s*(.*?)\s*", re.DOTALL)
_NULL: Final = re.compile(r"\s*(.+?)\s+(is\s+not\s+null|is\s+null)\s*", re.DOTALL | re.IGNORECASE)
_BOOLEANS: Final = {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False}


class Condition(NamedTuple):
    """One comparison. `value` is None for the two that test for NULL."""

    column: str
    operator: Operator
    value: Any = None

    def __str__(self) -> str:
        return f"{self.column} {self.operator}" + ("" if self.operator.endswith("NULL") else f" {self.value}")


def parse_condition(text: str, table: Table) -> Condition:
    """`"status=done"`, `"created<2024-01-01"`, `"owner is null"`: a column of `table`, an operator, a value of its kind.

    Raises UsageError for anything else.
    """
    null = _NULL.fullmatch(text)
    if null:
        table.kind(null[1])
        return Condition(null[1], "IS NOT NULL" if "not" in null[2].lower() else "IS NULL")
    match = _COMPARISON.fullmatch(text)
    if match is None:
        raise UsageError(f"condition {text!r}: write it like 'status=done', 'created<2024-01-01' or 'owner is null'")
    column, operator, value = match.groups()
    kind = table.kind(column)
    try:
        converted = _CONVERT[kind](value)
    except (ValueError, ArithmeticError, KeyError):
        raise UsageError(f"condition {text!r}: {value!r} does not fit {column}, which holds {kind} values") from None
    return Condition(column, cast(Operator, "<>" if operator == "!=" else operator), converted)


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo is None else moment.astimezone(UTC)


def _number_or_text(text: str) -> int | float | str:
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            pass
    return text


_CONVERT: Final[dict[Kind, Callable[[str], Any]]] = {
    "integer": int, "real": float, "decimal": Decimal, "text": str, "other": str,
    "boolean": lambda text: _BOOLEANS[text.lower()], "datetime": _moment, "date": date.fromisoformat,
    "uuid": UUID, "untyped": _number_or_text,
}  # fmt: skip
