"""The settings of a page: its changes since it was built, by the names that the end of its link has."""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from itertools import product
from typing import Any
from urllib.parse import quote, unquote

from ..engine.arithmetic import number as to_number
from ..engine.value import Value
from ..errors import ArgumentError, OperandError, UnknownNameError
from ..nn.trees import pairs
from ..support.checks import in_short, whole_number
from ..support.numbers import typed, typed_whole
from ..support.ranges import spread
from .data import Group, OneHots, PageData, Rows

#: The settings that are no numbers of the problem, with their values on a page as it was built. None: the cell's, or
#: the number of time steps, or that of the data. ``step`` is where the film stands, and ``t`` the time step in view if
#: that is another one; ``node`` counts the nodes of a time step from 1, or its applications of the chain rule.
PLAIN: dict[str, object] = {
    "cell": None,
    "nonlinearity": None,
    "T": None,
    "at": None,
    "k1": None,
    "k2": None,
    "step": None,
    "t": None,
    "node": None,
    "detail": 0,
    "speed": 1.0,
    "lr": 0.1,
    "clip": None,
    "cut": (),
}

#: How fast the film can be.
SPEEDS = (0.5, 1.0, 2.0, 4.0)

#: Names that no parameter can have.
RESERVED = re.compile(
    rf"(?:{'|'.join(PLAIN)}|h0(?:\[\d+\])?|(?:x|target)(?:_\d+(?:\[\d+\])?)?|cell\d+\..*)", flags=re.DOTALL
)

#: Those that are as built with another cell.
_OF_A_CELL = ("nonlinearity", "detail")

#: What JavaScript's `encodeURIComponent` leaves as it is, besides letters, digits and "_.-~".
_SAFE = "!*'()"


