"""The level of states, which is the default: a slide that shows at a glance what became of the gradient.

From the top down: the verdict; the chain as an equation; the states in order of time, with an arc for each step that
the gradient takes back, and the factor by which that step multiplies it; what is left of the gradient at every state
beside the law; one time step in full; the key. No text is smaller than `Sheet.size`, and the widths of the columns
follow from what must fit into them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

from ..engine.value import Value
from ..support import colours
from ..support.colours import Scale
from ..support.sums import add_up
from ..support.text import count
from . import bars, gates, geometry, heading, panel, text, words
from . import proportions as p
from .geometry import Box, Picture, Point, Row
from .graph import Block, Edge, Node
from .sheet import Columns, Looks, Sheet
from .subject import Fold, Link, Subject

_PIECES, _END = 16, 4  # of an arc over folded time steps, and how many of them the head of its arrow needs
_ABOVE, _BELOW = 7.5, 2.4  # the heading, and the key, in sizes of text
_GAP = 0.9  # above the gates, or the time step in full, in sizes of text


def arrange(subject: Subject) -> Picture:
    """Everything in its place."""
    lit = subject.k is not None
    with_gates = subject.view.detail == "gates" and bool(gates.quantities(subject))
    lanes_height = _Heights.of(subject).whole
    least = _ABOVE + lanes_height + (bars.LEAST + 1.1 if lit else 0.0) + _BELOW  # in sizes of text
    step: panel.Panel | None = None
    if with_gates:
        columns = Columns(subject, least)
    else:
        columns, step = panel.choose(subject, least + _GAP)
    sheet, s = columns.sheet, columns.sheet.size
    scale = Scale.around_one(subject.kept.values())
    y = heading.draw(subject, sheet, 0.8 * s, [words.equation(subject)]) + 0.6 * s
    end = sheet.height - _BELOW * s  # where the key begins
    room = end - y - lanes_height * s - ((bars.LEAST + 1.1) * s if lit else 0.0)
    part = gates.choose(subject, columns, room) if with_gates else step
    taken = part.height + _GAP * s if part else 0.0
    # Without bars, what there is spreads over the page.
    spare = 0.0 if lit else (end - y - lanes_height * s - taken) / 3
    y = _Lanes(subject, columns, scale).draw(y + spare)
    if part and with_gates:
        part.draw(y + _GAP * s + spare)
        y += taken
    elif part:
        end -= taken
        part.draw(end + _GAP * s - spare)
    if lit:
        bars.draw(subject, columns, scale, y + 1.1 * s, end)
    key(subject, sheet, scale, sheet.height - 1.25 * s)
    sheet.picture.title, sheet.picture.description = words.title(subject), words.description(subject)
    return sheet.picture


def key(subject: Subject, sheet: Sheet, scale: Scale, y: float) -> None:
    """Write what the numbers in a card are, and draw the scale with its numbers, as many as there is room for."""
    s, x = sheet.size, sheet.left
    if subject.view.values:
        for i, (meaning, ink) in enumerate(words.card_key(subject)):
            sheet.text(f"key{i}", meaning, x, y, ink=ink, role="key")
            x += text.width(meaning, s) + 0.7 * s
    if subject.k is None:
        return
    name, room = "left of the gradient", sheet.right - x - 1.6 * s
    for most in (6, 4, 2):
        levels = scale.levels(most)
        swatch = max(text.width(text.decade(e), s) for e in levels) + 0.9 * s
        if text.width(name, s) + swatch * len(levels) <= room:
            break
    x = sheet.right - swatch * len(levels)
    sheet.text("scale", name, x - 0.6 * s, y, anchor="end", ink=colours.QUIET, role="key")
    for i, e in enumerate(levels):
        fill = scale.of_log(float(e))
        looks: Looks = {"fill": fill, "stroke": fill, "ink": colours.ink_on(fill), "shape": "bar", "role": "swatch"}
        sheet.box(f"swatch{i}", [Row(text.decade(e))], x + swatch * (i + 0.5), y, swatch, 1.35 * s, **looks)


@dataclass(frozen=True)
class _Heights:
    """The heights of the parts of the lanes, in sizes of text."""

    factors: float  # with the arcs
    state: float
    gap: float
    inputs: float
    whole: float

    @classmethod
    def of(cls, subject: Subject) -> _Heights:
        """The heights in a picture."""
        factors = p.TWO_LINES if words.factor_names(subject) else p.ONE_LINE
        factors = 0.0 if subject.k is None else p.RISE + factors
        state, gap = p.STATE if subject.view.values else p.BARE_STATE, p.GAP
        inputs = p.INPUT + (p.LINE if subject.view.values else 0.0) + (p.LINE if subject.view.names else 0.0)
        notes = p.LINE * max(map(len, subject.view.notes), default=0)
        lanes = len(subject.names) * state + (len(subject.names) - 1) * gap
        return cls(factors, state, gap, inputs, factors + lanes + p.INPUT_GAP + inputs + notes)


class _Lanes:
    """A lane for each part of the state, from left to right; inputs below, arcs and factors above."""

    def __init__(self, subject: Subject, columns: Columns, scale: Scale) -> None:
        self.subject, self.columns, self.scale = subject, columns, scale
        self.sheet = columns.sheet
        self.s = self.sheet.size
        heights = _Heights.of(subject)
        self.height, self.gap, self.input_height = (self.s * h for h in (heights.state, heights.gap, heights.inputs))
        self.boxes: dict[tuple[str, int], Box] = {}
        self.folds: dict[Fold, Box] = {}

    def draw(self, y: float) -> float:
        """Draw everything, and return where it ends."""
        subject, s = self.subject, self.s
        if subject.k is not None:
            y = self.factors(y) + p.RISE * s
        top, gap = y, self.gap
        for name in subject.names:
            for step, x in self.columns.x.items():
                self.boxes[name, step] = self.state(name, step, x, y + self.height / 2)
            y += self.height + gap
        y -= gap
        for fold, (a, b) in self.columns.folds.items():
            self.folds[fold] = self.fold(fold, (a + b) / 2, (top + y) / 2, b - a - 6.0, y - top)
        if subject.k is not None:
            self.arcs(top)
        self.flow()
        self.loss(y)
        end = self.inputs(y)
        self.cuts(top, end)
        return end

    def cuts(self, top: float, end: float) -> None:
        """Mark between which time steps no gradient passes."""
        sheet, s = self.sheet, self.s
        for t in self.subject.view.cuts:
            if t in self.columns.x and t - 1 in self.columns.x:
                x = (self.columns.x[t - 1] + self.columns.x[t]) / 2
                looks: Looks = {"stroke": colours.INK, "pen": 2.2, "dashed": True, "role": "cut", "step": t}
                sheet.path(f"cut_{t}", [(x, top - 1.2 * s), (x, end)], in_front=True, **looks)
                sheet.text(f"cutname_{t}", "cut", x, top - 1.9 * s, anchor="middle", bold=True, role="cut", step=t)

    # ---- what stands in the lanes ---------------------------------------------------------------------------

    def state(self, name: str, step: int, x: float, y: float) -> Box:
        values = self.subject.state(name, step)
        own = words.id_of(name, step)
        looks: Looks = {"role": "state", "step": step, "pen": 1.5}
        if name == self.subject.straight_name:
            looks |= {"fill": colours.STRAIGHT_FILL, "stroke": colours.STRAIGHT}
        looks["tooltip"] = "\n".join(f"{v.name}: data {v.data!r}, grad {v.grad!r}" for v in values[:12])
        looks["node"] = Node(own, values[0], step, "state", Block(step, False), values=tuple(values))
        rows = self.rows(text.indexed(name, step), values)
        return self.sheet.box(own, rows, x, y, self.columns.card, self.height, **looks)

    def rows(self, name: str, values: list[Value]) -> list[Row]:
        """A name, and the number and the gradient of a quantity or their norms."""
        subject, s, room = self.subject, self.s, self.columns.card - 0.4 * self.s
        size = max(s, min(p.NAME * s, p.NAME * s * room / text.width(name, p.NAME * s, True)))
        rows = [Row(text.squeezed(name, room, size, True), size, bold=True, role="name")]
        if subject.view.values:
            rows.append(Row(text.fitted(subject.data(values), room, s), role="data"))
            gradient = subject.gradient(values)
            missing = "none" if subject.ran else "not run"
            written = missing if gradient is None else text.fitted(gradient, room, s)
            rows.append(Row(written, ink=colours.CHAIN, role="gradient"))
        return rows

    def fold(self, fold: Fold, x: float, y: float, width: float, height: float) -> Box:
        steps = text.squeezed(count(fold.count, "step"), width - 6.0, self.s)
        rows = [Row("…", 1.3 * self.s, bold=True), Row(steps)] if self.subject.view.values else [Row(steps)]
        looks: Looks = {"fill": colours.FRAME, "stroke": colours.FRAME_LINE, "ink": colours.QUIET, "dashed": True}
        return self.sheet.box(f"fold{fold.first}", rows, x, y, width, height, role="fold", step=fold.first, **looks)

    def loss(self, bottom: float) -> None:
        """Draw the loss behind the last lane, and the states that it is computed from."""
        subject, s, sheet = self.subject, self.s, self.sheet
        if subject.loss is None:
            return
        node = Node("loss", subject.loss, subject.last, "loss", Block(None, True))
        looks: Looks = {"fill": colours.LOSS_FILL, "role": "loss", "step": subject.last, "pen": 1.5, "node": node}
        rows = self.rows(subject.root, [subject.loss])
        lane = next(iter(subject.direct.get(subject.last, ())), subject.names[-1])
        below = len(subject.names) - 1 - subject.names.index(lane)  # beside the lane that it is computed from
        x, y = self.columns.loss, bottom - self.height / 2 - below * (self.height + self.gap)
        box = sheet.box("loss", rows, x, y, self.columns.card, self.height, **looks)
        rail: Point | None = None
        joined: set[str] = set()
        for step, names in subject.direct.items():
            for name in names:
                tail = self.boxes.get((name, step)) or self.fold_at(step)
                if tail is None:
                    continue
                if step == subject.last and tail in self.boxes.values():
                    level = 0.5 * (subject.names.index(name) - subject.names.index(lane))
                    level = max(-0.5, min(0.5, level))
                    sheet.arrow(tail, box, sheet.side(tail, 1, 0), sheet.side(box, -1, level), step=step)
                elif tail.id not in joined:
                    joined.add(tail.id)
                    start = sheet.side(tail, 0.6, 1)
                    sheet.path(f"rail_{tail.id}", [start, (start[0], bottom + 0.6 * s)], role="flow", step=step)
                    rail = min(rail or start, start)
        if rail is not None:  # from where the first of the others joins, below the lanes, up to the loss
            end = sheet.side(box, 0, 1)
            corners = [(rail[0], bottom + 0.6 * s), (end[0], bottom + 0.6 * s)]
            sheet.path("rail", corners, role="flow", step=subject.last)
            sheet.path("rail_up", [corners[1], end], head="loss", arrow=True, role="flow", step=subject.last)
        last = subject.columns[-1]
        if isinstance(last, Fold):
            tail = self.folds[last]
            level = (sheet.side(box, 0, 0)[1] - sheet.side(tail, 0, 0)[1]) * 2 / tail.height
            sheet.arrow(tail, box, sheet.side(tail, 1, level), sheet.side(box, -1, 0), step=subject.last)

    def fold_at(self, step: int) -> Box | None:
        """The fold of this time step, unless it is the one before the loss, which has an arrow of its own."""
        found = (box for fold, box in self.folds.items() if fold.first <= step <= fold.last)
        box = next(found, None)
        return None if isinstance(last := self.subject.columns[-1], Fold) and box is self.folds[last] else box

    def inputs(self, y: float) -> float:
        """Draw the inputs below their states, with the notes below them, and return where they end."""
        subject, s, sheet = self.subject, self.s, self.sheet
        height, gap, room = self.input_height, p.INPUT_GAP * s, self.columns.card - 0.4 * s
        steps = [step for step in self.columns.x if step != subject.first]
        names = [subject.view.name_of(step - subject.unrolled.first) for step in steps]
        called = dict(zip(steps, text.squeezed_apart(names, room, s)))
        for step in steps:
            x, values = self.columns.x[step], subject.inputs(step)
            rows = [Row(text.indexed("x", step), role="name")]
            if subject.view.values:
                rows.append(Row(words.input_value(values, room, s), role="data"))
            if called[step]:
                rows.append(Row(called[step], ink=colours.QUIET, role="step"))
            node = Node(f"x_{step}", values[0], step, "input", Block(step, False), values=tuple(values))
            looks: Looks = {"fill": colours.INPUT_FILL, "stroke": colours.FRAME_LINE, "role": "input", "step": step}
            box = sheet.box(node.id, rows, x, y + gap + height / 2, self.columns.card, height, node=node, **looks)
            for name in subject.entered(step) or subject.names[-1:]:
                self.upright(box, len(subject.names), subject.names.index(name), step)
            for i, note in enumerate(subject.view.notes_of(step - subject.unrolled.first)):
                line = text.squeezed(note, self.columns.pitch - 0.4 * s, s)
                looks = {"anchor": "middle", "ink": colours.QUIET, "role": "note", "step": step}
                sheet.text(f"note_{step}_{i}", line, x, y + gap + height + (0.7 + 1.2 * i) * s, **looks)
        return y + gap + height + 1.2 * s * max(map(len, subject.view.notes), default=0)

    # ---- forwards in time -------------------------------------------------------------------------------------

    def flow(self) -> None:
        """The arrows from state to state."""
        for before, after in pairwise(self.subject.columns):
            if isinstance(before, int) and isinstance(after, int):
                for a, b in self.subject.dependencies(after):
                    self.across(a, before, b, after)
            else:
                self.beside_fold(before, after)
        for step in self.columns.x:
            for a, b in self.subject.within(step):
                lane, other = map(self.subject.names.index, (a, b))
                self.upright(self.boxes[a, step], lane, other, step)

    def upright(self, tail: Box, lane: int, other: int, step: int) -> None:
        """From what stands in a lane, or below all, to another lane: around what stands between them."""
        sheet, head = self.sheet, self.boxes[self.subject.names[other], step]
        down = 1 if other > lane else -1
        if abs(other - lane) == 1:
            sheet.arrow(tail, head, sheet.side(tail, 0, down), sheet.side(head, 0, -down), step=step)
            return
        (x0, y0), (x1, y1) = sheet.side(tail, 1, 0.6 * down), sheet.side(head, 1, -0.6 * down)
        out = 0.6 * (self.columns.pitch - self.columns.card)  # such a curve goes three quarters of it; a fold is at 0.5
        curve = [(x0, y0), (x0 + out, y0), (x1 + out, y1), (x1, y1)]
        sheet.line(f"{head.id}from{tail.id}", curve, tail.id, head.id, role="flow", step=step)

    def across(self, a: str, before: int, b: str, after: int) -> None:
        """From a part of the state to one after the next time step; thick where it is straight, as that carries."""
        subject, sheet = self.subject, self.sheet
        tail, head = self.boxes[a, before], self.boxes[b, after]
        edge = Edge(tail.node, head.node, subject.state(a, before)[0], subject.state(b, after)[0], 0)
        if a != b:
            down = 0.45 if subject.names.index(a) < subject.names.index(b) else -0.45
            sheet.arrow(tail, head, sheet.side(tail, 1, down), sheet.side(head, -1, -down), edge, step=after)
            return
        ends = sheet.side(tail, 1, 0), sheet.side(head, -1, 0)
        if a == subject.straight_name and subject.k is not None and subject.k <= before < subject.T:
            pen = 1.2 + 1.2 * self.s * self.scale.place(_log10(subject.straight[before]))
            looks: Looks = {"stroke": colours.STRAIGHT, "pen": pen, "arrow": False, "role": "straight"}
            sheet.arrow(tail, head, *ends, edge, step=after, **looks)
        else:
            sheet.arrow(tail, head, *ends, edge, step=after)

    def beside_fold(self, before: int | Fold, after: int | Fold) -> None:
        """The arrows into and out of a fold, one in each lane."""
        for name in self.subject.names:
            tail = self.boxes[name, before] if isinstance(before, int) else self.folds[before]
            head = self.boxes[name, after] if isinstance(after, int) else self.folds[after]
            state = tail if isinstance(before, int) else head
            y = self.sheet.side(state, 0, 0)[1]
            ends = (self.sheet.side(tail, 1, 0)[0], y), (self.sheet.side(head, -1, 0)[0], y)
            step = after if isinstance(after, int) else after.first
            line = self.sheet.arrow(tail, head, *ends, step=step)
            line.id = f"{line.id}_{words.id_of(name, step)}"

    # ---- backwards in time --------------------------------------------------------------------------------------

    def arcs(self, top: float) -> None:
        """The way of the gradient from the last state back to h_k: as wide and as dark as what is left of it."""
        s, lane = self.s, self.subject.names[0]
        for before, after in self.hops():
            tail = self.boxes.get((lane, after)) or next(reversed(self.folds.values()))
            head = self.boxes[lane, before]
            x1 = self.sheet.side(tail, -p.ARC_FROM if after in self.columns.x else 0.0, 0)[0]
            x0, rise = self.sheet.side(head, p.ARC_FROM, 0)[0], top - (p.RISE - p.FLAT) * s
            curve = [(x1, top), (x1 - p.ARC_BEND * self.columns.pitch, rise), (x0, rise), (x0, top)]
            left = self.along(before, after)
            pieces = geometry.pieces(curve, len(left))
            end = min(len(pieces), _END)
            for i, (piece, kept) in enumerate(zip(pieces[:-end], left)):
                if kept > 0.0:  # and not NaN
                    looks = {**self.strength(kept), "step": after}
                    self.sheet.line(f"fade_{after}_{i}", piece, arrow=False, role="fade", **looks)
            if left[-1] > 0.0:  # else nothing arrives
                looks = {**self.strength(left[-1]), "step": after}
                self.sheet.line(f"arc_{after}", geometry.joined(*pieces[-end:]), tail.id, head.id, role="arc", **looks)

    def along(self, before: int, after: int) -> list[float]:
        """The gradient that is left where each piece of an arc begins: of one that passes over folded time steps,
        at some of them.
        """
        kept = self.subject.kept
        known = [k for k in kept if before < k <= after]
        count = min(len(known), _PIECES)
        places = [after - i * (after - before) / count for i in range(count)]
        return [kept[min(known, key=lambda k: abs(k - place))] for place in places]

    def strength(self, kept: float) -> Looks:
        """The look of a line along which a gradient travels of which so much is left."""
        return {"stroke": self.scale(kept), "pen": p.PEN + p.STRENGTH * self.s * self.scale.place(_log10(kept))}

    def hops(self) -> list[tuple[int, int]]:
        """The ways of the gradient from a time step that is drawn back to the one before: (to, from).

        The first may come from T within the fold at the end.
        """
        subject = self.subject
        if subject.k is None:
            return []
        steps = [t for t in subject.shown if subject.k <= t <= subject.T]
        last = subject.columns[-1]
        if steps and isinstance(last, Fold) and last.first <= subject.T:
            steps.append(subject.T)
        return list(pairwise(steps))

    def middle(self, step: int) -> float:
        """The middle of the column of a time step, or of the fold at the end."""
        last = self.subject.columns[-1]
        if step in self.columns.x or not isinstance(last, Fold):
            return self.columns.x[step]
        return add_up(self.columns.folds[last]) / 2

    def factors(self, y: float) -> float:
        """Write above every arc what the time step multiplies the gradient by, and what that is made of.

        Returns:
            where they end.
        """
        subject, sheet, s = self.subject, self.sheet, self.s
        names = words.factor_names(subject)
        level = y + (p.FACTOR if names else p.ALONE) * s
        for before, after in self.hops():
            x = (self.columns.x[before] + self.middle(after)) / 2
            room = self.columns.pitch - 0.3 * s
            looks: Looks = {"anchor": "middle", "role": "terms", "step": after}
            if after in subject.links:
                factor = subject.links[after].factor
                if names:
                    self.terms(subject.links[after], x, y + p.TERMS * s, room)
            else:
                factor = subject.ratio(before, after)
                if names:
                    factors = count(after - before, "factor")
                    sheet.text(f"folded_{after}", factors, x, y + p.TERMS * s, ink=colours.QUIET, **looks)
            write = text.fitted if after in subject.links and subject.is_scalar else text.product
            written = "?" if math.isnan(factor) else write(factor, room, s, True, "×")
            looks |= {"ink": colours.CHAIN, "bold": True, "role": "factor"}
            sheet.text(f"factor_{after}", written, x, level, **looks)
        if names and subject.links:
            room = self.columns.x[min(subject.links)] - self.columns.pitch - sheet.left
            if text.width(names, s) <= room:
                sheet.text("terms", names, sheet.left, y + p.TERMS * s, ink=words.ink_of_terms(subject), role="terms")
        return level + 0.7 * s

    def terms(self, link: Link, x: float, y: float, room: float) -> None:
        """Write what a factor is made of: the weight and the rest; or the gate; or the norm of the Jacobian."""
        subject, sheet, s = self.subject, self.sheet, self.s
        looks: Looks = {"role": "terms", "step": link.step}
        own = f"terms_{link.step}"
        if not 1 <= len(link.terms) <= 2:
            number = subject.gate(link.step)
            if number is None:
                number = abs(link.factor) if link.norm is None else link.norm
            sheet.text(
                own, text.fitted(number, room, s), x, y, anchor="middle", ink=words.ink_of_terms(subject), **looks
            )
            return
        (_, weight, _), *others = link.terms
        for of_weight, digits in ((3, 2), (2, 2), (1, 1)):  # 0.999 is not 1.0
            written = text.number(weight, of_weight)
            first = text.width(written, s, True)
            rest = "".join("·" + _bracketed(text.number(other, digits)) for _, other, _ in others)
            if first + text.width(rest, s) <= room:
                break
        else:  # only the order of magnitude, if even that fits
            rest = "".join(text.fitted(other, room - first, s, before="·") for _, other, _ in others)
            if first + text.width(rest, s) > room:
                return
        second = text.width(rest, s)
        seam = x + (first - second) / 2  # where the two meet, whatever the font
        bold: Looks = {"ink": colours.LAW, "bold": True, **looks}
        sheet.text(own, written, seam if rest else x, y, anchor="end" if rest else "middle", **bold)
        if rest:
            sheet.text(f"{own}_rest", rest, seam, y, **looks)


def _log10(x: float) -> float:
    return math.log10(x) if x > 0 else -math.inf


def _bracketed(number: str) -> str:
    return f"({number})" if number.startswith("−") else number
