"""The safetensors format, read and written with the standard library alone.

A file is the length of a header (8 bytes, little endian), the header (JSON: per tensor its dtype, its shape and
where its bytes begin and end; under ``__metadata__`` strings by name), and the bytes, without gaps. Nothing in
such a file is ever executed. The library of that name takes memory by address or through NumPy, and lists of floats
have neither.
"""

from __future__ import annotations

import json
import math
import os
import struct
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..engine.arithmetic import number
from ..errors import ArgumentError, DataError
from ..nn.trees import NestedNumbers
from ..support.files import file_name, read_bounded, write_whole
from ..support.memory import NUMBER, require_memory
from ..support.text import count as number_of

# The dtypes that are read, with struct's code.
DTYPES = {
    **{"F64": "d", "F32": "f", "F16": "e", "BOOL": "?"},
    **{"I64": "q", "I32": "i", "I16": "h", "I8": "b", "U64": "Q", "U32": "I", "U16": "H", "U8": "B"},
}
MOST_BYTES_OF_HEADER = 100_000_000  # the limit of the safetensors library
MOST_BYTES_OF_A_STREAM = 2**28  # of a pipe; a device such as /dev/zero has no end
BYTES_PER_CHARACTER_OF_HEADER = 40  # of what JSON becomes in Python, at most
MOST_DIMENSIONS = 64  # as in NumPy; a header of 200 kB could ask for 100,000, and so many lists in each other
MOST_EMPTY_LISTS = 1_000_000  # a shape such as (10**12, 0) takes no bytes in a file, but lists without end
METADATA = "__metadata__"


@dataclass(frozen=True)
class Tensor:
    """Numbers and their shape, in row-major order.

    Attributes:
        shape: ``()`` for a single number.
        numbers: as many as the shape has entries; floats, or ints where a file holds whole numbers or booleans.
    """

    shape: tuple[int, ...]
    numbers: tuple[float, ...]

    @classmethod
    def of(cls, nested: Any) -> Tensor:
        """Return a tensor of a number or of nested lists.

        Raises:
            ArgumentError: the lists are ragged.
            OperandError: an entry is not a number.
        """
        shape: list[int] = []
        level = [nested]
        while level and isinstance(level[0], (list, tuple)):
            if len({len(entry) for entry in level}) > 1:
                raise ArgumentError("a ragged list is not a tensor")
            shape.append(len(level[0]))
            level = [entry for entries in level for entry in entries]
        return cls(tuple(shape), tuple(map(number, level)))

    def nested(self) -> NestedNumbers:
        """Return the tensor as a number or nested lists."""
        level: list[NestedNumbers] = list(self.numbers)
        for place in range(len(self.shape) - 1, -1, -1):
            size = self.shape[place]
            level = [level[i * size : (i + 1) * size] for i in range(math.prod(self.shape[:place]))]
        return level[0]


def write_safetensors(
    path: str | os.PathLike[str], tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None
) -> None:
    """Write tensors as 64-bit floats, whole or not at all.

    Raises:
        ArgumentError: one is no `Tensor`, or a whole number has more digits than such a float.
        OSError: the file cannot be written.
    """
    header: dict[str, object] = {METADATA: dict(metadata)} if metadata else {}
    parts = []
    position = 0
    for name, tensor in tensors.items():
        if not isinstance(tensor, Tensor):
            raise ArgumentError(f"{name!r} is a {type(tensor).__name__}", remedy="Give Tensor.of(nested lists)")
        for entry in tensor.numbers:
            if isinstance(entry, int) and int(float(entry)) != entry:
                raise ArgumentError(f"{entry} in tensor {name!r} does not fit a 64-bit float", remedy="Leave it out")
        data = struct.pack(f"<{len(tensor.numbers)}d", *tensor.numbers)
        header[name] = {
            "dtype": "F64",
            "shape": list(tensor.shape),
            "data_offsets": [position, position + len(data)],
        }
        position += len(data)
        parts.append(data)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # so that the numbers are aligned
    write_whole(path, b"".join([struct.pack("<Q", len(text)), text, *parts]))


CHECKPOINT = "tinygrad_rnn checkpoint"  # "format" in the metadata of a checkpoint of `tinygrad_rnn.train`


