"""The folded picture: one node per state of a time step, and the Jacobian J_t on the way from one to the next."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from ..bptt import Unrolled
from ..bptt.jacobian import jacobian, recurrent_matrix
from ..engine.backward import topological_order
from ..engine.value import Value
from ..errors import ArgumentError
from ..nn.linalg import Rows, identity, product, scaled, spectral_norm
from . import colours, geometry, legend, text
from .colours import Scale
from .geometry import Box, Curve, Line, Picture, Text

_ENTRIES = 4  # up to this size vectors and matrices are written out
_ROW, _GAP = 78.0, 46.0  # height of a state, and the least room between states
_MONO = 8.0


@dataclass(frozen=True)
class Scaled:
    """A matrix times a power of ten, so that a product over many time steps neither overflows nor vanishes."""

    rows: Rows
    log10: float = 0.0

    def times(self, other: Rows) -> Scaled:
        """The matrix product."""
        rows = product(self.rows, other)
        largest = max(abs(entry) for row in rows for entry in row)
        if not 0.0 < largest < math.inf:
            return Scaled(rows, self.log10)
        return Scaled(scaled(rows, 1.0 / largest), self.log10 + math.log10(largest))

    def norm(self) -> float:
        """log10 of the norm."""
        size = spectral_norm(self.rows)
        return self.log10 + math.log10(size) if size else -math.inf


@dataclass(frozen=True)
class _Jump:
    """From one shown time step to the next: a Jacobian, or the product of those of folded time steps."""

    before: int
    after: int
    jacobian: Scaled


def arrange(
    unrolled: Unrolled, loss: Value | None, *, k: int | None, shown: Sequence[int], title: str, root: str
) -> tuple[Picture, tuple[float, float]]:
    """Everything in its place.

    Args:
        unrolled: what to draw.
        loss: what was computed from it, if anything.
        k: the time step to which the product of the Jacobians is written out; by default the first.
        shown: the time steps to draw, in order.
        title: what to write above.
        root: what the loss is called.

    Raises:
        ArgumentError: no time step k.
        GraphError: a derivative is a closure.
    """
    first = shown[0]
    k = first if k is None else k
    if not first <= k <= unrolled.T:
        raise ArgumentError(f"there is no time step {k}", remedy=f"Choose k from {first} to {unrolled.T}")
    jacobians = {t: jacobian(unrolled, t) for t in range(first + 1, unrolled.T + 1)}
    jumps = [_jump(jacobians, before, after) for before, after in pairwise(shown)]
    chain = {unrolled.T: Scaled(identity(len(unrolled.state(unrolled.T))))}
    for t in range(unrolled.T, first, -1):
        chain[t - 1] = chain[t].times(jacobians[t])
    scale = Scale.of(
        size for t in shown for name in unrolled.state_names if (size := _size(unrolled, name, t, "grad")) is not None
    )
    return _Folded(unrolled, loss, k, shown, jumps, jacobians, chain, scale, title, root).picture()


@dataclass
class _Folded:
    unrolled: Unrolled
    loss: Value | None
    k: int
    shown: Sequence[int]
    jumps: Sequence[_Jump]
    jacobians: dict[int, Rows]
    chain: dict[int, Scaled]
    scale: Scale | None
    title: str
    root: str

    def picture(self) -> tuple[Picture, tuple[float, float]]:
        picture = Picture()
        names = self.unrolled.state_names
        parts = self._parts()
        cards = {(t, name): self._card(t, name) for t in self.shown for name in names}
        width = max(box.width for box in cards.values())
        labels = {jump.after: self._label(jump) for jump in self.jumps}
        y = {name: -i * (_ROW + 30.0) for i, name in enumerate(names)}
        x = width / 2
        for t in self.shown:
            if t in labels:
                x += width + max(_GAP, max(text.width(line, 9.0, _is_matrix(line)) for line in labels[t]) + 16.0)
            for name in names:
                cards[t, name].centre = (x, y[name])
                cards[t, name].width = width
                picture.boxes.append(cards[t, name])
        height = max(box.height for box in cards.values())
        for jump in self.jumps:
            self._arrows(picture, jump, cards, parts)
            self._caption(picture, labels[jump.after], cards, jump, height)
        right = x + width / 2
        bottom = min(y.values()) - height / 2
        bottom = self._bands(picture, cards, width, bottom - 14.0)
        rows = max((len(lines) for lines in labels.values()), default=1)
        top = max(height / 2, self._above_arrows(height) + rows * 11.0) + 8.0
        if self.loss is not None:
            right, top = self._loss(picture, cards, right, top)
        zoom = min(max(right / 1500.0, 1.0), 3.0)
        right = max(right, legend.key(picture, self.scale, 0.0, bottom - 16.0 * zoom, zoom, set(), None))
        above, widest = legend.write_heading(picture, self._heading(), top + 12.0, zoom)
        return picture, (max(right, widest), above - bottom + 30.0 * zoom)

    # ---- nodes and edges ----------------------------------------------------------------------------------

    def _parts(self) -> dict[str, slice]:
        """Where each state stands in the vector that the Jacobians are about."""
        parts, start = {}, 0
        for name in self.unrolled.state_names:
            size = len(self.unrolled.state(self.unrolled.T, [name]))
            parts[name], start = slice(start, start + size), start + size
        return parts

    def _card(self, t: int, name: str) -> Box:
        values = self.unrolled.state(t, [name])
        rows = [f"{text.clipped(name, 12)}_{t}", _shown("data", [value.data for value in values])]
        if all(value.has_grad for value in values):
            rows.append(_shown("grad", [value.grad for value in values]))
        else:
            rows.append("grad not run")
        box = Box(f"t{t}s{self.unrolled.state_names.index(name)}", rows, 0.0, len(rows) * 12.0 + 14.0, bold=True)
        box.width = max(text.width(row, 9.0) for row in rows) * 1.2 + 12.0
        box.pen = 1.4
        size = _size(self.unrolled, name, t, "grad")
        if self.scale is not None and size is not None:
            box.fill = self.scale(size)
        if self.k <= t:
            box.stroke, box.pen = colours.CHAIN, 2.2
        box.tooltip = "\n".join(f"{value.name}: data {value.data!r}, grad {value.grad!r}" for value in values[:20])
        return box

    def _arrows(
        self, picture: Picture, jump: _Jump, cards: dict[tuple[int, str], Box], parts: dict[str, slice]
    ) -> None:
        norms = {
            (a, b): spectral_norm([row[parts[a]] for row in jump.jacobian.rows[parts[b]]])
            for a in self.unrolled.state_names
            for b in self.unrolled.state_names
        }
        largest = max(norms.values())
        for (a, b), size in norms.items():
            if not size:
                continue
            tail, head = cards[jump.before, a], cards[jump.after, b]
            start, end = _side(tail, 1), _side(head, -1)
            line = Line(f"{head.id}from{tail.id}", tail.id, head.id, geometry.sweep(start, end))
            line.tooltip = f"norm of ∂{b}_{jump.after}/∂{a}_{jump.before}: {_power(jump.jacobian.log10, size)}"
            if self.k <= jump.before:
                lit = size == largest
                line.stroke, line.pen = (colours.CHAIN, 3.0) if lit else (colours.FAINT_CHAIN, 1.2)
            line.dashed = jump.after > jump.before + 1
            if len(parts) > 1:
                line.label = _power(jump.jacobian.log10, size)
                x, y = geometry.along(line.curve, 0.5 if a == b else 0.3)
                line.label_at = x, y + 7.0
            picture.lines.append(line)

    def _label(self, jump: _Jump) -> list[str]:
        """What is written about a Jacobian: what it is, its entries if they are few, its norm."""
        names = [f"J_{t}" for t in range(jump.after, jump.before, -1)]
        called = "·".join(names) if len(names) < 3 else f"{names[0]} … {names[-1]}"
        size = text.power_of_ten(1.0, jump.jacobian.norm())
        rows = jump.jacobian.rows
        if len(rows) == 1 and len(names) == 1:
            return [f"{called} = {text.number(rows[0][0] * 10.0**jump.jacobian.log10)}"]
        if len(rows) <= _ENTRIES and len(names) == 1:
            factor = 10.0**jump.jacobian.log10
            entries = [[text.number(factor * entry) for entry in row] for row in rows]
            widest = max(len(entry) for row in entries for entry in row)
            matrix = ["[ " + "  ".join(entry.rjust(widest) for entry in row) + " ]" for row in entries]
            return [called, *matrix, f"norm {size}"]
        return [called, f"norm {size}"]

    def _caption(
        self, picture: Picture, lines: Sequence[str], cards: dict[tuple[int, str], Box], jump: _Jump, height: float
    ) -> None:
        first = self.unrolled.state_names[0]
        left, right = _side(cards[jump.before, first], 1)[0], _side(cards[jump.after, first], -1)[0]
        middle = (left + right) / 2
        y = self._above_arrows(height) + len(lines) * 11.0
        for i, line in enumerate(lines):
            place = middle, y - i * 11.0 - 4.0
            caption = Text(f"j{jump.after}_{i}", line, place, 9.0, centred=True, mono=_is_matrix(line))
            picture.texts.append(caption)

    def _direct(self) -> set[tuple[int, str]] | None:
        """The states that the loss is computed from without another in between; None if it is a state itself."""
        states = {
            value: (t, name)
            for t in self.jacobians.keys() | {self.shown[0]}
            for name in self.unrolled.state_names
            for value in self.unrolled.state(t, [name])
        }
        if self.loss is None or self.loss in states:
            return None
        above = topological_order(self.loss, stop=list(states))
        return {states[parent] for node in above for parent in node.parents if parent in states}

    def _above_arrows(self, height: float) -> float:
        """Where captions begin: above one arrow, or above all nodes where arrows cross."""
        return 6.0 if len(self.unrolled.state_names) == 1 else height / 2 + 6.0

    def _bands(self, picture: Picture, cards: dict[tuple[int, str], Box], width: float, top: float) -> float:
        """Below every state from h_k on: what is left of a change of it at time step T."""
        if len(self.shown) < 2:
            return top
        names = self.unrolled.state_names
        name = names[0] if len(names) == 1 else "state"
        T = self.unrolled.T
        for t in self.shown:
            if not self.k <= t < T:
                continue
            log10 = self.chain[t].norm()
            factors = [f"J_{u}" for u in range(T, t, -1)]
            words = "·".join(factors) if len(factors) < 4 else f"{factors[0]} … {factors[-1]}"
            size = text.power_of_ten(1.0, log10)
            rows = [f"∂{name}_{T}/∂{name}_{t}", f"= {words}", f"norm {size}"]
            box = Box(f"band{t}", rows, width, 42.0, (cards[t, names[0]].centre or (0, 0)))
            box.width = max(width, max(text.width(row, 9.0) for row in rows) + 10)
            box.centre = (box.centre or (0.0, 0.0))[0], top - 21.0
            box.stroke = colours.CHAIN
            picture.boxes.append(box)
        return top - 46.0

    def _loss(
        self, picture: Picture, cards: dict[tuple[int, str], Box], right: float, top: float
    ) -> tuple[float, float]:
        """The loss, and the states that it is computed from without another state in between."""
        assert self.loss is not None
        direct = self._direct()
        if direct is None:
            return right, top
        rows = [text.clipped(self.root, 12), f"data {text.number(self.loss.data)}"]
        rows.append(f"grad {text.number(self.loss.grad)}" if self.loss.has_grad else "grad not run")
        box = Box("loss", rows, max(text.width(row, 9.0) for row in rows) * 1.2 + 12.0, 50.0, bold=True, pen=1.4)
        box.centre = (right + _GAP + box.width / 2, 0.0)
        if self.scale is not None and self.loss.has_grad:
            box.fill = self.scale(self.loss.grad)
        picture.boxes.append(box)
        passing = False
        for t, name in sorted(direct, key=lambda at: (at[0], self.unrolled.state_names.index(at[1]))):
            if (t, name) not in cards:
                continue
            tail = cards[t, name]
            line = Line(f"lossfrom{tail.id}", tail.id, box.id, stroke=colours.FAINT_CHAIN, pen=1.2)
            if t == self.unrolled.T:
                line.curve = geometry.sweep(_side(tail, 1), _side(box, -1))
                if name == self.unrolled.state_names[0]:
                    line.stroke, line.pen = colours.CHAIN, 3.0
            else:
                passing = True
                line.curve = _over(tail, box, top + 14.0)
            picture.lines.append(line)
        return right + _GAP + box.width, top + (20.0 if passing else 0.0)

    # ---- words --------------------------------------------------------------------------------------------

    def _heading(self) -> list[str]:
        T, k = self.unrolled.T, self.k
        name = self.unrolled.state_names[0] if len(self.unrolled.state_names) == 1 else "state"
        if k == T:
            return [self.title]
        names = [f"J_{t}" for t in range(T, k, -1)]
        short = names if len(names) <= 4 else [*names[:2], "…", names[-1]]
        norms = math.fsum(_log10(spectral_norm(self.jacobians[t])) for t in range(k + 1, T + 1))
        actual = self.chain[k].norm()
        equation = f"∂{self.root}/∂{name}_{k} = ∂{self.root}/∂{name}_{T} · {' · '.join(short)}"
        if any(t < T for t, _ in self._direct() or ()):
            equation = f"What reaches {name}_{k} from {name}_{T}: {equation.partition(' = ')[2]}"
        law = f"‖{'·'.join(short)}‖ = {text.power_of_ten(1.0, actual)}"
        law += f" ≤ {'·'.join(f'‖{n}‖' if n != '…' else n for n in short)} = {text.power_of_ten(1.0, norms)}"
        W = recurrent_matrix(self.unrolled.cell)
        if W is not None:
            size = spectral_norm(W)
            bound = text.power_of_ten(1.0, (T - k) * _log10(size))
            law += f" ≤ ‖W‖^(T−k) = {text.number(size)}{text.superscript(T - k)} = {bound}"
        return [self.title, f"{equation},   J_t = ∂{name}_t/∂{name}_(t−1)", law, legend.fate(actual, T - k)]


def _is_matrix(line: str) -> bool:
    return line.startswith("[")


def _jump(jacobians: dict[int, Rows], before: int, after: int) -> _Jump:
    whole = Scaled(jacobians[after])
    for t in range(after - 1, before, -1):
        whole = whole.times(jacobians[t])
    return _Jump(before, after, whole)


def _size(unrolled: Unrolled, name: str, t: int, what: str) -> float | None:
    values = unrolled.state(t, [name])
    if what == "grad" and not all(value.has_grad for value in values):
        return None
    return math.hypot(*(getattr(value, what) for value in values))


def _shown(what: str, numbers: Sequence[float]) -> str:
    if len(numbers) == 1:
        return f"{what} {text.number(numbers[0])}"
    if len(numbers) <= _ENTRIES:
        return f"{what} ({', '.join(map(text.number, numbers))})"
    return f"‖{what}‖ {text.number(math.hypot(*numbers))}"


def _power(log10: float, size: float) -> str:
    return text.power_of_ten(1.0, log10 + _log10(size))


def _log10(x: float) -> float:
    return math.log10(x) if x > 0 else -math.inf


def _side(box: Box, side: int) -> tuple[float, float]:
    x, y = box.centre or (0.0, 0.0)
    return x + side * box.width / 2, y


def _over(tail: Box, head: Box, y: float) -> Curve:
    """From the top of a box to the top of another, all at one height between them."""
    (ax, ay), (bx, by) = tail.centre or (0.0, 0.0), head.centre or (0.0, 0.0)
    a, b = (ax, ay + tail.height / 2), (bx, by + head.height / 2)
    up = [a, (ax, y - 4), (ax, y), (ax + 12, y)]
    down = [(bx - 12, y), (bx, y), (bx, y - 4), b]
    return geometry.joined(up, geometry.sweep(up[-1], down[0]), down)
