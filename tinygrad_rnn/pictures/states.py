"""The level of states, which is the default: a slide that shows at a glance what became of the gradient.

From the top down: the verdict; the chain as an equation; the states in order of time, with an arc for each step that
the gradient takes back, and the factor by which that step multiplies it; what is left of the gradient at every state
beside the law; one time step in full; the key. No text is smaller than `Sheet.size`, and the widths of the columns
follow from what must fit into them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ..bptt import Unrolled
from ..engine.value import Value
from . import colours, panel, text, words
from .colours import Scale
from .geometry import Box, Line, Picture, Point, Row
from .graph import Block, Edge, Node
from .sheet import LEAST, SMALLEST, Anchor, Sheet
from .subject import Fold, Link, Subject
from .view import View, styled

_FOLD = 2.2  # width of what stands for folded time steps, in columns
_END_FOLD = 1.3  # the same before the first and after the last that is drawn
_COLUMN = 6.1  # least width of a column, in sizes of text: a number of three digits, a power of ten and a gap
_AXIS = 3.4  # room for the numbers at the axis, in sizes of text


def room(view: View, size: float) -> float:
    """How many columns a page has room for."""
    return (view.page[0] - 2 * 27.0 - _AXIS * size) / (_COLUMN * size)


def limit(unrolled: Unrolled, loss: Value | None, view: View) -> int:
    """How many states to draw: as many as were asked for, else as many as a page has room for in `SMALLEST` text."""
    if view.max_steps is not None:
        return view.max_steps
    most = room(view, SMALLEST) - (loss is not None)
    first, last = view.only or (unrolled.first - 1, unrolled.T)
    if last - first + 1 <= most:
        return last - first + 1
    return max(3, int(most - _FOLD))


def columns_of(columns: Sequence[int | Fold], with_loss: bool) -> float:
    """The width of what is drawn, in columns."""
    folds = sum(
        _END_FOLD if i in (0, len(columns) - 1) else _FOLD for i, c in enumerate(columns) if isinstance(c, Fold)
    )
    return sum(isinstance(c, int) for c in columns) + folds + with_loss


def arrange(subject: Subject) -> Picture:
    """Everything in its place."""
    wide = columns_of(subject.columns, subject.loss is not None)
    size = SMALLEST
    while size > LEAST and room(subject.view, size) < wide:
        size -= 0.5
    return _States(subject, Sheet(subject.view.page, size), wide).picture()


@dataclass
class _States:
    subject: Subject
    sheet: Sheet
    wide: float

    def __post_init__(self) -> None:
        subject, sheet = self.subject, self.sheet
        self.s = sheet.size
        self.scale = Scale.around_one(subject.kept.values())
        self.begin = sheet.left + _AXIS * self.s
        self.pitch = min((sheet.right - self.begin) / self.wide, 16.0 * self.s)
        self.card = self.pitch - max(1.2 * self.s, 0.2 * self.pitch)
        x = self.begin
        self.x: dict[int, float] = {}
        self.folds: dict[Fold, tuple[float, float]] = {}
        for i, column in enumerate(subject.columns):
            if isinstance(column, Fold):
                width = self.pitch * (_END_FOLD if i in (0, len(subject.columns) - 1) else _FOLD)
                self.folds[column] = x, x + width
            else:
                width = self.pitch
                self.x[column] = x + width / 2
            x += width
        self.x_loss = x + self.pitch / 2
        self.boxes: dict[tuple[str, int], Box] = {}

    def picture(self) -> Picture:
        subject, sheet, s = self.subject, self.sheet, self.s
        lit = subject.k is not None
        y = self.heading(14.0)
        y = self.lanes(y + (0.6 if lit else 1.0) * s)
        below = sheet.height - 1.9 * s  # where the key begins
        rest = panel.choose(subject, sheet, below - y - (11.0 * s if lit else 2.0 * s))
        if lit:
            y = self.bars(y + 1.2 * s, below - (rest.height + 1.0 * s if rest else 0.0))
        if rest:
            rest.draw(below - rest.height)
        self.key(sheet.height - 1.4 * s)
        picture = sheet.picture
        picture.title, picture.description = words.title(subject), words.description(subject)
        return picture

    # ---- words ----------------------------------------------------------------------------------------------

    def heading(self, y: float) -> float:
        """The verdict, the equation of the chain, and what cell it is; returns where they end."""
        subject, sheet, s = self.subject, self.sheet, self.s
        room = sheet.right - sheet.left
        headline = words.headline(subject)
        if headline:
            sheet.line_that_fits(
                "headline", headline, sheet.left, y + 1.3 * s, room, 2.2 * s, bold=True, role="headline"
            )
            y += 2.7 * s
        equation = words.equation(subject, self.s, room)
        for i, line in enumerate(equation):
            made = sheet.line_that_fits(
                f"equation{i}" if i else "equation",
                line,
                sheet.left,
                y + 0.8 * s,
                room,
                1.3 * s,
                ink=colours.CHAIN,
                role="equation",
            )
            y += 1.45 * made.size
        caption = words.caption(subject)
        sheet.line_that_fits("caption", caption, sheet.left, y + 0.8 * s, room, s, ink=colours.QUIET, role="caption")
        return y + 1.6 * s

    # ---- the states, and the way of the gradient --------------------------------------------------------------------

    def lanes(self, y: float) -> float:
        """States, inputs, the loss, and the arcs above them; returns where they end."""
        subject, s = self.subject, self.s
        values = subject.view.values
        if subject.k is not None:
            y = self.labels(y) + 3.4 * s
        top = y
        height = (1.75 + (2.4 if values else 0.0)) * s
        gap = 1.9 * s
        middles = {}
        for i, name in enumerate(subject.names):
            middles[name] = y + height / 2
            for step, x in self.x.items():
                self.boxes[name, step] = self.state(name, step, x, middles[name], height)
            y += height + (gap if i < len(subject.names) - 1 else 0.0)
        for fold, (a, b) in self.folds.items():
            self.fold(fold, (a + b) / 2, (top + y) / 2, b - a, y - top)
        if subject.k is not None:
            self.arcs(top)
        self.flow(middles)
        self.loss(middles[subject.names[-1]], height)
        return self.inputs(y)

    def state(self, name: str, step: int, x: float, y: float, height: float) -> Box:
        subject, s = self.subject, self.s
        nodes = subject.state(name, step)
        rows = [
            Row(text.squeezed(text.indexed(name, step), self.card - 4, 1.3 * s, True), 1.3 * s, bold=True, role="name")
        ]
        if subject.view.values:
            room = self.card - 6.0
            rows.append(Row(text.fitted(subject.data(nodes), room, s), ink=colours.QUIET, role="data"))
            gradient = subject.gradient(nodes)
            told = "not run" if gradient is None else text.fitted(gradient, room, s)
            rows.append(Row(told, ink=colours.CHAIN, role="gradient"))
        straight = name == subject.straight_name
        own = words.id_of(name, step)
        node = Node(own, nodes[0], step, "state", Block(step, False), values=tuple(nodes))
        box = Box(own, rows, self.card, height, (x, self.sheet.height - y), size=s, pen=1.5, role="state", step=step)
        box.node, box.tooltip = node, "\n".join(f"{v.name}: data {v.data!r}, grad {v.grad!r}" for v in nodes[:12])
        if straight:
            box.fill, box.stroke = colours.STRAIGHT_FILL, colours.STRAIGHT
        box = styled(box, node, subject.view.style)
        self.sheet.picture.boxes.append(box)
        return box

    def labels(self, y: float) -> float:
        """The factor of every step, above its arc: what it is made of, and its number; returns where they end."""
        subject, sheet, s = self.subject, self.sheet, self.s
        names = words.factor_names(subject)
        made_of = bool(names)
        for t, link in subject.links.items():
            middle = (self.x[t - 1] + self.x[t]) / 2
            room = self.pitch - 0.3 * s
            if made_of:
                self.terms(link, middle, y + 0.6 * s, room)
            number = text.fitted(link.factor, room, s, True, "×")
            sheet.text(
                f"factor_{t}",
                number,
                middle,
                y + (1.8 if made_of else 0.6) * s,
                anchor="middle",
                ink=colours.CHAIN,
                bold=True,
                role="factor",
                step=t,
            )
        for fold, (a, b) in self.folds.items():
            before, after = fold.first - 1, fold.last + 1
            if before not in self.x or after not in self.x or before < (subject.k or 0) or after > subject.T:
                continue
            kept = subject.kept[before] / subject.kept[after] if subject.kept[after] else 0.0
            if made_of:
                sheet.text(
                    f"terms_{after}",
                    f"{fold.count + 1} factors",
                    (a + b) / 2,
                    y + 0.6 * s,
                    anchor="middle",
                    ink=colours.QUIET,
                    role="terms",
                    step=after,
                )
            number = text.fitted(kept, b - a, s, True, "×")
            sheet.text(
                f"factor_{after}",
                number,
                (a + b) / 2,
                y + (1.8 if made_of else 0.6) * s,
                anchor="middle",
                ink=colours.CHAIN,
                bold=True,
                role="factor",
                step=after,
            )
        if made_of and subject.links:
            room = (self.x[min(subject.links)] - self.pitch / 2 - sheet.left) + self.pitch / 2 - 3.2 * s
            if text.width(names, s) <= room:
                sheet.text("terms", names, sheet.left, y + 0.6 * s, ink=colours.LAW, role="terms")
        return y + (2.5 if made_of else 1.3) * s

    def terms(self, link: Link, x: float, y: float, room: float) -> None:
        """What a factor is made of: the number of the weight, and that of the rest; or its norm, or the gate."""
        subject, sheet, s = self.subject, self.sheet, self.s
        t = link.step
        if link.terms and len(link.terms) <= 2:
            first, *others = link.terms
            digits = 2
            words_ = [text.number(first[1], digits), *("·" + _bracketed(text.number(x, digits)) for _, x, _ in others)]
            if sum(text.width(w, s, not i) for i, w in enumerate(words_)) > room:
                words_ = [text.number(first[1], 1), *("·" + _bracketed(text.number(x, 1)) for _, x, _ in others)]
            widths = [text.width(w, s, not i) for i, w in enumerate(words_)]
            seam = x - sum(widths) / 2 + widths[0]
            if len(words_) == 1:
                sheet.text(
                    f"terms_{t}", words_[0], x, y, anchor="middle", ink=colours.LAW, bold=True, role="terms", step=t
                )
                return
            sheet.text(f"terms_{t}", words_[0], seam, y, anchor="end", ink=colours.LAW, bold=True, role="terms", step=t)
            sheet.text(f"terms_{t}_rest", words_[1], seam, y, ink=colours.INK, role="terms", step=t)
            return
        number = subject.gate(t)
        ink = colours.STRAIGHT
        if number is None:
            number, ink = (abs(link.factor) if link.norm is None else link.norm), colours.LAW
        sheet.text(
            f"terms_{t}", text.fitted(number, room, s), x, y, anchor="middle", ink=ink, bold=False, role="terms", step=t
        )

    def arcs(self, top: float) -> None:
        """The way of the gradient from the last state back to h_k: as wide and as dark as what is left of it."""
        subject, s = self.subject, self.s
        lane = subject.names[0]
        steps = [t for t in subject.shown if subject.k is not None and subject.k <= t <= subject.T]
        for before, after in pairwise(steps):
            x1, x0 = self.x[after] - 0.2 * self.card, self.x[before] + 0.2 * self.card
            place = self.scale.place(_log10(subject.kept[after]))
            rise = 3.6 * s
            self.sheet.line(
                f"arc_{after}",
                [(x1, top), (x1 - 0.05 * self.pitch, top - rise), (x0, top - rise), (x0, top)],
                self.boxes[lane, after].id,
                self.boxes[lane, before].id,
                stroke=self.scale(subject.kept[after]),
                pen=1.2 + 0.72 * s * place,
                role="arc",
                step=after,
                dashed=False,
            )

    def flow(self, middles: dict[str, float]) -> None:
        """The arrows from state to state, forwards in time."""
        subject = self.subject
        for before, after in pairwise(subject.columns):
            if isinstance(after, Fold) and isinstance(before, int):
                for name in subject.names:
                    self.arrow(
                        self.boxes[name, before],
                        f"fold{after.first}",
                        self.x[before] + self.card / 2,
                        self.folds[after][0] + 3,
                        middles[name],
                        before + 1,
                        None,
                    )
            elif isinstance(before, Fold) and isinstance(after, int):
                for name in subject.names:
                    self.arrow(
                        f"fold{before.first}",
                        self.boxes[name, after],
                        self.folds[before][1] - 3,
                        self.x[after] - self.card / 2,
                        middles[name],
                        after,
                        None,
                    )
            elif isinstance(before, int) and isinstance(after, int):
                for a, b in subject.dependencies(after):
                    tail, head = self.boxes[a, before], self.boxes[b, after]
                    edge = Edge(tail.node, head.node, subject.state(a, before)[0], subject.state(b, after)[0], 0)
                    edge.pairs = subject.pairs(a, after) if subject.view.style else frozenset()
                    x0, x1 = self.x[before] + self.card / 2, self.x[after] - self.card / 2
                    if a == b:
                        self.arrow(tail, head, x0, x1, middles[a], after, edge)
                    else:
                        shift = 0.22 * (tail.height if middles[b] > middles[a] else -tail.height)
                        self.cross(tail, head, x0, x1, middles[a] + shift, middles[b] - shift, after, edge)
            if isinstance(after, int):
                for a, b in subject.within(after):
                    tail, head = self.boxes[a, after], self.boxes[b, after]
                    y0, y1 = middles[a], middles[b]
                    down = 1.0 if y1 > y0 else -1.0
                    self.sheet.segment(
                        f"{head.id}from{tail.id}",
                        (self.x[after], y0 + down * tail.height / 2),
                        (self.x[after], y1 - down * head.height / 2),
                        tail.id,
                        head.id,
                        role="flow",
                        step=after,
                        pen=1.2,
                    )

    def arrow(
        self, tail: Box | str, head: Box | str, x0: float, x1: float, y: float, step: int, edge: Edge | None
    ) -> None:
        a, b = (end if isinstance(end, str) else end.id for end in (tail, head))
        line = self.sheet.segment(f"{b}from{a}", (x0, y), (x1, y), a, b, role="flow", step=step, pen=1.2)
        self.style_line(line, edge)

    def cross(self, tail: Box, head: Box, x0: float, x1: float, y0: float, y1: float, step: int, edge: Edge) -> None:
        line = self.sheet.segment(
            f"{head.id}from{tail.id}", (x0, y0), (x1, y1), tail.id, head.id, role="flow", step=step, pen=1.2
        )
        self.style_line(line, edge)

    def style_line(self, line: Line, edge: Edge | None) -> None:
        if edge is not None:
            line.edge = edge
            lines = self.sheet.picture.lines
            lines[-1] = styled(line, edge, self.subject.view.style)

    def fold(self, fold: Fold, x: float, y: float, width: float, height: float) -> None:
        """What stands for folded time steps."""
        steps = f"{fold.count} step{'s' if fold.count > 1 else ''}"
        rows = [Row("…", 1.3 * self.s, bold=True), Row(steps)]
        self.sheet.box(
            f"fold{fold.first}",
            rows,
            x,
            y,
            width - 6,
            height,
            fill=colours.FRAME,
            stroke=colours.FRAME_LINE,
            ink=colours.QUIET,
            dashed=True,
            role="fold",
            step=fold.first,
        )

    def loss(self, y: float, height: float) -> None:
        """The loss, and the states that it is computed from."""
        subject, s = self.subject, self.s
        if subject.loss is None:
            return
        node = Node("loss", subject.loss, subject.last, "loss", Block(None, True))
        room = self.card - 6.0
        rows = [Row(text.squeezed(subject.root, room, 1.3 * s, True), 1.3 * s, bold=True, role="name")]
        if subject.view.values:
            rows.append(Row(text.fitted(subject.loss.data, room, s), ink=colours.QUIET, role="data"))
            told = text.fitted(subject.loss.grad, room, s) if subject.loss.has_grad else "not run"
            rows.append(Row(told, ink=colours.CHAIN, role="gradient"))
        box = Box(
            "loss",
            rows,
            self.card,
            height,
            (self.x_loss, self.sheet.height - y),
            colours.LOSS_FILL,
            size=s,
            pen=1.5,
            role="loss",
            step=subject.last,
            node=node,
        )
        self.sheet.picture.boxes.append(styled(box, node, subject.view.style))
        last = subject.columns[-1]
        for name in subject.direct.get(subject.last, ()):
            tail = self.boxes.get((name, subject.last))
            if tail is None or tail.centre is None:
                continue
            y0 = self.sheet.height - tail.centre[1]
            shift = 0.0 if abs(y0 - y) < 1 else 0.25 * height
            self.sheet.segment(
                f"lossfrom{tail.id}",
                (self.x[subject.last] + self.card / 2, y0),
                (self.x_loss - self.card / 2, y - shift),
                tail.id,
                "loss",
                role="flow",
                step=subject.last,
                pen=1.2,
            )
        if isinstance(last, Fold):
            self.sheet.segment(
                f"lossfromfold{last.first}",
                (self.folds[last][1] - 3, y),
                (self.x_loss - self.card / 2, y),
                f"fold{last.first}",
                "loss",
                role="flow",
                step=subject.last,
                pen=1.2,
            )

    def inputs(self, y: float) -> float:
        """The inputs below their steps; returns where they end."""
        subject, s = self.subject, self.s
        height, gap = (1.35 + (1.2 if subject.view.values else 0.0)) * s, 1.3 * s
        for step, x in self.x.items():
            if step == subject.first:
                continue
            nodes = subject.inputs(step)
            rows = [Row(text.indexed("x", step), role="name")]
            if subject.view.values:
                rows.append(Row(words.input_value(nodes, self.card - 6.0, s), ink=colours.QUIET, role="data"))
            node = Node(f"x_{step}", nodes[0], step, "input", Block(step, False), values=tuple(nodes))
            box = Box(
                f"x_{step}",
                rows,
                self.card,
                height,
                (x, self.sheet.height - y - gap - height / 2),
                colours.INPUT_FILL,
                colours.FRAME_LINE,
                size=s,
                role="input",
                step=step,
                node=node,
            )
            self.sheet.picture.boxes.append(styled(box, node, subject.view.style))
            name = subject.names[-1]
            self.sheet.segment(
                f"{words.id_of(name, step)}fromx_{step}",
                (x, y + gap),
                (x, y + 1.0),
                box.id,
                self.boxes[name, step].id,
                role="flow",
                step=step,
                pen=1.2,
            )
        return y + gap + height

    # ---- what is left of the gradient -------------------------------------------------------------------------------

    def bars(self, y: float, end: float) -> float:
        """A bar for what is left at every state, on a log scale, beside the law."""
        subject, sheet, s = self.subject, self.sheet, self.s
        kept, law = subject.kept, subject.law
        sheet.line_that_fits(
            "left",
            words.left(subject),
            sheet.left,
            y + 0.7 * s,
            sheet.right - sheet.left,
            1.15 * s,
            bold=True,
            role="heading",
        )
        y += 2.2 * s
        bottom = end - 1.9 * s
        shown = [*kept.values(), *(law.at.values() if law else ())]
        logs = [_log10(v) for v in shown if v > 0 and math.isfinite(v)] or [0.0]
        low, high = math.floor(min(logs) - 1e-9), math.ceil(max(logs) + 1e-9)
        if high - low < 2:
            low, high = min(low, -1), max(high, 1)
        if bottom - y < 3 * s:
            return end
        high_y = y + 1.3 * s if law else y

        def place(value: float) -> float:
            part = (_log10(value) - low) / (high - low) if value > 0 else 0.0
            return bottom - (bottom - high_y) * min(max(part, 0.0), 1.0)

        a, b = self.begin, self.x_loss - self.pitch / 2 if subject.loss is not None else sheet.right
        stride = max(1, math.ceil((high - low) * 1.5 * s / (bottom - high_y)))
        for e in range(low, high + 1):
            if (e % stride) and e not in (0,):
                continue
            if e != 0 and stride > 1 and abs(e) < stride:
                continue
            level = place(10.0**e)
            sheet.segment(
                f"grid{e - low}",
                (a, level),
                (b, level),
                arrow=False,
                role="grid",
                stroke=colours.QUIET if e == 0 else colours.GRID,
                pen=1.2 if e == 0 else 0.8,
            )
            sheet.text(
                f"tick{e - low}",
                "1" if e == 0 else text.raised(e),
                a - 0.4 * s,
                level,
                anchor="end",
                ink=colours.QUIET,
                role="tick",
            )
        for k, x, width in self.bar_places():
            level = place(kept[k])
            if bottom - level > 0.5:
                sheet.box(
                    f"bar_{k}",
                    [],
                    x,
                    (level + bottom) / 2,
                    width,
                    bottom - level,
                    fill=self.scale(kept[k]),
                    stroke=self.scale(kept[k]),
                    shape="bar",
                    role="bar",
                    step=k,
                    tooltip=f"k = {k}: {kept[k]!r}",
                )
        for k, x in self.x.items():
            if k in kept:
                sheet.text(
                    f"left_{k}",
                    text.fitted(kept[k], self.pitch - 0.4 * s, s),
                    x,
                    bottom + 0.9 * s,
                    anchor="middle",
                    ink=colours.CHAIN,
                    role="left",
                    step=k,
                )
        if law:
            points = [(x, place(law.at[k])) for k, x, _ in self.bar_places() if law.at[k] > 0]
            if len(points) > 1:
                ink = colours.STRAIGHT if law.number is None else colours.LAW
                sheet.path("law", points, stroke=ink, pen=2.2, dashed=True, role="law")
                self.law_label(words.law(subject), points, place, ink, high_y)
        return end

    def law_label(
        self, said: str, points: Sequence[Point], place: Callable[[float], float], ink: str, top: float
    ) -> None:
        """The name of the law above its line, at the end where more room is."""
        sheet, s = self.sheet, self.s
        width = text.width(said, s, True)
        places: list[tuple[Anchor, float]] = [
            ("start", points[0][0] - self.card / 2),
            ("end", points[-1][0] + self.card / 2),
        ]
        ends = []
        for anchor, x in places:
            low, high = (x, x + width) if anchor == "start" else (x - width, x)
            near = [y for px, y in points if low - self.pitch <= px <= high + self.pitch]
            near += [
                place(self.subject.kept[k])
                for k, px, _ in self.bar_places()
                if low - self.pitch <= px <= high + self.pitch
            ]
            ends.append((min(near, default=top), anchor, x))
        level, anchor, x = max(ends)
        sheet.text("lawname", said, x, level - 0.9 * s, anchor=anchor, ink=ink, bold=True, role="law")

    def bar_places(self) -> list[tuple[int, float, float]]:
        """Every bar: its time step, its middle and its width."""
        places = []
        for k in sorted(self.subject.kept):
            if k in self.x:
                places.append((k, self.x[k], self.card))
                continue
            for fold, (a, b) in self.folds.items():
                if fold.first <= k <= fold.last:
                    inner = [q for q in self.subject.kept if fold.first <= q <= fold.last]
                    each = (b - a) / len(inner)
                    places.append((k, a + each * (sorted(inner).index(k) + 0.5), max(0.6, 0.8 * each)))
        return places

    # ---- the key ------------------------------------------------------------------------------------------------

    def key(self, y: float) -> None:
        """The scale with its numbers, and what the numbers in a card are."""
        subject, sheet, s = self.subject, self.sheet, self.s
        x = sheet.left
        if subject.view.values:
            for i, (words_, ink) in enumerate(words.card_key(subject)):
                sheet.text(f"key{i}", words_, x, y, ink=ink, role="key")
                x += text.width(words_, s) + 1.0 * s
        if subject.k is None:
            return
        reach = self.scale.high
        stride = max(1, math.ceil(reach / 3))
        levels = [e for e in range(-reach, reach + 1) if e % stride == 0]
        swatch = 3.0 * s
        x = sheet.right - swatch * len(levels)
        sheet.text("scale", "left of the gradient", x - 0.6 * s, y, anchor="end", ink=colours.QUIET, role="key")
        for i, e in enumerate(levels):
            fill = self.scale.of_log(float(e))
            sheet.box(
                f"swatch{i}",
                [Row("1" if e == 0 else text.raised(e))],
                x + swatch / 2,
                y,
                swatch,
                1.35 * s,
                fill=fill,
                stroke=fill,
                ink=colours.ink_on(fill),
                shape="bar",
                role="swatch",
            )
            x += swatch


def _log10(x: float) -> float:
    return math.log10(x) if x > 0 else -math.inf


def _bracketed(number: str) -> str:
    return f"({number})" if number.startswith("−") else number
