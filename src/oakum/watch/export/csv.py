"""CSV: one line a sample, an empty field where a figure was not known."""

from __future__ import annotations

import csv
from typing import IO

from oakum.watch.export.rows import TableRows, Window


def write_csv(window: Window, out: IO[str]) -> int:
    """Writes a table with a header line; returns the number of samples. `time_s` is in seconds since 1970."""
    rows = TableRows(window)
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(rows.names)
    count = 0
    for batch in rows.batches():
        writer.writerows(zip(*batch, strict=True))
        count += len(batch[0])
    return count
