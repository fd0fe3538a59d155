"""Private names stay in their room, and the change log says where every name has gone."""

from __future__ import annotations

import ast
import contextlib
import functools
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import tinygrad_rnn

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "tinygrad_rnn"
CHANGELOG = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
FILES = sorted([*PACKAGE.rglob("*.py"), *(ROOT / "demos").rglob("*.py")])

#: The slots of a node. Outside the engine there are public names for what they hold.
SLOTS = frozenset({"_data", "_grad", "_id", "_label", "_extra"})


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def room(path: Path) -> str:
    """The room of a file: a folder of the package, a module beside the folders, or the folder of the demos."""
    inside = path.relative_to(PACKAGE if path.is_relative_to(PACKAGE) else ROOT)
    return inside.parts[0].removesuffix(".py")


def slots_used(source: str) -> Iterator[str]:
    """Where slots are read or assigned, by whatever expression but ``self``, or named in a text as for getattr."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and node.attr in SLOTS:
            if not (isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")):
                yield f"line {node.lineno}: {ast.unparse(node)}"
        elif isinstance(node, ast.Constant) and node.value in SLOTS:
            yield f"line {node.lineno}: {node.value!r}"


def private_names_used(source: str, path: Path) -> Iterator[str]:
    """Where an underscore name of another room is imported, or read of an imported module."""
    modules = {}  # names that other rooms gave, by their room
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            for alias in node.names:
                parts = _imported(node, alias, path)
                if parts[:1] != ["tinygrad_rnn"] or parts[1:2] == [room(path)]:
                    continue
                if any(map(is_private, parts)):
                    yield f"line {node.lineno}: {ast.unparse(node)}"
                modules[alias.asname or alias.name.partition(".")[0]] = parts
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and is_private(node.attr):
            base = node.value
            while isinstance(base, ast.Attribute):
                base = base.value
            if isinstance(base, ast.Name) and base.id in modules and not _is_micrograds(node):
                yield f"line {node.lineno}: {ast.unparse(node)}"


def _imported(node: ast.Import | ast.ImportFrom, alias: ast.alias, path: Path) -> list[str]:
    """The full name of what an import gives, in parts."""
    if isinstance(node, ast.Import):
        return alias.name.split(".")
    base = path.relative_to(ROOT).parts[: -node.level] if node.level else ()
    return [*base, *(node.module.split(".") if node.module else ()), alias.name]


def _is_micrograds(node: ast.Attribute) -> bool:
    """A class of micrograd has these; ours stands in for it. Notebooks ask for the last."""
    return node.attr in ("_prev", "_op", "_backward", "_repr_mimebundle_")


def test_private_names_stay_in_their_room() -> None:
    found = {}
    for path in FILES:
        source = path.read_text(encoding="utf-8")
        used = [] if room(path) == "engine" else list(slots_used(source))
        found[str(path.relative_to(ROOT))] = [*used, *private_names_used(source, path)]
    assert len(found) > 100
    assert not {path: used for path, used in found.items() if used}


@pytest.mark.parametrize(
    "source",
    ["node._grad = 1.0", "f(root.parents[0]._id)", "def f(self):\n  return self.node._data", "getattr(x, '_extra')",
     "key = attrgetter('_id')"],
)  # fmt: skip
def test_every_use_of_a_slot_is_seen(source: str) -> None:
    assert list(slots_used(source))


def test_names_of_its_own_are_left_to_a_class() -> None:
    assert not list(slots_used("class Legend:\n  def words(self):\n    return self._label(self._id())"))


@pytest.mark.parametrize(
    "source",
    ["from ..engine.hooks import _PACKAGE", "from ..engine import _hidden", "from ..engine._hidden import x",
     "def f():\n  from ..optim import _check", "if TYPE_CHECKING:\n  from .. import _lazy",
     "from tinygrad_rnn.engine.ops import _TABLE", "from ..engine import ops\nops._TABLE",
     "from .. import engine\nengine.ops._TABLE", "import tinygrad_rnn.optim as o\no._check"],
)  # fmt: skip
def test_every_use_of_a_private_name_of_another_room_is_seen(source: str) -> None:
    assert list(private_names_used(source, PACKAGE / "bptt" / "unroll.py"))


@pytest.mark.parametrize(
    "source",
    ["from .unroll import _name", "from . import unroll\nunroll._name", "import _thread", "from os import _exit",
     "from ..bptt.unroll import _name", "import os\nos._exit(1)", "from .. import __version__", "self._x = y._x"],
)  # fmt: skip
def test_what_is_private_to_this_room_or_to_others_packages_is_none_of_its_business(source: str) -> None:
    assert not list(private_names_used(source, PACKAGE / "bptt" / "anatomy.py"))


def test_all_rooms_are_looked_at() -> None:
    rooms = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert rooms > {"engine", "nn", "cli"}
    assert rooms < {room(path) for path in FILES}


# ---- the change log ---------------------------------------------------------------------------------------------

#: Rows of the tables of CHANGELOG.md: what was, and what is instead.
CHANGES = re.findall(r"^\| (?!---|old |gone )(.+) \| (.+) \|$", CHANGELOG, flags=re.MULTILINE)


def find(name: str) -> Any:
    """The module of this name, or the attribute of a module or a class; None if there is none."""
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        with contextlib.suppress(ModuleNotFoundError):
            found = importlib.import_module(".".join(parts[:end]))
            return functools.reduce(lambda holder, part: getattr(holder, part, None), parts[end:], found)
    return None


def lives_there(name: str) -> bool:
    """Whether there is a module of this name, or something that a module defines and does not only import."""
    holder, _, own = name.rpartition(".")
    if isinstance(find(name), ModuleType):
        return True
    module = find(holder)
    return isinstance(module, ModuleType) and bool(
        re.search(rf"^(?:def |class )?{own}\b.*[:=(]", inspect.getsource(module), flags=re.MULTILINE)
    )


def test_the_change_log_leads_from_names_that_are_gone_to_names_that_exist() -> None:
    names = re.compile(r"`(tinygrad_rnn(?:\.\w+)+)")
    assert len(CHANGES) > 40
    for old, new in CHANGES:
        assert not [name for name in names.findall(old) if lives_there(name)], old
        assert not [name for name in names.findall(new) if find(name) is None], new
    for name in ("tinygrad_rnn.engine", "tinygrad_rnn.engine.backward.walk", "tinygrad_rnn.nn.kinds.KINDS"):
        assert lives_there(name)
    assert not lives_there("tinygrad_rnn.draw")


#: The public names of 0.1.0, by module: functions, classes, and the methods of these.
NAMES_BEFORE = dict(
    line.split(":") for line in (ROOT / "tests" / "golden" / "names_0.1.0.txt").read_text(encoding="utf-8").splitlines()
)
#: Where each module has gone that moved as a whole.
MOVED = {
    old.split("`")[1]: re.findall(r"`(tinygrad_rnn[\w.]+)`", new)
    for old, new in CHANGES
    if any(old.startswith(f"`{module}`") and ", " not in old for module in NAMES_BEFORE)
}


def is_within(path: str, module: str) -> bool:
    return f"{path}.".startswith(f"{module}.")


def places_now(module: str) -> list[str]:
    """The name of a module of 0.1.0, and the names under which it may be found now."""
    moves = [(old, new) for old, news in MOVED.items() if is_within(module, old) for new in news]
    return [module, *(new + module.removeprefix(old) for old, new in moves)]


def names_changed(module: str) -> set[str]:
    """The names in those rows of the change log that are about names of this module, or of no module in particular."""
    found, inside = set(), module.removeprefix("tinygrad_rnn.")
    for old, _ in CHANGES:
        code = " ".join(re.findall(r"`([^`]+)`", old))
        paths = [path.removeprefix("tinygrad_rnn.") for path in re.findall(r"(?<![\w.])[a-z]\w*\.[\w.]+", code)]
        if code not in MOVED and (not paths or any(is_within(path, inside) for path in paths)):
            found |= set(re.findall(r"\w+", code))
    return found


def test_every_public_name_of_0_1_0_is_still_there_or_in_the_change_log() -> None:
    assert len(NAMES_BEFORE) > 100
    assert not {module: lost for module in NAMES_BEFORE if (lost := lost_names(module))}


def lost_names(module: str) -> list[str]:
    """The names of a module of 0.1.0, or its own, that are neither where they were nor in the change log."""
    places, changed = places_now(module), names_changed(module)
    if not any(map(find, places)):
        return [] if module.rpartition(".")[2] in changed else [module]
    lost = [name for name in NAMES_BEFORE[module].split() if not any(find(f"{place}.{name}") for place in places)]
    return [name for name in lost if changed.isdisjoint((name.partition(".")[0], name.rpartition(".")[2]))]


def test_the_change_log_begins_with_this_version() -> None:
    assert re.findall(r"^## (.+)$", CHANGELOG, flags=re.MULTILINE)[0] == tinygrad_rnn.__version__
