"""The mutants that `tests.mutation` makes."""

from __future__ import annotations

import ast

from .mutation.mutants import mutants

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
