"""Whole numbers that are only known at run time: the row of an embedding, the index of a class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, NoReturn

from ..engine.arithmetic import Symbolic, select
from ..engine.node import NO_GRADIENT, Node
from ..engine.ops import Edges
from ..engine.value import Operand, Value, as_value
from ..errors import CompileError, GraphError
from ..nn.one_hot import OneHot
from .memory import PARAMETER, Place, Region, X
from .symbol import Symbol, Tape
from .undecided import refusal


class Index(Symbolic):
    """A whole number that is only known at run time.

    Attributes:
        region: where it lies.
        number: the same as a symbol.
        limit: it must be below this.
        entries: for each column of a table, by the place of its first entry, the leaf that stands for any entry of it.
        tables: for each parameter in such a column, that leaf.
    """

    def __init__(self, tape: Tape, region: Region, limit: int) -> None:
        self.tape, self.region, self.limit = tape, region, limit
        self.number = tape.index(region)
        self.entries: dict[Place, Value] = {}
        self.tables: dict[Value, Value] = {}

    @property
    def name(self) -> str:
        """What it is called in errors."""
        return f"{self.region.name}_t"

    def __format__(self, spec: str) -> str:  # the name of a Value that holds it
        return self.name

    def _refuse(self, *_: object) -> NoReturn:
        if self.region == X:
            raise refusal(self.name, "Choose each entry with engine.arithmetic.choose(options, x.hot)")
        raise refusal(
            self.name,
            "Use cross_entropy, y[t] or engine.arithmetic.choose(options, t); or give targets to compute with: 0.0 and "
            "1.0, or a list with a 1.0",
        )

    def _refuse_arithmetic(self, *_: object) -> NoReturn:
        raise CompileError(
            "a formula computes with an index that is only known when the compiled code runs",
            node=self.name,
            remedy="Choose a number by it with engine.arithmetic.choose(numbers, index)"
            + ("" if self.region == X else "; or give targets to compute with, such as 0.0 and 1.0"),
        )

    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __bool__ = __hash__ = __index__ = _refuse
    __int__ = __float__ = __round__ = __trunc__ = __floor__ = __ceil__ = __complex__ = _refuse_arithmetic
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _refuse_arithmetic
    __pow__ = __rpow__ = __mod__ = __rmod__ = __floordiv__ = __rfloordiv__ = __neg__ = __abs__ = _refuse_arithmetic

    def one_hot(self) -> OneHot:
        """The one-hot vector with 1 at this place. It is never multiplied by."""
        vector = OneHot(0, self.limit)
        for i, entry in enumerate(vector):
            entry.data = self.tape.emit("eq", self.number, float(i)).select(1.0, 0.0)
        vector.hot = self  # type: ignore[assignment]
        return vector

    def choose(self, options: Sequence[Operand]) -> Value:
        """Called by `arithmetic.choose` for an index that is not known yet."""
        nodes = [as_value(option) for option in options]
        self.limit = min(self.limit, len(nodes))
        slots = [_parameter_slot(node) for node in nodes]
        if None in slots or any(node.parents for node in nodes):
            hits = [self.tape.emit("eq", self.number, float(i)) for i in range(len(nodes))]
            return self._pick(nodes, list(zip(hits, nodes)))
        return self._look_up(nodes, [slot for slot in slots if slot is not None])

    def without(self, options: Sequence[Value]) -> list[Value]:
        """Called by `arithmetic.without` for an index that is not known yet."""
        self.limit = min(self.limit, len(options))
        rest = []
        for i, (option, following) in enumerate(pairwise(options)):
            is_beyond = self.tape.emit("gt", self.number, float(i))
            by_index = [following] * (i + 1) + [option] * (len(options) - i - 1)
            rest.append(self._pick(by_index, [(is_beyond, option), (self.tape.emit("not", is_beyond), following)]))
        return rest

    def _look_up(self, options: Sequence[Value], slots: list[int]) -> Value:
        """One parameter of a table: a load whose address depends on the index."""
        stride = slots[1] - slots[0] if len(slots) > 1 else 0
        if slots != [slots[0] + i * stride for i in range(len(slots))]:
            raise GraphError("the rows of a table that is looked up are not equally spaced among the parameters")
        place = Place(PARAMETER.table(self.region.name, stride), slots[0])
        # One leaf, however often the column is looked up, so that all contributions add up in one place.
        entry = self.entries.setdefault(place, Value(self.tape.load(*place)))
        if any(self.tables.setdefault(option, entry) is not entry for option in options):
            raise GraphError("one table is looked up in two ways in the same time step", remedy="Use two tables")
        return entry

    def _pick(self, options: Sequence[Value], cases: Sequence[tuple[Symbol, Value]]) -> Value:
        """``options[self]``, where some are computed.

        Args:
            options: an option for every index.
            cases: conditions, of which one holds, and the option that is then chosen.
        """
        data: Any = cases[-1][1].data
        for hit, option in cases[-2::-1]:
            data = select(hit, option.data, data)
        pick = Pick(data, options, "choose")
        pick.region, pick.cases = self.region, cases
        return pick


class Options(list[Value]):
    """A prediction, of which an index may choose an entry: ``y[t]``."""

    def __getitem__(self, place: Any) -> Any:
        return place.choose(self) if isinstance(place, Index) else super().__getitem__(place)


class Pick(Value):
    """One of several nodes; which one depends on an index. The eager engine has that node itself instead.

    Attributes:
        region: where the index lies.
        cases: conditions, of which one holds, and the node that is then chosen.
    """

    __slots__ = ("cases", "region")
    region: Region
    cases: Sequence[tuple[Symbol, Value]]


class _Share:
    """A local gradient, or a contribution, that counts only where a condition holds."""

    def __init__(self, condition: Symbol, number: object) -> None:
        self.condition, self.number = condition, number

    def __mul__(self, gradient: Any) -> _Share:
        return _Share(self.condition, self.number * gradient)

    def __radd__(self, before: Any) -> Symbol:
        return self.condition.select(before + self.number, before)


def edges(node: Node) -> Edges:
    """The edges of a node over symbols. A pick is replaced by what it picks: the eager engine adds to that directly."""
    own: Edges = [(node, 1.0)] if isinstance(node, Pick) else node.operation.edges(node)
    for parent, local_gradient in own:
        yield from _beyond_picks(parent, local_gradient)


def roots(gradients: Mapping[Value, Symbol]) -> dict[Node, Any]:
    """The roots of a pass, and their gradients. A pick is replaced by the nodes that it may pick."""
    found: dict[Node, object] = {}
    for root, gradient in gradients.items():
        for node, share in _beyond_picks(root, gradient):
            found[node] = found.get(node, NO_GRADIENT) + share
    return found


def possible(node: Value) -> list[Value]:
    """The nodes that this one may be in the eager engine: several for a pick."""
    return [each for each, _ in _beyond_picks(node, 1.0)]


def _beyond_picks(node: object, number: object) -> Edges:
    if not isinstance(node, Pick):
        return [(node, number)]
    return [edge for condition, option in node.cases for edge in _beyond_picks(option, _Share(condition, number))]


def _parameter_slot(option: Value) -> int | None:
    symbol: Any = option.data
    is_parameter = isinstance(symbol, Symbol) and symbol.op == "load" and symbol.place.region == PARAMETER
    return symbol.place.slot if is_parameter else None
