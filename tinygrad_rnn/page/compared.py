"""The program of a page, compared with what was recorded: a decision that Python took must not be lost in it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..bptt import Unrolled
from ..bptt.problem import Problem
from ..compile.evaluation import evaluate
from ..compile.javascript import Program, TimeStep
from ..compile.javascript.text import needed
from ..compile.memory import PARAMETER, TARGET
from ..compile.symbol import Symbol
from ..engine.backward import topological_order
from ..engine.recording import no_grad, time_step
from ..engine.value import Value
from ..errors import CompileError
from ..nn.quantities import as_quantity, entries
from .source import plain


def check_losses(program: Program, posed: Problem) -> None:
    """Check the read-out and the loss of a program by their numbers, once for every target.

    Raises:
        CompileError: Python computes another loss from the same state; the error names the time step.
    """
    unrolled, loss = posed.unrolled, _Loss(program)
    known: set[tuple[float, ...]] = set()
    for t, target in enumerate(posed.targets, unrolled.first):
        numbers = () if target is None else tuple(map(float, entries(plain(target))))
        if target is None or numbers in known:
            continue
        known.add(numbers)
        try:
            with no_grad(), time_step(t):
                h = as_quantity(plain(unrolled.h[t]))
                expected = posed.criterion(h if posed.readout is None else posed.readout(h), target).data
        except Exception:  # of a target that does not count, who knows what a loss may raise
            continue
        try:
            found = loss([entry.data for entry in unrolled.state(t)], numbers)
        except (ArithmeticError, ValueError, KeyError):  # no number, or it reads what is not part of the state
            continue
        if not (_is_same(expected, found) or math.isclose(expected, found, rel_tol=1e-9, abs_tol=1e-12)):
            raise CompileError(
                f"the loss is {expected:.6g} in Python, and {found:.6g} in the program of the page",
                node=f"L_{t}",
                time_step=t,
                remedy="Compute one formula for all targets, which decides neither on them nor on their type",
            )


class _Loss:
    """The loss of a program as a function of the state and the target."""

    def __init__(self, program: Program) -> None:
        traced = self.traced = program.traced
        self.numbers = program.numbers
        slots = [traced.cell.results[node] for node in traced.new_state]
        self.state = [traced.results.index(slot) for slot in slots]  # the places of its entries among the results
        self.units = []
        for name in ("readout", "loss"):
            if name in traced.units:
                roots = {node: traced.tape.number(node.data) for node in traced.units[name].results}
                places = [traced.results.index(traced.units[name].results[node]) for node in roots]
                self.units.append((dict(zip(places, roots.values())), needed(roots.values(), lambda _: False)))

    def __call__(self, state: Sequence[float], target: Sequence[float]) -> float:
        results = dict(zip(self.state, state))

        def read(symbol: Symbol) -> float:
            if symbol.op == "index":
                return target[0]
            (region, slot) = symbol.place
            if region.whole == PARAMETER:
                return self.numbers[slot + (region.stride * int(target[0]) if region.index else 0)]
            return target[slot] if region == TARGET else results[slot]

        for unit, symbols in self.units:
            found = evaluate(symbols, read)
            results |= {place: found[symbol] for place, symbol in unit.items()}
        return results[len(self.traced.results) - 1]


def check_steps(traced: TimeStep, unrolled: Unrolled, parameters: Sequence[Value]) -> None:
    """Check that every time step of a graph has the shape of the one that was traced, and its constants.

    Raises:
        CompileError: one has not; the error names its node.
    """
    order = [node for node in reversed(topological_order(*traced.new_state)) if node not in traced.cell.picks]
    place = {node: i for i, node in enumerate(order)}
    rows = [(node, node.operation, [place.get(p) for p in node.parents]) for node in order]
    fixed = dict(zip(traced.parameters, parameters))
    results = [place[node] for node in traced.new_state]
    user = {operand: i for i, (_, _, operands) in enumerate(rows) for operand in operands}  # the last that reads it
    for t in range(unrolled.first, unrolled.T + 1):
        found: list[Value | None] = [None] * len(order)
        for i, entry in zip(results, unrolled.state(t)):
            found[i] = entry
        for old, before in zip(traced.old_state, unrolled.state(t - 1)):
            if old in place:
                _check_same(found[place[old]], before, t)
                found[place[old]] = before
        for i, (template, op, operands) in zip(range(len(rows) - 1, -1, -1), reversed(rows)):
            node = found[i]
            if node is None:
                continue
            if not operands:
                if template in fixed:
                    _check_same(fixed[template], node, t)
                elif isinstance(template.data, float) and not _is_same(template.data, node.data):
                    raise _other_constant(template.data, node, found[user[i]] if i in user else None, t)
                continue
            if node.operation is not op or len(node.parents) != len(operands):
                raise _other_shape(node, t)
            for parent, operand in zip(node.parents, operands):
                if operand is not None:
                    if found[operand] is None:
                        found[operand] = parent
                    elif found[operand] is not parent:
                        raise _other_shape(parent, t)


def _is_same(a: float, b: float) -> bool:
    return a == b or (math.isnan(a) and math.isnan(b))


def _other_constant(expected: float, node: Value, user: Value | None, t: int) -> CompileError:
    return CompileError(
        f"a constant is {node.data:.6g} in this time step, and {expected:.6g} in the program of the page",
        op=user.op if user else None,
        node=(user or node).name,
        time_step=t,
        remedy="Give what differs between time steps as an input; compute what depends on numbers with Values, their "
        "methods and those of engine.arithmetic",
    )


def _check_same(expected: Value | None, node: Value, t: int) -> None:
    if expected is not None and expected is not node:
        raise _other_shape(node, t)


def _other_shape(node: Value, t: int) -> CompileError:
    return CompileError(
        "this time step has another shape than the cell has now",
        op=node.op or None,
        node=node.name,
        time_step=t,
        remedy="Let every time step compute the same formulas; what differs between them is an input",
    )
