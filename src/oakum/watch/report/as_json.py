"""The report for programs: plain values under stable names, with units in the names."""

from __future__ import annotations

from dataclasses import asdict

from oakum.watch.report.summary import Report


def as_json(report: Report) -> dict[str, object]:
    """The report as plain values. `findings` is a list of `oakum.model.finding.Finding`."""
    return {
        "window": {"begin_s": report.begin_s, "end_s": report.end_s, "hours": round(report.hours, 2)},
        "record": {
            "samples": report.samples,
            "ticks": report.ticks,
            "step_s": report.step_s,
            "processes": report.processes,
            "passing": report.passing,
        },
        "findings": [finding.as_json() for finding in report.findings],
        "host": {"total_bytes": report.total_bytes, "columns_s": report.columns_s, "used_bytes": report.used_bytes},
        "families": [asdict(family) for family in report.families],
        "families_left_out": report.families_left_out,
        "boots_s": report.boots_s,
        "gaps": [gap._asdict() for gap in report.gaps],
        "guarded_runs": [line._asdict() for line in report.runs],
        "notes": report.notes,
        "damage": report.damage,
    }
