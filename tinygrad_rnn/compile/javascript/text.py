"""Symbols as JavaScript: a function that computes some of them from others, a line per node, with its name."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from ...support.ranges import ranges
from ..elementary import EXACT, check_known
from ..symbol import ALARMS, COMPARISONS, Symbol

_INFIX = {
    "add": ("+", 4), "sub": ("-", 4), "mul": ("*", 5), "div": ("/", 5),
    "lt": ("<", 3), "le": ("<=", 3), "gt": (">", 3), "ge": (">=", 3), "eq": ("===", 2), "ne": ("!==", 2),
}  # fmt: skip
_PREFIX = {"neg": "-", "not": "!"}
_UNARY, _ATOM, _TERNARY = 6, 7, 1

#: The longest text of a number that is written where it is used, without a name of its own.
_INLINE = 90

#: The longest text of a comparison that is written wherever it is used.
_COMPARED = 16

#: The most places that are stored to at once: who parses a chain of thousands runs out of stack.
_AT_ONCE = 12

#: The fewest places side by side that are filled.
_SIDE_BY_SIDE = 4

#: What cannot be the name of a number: words of the language, and names of the prelude and of the functions' arguments.
_TAKEN = """
abstract arguments await boolean break byte case catch char class const continue debugger default delete do double else
enum eval export extends false final finally float for function goto if implements import in instanceof int interface
let long native new null package private protected public return short static super switch synchronized this throw
throws transient true try typeof undefined var void volatile while with yield NaN Infinity Math library DomainError
refuse div log log1p sqrt sin cos pow require p before now p_grad before_grad now_grad local row
"""


def _stores(targets: Sequence[str]) -> list[str]:
    """Templates of the statements that store one number at all targets. Places side by side are filled."""
    places = [match.groups() for target in targets if (match := re.fullmatch(r"(\w+)\[(\d+)\]", target))]
    fills, filled = [], set()
    for array in dict.fromkeys(array for array, _ in places):
        for first, end in ranges(sorted(int(slot) for name, slot in places if name == array)):
            if end - first >= _SIDE_BY_SIDE:
                fills.append(f"{array}.fill({{}}, {first}, {end})")
                filled |= {f"{array}[{slot}]" for slot in range(first, end)}
    others = [target for target in targets if target not in filled]
    chains = [" = ".join(others[i : i + _AT_ONCE]) for i in range(0, len(others), _AT_ONCE)]
    return [*(f"{chain} = {{}}" for chain in chains), *fills]


class Names:
    """Names of numbers in JavaScript, each only once."""

    def __init__(self) -> None:
        self._used: set[str] = set(_TAKEN.split())

    def new(self, label: str) -> str:
        """A name for what is called ``label``: ``h_before`` for h_{t-1}, ``W_0_1`` for W[0,1]."""
        plain = re.sub(r"[^A-Za-z0-9]+", "_", label.replace("_{t-1}", "_before")).strip("_") or "v"
        plain = f"v{plain}" if plain[0].isdigit() else plain
        name, number = plain, 2
        while name in self._used:
            name, number = f"{plain}_{number}", number + 1
        self._used.add(name)
        return name


def number(x: float) -> str:
    """A float as JavaScript writes it, to the last bit."""
    if math.isfinite(x):
        return repr(x).removesuffix(".0")
    return "NaN" if math.isnan(x) else "Infinity" if x > 0 else "-Infinity"


def comment(text: str) -> str:
    """A text as a comment, which nothing in it can end, nor the script element around it."""
    plain = "".join(sign if sign.isprintable() else "\ufffd" for sign in text)
    return re.sub("<(?=[/!])", "< ", plain)


def is_risky(symbol: Symbol) -> bool:
    """Whether eager Python might raise an error here."""
    if symbol.op not in ALARMS:
        return False
    if symbol.op == "pow" and symbol.args[1].op == "const":
        exponent = symbol.args[1].args[0]
        if exponent >= 0.0 and exponent == int(exponent):
            return False
    return bool(ALARMS[symbol.op](symbol, *symbol.args))


def needed(roots: Iterable[Symbol], known: Callable[[Symbol], bool]) -> list[Symbol]:
    """The symbols from which the roots are computed, in order, down to those that are known."""
    found: set[Symbol] = set()
    to_visit = list(roots)
    while to_visit:
        symbol = to_visit.pop()
        if symbol not in found:
            found.add(symbol)
            if not known(symbol) and symbol.op not in ("const", "load", "index"):
                to_visit += symbol.args
    return sorted(found, key=lambda symbol: symbol.index)


@dataclass(frozen=True)
class Function:
    """A function in JavaScript that reads numbers, computes some, and stores them.

    Attributes:
        head: its first line, up to the brace.
        doc: what it does.
        stores: where numbers are stored, as text, and which.
        read: the text that reads a symbol which is not computed here, or None for one that is.
        named: names of symbols.
        comments: comments on symbols.
        slots: the slot of the node at which a symbol may raise an error.
        required: conditions to check, with the slot that is to blame.
    """

    head: str
    doc: str
    stores: Sequence[tuple[str, Symbol]]
    read: Callable[[Symbol], str | None]
    named: Mapping[Symbol, str]
    comments: Mapping[Symbol, str]
    slots: Mapping[Symbol, int]
    required: Sequence[tuple[Symbol, int]] = ()

    def __str__(self) -> str:
        lines = _Writing(self, short=False).lines
        width = min(60, max((len(code) for code, text, _ in lines if text), default=0))
        return self._text([(f"{code:{width}}" if text else code, text) for code, text, _ in lines])

    @cached_property
    def short(self) -> str:
        """The same in fewer characters: no formulas beside it, labels only where the code has no such name, and what
        has no label by its place.
        """
        return self._text([(code, label) for code, _, label in _Writing(self, short=True).lines])

    def _text(self, lines: Iterable[tuple[str, str]]) -> str:
        written = [f"  {code}  // {comment(text)}" if text else f"  {code}" for code, text in lines]
        return "\n".join([f"/** {comment(self.doc)} */", f"{self.head} {{", *written, "}"]) + "\n"


class _Writing:
    """The lines of a function: code, a comment with the formula, and what no name in the code tells."""

    def __init__(self, function: Function, short: bool) -> None:
        self.read, self.comments, self.slots = function.read, function.comments, function.slots
        self.named, self.short = function.named, short
        self.names = Names()
        self.lines: list[tuple[str, str, str]] = []
        self.text_of: dict[Symbol, tuple[str, int]] = {}
        self.targets: dict[Symbol, list[str]] = {}
        for target, symbol in function.stores:
            self.targets.setdefault(symbol, []).append(target)
        self.stored = {target for target, _ in function.stores}
        self.told: set[str] = set()  # the places that have a name in the code
        roots = [*self.targets, *(condition for condition, _ in function.required)]
        symbols = needed(roots, lambda symbol: self.read(symbol) is not None)
        self.uses: dict[Symbol, int] = {}
        for symbol in symbols:
            if self.read(symbol) is None and symbol.op not in ("const", "load", "index"):
                for arg in symbol.args:
                    self.uses[arg] = self.uses.get(arg, 0) + 1
        self._write_reads(symbols)
        for symbol in symbols:
            self._write(symbol)
        for condition, slot in function.required:
            self.lines.append((f"require({self._operand(condition, 0)}, {slot});", "", ""))

    def _write_reads(self, symbols: Sequence[Symbol]) -> None:
        """Name the numbers that are read, several on a line."""
        line = ""
        for symbol in symbols:
            source = self.read(symbol)
            if source is None:
                continue
            # A gradient so far is read where it is added to; what is stored alone, where it is stored.
            by_place = source.startswith("now[") and self._goes_by_place(symbol, source)
            if self._is_onto(symbol, source) or not self.uses.get(symbol, 0) or by_place:
                self.text_of[symbol] = source, _ATOM
                continue
            name = self.names.new(self.named.get(symbol, "given"))
            self.text_of[symbol] = name, _ATOM
            self.told.add(source)
            piece = f"{name} = {source}"
            if line and len(line) + len(piece) > 108:
                self.lines.append((f"const {line};", "", ""))
                line = ""
            line = f"{line}, {piece}" if line else piece
        if line:
            self.lines.append((f"const {line};", "", ""))

    def _is_onto(self, symbol: Symbol, source: str) -> bool:
        """Whether a number is read only to be stored again with something added."""
        return source in self.stored and self.uses.get(symbol, 0) == 1

    def _goes_by_place(self, symbol: Symbol, place: str) -> bool:
        """Whether a number that has no label, and is used once or twice, is read at its place."""
        return self.short and self.uses.get(symbol, 0) <= 2 and self._has_no_label(symbol, place)

    def _has_no_label(self, symbol: Symbol, place: str) -> bool:
        return self.named.get(symbol) in {form.format(place.strip("now_grad[]")) for form in ("v{}", "v{} grad")}

    def _write(self, symbol: Symbol) -> None:
        """Write a symbol, or keep its text for where it is used."""
        targets = self.targets.get(symbol, [])
        known = symbol in self.text_of
        if not known:
            self.text_of[symbol] = text, _ = self._expression(symbol)
        else:
            text = self.text_of[symbol][0]
        uses = self.uses.get(symbol, 0)
        text_beside = self.comments.get(symbol, "")
        label = text_beside.partition(" = ")[0].removeprefix("∂L/∂")
        stores = _stores(targets)
        if known or symbol.op == "const":
            is_named = known and text != self.read(symbol)
            text_beside = text_beside or ("" if is_named else self.named.get(symbol, ""))
            self.lines += [(f"{store.format(text)};", text_beside, "" if is_named else label) for store in stores]
            return
        if len(stores) == 1 and not uses:
            onto = symbol.op == "add" and targets == [self.read(symbol.args[0])]
            code = f"{targets[0]} += {self._operand(symbol.args[1], 0)}" if onto else stores[0].format(text)
            is_told = self._has_no_label(symbol, targets[0]) or targets[0].replace("_grad[", "[") in self.told
            self.lines.append((f"{code};", text_beside, "" if is_told else label))
            return
        is_short = len(text) <= (_INLINE if uses == 1 else _COMPARED if symbol.op in COMPARISONS else 0)
        if not targets and is_short and symbol not in self.named and not is_risky(symbol):
            return
        if stores and not is_risky(symbol) and self._goes_by_place(symbol, place := targets[0]):
            self.text_of[symbol] = place, _ATOM
            self.lines += [(f"{store.format(text if i == 0 else place)};", "", "") for i, store in enumerate(stores)]
            return
        name = self.names.new(self.named.get(symbol, "a"))
        self.text_of[symbol] = name, _ATOM
        first, others = (stores[0], stores[1:]) if stores and stores[0].endswith(" = {}") else ("{}", stores)
        self.lines.append((f"const {name} = {first.format(text)};", text_beside, ""))
        self.lines += [(f"{store.format(name)};", "", "") for store in others]

    def _operand(self, symbol: Symbol, binding: int) -> str:
        text, own = self.text_of[symbol]
        return text if own >= binding else f"({text})"

    def _expression(self, symbol: Symbol) -> tuple[str, int]:
        op, args = symbol.op, symbol.args
        if op == "const":
            text = number(args[0])
            return text, _UNARY if text.startswith("-") else _ATOM
        if is_risky(symbol):
            operands = [self._operand(arg, 0) for arg in args]
            return f"{op}({', '.join([*operands, str(self.slots[symbol])])})", _ATOM
        if op in _INFIX:
            sign, binding = _INFIX[op]
            return f"{self._operand(args[0], binding)} {sign} {self._operand(args[1], binding + 1)}", binding
        if op in _PREFIX:
            return f"{_PREFIX[op]}{self._operand(args[0], _ATOM)}", _UNARY
        if op == "select":
            condition, yes, no = (
                self._operand(args[0], _TERNARY + 1),
                *(self._operand(a, _TERNARY + 1) for a in args[1:]),
            )
            return f"{condition} ? {yes} : {no}", _TERNARY
        check_known(op)
        holder = "Math" if op in EXACT else "library"
        return f"{holder}.{op}({', '.join(self._operand(arg, 0) for arg in args)})", _ATOM
