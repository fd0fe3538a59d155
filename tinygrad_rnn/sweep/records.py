"""The results of a sweep: a `Record` per run, and a file with a line for each.

The file is JSON Lines: a header, ``{"format": "tinygrad_rnn sweep", "version": 1, "experiment": "learn(T, cell,
seed)"}``, then a record per line, in which ``{"__float__": "nan"}`` stands for a result that is NaN. A line is written
in one go as a run finishes, and is on the disk before the next run is recorded. A process that is killed leaves at
worst an incomplete last line, which is removed when the file is opened next.
"""

from __future__ import annotations

import errno
import json
import math
import os
import stat
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from io import FileIO
from typing import Any

from ..engine.arithmetic import is_number, number
from ..engine.value import Value
from ..errors import ArgumentError, SweepError
from ..support.checks import in_short
from ..support.files import file_name, is_special
from ..support.locks import lock, unlock
from ..support.numbers import as_lists, is_bool, whole

FORMAT = "tinygrad_rnn sweep"
VERSION = 1
LONGEST = 10_000  # bits of a whole number: Python writes and reads up to 4300 digits
NOT_FINITE = "__float__"  # the key of an object that stands for NaN, inf or -inf


@dataclass(frozen=True)
class Record:
    """One run. Everything in it is plain JSON data, except that ``setting`` is a tuple and a result may be NaN.

    Attributes:
        setting: arguments of the experiment.
        seed: its seed.
        result: what the experiment returned; None if it failed.
        error: type and message of its error in one line; None if it did not fail.
        seconds: how long it took.
    """

    setting: tuple[Any, ...]
    seed: int
    result: dict[str, Any] | None
    error: str | None
    seconds: float

    @property
    def failed(self) -> bool:
        """Whether the run failed."""
        return self.error is not None


def plain(value: object, name: str, is_result: bool = False) -> Any:
    """Return the value as it comes back from a file: tuples become lists, scalars of NumPy and PyTorch become Python's.

    Args:
        value: the value.
        name: its name in an error.
        is_result: whether it is a result. There arrays become lists, and NaN and infinity are recorded. In a setting
            they are refused: the experiment would get other values than were given, and runs would not be found again.

    Raises:
        ArgumentError: it is, or holds, something that is not plain data.
        OperandError: it is a scalar without a number, such as a tensor without data.
    """
    if isinstance(value, (list, tuple)):
        return [plain(entry, f"{name}[{i}]", is_result) for i, entry in enumerate(value)]
    if isinstance(value, dict):
        _check_keys(value, name)
        return {str(key): plain(entry, f"{name}[{key!r}]", is_result) for key, entry in value.items()}
    if getattr(value, "ndim", 0) > 0 and hasattr(value, "tolist"):
        return plain(_entries(value, name, is_result), name, is_result)
    if is_number(value) and not isinstance(value, (bool, int, float)) and (is_result or hasattr(value, "dtype")):
        value = bool(value) if is_bool(value) else number(value, name) if whole(value) is None else whole(value)
    if isinstance(value, float) and not math.isfinite(value):
        if not is_result:
            raise ArgumentError(f"{name} is {value!r}", remedy="Give a finite number, text or None")
        return float(value)
    if isinstance(value, int) and value.bit_length() > LONGEST:
        raise ArgumentError(f"{name} is {in_short(value)}", remedy="Give a smaller number, or text")
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, (int, float, str)):  # of a subclass
        return json.loads(json.dumps(value))
    remedy = "Plain data are numbers, text, True, False, None, and lists and dicts (with text as keys) of them"
    raise ArgumentError(
        f"{name} is of type {type(value).__name__}",
        remedy="Give its .data" if isinstance(value, Value) else remedy,
    )


