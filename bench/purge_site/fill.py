"""Fills the tables of the benchmark by SQL of the database's own: a million rows in seconds."""

from datetime import datetime

from django.apps import apps
from django.db import connection

_NUMBERS = {
    "sqlite": "(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count}) SELECT i FROM n)",
    "postgresql": "(SELECT i FROM generate_series(1, {count}) AS i)",
    "mysql": "(SELECT seq AS i FROM seq_1_to_{count})",
}
_TEXT = {"sqlite": "printf('%0400d', i)", "postgresql": "lpad(i::text, 400, '0')", "mysql": "lpad(i, 400, '0')"}
_TASK_ID = {"sqlite": "'task-' || i", "postgresql": "'task-' || i", "mysql": "concat('task-', i)"}


def make(models: list[str], old: int, young: int, cutoff: datetime, now: datetime) -> None:
    """Makes the tables of `models` anew, each with `old` rows a second before `cutoff` and `young` rows of `now`."""
    chosen = [apps.get_model(name) for name in models]
    with connection.schema_editor() as editor:
        there = connection.introspection.table_names()
        for model in reversed(apps.get_models()):
            if model._meta.db_table in there:
                editor.delete_model(model)
        for model in apps.get_models():
            editor.create_model(model)
    for model in chosen:
        _fill(model, old, young, cutoff, now)


def _fill(model, old: int, young: int, cutoff: datetime, now: datetime) -> None:
    before, after = f"'{cutoff:%Y-%m-%d} 00:00:00'", f"'{now:%Y-%m-%d} 00:00:00'"
    when = f"CASE WHEN i <= {old} THEN {before} ELSE {after} END"
    if connection.vendor == "postgresql":
        when = f"({when})::timestamptz"
    text = _TEXT[connection.vendor]
    values = {
        "id": "i",
        "account": "'somebody'",
        "comment": text,
        "output": text,
        "session_id": "i",
        "date_start": when,
        "date_created": when,
        "date_done": when,
        "task_id": _TASK_ID[connection.vendor],
        "status": "'SUCCESS'",
        "content_type": "'application/json'",
        "content_encoding": "'utf-8'",
        "result": text,
    }
    columns = [field.column for field in model._meta.local_fields if field.column in values]
    table, numbers = model._meta.db_table, _NUMBERS[connection.vendor].format(count=old + young)
    statement = f"INSERT INTO {table} ({', '.join(columns)}) SELECT {', '.join(values[name] for name in columns)} FROM {numbers} n"
    with connection.cursor() as cursor:
        cursor.execute(statement)
        if connection.vendor == "postgresql":
            cursor.execute(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), {old + young + 1})")
        settle = {
            "sqlite": ["PRAGMA wal_checkpoint(TRUNCATE)"],
            "postgresql": [f"VACUUM ANALYZE {table}", "CHECKPOINT"],
            "mysql": [f"ANALYZE TABLE {table}"],
        }[connection.vendor]
        for statement in settle:
            cursor.execute(statement)
