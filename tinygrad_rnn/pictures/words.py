"""The words of the coarser levels: the verdict, the equation of the chain, the law, the key."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from ..engine.value import Value
from ..support import colours
from ..support.sums import norm_of
from ..support.text import count, magnitude
from . import text
from .subject import Law, Subject

_WRITTEN_OUT = 3  # Jacobians, before the middle becomes "…"


def id_of(name: str, step: int) -> str:
    """The id of a state: h_3. Characters that DOT or TikZ would not take become their number: h′ is hu2032."""
    clean = re.sub(r"\W", lambda found: f"u{ord(found[0]):x}", name, flags=re.ASCII)
    return f"{clean}_{step}" if clean[:1].isalpha() else f"s{clean}_{step}"


def headline(subject: Subject) -> str:
    """The verdict on the gradient, as one sentence; or the title that was given."""
    if subject.view.title is not None:
        return text.clipped(subject.view.title, 200)
    found = subject.verdict
    if found is None:
        return f"{subject.described}, unrolled over {count(subject.last - subject.first, 'time step')}"
    if subject.starts_at_0:
        return f"The gradient is 0 at {text.indexed(_name(subject), subject.T)} already"
    way = f"{count(found.lag, 'step')} back"
    if not found.kept and not subject.is_exactly_0:
        return f"The gradient is 0, or too small for a double, {way}"
    if not 0.0 < found.kept < math.inf:
        return f"The gradient {found.word} after {way}"
    mean = f", ×{text.number(found.factor)} per step" if found.lag > 1 else ""
    return f"The gradient {found.word}: ×{text.number(found.kept)} over {way}{mean}"


def title(subject: Subject) -> str:
    """The picture in a few words, for those who cannot see it."""
    return headline(subject) or f"{subject.described}, unrolled"


def description(subject: Subject) -> str:
    """The description of the picture in two sentences: the chain with its product, and the verdict."""
    steps = count(subject.last - subject.first, "time step")
    if subject.k is None or subject.verdict is None:
        return f"{subject.described}, unrolled over {steps}. Every state is drawn with its value and its gradient."
    way = f"{text.indexed(_name(subject), subject.T)} back to {text.indexed(_name(subject), subject.k)}"
    if subject.starts_at_0:
        return f"{subject.described}, unrolled over {steps}, with the way {way}. {headline(subject)}."
    law = subject.law
    beside = f"; {_law_in_words(subject)}" if law is not None else ""
    chain = f"{subject.described}, unrolled over {steps}: from {way} the factors multiply to "
    return f"{chain}{_size(subject)}{beside}. {subject.verdict.clause(number=text.number)}."


def _law_in_words(subject: Subject) -> str:
    law = subject.law
    assert law is not None
    size = text.power_of_ten(1.0, law.log10)
    if law.number is None:
        return f"the product of the gates {law.name} alone is {size}"
    return f"the law {_sized(subject, law)}^(T−k) {'says at most' if law.is_bound else 'alone says'} {size}"


def _name(subject: Subject) -> str:
    return subject.parts[0] if len(subject.parts) == 1 else "s"


def _product(subject: Subject) -> float:
    """The product of the factors; with its sign for a state of one number, if no factor is folded."""
    if not subject.is_scalar or len(subject.links) < subject.T - subject.end:
        return subject.left
    return math.copysign(subject.left, math.prod(math.copysign(1.0, link.factor) for link in subject.links.values()))


def equation(subject: Subject) -> str:
    """The chain, its product and the law, in one line; empty where no chain is lit."""
    if subject.k is None or subject.verdict is None:
        return ""
    k, T, law = subject.k, subject.T, subject.law
    name = _name(subject)
    later, earlier = text.indexed(name, T), text.indexed(name, k)
    if subject.starts_at_0:
        return f"∂{_followed(subject)}/∂{later} = 0"
    total = _size(subject)
    if not subject.is_scalar:
        return _in_norms(subject, later, earlier, total)
    signed = len(subject.links) == T - k  # of folded time steps, only sizes are known
    start = f"∂{later}/∂{earlier}" if signed else magnitude(f"∂{later}/∂{earlier}", 1)
    if law is None or law.number is None:
        return f"{start} = {_factors('J', T, k)} = {total}"
    lag, weight = T - k, _weight(subject) if signed else law.number
    power = text.power(weight, lag)
    rest = _rest(subject)
    base = _base(law) if signed or _weight(subject) >= 0.0 else f"|{_base(law)}|"
    if rest is None:
        return f"{start} = {base}{text.superscript(lag)} = {power} = {total}"
    size = text.power_of_ten(-1.0 if weight < 0 and lag % 2 else 1.0, law.log10)
    sized = law.at[k] * (-1.0 if weight < 0 and lag % 2 else 1.0)
    known = sized and (subject.left or subject.is_exactly_0)
    others = f" · {text.number(_product(subject) / sized)}" if known else " · …"
    return f"{start} = {base}{text.superscript(lag)} · ∏ {rest} = {size}{others} = {total}"


def _in_norms(subject: Subject, later: str, earlier: str, total: str) -> str:
    T, k, law = subject.T, subject.end, subject.law
    root, norm, product = _followed(subject), subject.chain_norm, f"‖{_factors('J', T, k)}‖"
    if root:
        line = f"{_ratio(subject, later, earlier)} = {total}"
    else:
        line = f"{magnitude(f'∂{later}/∂{earlier}', subject.size)} = {'' if norm is None else f'{product} = '}{total}"
    if law is not None and law.number is None:
        gates = f"∏ {law.name} = {text.power_of_ten(1.0, law.log10)}"
        return f"{line};  straight along {subject.straight_name}, gates alone:  {gates}"
    if root and norm is not None:
        line += f"  ≤  {product} = {text.number(norm)}"
    if law is not None:
        line += f"  ≤  {law.name}{text.superscript(T - k)} = {text.power_of_ten(1.0, law.log10)}"
    return line


def _ratio(subject: Subject, later: str, earlier: str) -> str:
    """The sizes of the gradient at two states."""
    root, size = _followed(subject) or "∂", len(subject.unrolled.state(subject.T, subject.parts))
    return " / ".join(magnitude(f"∂{root}/∂{state}", size) for state in (earlier, later))


def _followed(subject: Subject) -> str:
    """The loss that the chain begins from: L, or of one that depends on several states what it has of the last: L₁₂."""
    return text.indexed(subject.root, subject.T) if len(subject.direct) > 1 else subject.root


def _size(subject: Subject) -> str:
    """The product of the factors; one that is 0 may be too small for a double."""
    product = _product(subject)
    return text.number(product) if product or subject.is_exactly_0 else "0, or too small for a double"


def _factors(name: str, T: int, k: int) -> str:
    names = [text.indexed(name, t) for t in range(T, k, -1)] if T - k <= _WRITTEN_OUT else []
    return "·".join(names) or f"{text.indexed(name, T)} ⋯ {text.indexed(name, k + 1)}"


def _base(law: Law) -> str:
    """The base of a power of the weight, where it has a sign: w, or W of a single number."""
    return law.name.strip("‖")


def _weight(subject: Subject) -> float:
    for link in subject.links.values():
        for _, number, weight in link.terms:
            if weight is not None:
                return number
    law = subject.law
    return law.number if law is not None and law.number is not None else math.nan


def _rest(subject: Subject) -> str | None:
    """The name of the other terms of the factors; None: there are none."""
    names = {
        name.partition("(")[0] if name.partition("(")[0].endswith("′") else "rest"
        for link in subject.links.values()
        for name, _, weight in link.terms
        if weight is None
    }
    return None if not names else names.pop() if len(names) == 1 else "rest"


def factor_names(subject: Subject) -> str:
    """The text above the factor of each step."""
    if subject.gate_name is not None:
        units = len(subject.state(subject.straight_name or "", subject.T))
        return subject.gate_name if units == 1 else f"mean {subject.gate_name}"
    if not subject.is_scalar:
        return "‖J‖" if any(link.norm is not None for link in subject.links.values()) else ""
    law, rest = subject.law, _rest(subject)
    if law is None or law.number is None:
        return ""
    return _base(law) if rest is None else f"{_base(law)}·{rest}"


def ink_of_terms(subject: Subject) -> str:
    """The colour of what factors are made of, and of the law that follows from it."""
    return colours.LAW if subject.gate_name is None else colours.STRAIGHT


def caption(subject: Subject) -> list[str]:
    """The network that was unrolled, and the part of the loss that the chain is about; the most important first."""
    if subject.k is None and subject.view.title is None:
        return []
    parts = [f"{subject.described}, unrolled over {count(subject.last - subject.first, 'time step')}"]
    if subject.k is not None and len(subject.direct) > 1:
        last = f"its part {_followed(subject)} on {text.indexed(_name(subject), subject.T)} alone"
        begin = "the chain begins at the last" if subject.is_scalar else last
        parts.append(f"{subject.root} depends on {count(len(subject.direct), 'state')}, {begin}")
    if subject.view.cuts:
        parts.append("no gradient passes a cut")
    return parts


def left(subject: Subject) -> str:
    """The meaning of the bars."""
    name = _name(subject)
    later, earlier = text.indexed(name, subject.T), f"{name}ₖ"
    if subject.starts_at_0:
        return f"What is left of the gradient: nothing, since ∂{_followed(subject)}/∂{later} = 0"
    ratio = magnitude(f"∂{later}/∂{earlier}", 1) if subject.is_scalar else _ratio(subject, later, earlier)
    return f"What is left of the gradient: {ratio}, the product of the factors above (log scale)"


def law(subject: Subject) -> str:
    """The law, with its number at h_k."""
    found = subject.law
    assert found is not None
    size = text.power_of_ten(1.0, found.log10)
    if found.number is None:
        return f"straight along {subject.straight_name}: ∏ {found.name} = {size}"
    alone = "at most " if found.is_bound else ""
    power = text.power(found.number, subject.T - subject.end)
    return f"{alone}{_sized(subject, found)}^(T−k) = {power} = {size}"


def _sized(subject: Subject, law: Law) -> str:
    """The name of the size of the weight."""
    return f"|{law.name}|" if _weight(subject) < 0 and not law.is_bound else law.name


def card_key(subject: Subject) -> Sequence[tuple[str, str]]:
    """The meaning of the rows of a card, in their colours, and in words: not every eye sees the colours."""
    has_vectors = subject.size > len(subject.unrolled.state_names)
    return [
        ("In a card:", colours.QUIET),
        ("value,", colours.INK),
        ("below it", colours.QUIET),
        (f"gradient{f' of {subject.root}' if subject.root else ''}", colours.CHAIN),
        *([("(norms of vectors)", colours.QUIET)] if has_vectors else []),
    ]


def input_value(nodes: Sequence[Value], room: float, size: float) -> str:
    """An input in words: its number, which entry is 1, or its norm."""
    data = [node.data for node in nodes]
    if len(data) == 1:
        return text.fitted(data[0], room, size)
    if sorted(data) == [0.0] * (len(data) - 1) + [1.0]:
        place = f"[{data.index(1.0)}]"
        return f"one-hot {place}" if text.width(f"one-hot {place}", size) <= room else place
    return text.fitted(norm_of(data), room - text.width("‖‖", size), size, before="‖") + "‖"