def _check_keys(value: dict[object, object], name: str) -> None:
    others = [key for key in value if not isinstance(key, str)]
    if others:
        keys = "a key that is not a text" if len(others) == 1 else f"{len(others)} keys that are not texts"
        raise ArgumentError(
            f"{name} has {keys}: {', '.join(in_short(key) for key in others[:3])}{', …' * (len(others) > 3)}",
            remedy="The file has texts as keys: give str(key), or a list of pairs",
        )
    if NOT_FINITE in value:
        raise ArgumentError(
            f"{name} has the key {NOT_FINITE!r}, which stands for NaN and infinity in the file", remedy="Rename it"
        )


def _entries(array: object, name: str, is_result: bool) -> object:
    """The entries of an array or tensor as nested lists."""
    what = f"{name} is an array of type {type(array).__name__}"
    if not is_result:
        raise ArgumentError(what, remedy="Give its .tolist(), and make an array of it in the experiment")
    lists = as_lists(array)
    if lists is array:
        raise ArgumentError(
            f"{what} with entries that are masked, missing, or no real numbers", remedy="Give lists of numbers or text"
        )
    return lists


def _without_nan(value: object) -> object:
    """The value, with ``{NOT_FINITE: "nan"}`` in place of a number that JSON does not have."""
    if isinstance(value, float) and not math.isfinite(value):
        return {NOT_FINITE: str(value)}
    if isinstance(value, dict):
        return {key: _without_nan(entry) for key, entry in value.items()}
    return list(map(_without_nan, value)) if isinstance(value, (list, tuple)) else value


def _with_nan(read: dict[str, Any]) -> object:
    """The inverse of `_without_nan`, for an object read from JSON."""
    if NOT_FINITE not in read:
        return read
    if read not in ({NOT_FINITE: "nan"}, {NOT_FINITE: "inf"}, {NOT_FINITE: "-inf"}):
        raise ValueError("no number")
    return float(read[NOT_FINITE])


def key(setting: Iterable[object], seed: int) -> str:
    """Return the key of a run, which no other run of the experiment has. 1, 1.0 and True are three settings."""
    return json.dumps([*setting, seed], sort_keys=True)


def read_records(path: str | os.PathLike[str]) -> list[Record]:
    """Return the records in the file of a sweep, in the order in which the runs finished; it may still be under way.

    Of a run that failed and was tried again, only the last record counts.

    Raises:
        ArgumentError: no file can have this name.
        SweepError: it is not the file of a sweep, or damaged.
        OSError: it cannot be read.
    """
    path = file_name(path)
    with open(path, "rb") as file:
        if stat.S_ISCHR(os.fstat(file.fileno()).st_mode):  # what /dev/zero holds has no end
            raise _no_file(path)
        return list(_parse(file.read(), os.path.basename(path))[1].values())


def open_records(path: str | os.PathLike[str]) -> FileIO:
    """Open the file of a sweep, to add to it.

    In a ``with`` statement, C code closes it, which ends its lock, wherever Ctrl-C falls.

    Raises:
        ArgumentError: no file can have this name.
        SweepError: it is no regular file.
        OSError: it cannot be opened.
    """
    if is_special(file_name(path)):
        raise _no_file(file_name(path))
    return open(file_name(path), "a+b", buffering=0)  # not in a variable, which a traceback would keep


