"""Sections as LLVM assembly, written as text, so that what a reader is shown is what is compiled."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence

from .rows import Row, bundle
from .schedule import Place, Section, Store
from .symbol import COMPARISONS, Symbol

#: Every section has these parameters: where each region of memory begins, at the present time step.
REGIONS = (
    "parameter", "packed", "x", "target", "state", "new_state", "saved", "loss", "seed", "gradient",
    "state_gradient", "new_state_gradient", "watched",
)  # fmt: skip
PARAMETERS = ", ".join([*(f"ptr noalias %{region}" for region in REGIONS), "i64 %x.stride, i64 %target.stride"])
ARGUMENTS = ", ".join([*(f"ptr %{region}" for region in REGIONS), "i64 %x.stride, i64 %target.stride"])

#: Regions that all sequences of a batch share; every other region has a number per sequence.
SHARED = frozenset({"parameter", "packed", "seed"})

_ARITHMETIC = {"add": "fadd", "sub": "fsub", "mul": "fmul", "div": "fdiv", "neg": "fneg"}
_INTRINSICS = {"abs": "llvm.fabs", "sqrt": "llvm.sqrt"}
_INFINITY = "0x7FF0000000000000"

#: Flags of fast mode. NaN and infinities keep their meaning.
FAST_FLAGS = "reassoc nsz contract "
_FLAGGED = frozenset({"add", "sub", "mul", "neg"})


def vector_type(width: int, scalar: str = "double") -> str:
    """LLVM's type for this many numbers side by side."""
    return scalar if width == 1 else f"<{width} x {scalar}>"


def number(value: float) -> str:
    """A double, to the bit."""
    return f"0x{struct.unpack('<Q', struct.pack('<d', value))[0]:016X}"


def constant(values: Sequence[float]) -> str:
    """A constant vector, or a constant."""
    return number(values[0]) if len(values) == 1 else f"<{', '.join(f'double {number(v)}' for v in values)}>"


class Module:
    """The text of an LLVM module, and what its functions have in common.

    Args:
        lanes: number of sequences computed side by side.
        fast: whether rounding may differ from eager.
        places: where numbers that sections hand on, or that are stored anyway, lie.
        labels: what to call an instruction in a comment.
    """

    def __init__(self, lanes: int, fast: bool, labels: Mapping[Symbol, str]) -> None:
        self.lanes, self.fast, self.labels = lanes, fast, labels
        self.places: dict[Symbol, Place] = {}
        self.saved = 0  # slots in use in the region of saved numbers
        self.packed: dict[tuple[int, ...], int] = {}  # rows of parameters gathered once per run, and where
        self.packed_size = 0
        self.calls: set[tuple[str, int]] = set()  # elementary functions in use, and for how many numbers
        self.functions: list[str] = []

    def add(self, passes: Sequence[Sequence[Section]], stored: Sequence[str] = ()) -> None:
        """Write the sections as functions.

        Args:
            passes: the sections of each pass.
            stored: regions whose contents outlive the section, so that later ones may read them there.
        """
        writers = [_Writer(self, section) for sections in passes for section in sections]
        self.places = {}
        for writer in writers:
            for store in writer.section.stores:
                if store.place.region in stored:
                    self.places.setdefault(store.value, store.place)
        saved = 0
        for writer in writers:
            handed_on = writer.section.handed_on
            for symbol in (symbol for row in writer.rows for symbol in row):
                if symbol in handed_on and symbol not in self.places:
                    self.places[symbol] = Place("saved", saved)
                    saved += 1
        self.saved = max(self.saved, saved)
        self.functions += [writer.write() for writer in writers]

    def pack(self, slots: tuple[int, ...]) -> int:
        """The place of a row of parameters that are not neighbours, gathered once per run."""
        if slots not in self.packed:
            self.packed[slots] = self.packed_size
            self.packed_size += len(slots)
        return self.packed[slots]