def read_safetensors(path: str | os.PathLike[str]) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors of a file, and its metadata.

    Raises:
        DataError: the file cannot be read, is damaged, or holds numbers of a kind that is not known here.
        TooLargeError: it does not fit into memory.
    """
    path = file_name(path)
    name = os.path.basename(path)
    try:
        size = os.path.getsize(path)  # 0 where it is not a regular file
        require_memory(f"the size of {name}", size, lambda n: n // 8 * (8 + NUMBER + 8))
        content = read_bounded(path, max(size, MOST_BYTES_OF_A_STREAM))
    except OSError as error:
        raise DataError(f"cannot read {path!r}: {error.strerror or error}") from error
    try:
        if len(content) > max(size, MOST_BYTES_OF_A_STREAM):
            raise DataError(
                f"more than {MOST_BYTES_OF_A_STREAM // 2**20} MB come from something other than a regular file"
            )
        return _parse(content)
    except DataError as error:
        error.args = (f"{name}: {error.what}",)
        error.what = error.args[0]
        raise


def _parse(content: bytes | bytearray) -> tuple[dict[str, Tensor], dict[str, str]]:
    if len(content) < 8:
        raise DataError("not a safetensors file: it is too short")
    (length,) = struct.unpack_from("<Q", content)
    if length > MOST_BYTES_OF_HEADER:
        raise DataError("not a safetensors file: its header would be too long")
    if 8 + length > len(content):
        raise DataError("the file is cut off within its header")
    require_memory("the length of the header", length, lambda n: n * BYTES_PER_CHARACTER_OF_HEADER)
    try:
        header = json.loads(content[8 : 8 + length].decode(), object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise DataError(f"not a safetensors file: its header is no JSON ({error})") from error
    if not isinstance(header, dict):
        raise DataError("not a safetensors file: its header is no JSON object")
    metadata = header.pop(METADATA, {})
    if not isinstance(metadata, dict) or not all(isinstance(text, str) for text in metadata.values()):
        raise DataError("its metadata are not strings by name")
    body = memoryview(content)[8 + length :]
    end = 0
    tensors = {}
    for name, entry in sorted(header.items(), key=lambda item: _offsets(*item)):
        begin, stop = _offsets(name, entry)
        if begin != end:
            raise DataError(f"tensor {name!r} does not begin where the one before it ends")
        if stop > len(body):
            raise DataError(f"the file is cut off within tensor {name!r}")
        tensors[name] = _tensor(name, entry, body[begin:stop])
        end = stop
    if end != len(body):
        raise DataError(f"{number_of(len(body) - end, 'byte')} too many behind the last tensor")
    return {name: tensors[name] for name in header}, metadata


def _unique(pairs: Iterable[tuple[str, object]]) -> dict[str, object]:
    result: dict[str, object] = {}
    for name, entry in pairs:
        if name in result:
            raise ValueError(f"{name!r} twice")
        result[name] = entry
    return result


def _is_size(number: object) -> bool:
    return isinstance(number, int) and not isinstance(number, bool) and 0 <= number <= sys.maxsize


def _offsets(name: str, entry: object) -> tuple[int, int]:
    offsets = entry.get("data_offsets") if isinstance(entry, dict) else None
    if not (isinstance(offsets, list) and len(offsets) == 2 and all(map(_is_size, offsets))):
        raise DataError(f"tensor {name!r} does not say where it is")
    return offsets[0], offsets[1]


def _tensor(name: str, entry: Mapping[str, object], data: memoryview) -> Tensor:
    dtype, shape = entry.get("dtype"), entry.get("shape")
    if not isinstance(shape, list) or not all(map(_is_size, shape)):
        raise DataError(f"tensor {name!r} has no shape")
    if len(shape) > MOST_DIMENSIONS:
        raise DataError(f"tensor {name!r} has {len(shape):,} dimensions", remedy=f"Known are up to {MOST_DIMENSIONS}")
    if not isinstance(dtype, str) or (dtype != "BF16" and dtype not in DTYPES):
        raise DataError(f"tensor {name!r} holds {dtype!r}", remedy=f"Known are BF16, {', '.join(DTYPES)}")
    count = math.prod(shape)
    if not count and math.prod(filter(None, shape)) > MOST_EMPTY_LISTS:
        raise DataError(f"tensor {name!r} of shape {tuple(shape)} holds nothing")
    code = "H" if dtype == "BF16" else DTYPES[dtype]
    if count * struct.calcsize(code) != len(data):
        raise DataError(f"tensor {name!r} of shape {tuple(shape)} and dtype {dtype} has {number_of(len(data), 'byte')}")
    numbers = struct.unpack(f"<{count}{code}", data)
    if dtype == "BF16":  # the upper half of a 32-bit float
        numbers = struct.unpack(f"<{count}f", b"".join(struct.pack("<I", half << 16) for half in numbers))
    return Tensor(tuple(shape), tuple(map(int, numbers)) if code == "?" else numbers)