class Settings:
    """The settings of a page, by name.

    Read and set them as items: a number (``"w"``, ``"W[0,1]"``, ``"x_3[0]"``), a whole array (``"W"``, ``"h0"``,
    ``"x"``, ``"x_3"``, ``"target"``), or one of `PLAIN`. Arrays are nested tuples; what has one entry is a number. What
    belongs to a cell is that of the chosen one; of the others it is ``"cell2.W"``, ``"cell2.h0"``.

    Args:
        data: the data of the page, as the page reads it.
        limits: for every cell, what inputs (``"x"``) and targets must be below where they are whole numbers.
    """

    def __init__(self, data: PageData, limits: Sequence[dict[str, int]]) -> None:
        self._cells, self._limits = data["cells"], limits
        self._first, self._length = data["first"], len(data["target"])
        self._x, self._target = _rows(data["x"]), data["target"]
        self._levels = [len(data["graphs"][graph]) for graph in data["graph_of"]]  # of detail, by program
        self._built = {**PLAIN, "cell": self._cells[0]["name"], "T": self._length, "at": data["at"]}
        self._changed: dict[str, Any] = {}
        self._look_up()

    @property
    def cell(self) -> int:
        """The number of the chosen cell."""
        return [cell["name"] for cell in self._cells].index(self["cell"])

    @property
    def numbers(self) -> list[list[float]]:
        """The parameters of every cell, in its order."""
        found = []
        for number, cell in enumerate(self._cells):
            front = self._front(number)
            keys = {
                place: key for group in cell["groups"] for place, key in zip(spread(group["places"]), _keys_of(group))
            }
            found.append([self._entry(front + keys[place]) for place in range(len(cell["p"]))])
        return found

    @property
    def names(self) -> list[str]:
        """The names of the settings, without those of single entries, of time steps and of the other cells."""
        return [*self._arrays, *PLAIN]

    def __getitem__(self, name: str) -> Any:
        if name == "nonlinearity":
            return self._changed.get(name, self._cells[self.cell]["nonlinearity"])
        if name in PLAIN:
            return self._changed.get(name, self._built[name])
        return _mapped(self._tree(name), self._entry)

    def __contains__(self, name: object) -> bool:
        try:
            return name in PLAIN or bool(self._tree(name))
        except UnknownNameError:
            return False

    def __setitem__(self, name: str, value: object) -> None:
        """Change a setting.

        Raises:
            ArgumentError: the setting cannot have this value.
            ShapeError: an array has another shape.
            UnknownNameError: there is no such setting.
        """
        if name in PLAIN:
            self._change({name: self._plain(name, value)})
        else:
            self._change(dict(_numbers(name, value, self._tree(name))))

    @property
    def link(self) -> str:
        """The changes to the page since it was built, as the end of a link: ``"#w=1.2&step=57"``."""
        order = [*PLAIN, *self._entries]
        parts = [(name, _text(self._changed[name])) for name in order if name in self._changed]
        return "#" + "&".join(f"{quote(name, safe=_SAFE)}={quote(text, safe=_SAFE)}" for name, text in parts)

    @link.setter
    def link(self, link: str) -> None:
        before = self._changed
        given = dict(_parts(link))
        self._reset({})
        try:
            for name in PLAIN:
                if name in given:
                    self[name] = _from_text(name, given.pop(name))
            entries = {self._entry_of_link(name): text for name, text in given.items()}
            self._change({key: _number(key, _float(text)) for key, text in entries.items()})
        except Exception:
            self._reset(before)
            raise

    def _entry_of_link(self, name: str) -> str:
        """The name of an entry; an array with a single entry stands for that."""
        key = self._tree(name)
        if isinstance(key, str):
            return key
        raise ArgumentError(f"{in_short(name)} in a link is several numbers", remedy=f"Name an entry, as {name}[0]")

    def _reset(self, changed: dict[str, object]) -> None:
        self._changed = changed
        self._look_up()

    def _front(self, cell: int) -> str:
        """What stands before the names of a cell."""
        return "" if cell == self.cell else f"cell{cell + 1}."

    def _look_up(self) -> None:
        """Find all names: entries with their numbers as built, arrays as trees of such names."""
        self._entries: dict[str, float] = {}
        self._arrays: dict[str, object] = self._add_cell(self.cell)
        self._others: dict[str, object] = {}  # arrays that are not among the names
        for name, rows in (("x", self._x), ("target", self._target)):
            steps = {f"{name}_{t}": row for t, row in enumerate(rows, start=self._first)}
            self._others.update({step: self._add(step, row) for step, row in steps.items() if row is not None})
            self._arrays[name] = tuple(self._others.get(step) for step in steps)
        for cell in range(len(self._cells)):
            if cell != self.cell:
                self._others.update(self._add_cell(cell))

    def _add_cell(self, number: int) -> dict[str, object]:
        """The arrays of a cell."""
        cell, front, arrays = self._cells[number], self._front(number), {}
        for group in cell["groups"]:
            keys = [front + key for key in _keys_of(group)]
            self._entries.update(zip(keys, (cell["p"][place] for place in spread(group["places"]))))
            arrays[front + group["name"]] = _shaped(keys, group["shape"])
        return {**arrays, f"{front}h0": self._add(f"{front}h0", cell["h0"])}

    def _add(self, name: str, row: list[float]) -> object:
        keys = [f"{name}[{i}]" for i in range(len(row))]
        self._entries.update(zip(keys, row))
        return keys[0] if len(keys) == 1 else tuple(keys)

    def _tree(self, name: object) -> object:
        """The names of the entries of an array, or of the only one."""
        if not isinstance(name, str):
            raise self._unknown(name)
        key = name.removeprefix(f"cell{self.cell + 1}.")
        if key in self._arrays:
            return self._arrays[key]
        if key in self._others:
            return self._others[key]
        if key in self._entries:
            return key
        raise self._unknown(name)

    def _unknown(self, name: object) -> UnknownNameError:
        return UnknownNameError(f"the page has no {in_short(name)}", remedy=f"It has {', '.join(self.names)}")

    def _entry(self, key: str) -> float:
        number: float = self._changed.get(key, self._entries[key])
        return number

    def _change(self, changes: dict[str, Any]) -> None:
        """Take changes, and keep what differs from the page as it was built; couple what depends on each other."""
        for key, number in changes.items():
            if (limit := self._limit(key)) is not None:
                whole_number(key, int(number) if number.is_integer() else number, 0, most=limit - 1)
        now = {**self._changed, **changes}
        if changes.get("cell", self["cell"]) != self["cell"]:
            now = {self._renamed(key, changes["cell"]): value for key, value in now.items() if key not in _OF_A_CELL}
        k1, k2 = now.get("k1"), now.get("k2")
        if "k1" in changes:
            k2 = None if k1 is None else max(k1, k2 or k1)
        elif "k2" in changes:
            k1 = None if k2 is None else min(k2, k1 or k2)
        T, before = now.get("T", self._length), self["T"]
        step, t = now.get("step"), None if "step" in changes else now.get("t")  # the film brings its own into view
        if step is not None:  # among T time steps it stays at its own, forward or back, or at the last one
            step = min(step, T) if step <= before else 2 * T + 1 - min(2 * before + 1 - step, T)
        now |= {"k1": k1, "k2": k2, "cut": tuple(t for t in now.get("cut", ()) if t < T)}
        now |= {"step": step, "t": t if t is None or t < self._first + T else None}
        self._changed = now
        if "cell" in changes:
            self._look_up()
        self._changed = {name: value for name, value in now.items() if value != self._as_built(name)}

    def _renamed(self, key: str, chosen: str) -> str:
        """The name of a setting when another cell is chosen."""
        if RESERVED.fullmatch(key) and not key.startswith("h0"):
            number = [cell["name"] for cell in self._cells].index(chosen) + 1
            return key.removeprefix(f"cell{number}.")
        return f"cell{self.cell + 1}.{key}"

    def _as_built(self, name: str) -> object:
        if name == "nonlinearity":
            return self._cells[self.cell]["nonlinearity"]
        return self._built[name] if name in PLAIN else self._entries[name]

    def _limit(self, key: str) -> int | None:
        """The bound that an input or a target must be below where it is a whole number; else None."""
        return self._limits[self.cell].get(key.partition("_")[0]) if RESERVED.fullmatch(key) else None

    def _plain(self, name: str, value: Any) -> object:
        """A setting of `PLAIN`, checked."""
        if name in ("cell", "nonlinearity", "at"):
            choices = {
                "cell": [cell["name"] for cell in self._cells],
                "nonlinearity": list(self._cells[self.cell]["programs"]),
                "at": ["last", "every"],
            }[name]
            if value not in choices:
                raise ArgumentError(f"{name} is {in_short(value)}", remedy=f"It can be {', '.join(map(repr, choices))}")
            return value
        if name == "cut":
            if isinstance(value, str) or not hasattr(value, "__iter__"):
                raise ArgumentError(f"cut is {in_short(value)}", remedy="Give the time steps after which links are cut")
            return tuple(sorted({whole_number("a cut", t, 0, most=self["T"] - 1) for t in value}))
        if value is None and PLAIN[name] is None and name != "T":  # none is chosen
            return None
        if name in ("lr", "clip"):
            number = _number(name, value)
            if number < 0.0:
                raise ArgumentError(f"{name} is {in_short(value)}", remedy="It must not be negative")
            return number
        if name == "speed":
            if (speed := _number(name, value)) not in SPEEDS:
                raise ArgumentError(f"{name} is {in_short(value)}", remedy=f"It can be {', '.join(map(_text, SPEEDS))}")
            return speed
        before, T, program = self._first - 1, self["T"], self._cells[self.cell]["programs"][self["nonlinearity"]]
        bounds = {"step": (0, 2 * T + 1), "t": (before, before + T), "detail": (0, self._levels[program] - 1)}
        least, most = bounds.get(name, (1, None if name == "node" else self._length))
        return whole_number(name, value, least, most=most)