class _Writer:
    """Writes one section."""

    def __init__(self, module: Module, section: Section) -> None:
        self.module, self.section, self.lanes = module, section, module.lanes
        if self.lanes == 1:
            self.rows, self.runs = bundle(section)
        else:  # the lanes are full already
            self.rows = [(symbol,) for symbol in section.symbols]
            self.runs = [[store] for store in section.stores]
        self.row_of = {symbol: row for row in self.rows for symbol in row}
        self.lines: list[str] = []
        self.names: dict[Row, str] = {}
        self.scalars: dict[Symbol, str] = {}
        self.bases: dict[str, list[str]] = {}
        self.masks: dict[int, str] = {}
        self.guards: dict[Row, set[str]] = {}
        self.handed_on = section.handed_on
        self.count = 0

    def write(self) -> str:
        for guard in self.section.guards:
            watched = guard if guard.op == "pow" else guard.args[-1]
            self.guards.setdefault(self.row_of.get(watched, (watched,)), set()).add(guard.op)
        for run in sorted(self.runs, key=lambda run: max(store.value.index for store in run)):
            self._store(run)
        for row in list(self.guards):
            self._compute(row)
            if row[0] not in self.row_of:
                self._guard(row, self._vector(row))
        for row in self.rows:
            if not self.handed_on.isdisjoint(row):
                self._compute(row)
        return "\n".join(
            (f"define internal i1 @{self.section.name}({PARAMETERS}) #0 {{", *self.lines, *self._verdict(), "}\n")
        )

    # ---- lines ------------------------------------------------------------------------------------------

    def _new(self, text: str, comment: str = "") -> str:
        name = f"%v{self.count}"
        self.count += 1
        self.lines.append(f"  {name} = {text}" + (f"  ; {comment}" if comment else ""))
        return name

    def _type(self, rows: int = 1, scalar: str = "double") -> str:
        return vector_type(rows * self.lanes, scalar)

    # ---- memory -----------------------------------------------------------------------------------------

    def _bases(self, region: str) -> list[str]:
        """Where the region begins for each lane whose numbers do not lie next to the other lanes'."""
        if region not in self.bases:
            self.bases[region] = [self._base(region, lane) for lane in range(self.lanes)]
        return self.bases[region]

    def _base(self, region: str, lane: int) -> str:
        kind, _, rest = region.partition(".")
        if not rest:  # the sequences lie one after the other, as the caller gave them
            offset = self._new(f"mul i64 {lane}, %{region}.stride") if lane else "0"
            return self._new(f"getelementptr inbounds i64, ptr %{region}, i64 {offset}")
        source, stride = rest.rsplit(".", 1)  # a table that is looked up
        (address,) = self._bases(source)[lane : lane + 1]
        index = self._new(f"load i64, ptr {address}, align 8")
        scale = int(stride) * (self.lanes if kind == "gradient" else 1)
        offset = self._new(f"mul i64 {index}, {scale}")
        base = self._new(
            f"getelementptr inbounds double, ptr %{'parameter' if kind == 'table' else kind}, i64 {offset}"
        )
        return self._new(f"getelementptr inbounds double, ptr {base}, i64 {lane}") if kind == "gradient" else base

    def _address(self, base: str, slot: int) -> str:
        return self._new(f"getelementptr inbounds double, ptr {base}, i64 {slot}") if slot else base

    def _is_apart(self, region: str) -> bool:
        return region in ("x", "target") or "." in region

    def _load(self, place: Place, rows: int, comment: str = "") -> str:
        region, slot = place
        if self._is_apart(region):
            scale = self.lanes if region.startswith("gradient") else 1
            addresses = [self._address(base, slot * scale) for base in self._bases(region)]
            if self.lanes == 1:
                return self._new(f"load {self._type(rows)}, ptr {addresses[0]}, align 8", comment)
            return self._join([self._new(f"load double, ptr {address}, align 8") for address in addresses])
        if region in SHARED:
            loaded = self._new(f"load {vector_type(rows)}, ptr {self._address('%' + region, slot)}, align 8", comment)
            return loaded if self.lanes == 1 else self._splat(loaded, self.lanes)
        address = self._address("%" + region, slot * self.lanes)
        return self._new(f"load {self._type(rows)}, ptr {address}, align 8", comment)

    def _store(self, run: Sequence[Store]) -> None:
        row = tuple(store.value for store in run)
        for symbol in row:
            if symbol in self.row_of:
                self._compute(self.row_of[symbol])
        value, (region, slot) = self._vector(row), run[0].place
        if self._is_apart(region) and self.lanes > 1:
            for lane, base in enumerate(self._bases(region)):
                part = self._new(f"extractelement {self._type()} {value}, i32 {lane}")
                self.lines.append(f"  store double {part}, ptr {self._address(base, slot * self.lanes)}, align 8")
            return
        base = self._bases(region)[0] if self._is_apart(region) else "%" + region
        address = self._address(base, slot * self.lanes)
        self.lines.append(f"  store {self._type(len(run))} {value}, ptr {address}, align 8")

    # ---- vectors ----------------------------------------------------------------------------------------

    def _splat(self, scalar: str, width: int, kind: str = "double") -> str:
        vector = vector_type(width, kind)
        one = self._new(f"insertelement {vector} poison, {kind} {scalar}, i32 0")
        return self._new(f"shufflevector {vector} {one}, {vector} poison, {vector_type(width, 'i32')} zeroinitializer")

    def _join(self, scalars: Sequence[str], kind: str = "double") -> str:
        vector, joined = vector_type(len(scalars), kind), "poison"
        for i, scalar in enumerate(scalars):
            joined = self._new(f"insertelement {vector} {joined}, {kind} {scalar}, i32 {i}")
        return joined

    def _shuffle(self, source: str, width: int, order: Sequence[int], kind: str) -> str:
        vector = vector_type(width, kind)
        mask = ", ".join(f"i32 {i}" for i in order)
        return self._new(f"shufflevector {vector} {source}, {vector} poison, <{len(order)} x i32> <{mask}>")

    def _vector(self, row: Row) -> str:
        """The numbers of a row side by side, wherever they come from."""
        if row not in self.names:
            self.names[row] = self._gather(row) if len(row) > 1 else self._single(row[0])
        return self.names[row]

    def _single(self, symbol: Symbol) -> str:
        """One number, in all lanes."""
        if symbol.op == "const":
            return constant([symbol.args[0]] * self.lanes)
        if symbol.op == "index":
            loaded = [self._new(f"load i64, ptr {base}, align 8") for base in self._bases(symbol.args[0])]
            whole = loaded[0] if self.lanes == 1 else self._join(loaded, "i64")
            return self._new(f"sitofp {self._type(1, 'i64')} {whole} to {self._type()}")
        row = self.row_of.get(symbol)
        if row is None:
            return self._load(self._place(symbol), 1, self._label((symbol,)))
        # One of a longer row; lanes == 1 then.
        kind = _kind(symbol)
        position = [each is symbol for each in row].index(True)
        return self._new(f"extractelement {vector_type(len(row), kind)} {self.names[row]}, i32 {position}")

    def _gather(self, row: Row) -> str:
        """Several numbers side by side; lanes == 1."""
        width, kind = len(row), _kind(row[0])
        if all(symbol is row[0] for symbol in row):
            return self._splat(self._vector(row[:1]), width, kind)
        if all(symbol.op == "const" for symbol in row):
            return constant([symbol.args[0] for symbol in row])
        homes = {self.row_of.get(symbol) for symbol in row}
        if len(homes) == 1 and None not in homes:
            (home,) = homes
            assert home is not None
            position = {symbol: i for i, symbol in enumerate(home)}
            return self._shuffle(self.names[home], len(home), [position[symbol] for symbol in row], kind)
        if homes == {None} and all(symbol.op not in ("const", "index") for symbol in row):
            places = [self._place(symbol) for symbol in row]
            if len({place.region for place in places}) == 1:
                return self._gather_memory(places[0].region, tuple(place.slot for place in places), self._label(row))
        return self._join([self._vector((symbol,)) for symbol in row], kind)

    def _gather_memory(self, region: str, slots: tuple[int, ...], comment: str) -> str:
        first, width = min(slots), max(slots) - min(slots) + 1
        if slots == tuple(range(slots[0], slots[0] + len(slots))):
            return self._load(Place(region, slots[0]), len(slots), comment)
        if region == "parameter":
            return self._load(Place("packed", self.module.pack(slots)), len(slots), comment)
        if width <= 2 * len(slots):
            window = self._load(Place(region, first), width, comment)
            return self._shuffle(window, width, [slot - first for slot in slots], "double")
        return self._join([self._load(Place(region, slot), 1) for slot in slots])

    def _place(self, symbol: Symbol) -> Place:
        return Place(*symbol.args) if symbol.op == "load" else self.module.places[symbol]

    # ---- instructions -----------------------------------------------------------------------------------

    def _compute(self, target: Row) -> None:
        """Write a row, after all that it needs."""
        to_write: list[tuple[Row, bool]] = [(target, False)]
        while to_write:
            row, ready = to_write.pop()
            if row in self.names or row[0] not in self.row_of:
                continue
            if ready:
                self._write_row(row)
                continue
            to_write.append((row, True))
            for symbol in row:
                to_write += [(self.row_of[arg], False) for arg in symbol.args[::-1] if arg in self.row_of]

    def _write_row(self, row: Row) -> None:
        operands = [self._vector(args) for args in zip(*(symbol.args for symbol in row))]
        value = self.names[row] = self._operation(row, operands)
        if row in self.guards:
            self._guard(row, value)
        self._hand_on(row, value)

    def _operation(self, row: Row, operands: list[str]) -> str:
        op, kind = row[0].op, self._type(len(row))
        label = self._label(row)
        if op in _ARITHMETIC:
            flags = FAST_FLAGS if self.module.fast and op in _FLAGGED else ""
            return self._new(f"{_ARITHMETIC[op]} {flags}{kind} {', '.join(operands)}", label)
        if op in COMPARISONS:
            return self._new(f"fcmp {COMPARISONS[op]} {kind} {operands[0]}, {operands[1]}", label)
        if op == "select":
            condition, a, b = operands
            return self._new(f"select {self._type(len(row), 'i1')} {condition}, {kind} {a}, {kind} {b}", label)
        self.module.calls.add((op, len(row) * self.lanes))
        return self._new(f"call {kind} {function(op, len(row) * self.lanes)}({_typed(kind, operands)})", label)

    def _hand_on(self, row: Row, value: str) -> None:
        saved = [(i, self.module.places[s]) for i, s in enumerate(row) if s in self.handed_on]
        saved = [(i, place) for i, place in saved if place.region == "saved"]
        if not saved:
            return
        slots = [place.slot for _, place in saved]
        if len(saved) == len(row):  # places are given out row by row
            address = self._address("%saved", slots[0] * self.lanes)
            self.lines.append(f"  store {self._type(len(row))} {value}, ptr {address}, align 8")
            return
        for i, place in saved:
            part = self._new(f"extractelement {self._type(len(row))} {value}, i32 {i}")
            self.lines.append(f"  store double {part}, ptr {self._address('%saved', place.slot)}, align 8")

    # ---- guards -----------------------------------------------------------------------------------------

    def _guard(self, row: Row, value: str) -> None:
        """Compare with where eager Python would raise an error. A needless alarm only costs time."""
        kind, width = self._type(len(row)), len(row) * self.lanes
        flags = vector_type(width, "i1")
        for op in sorted(self.guards.pop(row)):
            if op == "require":
                yes = "true" if width == 1 else f"<{', '.join(['i1 true'] * width)}>"
                self._alarm(self._new(f"xor {flags} {value}, {yes}"), width)
                continue
            test, limit = {
                "div": ("oeq", number(0.0)), "log": ("ole", number(0.0)), "sqrt": ("olt", number(0.0)),
                "pow": ("uge", _INFINITY), "sin": ("oeq", _INFINITY), "cos": ("oeq", _INFINITY),
            }[op]  # fmt: skip
            compared = value
            if op in ("pow", "sin", "cos"):
                self.module.calls.add(("abs", width))
                compared = self._new(f"call {kind} {function('abs', width)}({kind} {value})")
            limits = limit if width == 1 else "<" + ", ".join([f"double {limit}"] * width) + ">"
            alarm = self._new(f"fcmp {test} {kind} {compared}, {limits}", f"would {op} raise an error?")
            self._alarm(alarm, width)

    def _alarm(self, alarm: str, width: int) -> None:
        mask = self.masks.get(width)
        self.masks[width] = self._new(f"or {vector_type(width, 'i1')} {mask}, {alarm}") if mask else alarm

    def _verdict(self) -> Iterator[str]:
        verdict = "false"
        for width, mask in self.masks.items():
            any_lane = mask
            if width > 1:
                self.module.calls.add(("any", width))
                any_lane = f"%any{width}"
                yield f"  {any_lane} = call i1 @llvm.vector.reduce.or.v{width}i1(<{width} x i1> {mask})"
            if verdict != "false":
                yield f"  %verdict{width} = or i1 {verdict}, {any_lane}"
                any_lane = f"%verdict{width}"
            verdict = any_lane
        yield f"  ret i1 {verdict}"

    def _label(self, row: Row) -> str:
        labels = [self.module.labels[symbol] for symbol in row if symbol in self.module.labels]
        return f"{labels[0]} … {labels[-1]}" if len(labels) > 1 else "".join(labels)


def _kind(symbol: Symbol) -> str:
    return "i1" if symbol.op in COMPARISONS else "double"


def _typed(kind: str, operands: Sequence[str]) -> str:
    return ", ".join(f"{kind} {operand}" for operand in operands)


def function(op: str, width: int) -> str:
    """The name of the native function that applies an elementary function to this many numbers."""
    if op in _INTRINSICS:
        return f"@{_INTRINSICS[op]}.{'f64' if width == 1 else f'v{width}f64'}"
    return f"@{op}.{width}"
