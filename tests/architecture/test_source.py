"""House rules that are read off the source itself: what no module may call, and what each has to say of itself."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "oakum"
MODULES = [str(path.relative_to(SOURCE)) for path in sorted(SOURCE.rglob("*.py"))]

LONGEST_FILE = 500

# Stored data never becomes code, and no text becomes a shell's command.
FORBIDDEN_IMPORTS = {"pickle", "marshal", "shelve", "dill", "cloudpickle"}
FORBIDDEN_CALLS = {"eval", "exec", "os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput"}

# Who waits, waits for something: a message, a process, a moment that a test can bring on. These may sleep.
SLEEPERS = {
    "demo/work.py": "the job that hangs, on purpose",
    "purge/loop.py": "the pause between two batches, in the caller's own thread",
    "purge/orm/alone.py": "flock has no time-out",
    "store/sqlite/library.py": "nobody tells when a transaction of another library ends",
}

# The rooms that decide. Everything they know is an argument, so that a test is a table of values.
PURE = ("model/", "flow/")
IMPURE_IMPORTS = {"asyncio", "io", "os", "pathlib", "random", "select", "socket", "subprocess", "threading", "time"}
IMPURE_CALLS = {"open", "print", "datetime.now", "datetime.today", "datetime.utcnow", "date.today"}


def parse(module: str) -> ast.Module:
    return ast.parse((SOURCE / module).read_text())


def imports(tree: ast.Module) -> Iterator[str]:
    """The top-level packages that a module imports, wherever it does."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.partition(".")[0]


def calls(tree: ast.Module) -> Iterator[str]:
    """What a module calls, as it is written there, with `shell=True` as a call of its own."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func)
            yield from (ast.unparse(keyword) for keyword in node.keywords if keyword.arg == "shell")


@pytest.mark.parametrize("module", MODULES)
def test_a_module_says_what_it_is_for_on_its_first_line(module: str) -> None:
    first = (SOURCE / module).read_text().partition("\n")[0]
    assert first.startswith('"""'), first
    assert ast.get_docstring(parse(module))


@pytest.mark.parametrize("module", MODULES)
def test_a_module_can_be_read_in_one_sitting(module: str) -> None:
    assert len((SOURCE / module).read_text().splitlines()) <= LONGEST_FILE


@pytest.mark.parametrize("module", MODULES)
def test_no_data_becomes_code_and_no_text_a_command(module: str) -> None:
    tree = parse(module)
    assert not FORBIDDEN_IMPORTS & set(imports(tree))
    assert not (FORBIDDEN_CALLS | {"shell=True"}) & set(calls(tree))


@pytest.mark.parametrize("module", MODULES)
def test_only_those_sleep_who_have_a_reason(module: str) -> None:
    assert ("time.sleep" in calls(parse(module))) == (module in SLEEPERS)


@pytest.mark.parametrize("module", [module for module in MODULES if module.startswith(PURE)])
def test_rooms_that_decide_read_nothing_but_their_arguments(module: str) -> None:
    tree = parse(module)
    assert not IMPURE_IMPORTS & set(imports(tree))
    assert not IMPURE_CALLS & set(calls(tree))


def test_the_eyes_of_these_tests_are_open() -> None:
    tree = ast.parse("import os.path\nfrom pickle import loads\ndef f(): subprocess.run(x, shell=True); os.system(x)")
    assert set(imports(tree)) == {"os", "pickle"}
    assert set(calls(tree)) == {"subprocess.run", "shell=True", "os.system"}
