"""Django's querysets on each database: a purge leaves behind what `.delete()` leaves behind, and tells of it what is true."""

from __future__ import annotations

import sqlite3
import threading
from collections import Counter
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from tests.stores.purge.writer import writer_at_each_end_of_a_lock

from oakum import purge
from oakum.errors import CannotRun, UsageError
from oakum.purge import Options

NOW = datetime(2026, 1, 1, tzinfo=UTC)
OLD = NOW - timedelta(days=100)
SMALL = Options(largest_batch=3, pause="0s")


def models():
    from purge_site import models

    return models


@contextmanager
def receiving():
    """Counts the deletion signals of every model, connected without a sender."""
    from django.db.models.signals import post_delete, pre_delete

    heard = Counter()
    receivers = {
        name: lambda sender, instance, name=name, **_: heard.update([(name, sender.__name__, str(instance.pk))])
        for name in ("pre", "post")
    }
    pre_delete.connect(receivers["pre"], weak=False)
    post_delete.connect(receivers["post"], weak=False)
    try:
        yield heard
    finally:
        pre_delete.disconnect(receivers["pre"])
        post_delete.disconnect(receivers["post"])


def family(alias, rows=10):
    """Old and new parents with everything that hangs on them."""
    from django.contrib.contenttypes.models import ContentType

    m = models()
    kind, _ = ContentType.objects.using(alias).get_or_create(app_label="purge_site", model="parent")
    for number in range(rows):
        parent = m.Parent.objects.using(alias).create(created=NOW if number % 5 == 4 else OLD)
        for _ in range(number % 3):
            child = m.Child.objects.using(alias).create(parent=parent)
            m.Grandchild.objects.using(alias).create(child=child)
        m.Note.objects.using(alias).create(parent=parent)
        m.Tag.objects.using(alias).create(content_type=kind, object_id=parent.pk)
    return m.Parent.objects.using(alias).filter(created__lt=NOW)


def contents(alias):
    """Everything that is left, by the order of its keys and not their values."""
    m = models()
    parents = list(m.Parent.objects.using(alias).order_by("pk").values_list("pk", flat=True))
    return {
        "parents": len(parents),
        "children": sorted(
            parents.index(pk) for pk in m.Child.objects.using(alias).values_list("parent_id", flat=True)
        ),
        "grandchildren": m.Grandchild.objects.using(alias).count(),
        "notes": sorted(
            parents.index(pk) if pk else -1 for pk in m.Note.objects.using(alias).values_list("parent_id", flat=True)
        ),
        "tags": sorted(parents.index(pk) for pk in m.Tag.objects.using(alias).values_list("object_id", flat=True)),
    }


@pytest.mark.parametrize("signals", [False, True])
def test_what_is_left_and_who_heard_is_as_after_delete(alias, signals):
    from django.core.management import call_command

    def both(delete):
        call_command("flush", database=alias, interactive=False, verbosity=0, inhibit_post_migrate=True)
        rows = family(alias)
        if not signals:
            delete(rows)
            return contents(alias), None
        with receiving() as heard:
            delete(rows)
        return contents(alias), Counter((when, model) for when, model, _ in heard.elements())

    expected = both(lambda rows: rows.delete())
    assert expected[0]["parents"] == 2
    assert both(lambda rows: purge.queryset(rows, options=SMALL)) == expected


def test_each_row_is_heard_of_once(alias):
    rows = family(alias)
    with receiving() as heard:
        purge.queryset(rows, options=SMALL)
    assert heard
    assert set(heard.values()) == {1}


def test_signals_come_in_the_order_of_delete_batch_by_batch(alias):
    from django.db import transaction

    rows = family(alias)
    keys = list(rows.order_by("pk").values_list("pk", flat=True))
    with receiving() as expected, transaction.atomic(using=alias):
        for start in range(0, len(keys), 3):
            rows.filter(pk__in=keys[start : start + 3]).delete()
        transaction.set_rollback(True, using=alias)
    with receiving() as heard:
        purge.queryset(rows, options=SMALL)
    assert len(heard) == 2 * (8 + 8 + 8 + 8)  # parents, children, grandchildren, tags: before and after
    assert list(heard) == list(expected)


