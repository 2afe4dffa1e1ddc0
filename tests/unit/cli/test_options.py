"""Which store, which jobs, which application: the words that several commands share."""

from __future__ import annotations

import argparse

import pytest

from oakum.cli import options
from oakum.errors import CannotRun, UsageError
from oakum.model.job import State

APP = 'from oakum import Oakum\nprint("noise")\napp = Oakum("sqlite:///work.db")\n'


def test_the_states_that_help_lists_are_all_there_are():
    assert set(options.STATES) == {state.label for state in State}


@pytest.mark.parametrize(
    ("words", "states"),
    [
        (None, ()),
        (["failed"], (State.FAILED,)),
        (["failed, Expired", "running"], (State.FAILED, State.EXPIRED, State.RUNNING)),
    ],
)
def test_states_are_read(words, states):
    assert options.read_states(words) == states


def test_a_state_that_is_none_is_wrong_use():
    with pytest.raises(UsageError, match="--state: 'done' is none; there are available, scheduled,"):
        options.read_states(["failed,done"])


@pytest.mark.parametrize(
    ("given", "environment", "url"),
    [
        ("sqlite:///a.db", "sqlite:///b.db", "sqlite:///a.db"),
        (None, "sqlite:///b.db", "sqlite:///b.db"),
        (None, None, "sqlite:///oakum.db"),
    ],
)
def test_the_nearest_word_says_where_the_store_is(here, monkeypatch, given, environment, url):
    if environment is not None:
        monkeypatch.setenv("OAKUM_STORE", environment)
    assert options.store_url(argparse.Namespace(store=given, app=None)) == url


def test_an_application_says_where_its_store_is(here, app, capsys):
    assert options.store_url(argparse.Namespace(store=None, app=app(APP))) == "sqlite:///work.db"
    assert capsys.readouterr() == ("", "noise\n")  # what it prints does not spoil the output of the command


@pytest.mark.parametrize(
    ("url", "line"),
    [
        ("sqlite:///work.db", "store: there is no file {here}/work.db; a first job makes it (--store, --app or"),
        ("memory://", "store: memory:// is seen by the process that made it, and by no other (--store,"),
        ("work.db", "store: 'work.db' is none that this Oakum knows"),
    ],
)
def test_looking_makes_no_store(here, url, line):
    with pytest.raises(UsageError) as error, options.open_inspector(url):
        pass
    assert str(error.value).startswith(line.format(here=here))
    assert list(here.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "error", "line"),
    [
        ("app = (", CannotRun, "SyntaxError: '(' was never closed ({module}.py, line 1)"),
        ("\nraise ValueError('two\\nlines')", CannotRun, "ValueError: two lines ({here}/{module}.py:2)"),
        ("import nowhere_to_be_found", CannotRun, "No module named 'nowhere_to_be_found' ({here}/{module}.py:1)"),
        ("import json\njson.loads('{{')", CannotRun, "({here}/{module}.py:2)"),
        ("raise SystemExit(7)", CannotRun, "app: importing {module}:app ends the process (exit status 7)"),
        ("app = 5", UsageError, "app: '{module}:app' is no Oakum application; name the variable"),
    ],
)
def test_what_is_wrong_with_an_application_is_one_line(here, app, text, error, line):
    target = app(text)
    with pytest.raises(error) as raised:
        options.load_app(target)
    assert line.format(here=here, module=target.partition(":")[0]) in str(raised.value)
    assert "\n" not in str(raised.value)
