"""Builds a Django queryset from words of the command line: a model, field lookups, an age."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from django.apps import apps
from django.conf import settings
from django.core.exceptions import FieldDoesNotExist, FieldError, ValidationError
from django.db.models import DateField, DateTimeField, QuerySet
from django.utils import timezone

from oakum.errors import UsageError
from oakum.purge.sql.age import cutoff

_COMPARISONS: Final = {"exact", "lt", "lte", "gt", "gte"}  # lookups whose value is one of the field's own
_BOOLEANS: Final = {"true": True, "1": True, "false": False, "0": False}


def rows_of(model: str, where: Sequence[str], using: str | None = None) -> QuerySet[Any]:
    """The rows of `model` ("app.Model") that meet every lookup of `where`, such as "date_start__lt=2024-01-01".

    Values are turned into the field's own type; `__in` takes several with commas between, `__isnull` true or false.
    Raises UsageError for a model, field, lookup or value that does not fit.
    """
    try:
        rows = apps.get_model(model)._default_manager.using(using)
    except (LookupError, ValueError) as error:
        raise UsageError(f"{model!r} is not a model of the installed apps ({error}); write it like app.Model") from None
    for text in where:
        lookup, equals, value = text.partition("=")
        if not equals:
            raise UsageError(f"condition {text!r}: write it like date_start__lt=2024-01-01 or status=done")
        try:
            rows = rows.filter(**{lookup: _value(rows, lookup, value)})
        except (FieldError, ValidationError, ValueError, TypeError, KeyError) as error:
            raise UsageError(f"condition {text!r} of {model}: {_line(error)}") from None
    return rows.all()


def older_than(rows: QuerySet[Any], column: str, wall: float) -> QuerySet[Any]:
    """Those of `rows` whose field `column`, a date, a time or an epoch number, lies before `wall` (seconds since 1970)."""
    try:
        field = rows.model._meta.get_field(column)
    except FieldDoesNotExist as error:
        raise UsageError(f"{error}; name a date, time or epoch field") from None
    moment = datetime.fromtimestamp(wall, UTC)
    if isinstance(field, DateTimeField):
        return rows.filter(**{f"{column}__lt": moment if settings.USE_TZ else timezone.make_naive(moment)})
    if isinstance(field, DateField):
        return rows.filter(**{f"{column}__lt": timezone.localdate(moment)})
    newest = rows.exclude(**{column: None}).order_by("-pk").values_list(column, flat=True).first()
    return rows.none() if newest is None else rows.filter(**{f"{column}__lt": cutoff(column, newest, wall)})


def _value(rows: QuerySet[Any], lookup: str, text: str) -> Any:
    lookups, parts, _ = rows.query.solve_lookup_type(lookup)
    if lookups[-1:] == ["isnull"]:
        return _BOOLEANS[text.lower()]
    field = rows.query.names_to_path(parts, rows.model._meta)[1]
    if lookups == ["in"]:
        return [_typed(field, part) for part in text.split(",")]
    return _typed(field, text) if len(lookups) <= 1 and _COMPARISONS.issuperset(lookups) else text


def _typed(field: Any, text: str) -> Any:
    value = field.target_field.to_python(text) if field.is_relation else field.to_python(text)
    if isinstance(value, datetime) and settings.USE_TZ and timezone.is_naive(value):
        return timezone.make_aware(value)
    return value


def _line(error: Exception) -> str:
    return " ".join(error.messages) if isinstance(error, ValidationError) else str(error) or type(error).__name__
