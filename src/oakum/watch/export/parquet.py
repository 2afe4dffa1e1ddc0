"""Parquet, for data frames and warehouses. Needs pyarrow, the extra `oakum[parquet]`."""

from __future__ import annotations

from importlib import import_module
from typing import IO, Any

from oakum.errors import CannotRun
from oakum.watch.export.rows import TableRows, Window


def write_parquet(window: Window, out: IO[bytes]) -> int:
    """Writes a table, a row group a block; returns the number of samples. Raises CannotRun without pyarrow."""
    try:
        arrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
    except ImportError as error:
        raise CannotRun("Parquet needs pyarrow: pip install 'oakum[parquet]'") from error
    rows = TableRows(window)
    schema = _schema(rows, arrow)
    count = 0
    with parquet.ParquetWriter(out, schema, compression="zstd") as writer:
        for batch in rows.batches():
            arrays = [arrow.array(values, type=field.type) for values, field in zip(batch, schema, strict=True)]
            writer.write_batch(arrow.record_batch(arrays, schema=schema))
            count += len(batch[0])
    return count


def _schema(rows: TableRows, arrow: Any) -> Any:
    texts = {*rows.labels, "boot", *(column.name for column in rows.columns if column.kind in ("text", "code"))}
    return arrow.schema(
        [
            (name, arrow.float64() if name == "time_s" else arrow.string() if name in texts else arrow.int64())
            for name in rows.names
        ]
    )
