"""The mutants that `tests.tools.mutation` makes."""

from __future__ import annotations

import ast
import importlib.util
import os
from pathlib import Path
from types import ModuleType

import pytest

from .mutation.mutants import mutants
from .mutation.swap import functions, replacements, swap
from .mutation.trial import in_child, limit_next

SOURCE = '''
"""Documentation."""
def f(a, b: int = 3):
    """More of it."""
    if a < b and not a:
        raise ValueError
    a += max(a, 2.5)
    return -a
'''


def test_each_has_one_mistake_and_says_which():
    found = [(mutant.line, mutant.before, mutant.after) for mutant in mutants(SOURCE)]
    assert found == [
        (3, "3", "4"),
        (3, "3", "2"),
        (5, "if a < b and (not a):", "if not (a < b and (not a)):"),
        (5, "a < b and (not a)", "a < b or not a"),
        (5, "a < b", "a <= b"),
        (5, "not a", "a"),
        (6, "raise ValueError", "pass"),
        (7, "a += max(a, 2.5)", "a -= max(a, 2.5)"),
        (7, "a += max(a, 2.5)", "pass"),
        (7, "max", "min"),
        (7, "2.5", "3.5"),
        (8, "return -a", "return None"),
        (8, "-a", "a"),
    ]


def test_each_is_a_program_and_none_is_the_original():
    original = ast.unparse(ast.parse(SOURCE))
    written = [ast.unparse(mutant.tree) for mutant in mutants(SOURCE)]
    assert len(set(written)) == len(written)
    assert original not in written


def test_a_mutant_computes_something_else():
    (mutant,) = (each for each in mutants("def f(a, b):\n    return a + b\n") if each.after == "a - b")
    names = {}
    exec(compile(mutant.tree, "mutant", "exec"), names)
    assert names["f"](5, 3) == 2


MODULE = """
def make(a):
    def inner(b):
        return a - b
    return inner

class Thing:
    size = 3
    @property
    def twice(self):
        return 2 * self.size

held = [make(5)]
"""


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("module", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_functions_become_those_of_the_mutant_wherever_they_are_held(tmp_path):
    path = tmp_path / "module.py"
    path.write_text(MODULE)
    module = load(path)
    held, twice = module.held[0], module.Thing.twice
    known = functions(tmp_path)
    found = {(mutant.before, mutant.after): replacements(mutant, path, known) for mutant in mutants(MODULE)}
    assert found.pop(("3", "4")) is found.pop(("3", "2")) is found.pop(("5", "6")) is found.pop(("5", "4")) is None
    swap(found["a - b", "a + b"])
    assert held(2) == module.make(5)(2) == 7
    swap(found["2", "3"])
    assert twice.fget(module.Thing()) == 9
    swap(found["return inner", "return None"])
    assert module.make(5) is None
    assert held(2) == 7


@pytest.mark.skipif(not hasattr(os, "fork"), reason="mutants live in forked processes")
def test_a_test_that_fails_or_hangs_kills():
    assert in_child(lambda: "").what == "survived"
    assert in_child(lambda: "test_this").by == "test_this"
    assert in_child(lambda: 1 / 0).what == "killed"

    def hang() -> str:
        limit_next(0.1)
        while True:
            pass

    assert in_child(hang).what == "hung"