class RecordFile:
    """The file of one sweep, open for appending, and locked against other writers.

    Args:
        path: the file; created if it does not exist.
        experiment: the experiment and its parameters, as in ``"learn(T, cell, seed)"``.
        file: what `open_records` returned for the path; opened here by default.

    Attributes:
        records: what was in the file, by `key`.

    Raises:
        ArgumentError: no file can have this name.
        SweepError: the file belongs to another experiment, or to no sweep, or is damaged, or another sweep writes to
            it, in this process or another. The file is unchanged.
        OSError: it cannot be opened.
    """

    def __init__(self, path: str | os.PathLike[str], experiment: str, file: FileIO | None = None) -> None:
        self.path = file_name(path)
        self._place = os.path.abspath(self.path)  # a run in this process may change the folder
        self._file = file or open_records(path)
        try:
            if not lock(self._file):
                raise SweepError(
                    f"another sweep is writing to {os.path.basename(self.path)}",
                    remedy="Wait for it, or give another file",
                )
            self._check_there()
            self.records = self._take_over(experiment)
        except BaseException:
            self.close()
            raise

    def append(self, record: Record) -> None:
        """Add a record; on return, it is on the disk.

        Raises:
            SweepError: the file was deleted or replaced.
            OSError: it cannot be written; the file is as it was.
        """
        self._check_there()
        self._write(_line(asdict(record)))

    def close(self) -> None:
        """Close the file, and let others append to it."""
        unlock(self._file)
        self._file.close()

    def __enter__(self) -> RecordFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _check_there(self) -> None:
        """Raise SweepError if the file was deleted or replaced."""
        try:
            there = os.path.samestat(os.stat(self._place), os.fstat(self._file.fileno()))
        except FileNotFoundError:
            there = False
        if not there:
            raise SweepError(
                f"{os.path.basename(self.path)} was deleted or replaced while the sweep was writing to it",
                remedy="Start the sweep again: what was in that file is run again",
            )

    def _take_over(self, experiment: str) -> dict[str, Record]:
        self._file.seek(0)
        content = self._file.read()
        header = _line({"format": FORMAT, "version": VERSION, "experiment": experiment})
        if header.startswith(content):  # new, or its writer was killed on the first line
            self._file.truncate(0)
            self._write(header)
            return {}
        name = os.path.basename(self.path)
        there, records, whole = _parse(content, name)
        if there != experiment:
            raise SweepError(
                f"{name} belongs to another experiment: {there} there, {experiment} here", remedy="Give another file"
            )
        self._file.truncate(whole)
        return records

    def _write(self, line: bytes) -> None:
        end = self._file.seek(0, os.SEEK_END)
        try:
            if self._file.write(line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(self._file.fileno())
        except OSError as error:
            self._file.truncate(end)
            error.filename = self.path
            raise


def _no_file(path: str) -> SweepError:
    return SweepError(f"{os.path.basename(path)} is not a regular file", remedy="Give a file")


def _line(data: dict[str, object]) -> bytes:
    return json.dumps(_without_nan(data), allow_nan=False).encode() + b"\n"


# The fields of a record in the file, with their types.
_PARTS: dict[str, tuple[type, ...]] = {
    "setting": (list,),
    "seed": (int,),
    "result": (dict, type(None)),
    "error": (str, type(None)),
    "seconds": (int, float),
}


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def _parse(content: bytes, name: str) -> tuple[str, dict[str, Record], int]:
    """Return the experiment, its records, and how many bytes are whole lines."""
    *lines, _torn = content.split(b"\n")
    try:
        header = json.loads(lines[0])
        if header["format"] != FORMAT:
            raise ValueError
        version, experiment = int(header["version"]), str(header["experiment"])
    except (ValueError, LookupError, TypeError, OverflowError, RecursionError) as error:
        raise SweepError(f"{name} is not the file of a sweep", remedy="Give another file") from error
    if version > VERSION:
        raise SweepError(
            f"{name} has version {version} of the format, this package knows up to {VERSION}",
            remedy="Install a newer tinygrad_rnn",
        )
    records: dict[str, Record] = {}
    for place, line in enumerate(lines[1:], 2):
        try:
            data = json.loads(line, parse_constant=_refuse, object_hook=_with_nan)
            if data.keys() != _PARTS.keys() or not all(isinstance(data[name], _PARTS[name]) for name in _PARTS):
                raise ValueError
            if (data["result"] is None) == (data["error"] is None) or not math.isfinite(data["seconds"]):
                raise ValueError
            record = Record(**{**data, "setting": tuple(data["setting"])})
        except (ValueError, AttributeError, OverflowError, RecursionError) as error:
            raise SweepError(
                f"{name} is damaged: line {place} is not a record", remedy="Take that line out, or give another file"
            ) from error
        known = key(record.setting, record.seed)
        records.pop(known, None)  # a run that was tried again finished later
        records[known] = record
    return experiment, records, len(content) - len(_torn)
