"""SQLAlchemy's tables and classes on each database, from sync and async callers."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

from oakum import purge
from oakum.errors import UsageError
from oakum.purge import Options

NOW = datetime(2026, 1, 1)
OLD = NOW - timedelta(days=100)
SMALL = Options(largest_batch=3, pause="0s")


class Model(DeclarativeBase):
    pass


class Event(Model):
    __tablename__ = "sa_event"
    id: Mapped[int] = mapped_column(primary_key=True)
    created: Mapped[datetime]


class Pair(Model):
    __tablename__ = "sa_pair"
    a: Mapped[int] = mapped_column(primary_key=True)
    b: Mapped[str] = mapped_column(sa.String(20), primary_key=True)
    old: Mapped[bool | None]


class Account(Model):
    __tablename__ = "sa_account"
    id: Mapped[int] = mapped_column(primary_key=True)
    created: Mapped[datetime]
    letters: Mapped[list[Letter]] = relationship(cascade="all, delete-orphan")


class Letter(Model):
    __tablename__ = "sa_letter"
    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(sa.ForeignKey("sa_account.id"))


class Watched(Model):
    __tablename__ = "sa_watched"
    id: Mapped[int] = mapped_column(primary_key=True)


@pytest.fixture(params=["sqlite", "postgresql", "mysql"])
def engine(urls, request):
    drivers = {"sqlite": "sqlite", "postgresql": "postgresql+psycopg", "mysql": "mysql+pymysql"}
    engine = sa.create_engine(sa.make_url(urls[request.param]).set(drivername=drivers[request.param]))
    Model.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all(Event(id=n, created=NOW if n % 10 == 0 else OLD) for n in range(1, 41))
        session.add_all(Pair(a=n // 3, b=str(n % 3), old=[True, False, None][n % 3]) for n in range(30))
        session.add_all(
            Account(id=n, created=NOW if n % 4 == 0 else OLD, letters=[Letter(), Letter()]) for n in range(1, 13)
        )
        session.add_all(Watched(id=n) for n in range(1, 7))
        session.commit()
    yield engine
    Model.metadata.drop_all(engine)
    engine.dispose()


def count(engine, model):
    with engine.connect() as connection:
        return connection.scalar(sa.select(sa.func.count()).select_from(model))


@pytest.mark.parametrize("table", [Event, Event.__table__])
def test_a_select_of_a_class_or_a_table(engine, table):
    column = Event.created if table is Event else table.c.created
    report = purge.select(engine, sa.select(table).where(column < NOW).order_by(column), options=SMALL)
    assert (report.rows, report.ended) == (36, "done")
    assert report.batches >= 12
    assert count(engine, Event) == 4


def test_a_key_of_two_columns_and_a_null(engine):
    assert purge.select(engine, sa.select(Pair).where(Pair.old), options=SMALL).rows == 10
    assert count(engine, Pair) == 20


def test_a_dry_run_is_exact(engine):
    statement = sa.select(Event).where(Event.created < NOW, Event.id > 20)
    report = purge.select(engine, statement, options=Options(dry_run=True))
    assert (report.would, count(engine, Event)) == (18, 40)
    assert purge.select(engine, statement, options=SMALL).rows == 18


def test_every_row_asks_for_all(engine):
    for what in (Event, Event.__table__, sa.select(Event).where(Event.id >= 0)):
        with pytest.raises(UsageError, match="matches every row"):
            purge.select(engine, what)
    assert count(engine, Event) == 40
    assert purge.select(engine, Event, options=Options(all=True)).rows == 40


def test_cascades_of_the_mapping_are_kept(engine):
    assert purge.select(engine, sa.select(Account).where(Account.created < NOW), options=SMALL).rows == 9
    assert (count(engine, Account), count(engine, Letter)) == (3, 6)


def test_delete_events_are_heard_once_for_each_row(engine):
    heard = []
    sa.event.listen(Watched, "after_delete", lambda mapper, connection, target: heard.append(target.id))
    try:
        purge.select(engine, sa.select(Watched).where(Watched.id < 6), options=SMALL)
    finally:
        Watched.__mapper__.dispatch.after_delete.clear()
    assert sorted(heard) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    "statement",
    [
        sa.select(Event).limit(3),
        sa.select(Event).distinct(),
        sa.select(Event.id).where(Event.id < 3),
        sa.select(Account).join(Letter),
        sa.select(sa.func.count(Event.id)),
        sa.select(Event, Pair),
    ],
)
def test_any_other_select_is_refused(engine, statement):
    with pytest.raises(UsageError, match="select one table or mapped class"):
        purge.select(engine, statement)
    assert (count(engine, Event), count(engine, Account)) == (40, 12)


def test_a_table_without_a_key_is_refused(engine):
    table = sa.Table("sa_keyless", sa.MetaData(), sa.Column("n", sa.Integer))
    with pytest.raises(UsageError, match="has no primary key"):
        purge.select(engine, sa.select(table).where(table.c.n < 3))


def test_the_connection_goes_back_as_it_came(engine):
    with engine.connect() as connection:
        before = connection.get_isolation_level()
    purge.select(engine, sa.select(Event).where(Event.created < NOW), options=SMALL)
    with engine.connect() as connection:
        assert connection.get_isolation_level() == before


def async_engine(engine):
    drivers = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+psycopg"}
    return create_async_engine(engine.url.set(drivername=drivers[engine.dialect.name]))


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"], indirect=True)
@pytest.mark.parametrize(
    ("what", "rows"),
    [(sa.select(Event).where(Event.created < NOW), 36), (sa.select(Account).where(Account.created < NOW), 9)],
)
def test_async_callers_and_their_loop_goes_on(engine, what, rows):
    turns = []

    async def main():
        other = async_engine(engine)
        ticking = asyncio.create_task(tick())
        report = await purge.aselect(other, what, options=Options(largest_batch=3, pause="1ms"))
        ticking.cancel()
        await other.dispose()
        return report

    async def tick():
        while True:
            turns.append(1)
            await asyncio.sleep(0)

    report = asyncio.run(main())
    assert (report.rows, report.ended) == (rows, "done")
    assert len(turns) > report.batches


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_cancelling_keeps_what_is_done(engine):
    async def main():
        other = async_engine(engine)
        done = asyncio.Event()
        loop = asyncio.get_running_loop()
        options = Options(largest_batch=3, pause="1h", progress=lambda _: loop.call_soon(done.set))
        purging = asyncio.create_task(
            purge.aselect(other, sa.select(Event).where(Event.created < NOW), options=options)
        )
        await done.wait()
        purging.cancel()
        with pytest.raises(asyncio.CancelledError):
            await purging
        await other.dispose()

    asyncio.run(main())
    assert count(engine, Event) == 37
