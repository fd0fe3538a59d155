"""Checkpoints in which one entry was changed, in the JSON or in the header of the file: another type, sign or size.

A command that reads it must use it, or refuse it in one line and leave it as it was, within `SECONDS` and `MEMORY`.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import resource
import signal
import struct
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any
from unittest import mock

from tinygrad_rnn.cli import main

from . import Counts

SECONDS = 10.0  # that one command may take
MEMORY = 400_000_000  # bytes, of them 256 MB of a stream, that it may take beyond what this process has when it begins
TRAIN = "train --steps 2 --every 1 --batch 1 --validation 1 --hidden 2 --schedule cosine --go-on --quiet --force -o"
COMMANDS = ("eval FILE --sequences 2", "sample FILE --length 3", "train --resume -o FILE --steps 3 --quiet")
ODD: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2, 7, 1000, 20_000, 10**5, 10**9, 2**63 - 1, 2**63, 10**30, 10**400, -(10**30)),
    *(0.5, -0.5, 1e308, -1e-320, float("nan"), float("inf"), -float("inf")),
    *("", "x", "lstm", "RNN", "SGD", "\0", "\ud800", "∂" * 1000, "/dev/zero", "/", "../x", "$", "text", "series"),
    *(
        [],
        {},
        [1],
        [[]],
        [0] * 625,
        {"": 0},
        {"T": 10**11},
        {"length": 10**11},
        {"path": "/dev/zero"},
        {"csv": "/dev/zero"},
    ),
)


class Late(BaseException):
    """A command takes too long."""


def paths(tree: Any, before: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where the entries of JSON are; of a list, the first, the second and the last."""
    if before:
        yield before
    if isinstance(tree, dict):
        for name in tree:
            yield from paths(tree[name], (*before, name))
    elif isinstance(tree, list):
        for i in sorted({0, 1, len(tree) - 1} & {*range(len(tree))}):
            yield from paths(tree[i], (*before, i))


def changed(tree: Any, path: tuple[Any, ...], value: Any) -> Any:
    """A copy of JSON with another entry there; without it if the value is `Late`."""
    copy = dict(tree) if isinstance(tree, dict) else list(tree)
    if len(path) > 1:
        copy[path[0]] = changed(tree[path[0]], path[1:], value)
    elif value is Late:
        del copy[path[0]]
    else:
        copy[path[0]] = value
    return copy


def split(content: bytes) -> tuple[Any, Any, bytes]:
    """The header of a file without its state, the state, and the numbers."""
    (length,) = struct.unpack_from("<Q", content)
    header = json.loads(content[8 : 8 + length])
    return header, json.loads(header["__metadata__"].pop("state")), content[8 + length :]


def joined(header: Any, state: Any, body: bytes) -> bytes:
    """The file of these."""
    if isinstance(header, dict) and isinstance(header.get("__metadata__"), dict):
        header = {**header, "__metadata__": {**header["__metadata__"], "state": json.dumps(state)}}
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


def command(arguments: list[str]) -> tuple[int, str]:
    """Run a command in this process, limited; its exit code, and what it wrote to stderr."""
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    out, err = io.StringIO(), io.StringIO()

    def late(signum: int, frame: FrameType | None) -> None:
        raise Late

    earlier = signal.signal(signal.SIGALRM, late)
    resource.setrlimit(resource.RLIMIT_AS, (taken + MEMORY, before[1]))
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        with mock.patch.multiple(sys, stdout=out, stderr=err, stdin=io.StringIO()):
            code = main(arguments)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        resource.setrlimit(resource.RLIMIT_AS, before)
        signal.signal(signal.SIGALRM, earlier)
    return code, err.getvalue()


def complaint(arguments: list[str], content: bytes, file: Path) -> str | None:
    """What was wrong with how a command took a file; None if nothing was."""
    file.write_bytes(content)
    try:
        code, said = command(arguments)
    except Late:
        return f"it took more than {SECONDS} s"
    except BaseException as error:
        return f"{type(error).__name__}: {error}"
    if code == 0:
        return None
    if code != 2 or said.count("\n") != 1 or not said.startswith("tinygrad-rnn: error: ") or len(said) > 5000:
        return f"exit code {code}: {said[-500:]}"
    if "there is not enough memory" in said:
        return "it ran out of memory"
    if file.read_bytes() != content:
        return "it was refused, and changed"
    return None


def attack(seconds: float) -> Counts:
    """Change an entry, and let the commands read the file."""
    counts, rng, end = Counts(), random.Random(0), time.monotonic() + seconds
    with tempfile.TemporaryDirectory() as folder, _in(folder):
        seeds = []
        for more in (["--task", "latch", "--T", "5", "--cell", "rnn"], ["--task", "text", "--length", "4"]):
            assert main([*TRAIN.split(), "seed", *more]) == 0
            seeds.append(split(Path("seed").read_bytes()))
        file, tries = Path("f"), []
        for seed in seeds:
            for which in (0, 1):
                tries += [(seed, which, path) for path in paths(seed[which])]
        for line in COMMANDS:  # all that is imported late, before memory is limited
            complaint(line.replace("FILE", "f").split(), joined(*seeds[1]), file)
        while time.monotonic() < end:
            seed, which, path = rng.choice(tries)
            value = rng.choice((*ODD, Late))
            parts = [*seed]
            parts[which] = changed(seed[which], path, value)
            try:
                content = joined(*parts)
            except (ValueError, UnicodeError):  # no JSON of Python's
                continue
            for line in COMMANDS:
                name = line.split()[0]
                counts.tried[name] += 1
                wrong = complaint(line.replace("FILE", "f").split(), content, file)
                if wrong:
                    counts.fail(name, f"{'.'.join(map(str, path))} = {value!r:.80}: {wrong}")
                for left in os.listdir():
                    if left not in ("f", "seed"):
                        counts.fail(name, f"it left {left}")
                        os.remove(left)
    return counts


@contextlib.contextmanager
def _in(folder: str) -> Iterator[None]:
    before = os.getcwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
