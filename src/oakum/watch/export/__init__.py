"""Writes what was recorded for other tools: CSV, Parquet, Prometheus text."""
