"""The page of promises names tests that there are."""

from __future__ import annotations

import ast
import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "promises.md"
NAMED = re.compile(r"\[`(?P<name>\w+)`\]\((?P<file>[^)]+)\)")


def missing(text: str) -> list[str]:
    """The tests that a page names and that its files do not hold."""
    return [
        f"{named['name']} in {named['file']}"
        for named in NAMED.finditer(text)
        if named["name"] not in functions(PAGE.parent / named["file"])
    ]


def functions(path: Path) -> set[str]:
    tree = ast.parse(path.read_text()) if path.exists() else ast.Module([], [])
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_each_test_that_a_promise_names_is_there() -> None:
    text = PAGE.read_text()
    assert len(NAMED.findall(text)) > 50
    assert missing(text) == []


def test_each_promise_names_a_test() -> None:
    bullets = re.split(r"^- ", PAGE.read_text().partition("## What is not covered")[0], flags=re.MULTILINE)[1:]
    assert len(bullets) > 25
    assert [bullet for bullet in bullets if not NAMED.search(bullet)] == []


def test_a_test_that_is_gone_is_told() -> None:
    assert missing("[`test_nothing`](../tests/docs/test_promises.py)") == [
        "test_nothing in ../tests/docs/test_promises.py"
    ]
    assert missing("[`test_nothing`](../tests/docs/nowhere.py)") == ["test_nothing in ../tests/docs/nowhere.py"]