def _rows(x: Rows | OneHots) -> list[list[float]]:
    """The inputs, a row for each time step."""
    if "rows" in x:
        return x["rows"]
    return [[float(i == hot) for i in range(x["size"])] for hot in x["hot"]]


def _keys_of(group: Group) -> list[str]:
    """The names of the entries of a group, row by row."""
    name, indices = group["name"], product(*map(range, group["shape"]))
    return [name + (f"[{','.join(map(str, index))}]" if index else "") for index in indices]


def _shaped(keys: Sequence[str], shape: Sequence[int]) -> object:
    if not shape:
        return keys[0]
    size = len(keys) // shape[0]
    return tuple(_shaped(keys[i * size : (i + 1) * size], shape[1:]) for i in range(shape[0]))


def _mapped(tree: Any, number: Callable[[str], float]) -> object:
    """A tree of names as one of numbers; None where there is no target."""
    if isinstance(tree, tuple):
        return tuple(_mapped(part, number) for part in tree)
    return None if tree is None else number(tree)


def _numbers(name: str, value: object, tree: object) -> Iterator[tuple[str, float]]:
    """The names of a tree, each with its number in ``value``.

    Raises:
        ArgumentError: something is not a finite number.
        ShapeError: the shapes differ.
    """
    for number, key in pairs(name, value, f"{name} of the page", tree):
        if key is not None:
            yield key, _number(key, number)
        elif number is not None:
            raise ArgumentError(f"{name} is {in_short(number)} where the page has none", remedy="Give None there")


def _number(name: str, value: object) -> float:
    """A finite number; also that of a Value.

    Raises:
        ArgumentError: it is none.
    """
    data = value.data if isinstance(value, Value) else value
    with contextlib.suppress(OperandError):
        if math.isfinite(given := to_number(data, name)):
            return given
    raise ArgumentError(f"{name} is {in_short(data)}", remedy="Give a finite number")


# ---- the link -------------------------------------------------------------------------------------------------------


def _parts(link: str) -> Iterator[tuple[str, str]]:
    """Names and values of a link, as texts."""
    for part in filter(None, link.removeprefix("#").split("&")):
        name, _, text = part.partition("=")
        yield unquote(name), unquote(text)


def _text(value: object) -> str:
    """A value as a link has it."""
    if isinstance(value, float):
        return _in_javascript(value)
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _in_javascript(number: float) -> str:
    """A number as JavaScript writes it: in digits alone from 10⁻⁶ to 10²¹."""
    if number == 0.0 or 1e-6 <= abs(number) < 1e21:
        return format(Decimal(repr(abs(number) if number == 0.0 else number)), "f").removesuffix(".0")
    mantissa, _, power = repr(number).partition("e")
    return f"{mantissa}e{int(power):+d}"


def _from_text(name: str, text: str) -> object:
    """The value of one of `PLAIN` in a link; a text that cannot be one is left as it is, for the error."""
    if name in ("cell", "nonlinearity", "at"):
        return text
    if name == "cut":
        return [_whole(part) for part in text.split(",")] if text else ()
    if not text:
        return None
    return _float(text) if name in ("lr", "clip", "speed") else _whole(text)


def _whole(text: str) -> int | str:
    number = typed_whole(text)
    return text if number is None else number


def _float(text: str) -> float | str:
    number = typed(text)
    return text if number is None else number
