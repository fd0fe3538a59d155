"""A time step as a JavaScript program: its functions, and facts about them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from itertools import accumulate
from typing import Any, TypeAlias, TypedDict

from ...engine import notation
from ...engine.backward import gradients, topological_order
from ...engine.value import Value
from ...errors import CompileError
from ...support.ranges import ranges
from .. import lookup
from ..memory import GRADIENT, PARAMETER, STATE, STATE_GRADIENT, TARGET, Place, X
from ..plan import MOST_VARIANTS
from ..step import Step, StepTwin, find_parameters
from ..symbol import Symbol, Tape
from ..trace import recorded
from .facts import facts_as_text
from .outside import Outside, Whole, outside_name
from .text import Function, needed, number
from .units import NOW_GRADIENT, RESULT, RESULT_GRADIENT, TIME, TIME_BEFORE, TimeStep, Unit, trace_units

FORWARD = "p, before, now"
BACKWARD = "p, before, now, p_grad, before_grad, now_grad"


def _file(name: str) -> str:
    return (files("tinygrad_rnn.compile.javascript") / name).read_text(encoding="utf-8")


#: What programs call, and the class that takes a program through time.
PRELUDE, SEQUENCE = _file("prelude.js"), _file("sequence.js")


#: Where the parent of a node lies: a slot of the time step; of the one before, -1 - slot; of parameter i, [i]. Where a
#: whole number n in a slot chooses: [slot, i, stride] for parameter i + stride · n, or [slot, [parent 0, parent 1, …]].
Parent: TypeAlias = "int | list[Any]"


class Facts(TypedDict):
    """Facts about a program, as plain data.

    Attributes:
        width: the numbers of a time step.
        parameters: names of the parameters, and of the nodes outside time.
        outside: the formulas of the latter, which stand at the end; that of the loss over time is empty.
        total: among them the loss over time and the whole loss, where these differ; else null.
        initial: of entries of the initial state that the whole loss reads, the places among the parameters, and in it.
        x, target: how many numbers of a time step are the inputs and the targets, in this order.
        first, state: the slot of the first entry of the state, and how many there are.
        parts: for each part of the state, where it begins and ends within the state.
        symbols: slots of inputs and targets that are whole numbers, and the limits that they must be below.
        loss: the slot of the loss, or null.
        computed: for each unit, the slots of what it computes, as ranges [from, to); other slots are leaves.
        nodes: for each slot, what its node is called, if that is not its formula; and this, where it is computed.
            U+A7FB and U+A7FC stand for the numbers t and t - 1 of the time steps.
        course: the backward passes. ``course[live][1]`` holds, for a time step with a loss (``[0]``: without), the
            number of the function, and ``live`` of the time step before; -1 for none. ``live`` is 0 at the end of a
            pass.
        whole: the same where every entry of the state has a gradient.
        edges: for each unit, the nodes to which the walk applies the chain rule, in its order: the slot of the node,
            and a `Parent` for each of its operands.
        products: slots of nodes with two operands whose local gradients are the other one's number, as ranges.
    """

    width: int
    parameters: list[str]
    outside: list[str]
    total: list[int] | None
    initial: list[list[int]]
    x: int
    target: int
    first: int
    state: int
    parts: dict[str, list[int]]
    symbols: dict[str, int]
    loss: int | None
    computed: dict[str, list[list[int]]]
    nodes: list[list[str]]
    course: list[list[list[int]]]
    whole: list[int]
    edges: dict[str, list[list[Any]]]
    products: list[list[int]]


@dataclass(frozen=True)
class Program:
    """A time step as JavaScript.

    Attributes:
        functions: its functions, by name.
        facts: facts about them, as plain data.
        traced: the time step over symbols.
        numbers: those of the parameters, and of the nodes outside time.
        initial: the numbers of the initial state.
    """

    functions: dict[str, Function]
    facts: Facts
    traced: TimeStep
    numbers: list[float]
    initial: list[float]

    @property
    def module(self) -> str:
        """The program as an ES module that needs nothing else. It begins with how it is used."""
        computed = [0.0] * (len(self.facts["parameters"]) - len(self.numbers))  # the loss over time, and what follows
        numbers = f"const parameters = Float64Array.of({', '.join(map(number, [*self.numbers, *computed]))});\n"
        exported = "export { program, parameters, Sequence, library, DomainError };"
        program = f"{self.body}\nconst program = {self._object};\n{numbers}{exported}\n"
        return f"{self._usage}\n{PRELUDE}\n{SEQUENCE}\n{program}"

    @property
    def _usage(self) -> str:
        """A comment with an example, which runs."""
        facts, h0 = self.facts, ", ".join(map(number, self.initial))
        x = f"[{', '.join(['0' if facts['symbols'] else '1'] * facts['x'])}]"
        target = f"[{', '.join(['0'] * facts['target'])}]"
        lines = [
            "A time step as a program, forward and backward, written by tinygrad_rnn. To use it:",
            "",
            'import { program, parameters, Sequence } from "./step.mjs";  // the parameters that the cell had',
            "const sequence = new Sequence(program, parameters, 2);  // two time steps",
            f"sequence.start([{h0}]);  // the state before them; program.facts.parts says where each part lies",
            f"for (const t of [1, 2]) sequence.give(t, {x}, {target});  // x_t; and target_t, where there is a loss",
            "console.log(sequence.forward());  // the sum of the losses",
            "sequence.backward();",
            "console.log(sequence.p_grad);  // its gradients, in the order of program.facts.parameters",
            "console.log(sequence.now[2], sequence.grad[2]);  // numbers and gradients, in that of program.facts.nodes",
        ]
        if facts["loss"] is None:
            lines[5:9] = [f"for (const t of [1, 2]) sequence.give(t, {x});  // x_t", "sequence.forward();"]
        text = "".join(f" *  {line}".rstrip() + "\n" for line in lines[1:])
        return f"/** {lines[0]}\n{text} */"

    @property
    def expression(self) -> str:
        """The program as an expression: an object with the functions and the facts. It needs the prelude."""
        return self.sharing(())

    def sharing(self, earlier: Sequence[Program]) -> str:
        """The same. What an earlier program has, word for word, is taken from there: ``PROGRAMS[i]``."""
        texts = [{name: function.short for name, function in each.functions.items()} for each in (*earlier, self)]
        home = {item: i for i, each in reversed(list(enumerate(texts[:-1]))) for item in each.items()}
        shared: dict[int, list[str]] = {}
        for name, text in texts[-1].items():
            if (name, text) in home:
                shared.setdefault(home[name, text], []).append(name)
        lines = [f"const {{ {', '.join(map(_in_object, names))} }} = PROGRAMS[{i}];\n" for i, names in shared.items()]
        taken = {name for names in shared.values() for name in names}
        own = [f"\n{text}" for name, text in texts[-1].items() if name not in taken]
        facts = facts_as_text(self.facts, [each.facts for each in earlier])
        return f"(() => {{\nconst facts = {facts};\n{''.join([*lines, *own])}\nreturn {self._object};\n}})()"

    @property
    def body(self) -> str:
        """The facts and the functions."""
        functions = (f"\n{function}" for function in self.functions.values())
        return f"const facts = {facts_as_text(self.facts)};\n{''.join(functions)}"

    @property
    def _object(self) -> str:
        cell_backward = [name for name in self.functions if name.startswith("cell_backward_")]
        others = [name for name in self.functions if name not in cell_backward]
        return f"{{ {', '.join(['facts', *others])}, cell_backward: [{', '.join(cell_backward)}] }}"


def _in_object(name: str) -> str:
    """Where the object of a program has a function of this name, as a pattern."""
    front, _, number = name.rpartition("_")
    return f"cell_backward: {{ {number}: {name} }}" if front == "cell_backward" else name


def javascript(
    step: Step,
    parameters: Sequence[Value] | None = None,
    most_nodes: int | None = None,
    outside: Sequence[Value] = (),
    whole: Whole | None = None,
) -> Program:
    """The time step as JavaScript.

    Args:
        step: the time step.
        parameters: its parameters; by default all leaves that existed before it, in order of creation.
        most_nodes: how many nodes it may have.
        outside: nodes that were computed from the parameters before the step, as `find_outside` finds them.
        whole: what the whole loss is computed by, if not by time steps alone.

    Raises:
        CompileError: it does not compile, or has more nodes; the error names the op and the node.
    """
    tape = Tape()
    parameters = find_parameters(step) if parameters is None else parameters
    initial = {} if whole is None else whole.initial
    given = [*parameters, *initial]
    twin = StepTwin(step, [*given, *outside], tape)
    for leaf, node in zip(twin.parameters[len(given) :], outside):
        leaf.label = outside_name(node)
    traced = recorded(trace_units, twin, tape)
    if most_nodes is not None and traced.width > most_nodes:
        raise CompileError(
            f"a time step of {traced.width:,} nodes makes too long a program",
            remedy=f"Take a smaller cell: up to {most_nodes:,} nodes",
        )
    before = Outside.of(given, outside) if outside else None
    after = None
    if whole is not None:
        called = {whole.over_time: OVER_TIME, whole.nodes[-1]: whole.nodes[-1].label or "L"}
        after = Outside.of([*given, *outside, whole.over_time], whole.nodes, called)
    numbers = [node.data for node in (*given, *outside)]
    places = [[len(parameters) + i, entry] for i, entry in enumerate(initial.values())]
    return _Writer(traced, before, after).program(numbers, step.initial, places)


#: What the loss over time is called where there is more of it.
OVER_TIME = "loss over time"

_DOCS = {
    "cell": "One time step forward: numbers of `now` from those of `before` and `p`.",
    "readout": "The read-out of a time step, after its cell.",
    "loss": "The loss of a time step.",
}


_BEFORE = (
    "What lies outside time, once before the first time step.",
    "Its gradients, once after the last backward pass, are added to those of what it was computed from.",
)
_AFTER = (
    "The whole loss, once after the last time step.",
    "Its gradients, once before the first backward pass: also that of the loss over time.",
)


class _Writer:
    """Writes the functions of a time step."""

    def __init__(self, traced: TimeStep, before: Outside | None, after: Outside | None) -> None:
        self.traced, self.tape, self.before, self.after = traced, traced.tape, before, after
        self.named: dict[Symbol, str] = {}
        self.slot_of: dict[Symbol, int] = {}  # where a computed number lies
        self.names = self._name_nodes()
        self.functions: list[tuple[str, Function]] = []
        self.products: list[int] = []

    def program(self, numbers: list[float], initial: list[float], initial_read: list[list[int]]) -> Program:
        traced = self.traced
        if self.before is not None:
            self.functions += self.before.functions("outside", _BEFORE)
        if self.after is not None:
            self.functions += self.after.functions("total", _AFTER, self.after.nodes[-1:])
        for name, unit in traced.units.items():
            self._forward(name, unit, _DOCS[name])
        course, whole, walks = self._walks()
        for i, roots in enumerate(walks):
            self._backward(
                f"cell_backward_{i}",
                traced.cell,
                {node: slot for node, slot in traced.cell.results.items() if node in roots},
            )
        for name in ("readout", "loss"):
            if name in traced.units:
                self._backward(f"{name}_backward", traced.units[name], traced.units[name].results)
        self._jacobian()
        edges = {name: self._local(name, unit) for name, unit in traced.units.items()}
        return Program(dict(self.functions), self._facts(course, whole, edges, initial_read), traced, numbers, initial)

    # ---- what there is ----------------------------------------------------------------------------------

    def _name_nodes(self) -> dict[Value, str]:
        """The name of every node and end."""
        traced, names = self.traced, {}
        for unit in traced.units.values():
            for node in [*unit.ends, *unit.nodes]:
                slot = traced.slots.get(node)
                names[node] = _written(node.label or f"v{slot}")
        for unit in traced.units.values():
            for node in unit.nodes:
                self.named.setdefault(self.tape.number(node.data), names[node])
            for end in unit.ends:
                self.named.setdefault(self.tape.symbol(end.data), names[end])
        return names

    def _comments(self, unit: Unit) -> dict[Symbol, str]:
        """A comment on every number that a unit computes: its name and its formula."""
        comments: dict[Symbol, str] = {}
        for node in unit.nodes:
            name, op, operands = self.names[node], node.operation, [self.names[parent] for parent in node.parents]
            formula = op.formula.format(*operands) if op.local_formulas else f"{op.name}({', '.join(operands)})"
            comments.setdefault(self.tape.number(node.data), f"{name} = {formula}" if operands else name)
        return comments

    def _facts(
        self,
        course: list[list[list[int]]],
        whole: list[int],
        edges: dict[str, list[list[Parent]]],
        initial: list[list[int]],
    ) -> Facts:
        traced = self.traced
        nodes: list[list[str]] = [["", ""] for _ in range(traced.width)]
        for name in traced.limits:
            nodes[self._index(name)][0] = f"{name}_{TIME}"
        ends = accumulate(size for _, size in traced.parts)
        for node, slot in traced.slots.items():
            nodes[slot] = [notation.name(node), notation.application(node.operation, node.parents)]
            if nodes[slot][0] == nodes[slot][1]:
                nodes[slot][0] = ""
        parameters = [_written(parameter.label) or f"parameter {i}" for i, parameter in enumerate(traced.parameters)]
        outside, total = [] if self.before is None else self.before.formulas, None
        if self.after is not None:
            total = [len(parameters), len(parameters) + len(self.after.nodes)]
            parameters += [OVER_TIME, *(node.label for node in self.after.nodes)]
            outside = [*outside, "", *self.after.formulas]
        return {
            "width": traced.width,
            "parameters": parameters,
            "outside": outside,
            "total": total,
            "initial": initial,
            "x": traced.inputs,
            "target": traced.targets,
            "first": traced.first,
            "state": len(traced.new_state),
            "parts": {name: [end - size, end] for (name, size), end in zip(traced.parts, ends)},
            "symbols": {str(self._index(name)): limit for name, limit in traced.limits.items()},
            "loss": next(iter(traced.units["loss"].results.values())) if "loss" in traced.units else None,
            "computed": {name: self._computed(unit) for name, unit in traced.units.items()},
            "nodes": nodes,
            "course": course,
            "whole": whole,
            "edges": edges,
            "products": ranges(sorted(self.products)),
        }

    def _computed(self, unit: Unit) -> list[list[int]]:
        slots = {self.traced.slots[node] for node in unit.nodes if node.parents} | set(unit.results.values())
        return ranges(sorted(slots))

    def _walks(self) -> tuple[list[list[list[int]]], list[int], list[frozenset[Value]]]:
        """The course of backward passes, from `whole` too, and the roots of each function, results of the cell."""
        traced = self.traced
        order: dict[frozenset[Value], int] = {frozenset(): 0}
        moves: dict[frozenset[Value], frozenset[Value]] = {}  # from what has a gradient to what gets one before
        read = traced.read_by_loss()
        state = frozenset(traced.new_state)
        for live in (found := [frozenset[Value]()]):
            for roots in {live: None, live | read: None, state: None}:
                reached = set(topological_order(*roots)) if roots else set()
                before = frozenset(new for new, old in zip(traced.new_state, traced.old_state) if old in reached)
                moves[roots] = before
                if before not in order:
                    order[before] = len(order)
                    found.append(before)
                    if len(order) > MOST_VARIANTS:
                        raise CompileError(
                            f"gradients reach the entries of the state in more than {MOST_VARIANTS} different ways",
                            remedy="Keep a shorter history in the state, or use the eager engine",
                        )
        # Sets of roots that reach the same nodes share one function: that of the largest set.
        homes: dict[frozenset[Value], frozenset[Value]] = {}
        for roots in sorted(moves, key=len):
            homes[frozenset(topological_order(*roots)) if roots else frozenset()] = roots
        walks = [roots for roots in homes.values() if roots]
        numbers = {
            roots: -1 if not roots else walks.index(homes[frozenset(topological_order(*roots))]) for roots in moves
        }
        course = [[[numbers[roots], order[moves[roots]]] for roots in (live, live | read)] for live in order]
        return course, [numbers[state], order[moves[state]]], walks

    # ---- functions --------------------------------------------------------------------------------------

    def _forward(self, name: str, unit: Unit, doc: str) -> None:
        stores = [(f"now[{self.traced.slots[node]}]", self.tape.number(node.data)) for node in unit.nodes]
        stores += [
            (f"now[{slot}]", self.tape.number(node.data)) for node, slot in unit.results.items() if node in unit.ends
        ]
        first = self.traced.slots[unit.nodes[0]] if unit.nodes else 0
        function = Function(
            f"function {name}({FORWARD})", doc, stores, self._reader(), self.named, self._comments(unit),
            self._blame(unit), [(condition, self._given(condition, first)) for condition in unit.required],
        )  # fmt: skip
        self.functions.append((name, function))
        for node in unit.nodes:
            symbol = self.tape.number(node.data)
            if symbol.op not in ("const", "load", "index"):
                self.slot_of.setdefault(symbol, self.traced.slots[node])

    def _given(self, condition: Symbol, otherwise: int) -> int:
        """The slot of the input or target that a condition is about."""
        regions = {X: 0, TARGET: self.traced.inputs}
        loads = (each.place for each in condition.args if isinstance(each, Symbol) and each.op == "load")
        return next((regions[place.region] + place.slot for place in loads if place.region in regions), otherwise)

    def _backward(self, name: str, unit: Unit, roots: Mapping[Value, int]) -> None:
        tape, slots = self.tape, self.traced.slots
        gradients = unit.gradients(tape, {node: tape.load(NOW_GRADIENT, slot) for node, slot in roots.items()})
        named, blamed = dict(self.named), self._blame(unit)
        comments: dict[Symbol, str] = {}
        stores = []
        for node, gradient in gradients.items():
            text = self.names.get(node, "")
            if gradient.op != "const":
                named.setdefault(gradient, f"{text} grad")
                comments.setdefault(gradient, f"∂L/∂{text}")
            place = unit.ends[node] if node in unit.ends else Place(NOW_GRADIENT, slots[node])
            if gradient is not tape.load(*place):
                stores.append((self._place(place), gradient))
            self._blame_locals(node, blamed)
        doc = "The same time step backward, from the gradients in `now_grad`. They are added to those in the others."
        self.functions.append(
            (name, Function(f"function {name}({BACKWARD})", doc, stores, self._reader(), named, comments, blamed))
        )

    def _jacobian(self) -> None:
        """∂state/∂(state before), a row per entry after the other, as `bptt.jacobian` finds them."""
        traced, size = self.traced, len(self.traced.new_state)
        blamed = self._blame(traced.cell)
        rows = [gradients(node, traced.old_state, traced.old_state, lookup.edges) for node in traced.new_state]
        stores = [
            (f"row[{i * size + j}]", self.tape.symbol(entry))
            for i, row in enumerate(rows)
            for j, entry in enumerate(row)
        ]
        for node in traced.cell.nodes:
            self._blame_locals(node, blamed)
        head, doc = (
            f"function jacobian({FORWARD}, row)",
            "The derivatives of the state by the state before, row by row.",
        )
        function = Function(head, doc, stores, self._reader(), self.named, {}, blamed)
        self.functions.append(("jacobian", function))

    def _local(self, name: str, unit: Unit) -> list[list[Parent]]:
        """Write the function of the local gradients of a unit; return its edges."""
        edges: list[list[Parent]] = []
        stores, count = [], 0
        blamed = self._blame(unit)
        for node in topological_order(*unit.results):
            if node in unit.ends or node in unit.picks:
                continue
            self._blame_locals(node, blamed)
            found = [(parent, self.tape.symbol(local)) for parent, local in node.operation.edges(node)]
            others = [self.tape.symbol(parent.data) for parent, _ in reversed(found)]
            if len(found) == 2 and all(local is other for (_, local), other in zip(found, others)):
                self.products.append(self.traced.slots[node])
            else:
                is_one = [local.op == "const" and local.args[0] == 1.0 for _, local in found]
                stores += [(f"local[{count + i}]", local) for i, (_, local) in enumerate(found) if not is_one[i]]
            count += len(found)
            if found:
                edges.append([self.traced.slots[node], *(self._place_of(parent, unit) for parent, _ in found)])
        head, doc = (
            f"function {name}_local({FORWARD}, local)",
            f"The local gradients of the {name}, in the order of the walk, but for those that are 1, and of products.",
        )
        self.functions.append((f"{name}_local", Function(head, doc, stores, self._reader(), self.named, {}, blamed)))
        return edges

    def _place_of(self, parent: Value, unit: Unit) -> Parent:
        """The place of a parent of a node."""
        traced = self.traced
        if parent in unit.picks:
            return [self._index(unit.picks[parent].name), [self._place_of(option, unit) for option in parent.parents]]
        if parent not in unit.ends:
            return traced.slots[parent]
        region, slot = unit.ends[parent]
        if region.name == STATE_GRADIENT.name:
            return -1 - (traced.first + slot)
        if region.name in (NOW_GRADIENT.name, RESULT_GRADIENT.name):
            return traced.results[slot] if region == RESULT_GRADIENT else slot
        return [self._index(region.index), slot, region.stride] if region.index else [slot]

    def _index(self, name: str) -> int:
        """The slot of an input or a target that is a whole number."""
        return 0 if name == X.name else self.traced.inputs

    def _reader(self) -> Callable[[Symbol], str | None]:
        """What returns the text that reads a symbol, or None for one that is not computed yet."""
        slot_of = dict(self.slot_of)

        def read(symbol: Symbol) -> str | None:
            if symbol.op == "load":
                return self._place(symbol.place)
            if symbol.op == "index":
                return self._place(Place(symbol.args[0], 0))
            slot = slot_of.get(symbol)
            return None if slot is None else f"now[{slot}]"

        return read

    def _blame(self, unit: Unit) -> dict[Symbol, int]:
        """For every symbol that may raise an error, the slot of the node whose rule computes it first."""
        blamed: dict[Symbol, int] = {}
        for node in unit.nodes:
            self._blame_for(self.tape.symbol(node.data), self.traced.slots[node], blamed)
        return blamed

    def _blame_locals(self, node: Value, blamed: dict[Symbol, int]) -> None:
        if node.parents and node.operation.backward is None and node in self.traced.slots:
            for _, local in node.operation.edges(node):
                self._blame_for(self.tape.symbol(local), self.traced.slots[node], blamed)

    def _blame_for(self, root: Symbol, slot: int, blamed: dict[Symbol, int]) -> None:
        for symbol in needed([root], lambda symbol: symbol in blamed or symbol in self.slot_of):
            if symbol.op not in ("const", "load", "index"):
                blamed.setdefault(symbol, slot)

    def _place(self, place: Place) -> str:
        """A place in memory as JavaScript."""
        (region, slot), inputs, first = place, self.traced.inputs, self.traced.first
        if region in (RESULT, RESULT_GRADIENT):
            slot = self.traced.results[slot]
        name, offset = {
            PARAMETER.name: ("p", 0), GRADIENT.name: ("p_grad", 0),
            STATE.name: ("before", first), STATE_GRADIENT.name: ("before_grad", first),
            X.name: ("now", 0), TARGET.name: ("now", inputs), NOW_GRADIENT.name: ("now_grad", 0),
            RESULT.name: ("now", 0), RESULT_GRADIENT.name: ("now_grad", 0),
        }[region.name]  # fmt: skip
        stride = f"{region.stride} * " if region.stride != 1 else ""
        index = f" + {stride}now[{self._index(region.index)}]" if region.index else ""
        return f"{name}[{slot + offset}{index}]"


def _written(label: str) -> str:
    """A label with t and t - 1."""
    return label.replace(TIME, "t").replace(TIME_BEFORE, "{t-1}")
