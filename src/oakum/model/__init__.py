"""Frozen values and pure functions: no I/O, no clock. Whatever Oakum decides, it decides here."""
