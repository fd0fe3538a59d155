"""A picture that plays: values appear in order of time, then the gradient travels back, factor by factor.

Every element has a moment at which it appears; those that only show the product so far also have one at which they go.
At the last moment the picture is as it is without an animation.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

from ..errors import DrawError
from ..support import colours
from . import svg, text
from .geometry import Line, Picture, Text

FORWARD, BACKWARD = 2.5, 6.0  # seconds at most for all steps of each direction
STEP_FORWARD, STEP_BACKWARD = 0.35, 0.7  # seconds at most for one
START, HOLD = 0.5, 5.0  # seconds before anything moves, and at the end
_FADE = 0.2  # seconds
ENDING = ("headline", "equation", "equation1", "nothing")  # what gives the end away


@dataclass(frozen=True)
class Film:
    """A picture with the moments of its elements.

    Attributes:
        picture: all that is ever seen.
        shown: from the id of an element to when it appears and when it goes, in seconds; the others stand still.
        seconds: until the last one has appeared.
    """

    picture: Picture
    shown: dict[str, tuple[float, float]]
    seconds: float

    def svg(self) -> str:
        """An SVG that plays by itself, and again and again; for who wants less motion, its end."""
        rules: list[str] = []
        classes: dict[str, str] = {}
        cycle = self.seconds + HOLD
        for moment in sorted(set(self.shown.values())):
            name = f"m{len(rules)}"
            begin, end = (100.0 * t / cycle for t in moment)
            fade = 100.0 * _FADE / cycle
            frames = f"0%,{begin:.3f}%{{opacity:0}}{begin + fade:.3f}%"
            frames += (
                f",{end:.3f}%{{opacity:1}}{end + 0.01:.3f}%,100%{{opacity:0}}" if end < 100.0 else ",100%{opacity:1}"
            )
            rules.append(f"@keyframes {name}{{{frames}}}.{name}{{animation:{name} {cycle:.3g}s infinite}}")
            if end < 100.0:  # is not there at the end
                rules[-1] += f".{name}{{opacity:0}}"
            classes.update({id: name for id, shown in self.shown.items() if shown == moment})
        still = "@media (prefers-reduced-motion:reduce){[class]{animation:none !important}}"
        return svg.write(self.picture, "".join([*rules, still]), classes)

    def at(self, moment: float) -> Picture:
        """The picture at a moment, in seconds; the picture itself from `seconds` on."""

        def seen(id: str) -> bool:
            begin, end = self.shown.get(id, (0.0, float("inf")))
            return begin <= moment < end

        boxes = []
        for box in self.picture.boxes:
            if seen(box.id):
                rows = [row if seen(written.id) else replace(row, text="") for row, written in box.laid_out()]
                boxes.append(replace(box, rows=rows))
        return replace(
            self.picture,
            boxes=boxes,
            lines=[line for line in self.picture.lines if seen(line.id)],
            texts=[text for text in self.picture.texts if seen(text.id)],
        )

    def frames(self) -> list[tuple[str, float]]:
        """The film as stills: every SVG, and for how many seconds it is shown. The last is the picture itself."""
        moments = self.moments()
        lengths = [after - before for before, after in pairwise(moments)]
        return [(svg.write(self.at(moment)), length) for moment, length in zip(moments, [*lengths, HOLD])]

    def moments(self) -> list[float]:
        """The moments from which on something else is seen, the first and the last among them."""
        ends = {end for _, end in self.shown.values() if end < self.seconds}
        return sorted({0.0, self.seconds, *(begin for begin, _ in self.shown.values()), *ends})


def film(picture: Picture) -> Film:
    """The film of a picture with states.

    Raises:
        DrawError: it has none, or no gradient that travels.
    """
    steps = sorted({box.step for box in picture.boxes if box.role == "state" and box.step is not None})
    arcs = sorted((line for line in picture.lines if line.role == "arc"), key=lambda line: -(line.step or 0))
    if not steps or not arcs:
        raise DrawError(
            "there is nothing to animate: the picture shows no gradient that travels back in time",
            remedy="Animate draw(unrolled, loss), with detail='states' and a lit chain",
        )
    forward = min(STEP_FORWARD, FORWARD / len(steps))
    when = {step: START + i * forward for i, step in enumerate(steps)}
    turn = START + len(steps) * forward + 0.5
    back = min(STEP_BACKWARD, BACKWARD / len(arcs))
    places = {box.id: box.step for box in picture.boxes}
    arrival: dict[int, float] = {arcs[0].step or 0: turn}  # when the gradient is at the state of a time step
    leaves = {}
    for i, arc in enumerate(arcs):
        leaves[arc.step] = turn + i * back
        arrival[places[arc.head] or 0] = turn + (i + 0.8) * back
    end = turn + len(arcs) * back + 0.5
    never = end + HOLD + 1.0

    def back_at(step: int) -> float:
        """The moment when the gradient has come back to that time step; the end where the chain does not reach it."""
        return min((moment for at, moment in arrival.items() if at <= step), default=end)

    def forward_at(step: int | None) -> float:
        """The moment when the values of that time step are computed; after all of them for what belongs to none."""
        return turn - 0.5 if step is None else min((t for s, t in when.items() if s >= step), default=turn - 0.5)

    shown: dict[str, tuple[float, float]] = {}
    for box in picture.boxes:
        if box.role == "loss":
            shown[box.id] = forward_at(None), never
        elif box.role == "law":
            shown[box.id] = end, never
        elif box.step is not None:
            shown[box.id] = back_at(box.step) if box.role == "bar" else forward_at(box.step), never
        for row, written in box.laid_out():
            if row.role == "gradient":
                at = turn if box.role == "loss" or box.step is None else back_at(box.step)
                shown[written.id] = at, never
    ways: dict[int | None, list[str]] = {}  # the pieces of the arc from every time step
    for line in picture.lines:
        if line.role in ("arc", "fade"):
            ways.setdefault(line.step, []).append(line.id)
        elif line.role == "law":
            shown[line.id] = end, never
        elif line.role == "flow" or line.step is not None:
            shown[line.id] = forward_at(line.step), never
    for step, pieces in ways.items():
        for i, name in enumerate(pieces):
            shown[name] = leaves.get(step, turn) + 0.6 * back * i / len(pieces), never
    for written in picture.texts:
        if written.role == "law" or written.id in ENDING:
            shown[written.id] = end, never
        elif written.step is not None and written.role in ("factor", "terms"):
            shown[written.id] = leaves.get(written.step, turn), never
        elif written.step is not None:
            shown[written.id] = back_at(written.step) if written.role == "left" else forward_at(written.step), never
    so_far, moments = _so_far(picture, arcs, arrival, places, end)
    shown.update(moments)
    return Film(replace(picture, texts=[*picture.texts, *so_far]), shown, end)


def _so_far(
    picture: Picture, arcs: list[Line], arrival: dict[int, float], places: dict[str, int | None], end: float
) -> tuple[list[Text], dict[str, tuple[float, float]]]:
    """The running product, in the place of the equation, from one arrival to the next."""
    texts = {written.id: written for written in picture.texts}
    place = texts.get("equation") or texts.get("caption")
    if place is None:
        return [], {}
    names = {box.id: box.lines[0] for box in picture.boxes if box.lines}
    made, shown = [], {}
    factors: list[str] = []
    begins = [arrival[places[arc.head] or 0] for arc in arcs]
    for arc, begin, gone in zip(arcs, begins, [*begins[1:], end]):
        factor, left = texts.get(f"factor_{arc.step}"), texts.get(f"left_{places[arc.head]}")
        if factor is None or left is None:
            continue
        factors.append(factor.text.removeprefix("×"))
        product = "·".join([*(["…"] if len(factors) > 5 else []), *factors[-5:]])
        words = f"back to {names[arc.head]}:  {f'{product} = ' if len(factors) > 1 else ''}{left.text}"
        own = replace(place, id=f"sofar_{arc.step}", text=words, ink=colours.CHAIN, role="sofar", step=arc.step)
        own.size = max(10.0, min(own.size, own.size * picture.width * 0.95 / text.width(words, own.size, own.bold)))
        made.append(own)
        shown[own.id] = begin, gone
    return made, shown
