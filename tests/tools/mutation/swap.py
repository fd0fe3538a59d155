"""A mutant in a process that has imported the module already: its functions get the mutant's code.

A function keeps its identity, so that whoever holds it, wherever it was imported, runs the mutant. That is the same as
importing the mutated module, so long as the mistake is in the body of a function, and did not run during imports.
"""

from __future__ import annotations

import ast
import gc
import inspect
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FunctionType

from .mutants import Mutant

Functions = dict[CodeType, list[FunctionType]]
Replacements = list[tuple[FunctionType, CodeType]]


def functions(package: Path) -> Functions:
    """All functions there are whose code is in a package, by their code."""
    found: Functions = {}
    for each in gc.get_objects():
        if type(each) is FunctionType and each.__code__.co_filename.startswith(f"{package}/"):
            found.setdefault(each.__code__, []).append(each)
    return found


def replacements(mutant: Mutant, path: Path, known: Functions) -> Replacements | None:
    """The functions to change, and their new code; None if the mistake is not in the bodies of functions alone.

    None, too, if none of them exists yet.
    """
    codes = (compile(tree, str(path), "exec", dont_inherit=True) for tree in (ast.parse(mutant.source), mutant.tree))
    found: Replacements = []
    for before, after in _changed(*codes):
        if not before.co_flags & inspect.CO_OPTIMIZED:  # of a module, or of a class
            if _without_inner(before) != _without_inner(after):
                return None
        elif before.co_freevars != after.co_freevars:
            return None
        else:
            found += [(function, after) for function in known.get(before, ())]
    return found or None


def _changed(before: CodeType, after: CodeType) -> Iterator[tuple[CodeType, CodeType]]:
    """The codes that differ, those around the mistake among them."""
    if before != after:
        yield before, after
        inner = [[each for each in code.co_consts if isinstance(each, CodeType)] for code in (before, after)]
        if len(inner[0]) == len(inner[1]):
            for pair in zip(*inner):
                yield from _changed(*pair)


def _without_inner(code: CodeType) -> CodeType:
    return code.replace(co_consts=tuple(None if isinstance(each, CodeType) else each for each in code.co_consts))


def swap(new: Replacements) -> None:
    """Make the mutant."""
    for function, code in new:
        function.__code__ = code