def test_plain_rows_go_fast_and_the_others_stay(alias):
    plain = models().Plain.objects.using(alias)
    plain.bulk_create([models().Plain(created=NOW if n % 10 == 0 else OLD) for n in range(100)])
    report = purge.queryset(plain.filter(created__lt=NOW), mode="fast", options=SMALL)
    assert (report.rows, report.ended, plain.count()) == (90, "done", 10)
    assert report.batches >= 30


def test_keys_that_are_uuids(alias):
    keyed = models().Keyed.objects.using(alias)
    keyed.bulk_create([models().Keyed(created=NOW if n % 10 == 0 else OLD) for n in range(50)])
    assert purge.queryset(keyed.filter(created__lt=NOW), options=SMALL).rows == 45
    assert set(keyed.values_list("created", flat=True)) == {NOW}


def test_a_dry_run_counts_exactly_and_touches_nothing(alias):
    rows = family(alias)
    before = contents(alias)
    report = purge.queryset(rows, options=Options(dry_run=True))
    assert (report.would, report.ended) == (rows.count(), "dry run")
    assert contents(alias) == before
    assert purge.queryset(rows, options=SMALL).rows == report.would


def test_a_join_that_brings_a_row_twice_counts_it_once(alias):
    family(alias)
    rows = models().Parent.objects.using(alias).filter(created__lt=NOW, children__isnull=False)
    distinct = rows.distinct().count()
    assert rows.count() > distinct
    assert purge.queryset(rows, options=Options(dry_run=True)).would == distinct
    assert purge.queryset(rows, options=SMALL).rows == distinct


def test_fast_mode_says_what_it_would_lose(alias):
    rows = family(alias)
    with pytest.raises(UsageError, match=r"fast mode would lose something: .*purge_site\.Child\.parent is CASCADE"):
        purge.queryset(rows, mode="fast")
    with receiving(), pytest.raises(UsageError, match="receives pre_delete"):
        purge.queryset(models().Plain.objects.using(alias).filter(pk=1), mode="fast")


def test_it_says_before_it_runs_what_django_will_load(alias):
    rows = family(alias)
    said = []
    purge.queryset(rows, options=Options(dry_run=True, note=said.append))
    text = "\n".join(said)
    assert "Django loads the rows to delete them" in text
    assert "purge_site.Child.parent (CASCADE): 8 rows are loaded with them" in text
    assert "Grandchild" not in text  # nothing hangs on them: Django deletes them by SQL
    said.clear()
    purge.queryset(models().Plain.objects.using(alias).filter(pk=1), options=Options(dry_run=True, note=said.append))
    assert said == [f"purge_site.Plain of {alias}: Django deletes these rows by SQL alone, nothing is loaded"]


def test_with_a_receiver_grandchildren_are_loaded_too(alias):
    rows, said = family(alias), []
    with receiving():
        purge.queryset(rows, options=Options(dry_run=True, note=said.append))
    assert any("purge_site.Grandchild.child (CASCADE): 8 rows" in line for line in said)


