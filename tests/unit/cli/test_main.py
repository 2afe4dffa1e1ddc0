"""The door of the command line: what it lists, what it imports, and the status that each kind of error gives."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from oakum._version import __version__
from oakum.cli import main as door
from oakum.errors import CannotRun, NotAStore, OakumError, UsageError

Enter = Callable[[Callable[[argparse.Namespace], int]], int]


@pytest.fixture
def enter(monkeypatch: pytest.MonkeyPatch) -> Enter:
    """Runs `oakum caulk 3`, where the command `caulk` does what the test says."""

    def enter(run: Callable[[argparse.Namespace], int]) -> int:
        command = SimpleNamespace(configure=lambda parser: parser.add_argument("seams", type=int), run=run)
        monkeypatch.setitem(sys.modules, "caulk_command", command)
        monkeypatch.setattr(door, "COMMANDS", (door.Entry("caulk", "caulk_command", "drive oakum into a seam"),))
        return door.main(["caulk", "3"])

    return enter


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("status", [door.EXIT_FINE, door.EXIT_FINDINGS])
def test_a_command_decides_its_own_status(enter: Enter, status: int) -> None:
    seen = []

    def run(args: argparse.Namespace) -> int:
        seen.append(args.seams)
        return status

    assert enter(run) == status
    assert seen == [3]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (UsageError("queue 'mail': no such queue"), 2),
        (CannotRun("no room for even one child"), 3),
        (NotAStore("work.db: not a store"), 3),
        (OakumError("anything else"), 3),
    ],
)
def test_an_error_is_one_line_and_a_status(enter: Enter, capsys: pytest.CaptureFixture[str], error, status) -> None:
    def run(args: argparse.Namespace) -> int:
        raise error

    assert enter(run) == status
    assert capsys.readouterr() == ("", f"oakum: {error}\n")


def test_an_interrupt_is_no_error(enter: Enter, capsys: pytest.CaptureFixture[str]) -> None:
    def run(args: argparse.Namespace) -> int:
        raise KeyboardInterrupt

    assert enter(run) == 130
    assert capsys.readouterr() == ("", "")


def test_a_defect_of_ours_is_not_dressed_up(enter: Enter) -> None:
    def run(args: argparse.Namespace) -> int:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        enter(run)


def test_a_reader_that_leaves_early_is_no_error() -> None:
    """As in `oakum jobs | head`: nothing on stderr, neither from the command nor from the interpreter's own flush."""
    code = """if True:
        import subprocess, sys
        body = "import sys; from types import SimpleNamespace as N; from oakum.cli import main as door;"
        body += "sys.modules['c'] = N(configure=lambda p: None, run=lambda a: print('x' * 10**6) or 0);"
        body += "door.COMMANDS = (door.Entry('c', 'c', 'c'),); sys.exit(door.main(['c']))"
        with subprocess.Popen([sys.executable, "-c", body], stdout=subprocess.PIPE) as child:
            child.stdout.close()
        sys.exit(child.returncode)
    """
    done = python(code)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_broken_pipe_of_our_own_is_a_defect_and_not_a_reader_that_left() -> None:
    code = """if True:
        import os, sys
        from types import SimpleNamespace as N
        from oakum.cli import main as door
        def run(args):
            reader, writer = os.pipe()
            os.close(reader)
            os.write(writer, b"x")
        sys.modules['c'] = N(configure=lambda p: None, run=run)
        door.COMMANDS = (door.Entry('c', 'c', 'c'),)
        sys.exit(door.main(['c']))
    """
    done = python(code)
    assert done.returncode == 1
    assert done.stderr.endswith("BrokenPipeError: [Errno 32] Broken pipe\n")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "oakum: the following arguments are required: COMMAND; see `oakum --help`\n"),
        (["jobs", "--wide"], "oakum: jobs: it does not take --wide; see `oakum jobs --help`\n"),
        (["jobs", "--limit"], "oakum: jobs: argument --limit: expected one argument; see `oakum jobs --help`\n"),
        (
            ["queue", "set"],
            "oakum: queue set: the following arguments are required: NAME; see `oakum queue set --help`\n",
        ),
    ],
)
def test_words_that_mean_nothing_are_answered_in_one_line(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert door.main(words) == door.EXIT_USAGE
    assert capsys.readouterr() == ("", said)


def test_a_command_that_there_is_not_is_answered_with_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert door.main(["splice"]) == door.EXIT_USAGE
    (line,) = capsys.readouterr().err.splitlines()
    assert "'splice'" in line
    assert all(entry.name in line for entry in door.COMMANDS)


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        door.main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"oakum {__version__}\n"


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        door.main(["--help"])
    listed = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ended.value.code == 0
    for entry in door.COMMANDS:
        assert [entry.name, *entry.summary.split()][:3] in [words[:3] for words in listed]


def modules_after(words: list[str]) -> set[str]:
    """What is imported in a process of its own when `oakum WORDS` has answered."""
    code = f"""if True:
        import sys
        from oakum.cli.main import main
        try:
            main({words})
        except SystemExit as ended:
            print(*sys.modules, file=sys.stderr)
            sys.exit(ended.code)
    """
    done = python(code)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("usage: oakum")
    return set(done.stderr.split())


# What makes `--help` fast is what it leaves alone; the seconds themselves are the benchmarks' business.
HEAVY = {"apsw", "asyncio", "django", "psycopg", "rich", "sqlalchemy"}


def test_help_answers_before_anything_heavy_is_imported() -> None:
    assert not modules_after(["--help"]) & (HEAVY | {"msgspec"})


@pytest.mark.parametrize("command", [entry.name for entry in door.COMMANDS])
def test_so_does_the_help_of_a_command(command: str) -> None:
    assert not modules_after([command, "--help"]) & HEAVY
