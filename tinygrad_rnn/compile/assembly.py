"""LLVM assembly as text: constants, vectors, addresses and loops."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager


def vector_type(width: int, scalar: str = "double") -> str:
    """LLVM's type for ``width`` numbers side by side."""
    return scalar if width == 1 else f"<{width} x {scalar}>"


def number(value: float) -> str:
    """A double, to the bit."""
    return f"0x{struct.unpack('<Q', struct.pack('<d', value))[0]:016X}"


def splat(width: int, value: float | int | bool) -> str:
    """The same constant in all places of a vector."""
    kind = {bool: "i1", int: "i64"}.get(type(value), "double")
    text = number(value) if kind == "double" else str(value).lower()
    return text if width == 1 else f"splat ({kind} {text})"


def intrinsic(name: str, width: int) -> str:
    """The name of one of LLVM's own functions for ``width`` numbers. It needs no declaration."""
    return f"@llvm.{name}.{'f64' if width == 1 else f'v{width}f64'}"


class Assembly:
    """The body of a function, written line by line."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._variables: list[str] = []
        self._count = 0

    def body(self) -> str:
        """The lines, with the variables first."""
        return "\n".join(f"  {line}" for line in (*self._variables, *self.lines))

    def do(self, text: str, comment: str = "") -> None:
        """Write an instruction without a result."""
        comment = "".join(each if each.isprintable() else " " for each in comment)  # a line break would end it
        self.lines.append(f"{text}  ; {comment}" if comment else text)

    def new(self, text: str, comment: str = "") -> str:
        """Write an instruction, and return the name of its result."""
        self._count += 1
        self.do(f"%v{self._count} = {text}", comment)
        return f"%v{self._count}"

    def address(self, base: str, *offset: str | int) -> str:
        """The address ``base + product of offsets``, counted in numbers of 8 bytes."""
        place, *factors = offset
        for factor in (factor for factor in factors if factor != 1):
            place = self.new(f"mul i64 {place}, {factor}")
        return base if place == 0 else self.new(f"getelementptr inbounds double, ptr {base}, i64 {place}")

    def load(self, address: str, kind: str = "double", comment: str = "") -> str:
        """The number at an address."""
        return self.new(f"load {kind}, ptr {address}, align 8", comment)

    def store(self, value: str, address: str, kind: str = "double") -> None:
        """Store a number at an address."""
        self.do(f"store {kind} {value}, ptr {address}, align 8")

    def variable(self, start: str, kind: str = "i64") -> str:
        """The address of a new variable."""
        self._count += 1
        self._variables.append(f"%v{self._count} = alloca {kind}, align 8")
        self.store(start, f"%v{self._count}", kind)
        return f"%v{self._count}"

    def update(self, op: str, address: str, value: str, kind: str) -> None:
        """``address = op(address, value)``"""
        self.store(self.new(f"{op} {kind} {self.load(address, kind)}, {value}"), address, kind)

    @contextmanager
    def loop(self, count: str | int) -> Iterator[str]:
        """A loop over i = 0 … count - 1; the context is its body."""
        variable = self.variable("0")
        test, body, end = (f"{part}.{variable[1:]}" for part in ("test", "body", "end"))
        self.lines += [f"br label %{test}", f"{test}:"]
        i = self.load(variable, "i64")
        going = self.new(f"icmp slt i64 {i}, {count}")
        self.lines += [f"br i1 {going}, label %{body}, label %{end}", f"{body}:"]
        yield i
        self.update("add", variable, "1", "i64")
        self.lines += [f"br label %{test}", f"{end}:"]
