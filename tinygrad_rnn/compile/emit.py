"""Sections as LLVM assembly. It is text, so that a reader sees exactly what is compiled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .assembly import Assembly, number, splat, vector_type
from .elementary import function
from .memory import ALARM, NEW_STATE, PACKED, PARAMETER, REGIONS, SAVED, SHARED, Place, Region
from .rows import Row, bundle
from .schedule import Section
from .symbol import COMPARISONS, CONDITIONS, Symbol

_ARITHMETIC = {"add": "fadd", "sub": "fsub", "mul": "fmul", "div": "fdiv", "neg": "fneg"}

#: In fast mode these may be fused and reassociated, and a zero may have either sign. NaN and infinities keep their
#: meaning, but another order may lead to them: 0·1e200·1e200.
_FAST_FLAGS: dict[str, str] = dict.fromkeys(("add", "sub", "mul", "neg"), "reassoc nsz contract ")


class Module:
    """The functions of an LLVM module, and the memory and the elementary functions that they share.

    Args:
        lanes: number of sequences computed side by side.
        fast: whether rounding may differ from that of the eager engine.
    """

    def __init__(self, lanes: int, fast: bool) -> None:
        self.lanes, self.fast = lanes, fast
        self.saved = 0  # slots in use in the region of saved numbers
        self.packed: dict[tuple[int, ...], int] = {}  # rows of parameters gathered once per run, and where
        self.packed_slots: list[int] = []
        self.calls: set[tuple[str, int]] = set()  # elementary functions in use, and for how many numbers
        self.functions: dict[str, str] = {}  # by name

    def add(self, passes: Sequence[Sequence[Section]], labels: Mapping[Symbol, str]) -> list[list[int]]:
        """Write the sections of a forward and a backward pass as functions; return the number of each function."""
        writers = [_Writer(self, section, labels) for sections in passes for section in sections]
        places: dict[Symbol, Place] = {}
        for writer in writers:
            for store in writer.section.stores:
                if store.place.region == NEW_STATE:  # later sections read it there
                    places.setdefault(store.value, store.place)
        saved = 0
        for writer in writers:
            for symbol in (symbol for row in writer.rows for symbol in row):
                if symbol in writer.section.shared and symbol not in places:
                    places[symbol] = Place(SAVED, saved)
                    saved += 1
        self.saved = max(self.saved, saved)
        numbers = iter(range(len(self.functions), len(self.functions) + len(writers)))
        self.functions.update((writer.section.name, writer.write(places)) for writer in writers)
        return [[next(numbers) for _ in sections] for sections in passes]

    def pack(self, slots: Sequence[int]) -> int:
        """The slot of a row of parameters that are not neighbours, gathered once per run."""
        key = tuple(slots)
        if key not in self.packed:
            self.packed[key] = len(self.packed_slots)
            self.packed_slots += slots
        return self.packed[key]


class _Writer(Assembly):
    """Writes one section. A row is one instruction on its numbers side by side, in every lane.

    Rows have more than one number only where there is one lane: several lanes fill the vectors already.
    """

    def __init__(self, module: Module, section: Section, labels: Mapping[Symbol, str]) -> None:
        super().__init__()
        self.module, self.section, self.lanes, self.labels = module, section, module.lanes, labels
        if self.lanes == 1:
            self.rows, self.runs = bundle(section)
        else:
            self.rows, self.runs = [(symbol,) for symbol in section.symbols], [[store] for store in section.stores]
        self.row_of = {symbol: row for row in self.rows for symbol in row}
        self.names: dict[Row, str] = {}
        self.tables: dict[Region, str] = {}  # where the row that is looked up begins, or the index
        self.alarms: dict[int, str] = {}  # by width

    def write(self, places: Mapping[Symbol, Place]) -> str:
        """The text of the function. When it runs, it returns whether there is an alarm."""
        self.places = places
        for run in sorted(self.runs, key=lambda run: max(store.value.index for store in run)):
            row, (region, slot) = tuple(store.value for store in run), run[0].place
            for symbol in row:
                self._compute(symbol)
            if region == ALARM:
                self._alarm(self._vector(row), len(row) * self.lanes)
            else:
                self._store(self._vector(row), region, slot, len(row))
        for row in self.rows:
            if not self.section.shared.isdisjoint(row):
                self._compute(row[0])
        parameters = ", ".join(f"ptr noalias %{region.name}" for region in REGIONS)
        result = self._any_alarm()
        return (
            f"define internal i1 @{self.section.name}({parameters}) noinline {{\n{self.body()}\n  ret i1 {result}\n}}\n"
        )

    def _type(self, rows: int = 1, scalar: str = "double") -> str:
        return vector_type(rows * self.lanes, scalar)

    def _label(self, row: Row) -> str:
        labels = [self.labels[symbol] for symbol in row if symbol in self.labels]
        return f"{labels[0]} … {labels[-1]}" if len(set(labels)) > 1 else "".join(labels[:1])

    # ---- instructions -----------------------------------------------------------------------------------

    def _compute(self, symbol: Symbol) -> None:
        """Write the row of a symbol, after all rows that it needs."""
        to_write = [(symbol, False)]
        while to_write:
            symbol, ready = to_write.pop()
            row = self.row_of.get(symbol)
            if row is None or row in self.names:
                continue
            if ready:
                self._write_row(row)
                continue
            to_write.append((symbol, True))
            to_write += [(arg, False) for each in row for arg in each.args[::-1]]

    def _write_row(self, row: Row) -> None:
        operands = [self._vector(args) for args in zip(*(symbol.args for symbol in row))]
        self.names[row] = self.new(self._instruction(row[0].op, len(row), operands), self._label(row))
        saved = [symbol for symbol in row if symbol in self.section.shared and self.places[symbol].region == SAVED]
        if len(saved) == len(row):  # neighbours, since slots are numbered row by row
            self._store(self.names[row], *self.places[row[0]], len(row))
        else:
            for symbol in saved:
                self._store(self._single(symbol), *self.places[symbol])

    def _instruction(self, op: str, rows: int, operands: Sequence[str]) -> str:
        kind = self._type(rows)
        if op in _ARITHMETIC:
            flags = _FAST_FLAGS.get(op, "") if self.module.fast else ""
            return f"{_ARITHMETIC[op]} {flags}{kind} {', '.join(operands)}"
        if op in COMPARISONS:
            return f"fcmp {COMPARISONS[op]} {kind} {', '.join(operands)}"
        if op == "not":
            return f"xor {self._type(rows, 'i1')} {operands[0]}, {splat(rows * self.lanes, True)}"
        if op == "select":
            return f"select {self._type(rows, 'i1')} {operands[0]}, {kind} {operands[1]}, {kind} {operands[2]}"
        self.module.calls.add((op, rows * self.lanes))
        arguments = ", ".join(f"{kind} {operand}" for operand in operands)
        return f"call {kind} {function(op, rows * self.lanes)}({arguments})"

    def _alarm(self, condition: str, width: int) -> None:
        earlier = self.alarms.get(width)
        self.alarms[width] = self.new(f"or {vector_type(width, 'i1')} {earlier}, {condition}") if earlier else condition

    def _any_alarm(self) -> str:
        result = "false"
        for width, flags in self.alarms.items():
            if width > 1:
                flags = self.new(f"call i1 @llvm.vector.reduce.or.v{width}i1(<{width} x i1> {flags})")
            result = self.new(f"or i1 {result}, {flags}")
        return result

    # ---- vectors ----------------------------------------------------------------------------------------

    def _vector(self, row: Row) -> str:
        """The numbers of a row side by side, computed here or read from memory."""
        if row not in self.names:
            self.names[row] = self._single(row[0]) if len(row) == 1 else self._gathered(row)
        return self.names[row]

    def _single(self, symbol: Symbol) -> str:
        """One number, in all lanes."""
        if symbol.op == "const":
            return splat(self.lanes, symbol.args[0])
        if symbol.op == "index":
            return self.new(f"sitofp {self._type(1, 'i64')} {self._index(symbol.args[0])} to {self._type()}")
        if symbol not in self.row_of:
            return self._load(*self._place(symbol), 1, self._label((symbol,)))
        row = self.row_of[symbol]  # it has several numbers, so there is one lane
        position = [each is symbol for each in row].index(True)
        return self.new(f"extractelement {vector_type(len(row), _scalar(row))} {self.names[row]}, i32 {position}")

    def _gathered(self, row: Row) -> str:
        """Several numbers side by side. There is only one lane then."""
        if all(symbol is row[0] for symbol in row):
            return self._shuffled(self._joined([self._vector(row[:1])], _scalar(row)), 1, [0] * len(row), _scalar(row))
        if all(symbol.op == "const" for symbol in row):
            return f"<{', '.join(f'double {number(symbol.args[0])}' for symbol in row)}>"
        homes = {self.row_of.get(symbol, ()) for symbol in row}
        if len(homes) == 1 and (home := homes.pop()):
            order = {symbol: i for i, symbol in enumerate(home)}
            return self._shuffled(self.names[home], len(home), [order[symbol] for symbol in row], _scalar(row))
        if not any(symbol in self.row_of or symbol.op in ("const", "index") for symbol in row):
            places = [self._place(symbol) for symbol in row]
            if len({place.region for place in places}) == 1:
                return self._from_memory(places[0].region, [place.slot for place in places], self._label(row))
        return self._joined([self._vector((symbol,)) for symbol in row], _scalar(row))

    def _from_memory(self, region: Region, slots: list[int], label: str) -> str:
        first, span = min(slots), max(slots) - min(slots) + 1
        if slots == list(range(first, first + span)):
            return self._load(region, first, span, label)
        if region == PARAMETER:
            return self._load(PACKED, self.module.pack(slots), len(slots), label)
        if span <= 2 * len(slots):
            return self._shuffled(self._load(region, first, span, label), span, [slot - first for slot in slots])
        return self._joined([self._load(region, slot, 1) for slot in slots])

    def _joined(self, scalars: Sequence[str], scalar: str = "double") -> str:
        kind, joined = f"<{len(scalars)} x {scalar}>", "poison"
        for i, each in enumerate(scalars):
            joined = self.new(f"insertelement {kind} {joined}, {scalar} {each}, i32 {i}")
        return joined

    def _shuffled(self, source: str, width: int, order: Sequence[int], scalar: str = "double") -> str:
        mask = ", ".join(f"i32 {i}" for i in order)
        kind = f"<{width} x {scalar}>"
        return self.new(f"shufflevector {kind} {source}, {kind} poison, <{len(order)} x i32> <{mask}>")

    # ---- memory -----------------------------------------------------------------------------------------

    def _place(self, symbol: Symbol) -> Place:
        return symbol.place if symbol.op == "load" else self.places[symbol]

    def _load(self, region: Region, slot: int, rows: int, label: str = "") -> str:
        if region in SHARED:
            loaded = self.load(self._address(region, slot), vector_type(rows), label)
            if self.lanes == 1:
                return loaded
            return self._shuffled(self._joined([loaded]), 1, [0] * self.lanes)
        if region.index and self.lanes > 1:
            mask = f"<{self.lanes} x i1> {splat(self.lanes, True)}, {self._type()} poison"
            return self.new(
                f"call {self._type()} @llvm.masked.gather.v{self.lanes}f64.v{self.lanes}p0("
                f"<{self.lanes} x ptr> {self._address(region, slot)}, i32 8, {mask})",
                label,
            )
        return self.load(self._address(region, slot), self._type(rows), label)

    def _store(self, value: str, region: Region, slot: int, rows: int = 1) -> None:
        if region.index and self.lanes > 1:
            self.do(
                f"call void @llvm.masked.scatter.v{self.lanes}f64.v{self.lanes}p0({self._type()} {value}, "
                f"<{self.lanes} x ptr> {self._address(region, slot)}, i32 8, "
                f"<{self.lanes} x i1> {splat(self.lanes, True)})"
            )
        else:
            self.store(value, self._address(region, slot), self._type(rows))

    def _address(self, region: Region, slot: int) -> str:
        """The address of a slot of a region; for a table with several lanes, a vector of addresses, one per lane."""
        scale = 1 if region.whole in SHARED else self.lanes
        if not region.index:
            return self.address(f"%{region.name}", slot * scale)
        if region not in self.tables:
            whole = self._type(1, "i64")
            index = self._index(Region(region.index))
            offset = self.new(f"mul {whole} {index}, {splat(self.lanes, region.stride * scale)}")
            if scale > 1:
                lanes = ", ".join(f"i64 {lane}" for lane in range(self.lanes))
                offset = self.new(f"add {whole} {offset}, <{lanes}>")
            self.tables[region] = self.new(f"getelementptr inbounds double, ptr %{region.name}, {whole} {offset}")
        return self.new(
            f"getelementptr inbounds double, {vector_type(self.lanes, 'ptr')} {self.tables[region]}, i64 {slot * scale}"
        )

    def _index(self, region: Region) -> str:
        if region not in self.tables:
            self.tables[region] = self.load(f"%{region.name}", self._type(1, "i64"))
        return self.tables[region]


def _scalar(row: Row) -> str:
    return "i1" if row[0].op in CONDITIONS else "double"
