"""Drivers' errors and what they mean for a purge."""

import sqlite3

import apsw
import psycopg.errors
import pymysql
import pytest

from oakum.purge.target import Contended, DiskFull
from oakum.purge.trouble import told_apart


def sqlite_error(code):
    error = sqlite3.OperationalError("trouble")
    error.sqlite_errorcode = code
    return error


@pytest.mark.parametrize(
    "error",
    [
        psycopg.errors.DeadlockDetected(),
        psycopg.errors.SerializationFailure(),
        psycopg.errors.LockNotAvailable(),
        pymysql.err.OperationalError(1205, "Lock wait timeout exceeded"),
        pymysql.err.OperationalError(1213, "Deadlock found"),
        sqlite_error(sqlite3.SQLITE_BUSY),
        sqlite_error(sqlite3.SQLITE_BUSY_SNAPSHOT),
    ],
)
def test_somebody_else_holds_a_lock(error):
    with pytest.raises(Contended), told_apart():
        raise error


@pytest.mark.parametrize(
    "error",
    [
        psycopg.errors.DiskFull(),
        pymysql.err.OperationalError(1114, "The table is full"),
        sqlite_error(sqlite3.SQLITE_FULL),
    ],
)
def test_there_is_no_room(error):
    with pytest.raises(DiskFull), told_apart():
        raise error


def test_a_real_busy_database_is_recognised(tmp_path):
    first, second = apsw.Connection(str(tmp_path / "x.db")), apsw.Connection(str(tmp_path / "x.db"))
    first.execute("BEGIN IMMEDIATE")
    with pytest.raises(Contended), told_apart():
        second.execute("BEGIN IMMEDIATE")


def test_what_a_library_wraps_is_found_beneath():
    with pytest.raises(Contended), told_apart():
        try:
            raise psycopg.errors.DeadlockDetected
        except psycopg.Error as error:
            raise RuntimeError("wrapped") from error


@pytest.mark.parametrize(
    "error", [psycopg.errors.UndefinedColumn(), ValueError(1205), OSError(13, "denied"), KeyError(5)]
)
def test_other_errors_are_let_through(error):
    with pytest.raises(type(error)) as caught, told_apart():
        raise error
    assert caught.value is error
