"""SQLAlchemy's connections to SQLite: the lock asked for by hand, checkpoints between batches, and all put back."""

import asyncio
import threading

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

from oakum import purge
from oakum.purge import Options

events = sa.Table("events", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True))
OLD = sa.select(events).where(events.c.id < 40)


pages = sa.Table(
    "pages",
    events.metadata,
    sa.Column("book", sa.Integer, primary_key=True),
    sa.Column("page", sa.Integer, primary_key=True),
    sa.Column("blank", sa.Boolean),
)


@pytest.fixture
def path(tmp_path):
    engine = sa.create_engine(f"sqlite:///{tmp_path}/x.db")
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA journal_mode = WAL")
        events.create(connection)
        connection.execute(sa.insert(events), [{"id": n} for n in range(50)])
        connection.commit()
    engine.dispose()
    return tmp_path / "x.db"


@pytest.fixture
def engine(path):
    engine = sa.create_engine(f"sqlite:///{path}")
    yield engine
    engine.dispose()


@pytest.fixture
def heard(engine, clock):
    """What SQLite is asked; on the clock it waits a minute for its lock, and a DELETE takes 60 ms."""
    asked = []

    def hear(sql):
        asked.append(sql.partition(" FROM")[0])
        clock.advance({"BEGIN IMMEDIATE": 60.0, "DELETE": 0.06}.get(asked[-1], 0.0))

    sa.event.listen(engine, "connect", lambda dbapi, _: dbapi.set_trace_callback(hear))
    return asked


def settings(connection):
    names = ("synchronous", "wal_autocheckpoint")
    return [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in names]


def left(engine):
    with engine.connect() as connection:
        return connection.scalar(sa.select(sa.func.count()).select_from(events))


def test_a_lock_counts_from_when_it_is_held_and_checkpoints_are_made_after_it(engine, heard, clock):
    report = purge.select(engine, OLD, options=Options(clock=clock, largest_batch=20, pause="0s"))
    assert report.rows == 40
    assert report.longest_lock == pytest.approx(0.06)
    batch = ["BEGIN IMMEDIATE", "DELETE", "COMMIT", "PRAGMA wal_checkpoint(PASSIVE)"]
    assert [sql for sql in heard if sql in batch] == batch * report.batches


def test_the_connection_is_put_back_as_it_was(engine):
    with engine.connect() as connection:
        before = settings(connection)
    purge.select(engine, OLD)
    with engine.connect() as connection:
        assert settings(connection) == before == [2, 1000]


@pytest.mark.parametrize("size", [1, 3, 100])
def test_a_key_of_two_columns_of_which_many_rows_share_the_first(engine, size):
    pages.create(engine)
    with engine.begin() as connection:
        connection.execute(sa.insert(pages), [{"book": n // 10, "page": n % 10, "blank": n % 4 > 0} for n in range(40)])
    assert purge.select(engine, sa.select(pages).where(pages.c.blank), options=Options(largest_batch=size)).rows == 30
    with engine.connect() as connection:
        assert connection.scalars(sa.select(pages.c.book * 10 + pages.c.page)).all() == list(range(0, 40, 4))


def test_who_begins_transactions_himself_may_go_on_to(engine):
    """SQLAlchemy's own recipe for a driver that is not to guess where a transaction begins."""
    sa.event.listen(engine, "connect", lambda dbapi, _: setattr(dbapi, "isolation_level", None))
    sa.event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
    assert purge.select(engine, OLD, options=Options(largest_batch=7)).rows == 40
    assert left(engine) == 10


def test_where_each_statement_is_a_transaction_batches_are_kept_too(engine):
    autocommit = engine.execution_options(isolation_level="AUTOCOMMIT")
    assert purge.select(autocommit, OLD, options=Options(largest_batch=7)).rows == 40
    assert left(engine) == 10


def test_a_purge_that_is_cancelled_in_a_statement_says_only_that(path, engine):
    """SQLAlchemy throws such a connection away: there is nothing to put back."""

    async def main():
        cancelled = threading.Event()
        loop, other = asyncio.get_running_loop(), create_async_engine(f"sqlite+aiosqlite:///{path}")

        def cancel():
            purging.cancel()
            cancelled.set()

        def hear(sql):  # in the driver's thread
            if sql.startswith("DELETE"):
                loop.call_soon_threadsafe(cancel)
                assert cancelled.wait(60)

        @sa.event.listens_for(other.sync_engine, "connect")
        def _(dbapi, _):
            dbapi.run_async(lambda connection: connection.set_trace_callback(hear))

        purging = asyncio.create_task(purge.aselect(other, OLD))
        with pytest.raises(asyncio.CancelledError):
            await purging
        assert cancelled.is_set()
        await other.dispose()

    asyncio.run(main())
    assert left(engine) in {10, 50}  # the whole batch or nothing of it
