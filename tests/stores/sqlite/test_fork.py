"""A fork: parent and child go on as two, each with a connection of its own, and nothing that either commits is lost.

Each scenario is a process of its own, whose forked child always ends in `os._exit`.
"""

from __future__ import annotations

FORK = """
def fork(work):
    child = os.fork()
    if child == 0:
        status = 1
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    return child

def join(child):
    assert os.waitpid(child, 0)[1] == 0, "the child failed"

def jobs(): return sum(count.jobs for count in SqliteStore(path).counts())
"""


def test_a_child_outlives_its_parents_connection(outcome_of):
    """The one who closes last clears the log away: a child that SQLite does not know of would write into the void."""
    said = outcome_of(
        FORK
        + """
to_child, from_parent = os.pipe()
from_child, to_parent = os.pipe()
def work():
    store.insert([new()], now())
    os.write(to_parent, b"x")
    os.read(to_child, 1)
    for _ in range(5): store.insert([new()], now())
store.insert([new()], now())
child = fork(work)
os.read(from_child, 1)
store.close()
os.write(from_parent, b"x")
join(child)
say(jobs())
"""
    )
    assert said == ["7"]


def test_a_parent_outlives_its_child(outcome_of):
    said = outcome_of(
        FORK
        + """
store.insert([new()], now())
for _ in range(3):
    join(fork(lambda: (store.insert([new()], now()), store.close())))
    store.insert([new()], now())
say(jobs())
"""
    )
    assert said == ["7"]


def test_children_and_parent_write_at_the_same_time(outcome_of):
    said = outcome_of(
        FORK
        + """
def work():
    for _ in range(30): store.insert([new(), new()], now())
store.insert([new()], now())
children = [fork(work) for _ in range(4)]
work()
for child in children: join(child)
say(jobs())
with store._connection.read() as db: say(db.execute("PRAGMA integrity_check").fetchall())
"""
    )
    assert said == ["301", "[('ok',)]"]


def test_a_fork_waits_for_the_commit_of_another_thread(outcome_of):
    said = outcome_of(
        FORK
        + """
import threading
done = threading.Event()
def insert():
    for _ in range(60): store.insert([new()], now())
    done.set()
threads = [threading.Thread(target=insert) for _ in range(3)]
for thread in threads: thread.start()
forks = 0
while not done.is_set() or forks < 5:
    join(fork(lambda: store.insert([new()], now())))
    forks += 1
for thread in threads: thread.join()
say(jobs() - forks)
"""
    )
    assert said == ["180"]


def test_a_child_does_not_insert_for_its_parents_threads(outcome_of):
    said = outcome_of(
        FORK
        + """
from oakum.store.group import Ticket
store.insert([new()], now())
store._inserter.group._waiting.append(Ticket([new()], now()))  # a thread that has just come
join(fork(lambda: store.insert([new()], now())))
say(jobs(), len(store._inserter.group._waiting))
"""
    )
    assert said == ["2 1"]


def test_threads_that_fork_at_the_same_time_take_turns(outcome_of):
    said = outcome_of(
        FORK
        + """
import threading
store.insert([new()], now())
def forking():
    for _ in range(5): join(fork(lambda: store.insert([new()], now())))
threads = [threading.Thread(target=forking) for _ in range(3)]
for thread in threads: thread.start()
for thread in threads: thread.join()
say(jobs())
"""
    )
    assert said == ["16"]


def test_a_child_rings_its_parents_bell_and_the_parent_its_own_others(outcome_of):
    said = outcome_of(
        FORK
        + """
bell = store.listen("work")
store.insert([new()], now())
say("own", bell.wait(0))
join(fork(lambda: store.insert([new()], now())))
say("child's", bell.wait(30))
say("there", len(os.listdir(path + "-oakum")))
join(fork(store.close))
say("still there", len(os.listdir(path + "-oakum")))
SqliteStore(path).insert([new()], now())
say("still rung", bell.wait(30))
"""
    )
    assert said == ["own False", "child's True", "there 5", "still there 5", "still rung True"]


def test_a_fork_that_python_does_not_know_of_is_refused(outcome_of):
    said = outcome_of(
        """
import ctypes
store.insert([new()], now())
child = ctypes.CDLL(None).fork()
if child == 0:
    try:
        store.insert([new()], now())
        os.write(1, b"it went in\\n")
    except StoreError as error:
        os.write(1, f"{type(error).__name__} {error}\\n".encode())
    finally:
        os._exit(0)
os.waitpid(child, 0)
store.insert([new()], now())
say(sum(count.jobs for count in store.counts()))
"""
    )
    assert len(said) == 2
    assert said[0].startswith("NotEnqueued")
    assert "close it before the fork" in said[0]
    assert said[1] == "2"


def test_a_store_that_was_let_go_of_costs_a_fork_nothing(outcome_of):
    said = outcome_of(
        FORK
        + """
import gc
from oakum.store import fork as registry
for _ in range(10): SqliteStore(path).close()
gc.collect()
say(len(registry._ALIVE))
join(fork(lambda: None))
"""
    )
    assert said == ["1"]