def test_a_batch_ends_before_it_would_load_too_much(alias, monkeypatch):
    from oakum.purge.orm import queryset

    monkeypatch.setattr(queryset, "_LOADED_BY_BATCH", 6)
    rows = family(alias, rows=30)
    loaded = []
    with receiving() as heard:
        purge.queryset(rows, options=Options(pause="0s", progress=lambda _: loaded.append(heard.total() // 2)))
    sizes = [after - before for before, after in zip([0, *loaded], loaded, strict=False)]
    assert len(sizes) > 5
    # a batch of one parent may load its two children and their two grandchildren; notes and tags come on top
    assert max(sizes) <= 6 + 6
    assert rows.count() == 0


def test_a_row_with_too_much_behind_it_is_named(alias, monkeypatch):
    from oakum.purge.orm import queryset

    monkeypatch.setattr(queryset, "_LOADED_BY_BATCH", 2)
    monkeypatch.setattr(queryset, "_LOADED_BY_ROW", 2)
    rows = family(alias)
    with pytest.raises(CannotRun, match=r"alone would load 3; purge first: purge_site\.Child\.parent"):
        purge.queryset(rows, options=SMALL)


def test_a_protected_row_ends_it_as_it_ends_delete(alias):
    from django.db.models import ProtectedError

    m = models()
    guarded = [m.Guarded.objects.using(alias).create(created=OLD) for _ in range(10)]
    m.Guarded.objects.using(alias).create(created=NOW)
    m.Guard.objects.using(alias).create(guarded=guarded[7])
    with pytest.raises(ProtectedError):
        purge.queryset(m.Guarded.objects.using(alias).filter(created__lt=NOW), options=SMALL)
    assert m.Guarded.objects.using(alias).filter(pk=guarded[7].pk).exists()
    assert m.Guarded.objects.using(alias).count() == 11 - 6  # two batches of three are gone, the third was undone


def test_a_tree_goes_with_its_branches(alias):
    tree = models().Tree.objects.using(alias)
    above = tree.create(created=OLD)
    for _ in range(5):
        above = tree.create(created=NOW, above=above)
    tree.create(created=NOW)
    purge.queryset(tree.filter(created__lt=NOW), options=SMALL)
    assert tree.count() == 1


def test_inherited_tables_go_together(alias):
    m = models()
    for created in (OLD, OLD, NOW):
        m.Derived.objects.using(alias).create(created=created)
    purge.queryset(m.Derived.objects.using(alias).filter(created__lt=NOW), options=SMALL)
    assert (m.Base.objects.using(alias).count(), m.Derived.objects.using(alias).count()) == (1, 1)


def test_what_hangs_on_an_inherited_row_is_found_once_and_goes(alias):
    m, said = models(), []
    for number in range(4):
        base = (m.Derived if number % 2 else m.Base).objects.using(alias).create(created=OLD)
        m.BaseNote.objects.using(alias).create(base_id=base.pk)
    m.Base.objects.using(alias).create(created=NOW)
    old = m.Base.objects.using(alias).filter(created__lt=NOW)
    assert purge.queryset(old, options=Options(largest_batch=3, note=said.append)).rows == 4
    assert [line for line in said if "BaseNote" in line][1:] == [
        f"purge_site.Base of {alias}: purge_site.BaseNote.base (CASCADE): 4 rows are loaded with them"
    ]
    assert [model.objects.using(alias).count() for model in (m.Base, m.Derived, m.BaseNote)] == [1, 0, 0]


def test_what_hangs_on_the_parent_of_an_owned_row_is_counted(alias):
    m, said = models(), []
    owners = [m.Owner.objects.using(alias).create(created=moment) for moment in (OLD, OLD, NOW)]
    for owner in owners:
        owned = m.Owned.objects.using(alias).create(created=NOW, owner=owner)
        m.BaseNote.objects.using(alias).create(base_id=owned.pk)
    old = m.Owner.objects.using(alias).filter(created__lt=NOW)
    assert purge.queryset(old, options=Options(note=said.append)).rows == 2
    assert f"purge_site.Owner of {alias}: purge_site.BaseNote.base (CASCADE): 2 rows are loaded with them" in said
    assert [model.objects.using(alias).count() for model in (m.Owner, m.Owned, m.Base, m.BaseNote)] == [1] * 4


def test_a_queryset_with_a_delete_of_its_own_keeps_its_meaning(alias):
    soft = models().Soft.objects.using(alias)
    for created in (OLD, OLD, OLD, OLD, NOW):
        soft.create(created=created)
    assert purge.queryset(soft.filter(created__lt=NOW), options=SMALL).rows == 4
    assert (soft.count(), soft.filter(gone=True).count()) == (5, 4)


def test_every_row_asks_for_all(alias):
    plain = models().Plain.objects.using(alias)
    plain.bulk_create([models().Plain(created=OLD) for _ in range(5)])
    for rows in (plain.all(), plain.filter(created__lt=NOW)):
        with pytest.raises(UsageError, match="matches every row"):
            purge.queryset(rows)
    assert plain.count() == 5
    assert purge.queryset(plain.all(), options=Options(all=True)).rows == 5


@pytest.mark.parametrize(
    "spoil", [lambda rows: rows[:3], lambda rows: rows.values("pk"), lambda rows: rows.union(rows)]
)
def test_a_queryset_that_django_cannot_delete_is_left_alone(alias, spoil):
    family(alias)
    before = contents(alias)
    with pytest.raises(Exception, match=r"slice|values|not supported|union"):
        purge.queryset(spoil(models().Parent.objects.using(alias).filter(created__lt=NOW)))
    assert contents(alias) == before


def test_the_look_for_rows_that_stay_ends_at_the_first(alias):
    from django.db import connections

    plain, asked = models().Plain.objects.using(alias), []
    plain.bulk_create([models().Plain(created=NOW if n == 49 else OLD) for n in range(50)])

    def hear(execute, sql, params, many, context):
        asked.append((sql, params))
        return execute(sql, params, many, context)

    with connections[alias].execute_wrapper(hear):
        assert purge.queryset(plain.filter(created__lt=NOW), options=Options(dry_run=True)).would == 49
    [(look, params)] = [one for one in asked if "EXISTS" in one[0]]
    with connections[alias].cursor() as cursor:
        cursor.execute(f"EXPLAIN {look}", params)
        assert "MATERIALIZED" not in str(cursor.fetchall())  # MariaDB: all that match are read before the first answer


@pytest.mark.parametrize("alias", ["sqlite"], indirect=True)
def test_on_sqlite_a_lock_counts_from_when_it_is_held_until_it_is_free(alias, urls, monkeypatch):
    plain = models().Plain.objects.using(alias)
    plain.bulk_create([models().Plain(created=NOW if n == 9 else OLD) for n in range(10)])
    other = sqlite3.connect(urls[alias].removeprefix("sqlite:///"), timeout=0, isolation_level=None)
    with writer_at_each_end_of_a_lock(other, sqlite3.OperationalError, monkeypatch) as may_write:
        report = purge.queryset(plain.filter(created__lt=NOW), options=SMALL)
    assert report.rows == 9
    assert may_write == {"taken": [False] * report.batches, "given back": [True] * report.batches}


def test_inside_a_transaction_it_refuses(alias):
    from django.db import transaction

    rows = family(alias)
    before = contents(alias)
    with pytest.raises(RuntimeError, match="durable"), transaction.atomic(using=alias):
        purge.queryset(rows)
    assert contents(alias) == before


def test_the_log_of_debug_does_not_grow(alias, settings_debug):
    from django.db import connections

    rows = family(alias)
    before = len(connections[alias].queries)
    assert purge.queryset(rows, options=SMALL).rows == 8
    assert len(connections[alias].queries) <= before + 2  # the look whether a transaction is open


@pytest.fixture
def settings_debug(site):
    from django.test.utils import override_settings

    with override_settings(DEBUG=True):
        yield


def test_two_purges_at_a_time_share_the_work_and_no_signal_comes_twice(alias):
    from django.db import connections

    rows = family(alias, rows=60)
    expected = rows.count()
    reports, start = [], threading.Barrier(2)

    def work():
        start.wait()
        try:
            reports.append(purge.queryset(rows.all(), options=Options(largest_batch=4, pause="1ms")))
        finally:
            connections.close_all()

    with receiving() as heard:
        threads = [threading.Thread(target=work) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [report.ended for report in reports] == ["done", "done"]
    assert sum(report.rows for report in reports) == expected
    assert rows.count() == 0
    assert set(heard.values()) == {1}
