"""What is fuzzed: every reader of the package, and what must hold whatever it reads.

A target's ``check`` returns True if the input was taken and False if it was refused by an error of this package
(or one line on stderr and exit code 2). Anything else that it raises is a finding.
"""

from __future__ import annotations

import contextlib
import io
import json
import math
import os
import random
import re
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from unittest import mock

import safetensors

from tinygrad_rnn import ScalarRNNCell, mse_loss, optim, unroll
from tinygrad_rnn.cli import main
from tinygrad_rnn.data import read_column, read_text
from tinygrad_rnn.debugger import Debugger, Terminal
from tinygrad_rnn.engine.backward import topological_order
from tinygrad_rnn.errors import DataError, SweepError, TinygradRNNError
from tinygrad_rnn.interop import read_safetensors, write_safetensors
from tinygrad_rnn.interop.safetensors import DTYPES, MOST_DIMENSIONS, Tensor
from tinygrad_rnn.sweep import read_records
from tinygrad_rnn.tasks import Reber, Task, Text
from tinygrad_rnn.train import Limits, RecurrentNetwork, Settings, load_checkpoint, train

from .mutate import mutated, mutated_json

HANG = 20.0  # seconds of CPU
TEXT = "hello world, hello to all the world. " * 3


class Hang(BaseException):
    """It takes too long."""


@dataclass(frozen=True)
class Target:
    """Something that reads.

    Attributes:
        name: its name.
        seeds: inputs to start from.
        check: reads an input, in a folder of its own that is the current one.
        words: what such inputs are made of.
        generate: makes an input; by default by changing the seeds.
    """

    name: str
    seeds: Callable[[], Sequence[bytes]]
    check: Callable[[bytes], bool]
    words: Sequence[bytes] = ()
    generate: Callable[[random.Random, Sequence[bytes], Sequence[bytes]], bytes] = mutated


@contextlib.contextmanager
def own_folder() -> Iterator[None]:
    """Within this context the current folder is an empty one of its own."""
    before = os.getcwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            yield
        finally:
            os.chdir(before)


@contextlib.contextmanager
def limited(seconds: float = HANG, error: type[BaseException] = Hang) -> Iterator[None]:
    """Within this context more than so many seconds of CPU are an error, where the system can tell."""
    if not hasattr(signal, "setitimer"):
        yield
        return

    def stop(*_: object) -> None:
        raise error

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0.0)
        signal.signal(signal.SIGVTALRM, before)


def same(a: float, b: float) -> bool:
    """The same number, or both are NaN."""
    return a == b or (a != a and b != b)


# ---- CSV --------------------------------------------------------------------------------------------------------


def check_csv(data: bytes) -> bool:
    """What is read is what the file says, cell by cell, and finite."""
    Path("f.csv").write_bytes(data)
    taken = False
    for column in (None, "a", "level"):
        try:
            series = read_column("f.csv", column)
        except DataError:
            continue
        taken = True
        assert series.numbers
        assert len(series.numbers) == len(series.labels)
        assert all(map(math.isfinite, series.numbers))
        assert all(map(math.isfinite, series.scaled().numbers))
        assert all(-1.0 - 1e-12 <= number <= 1.0 + 1e-12 for number in series.scaled().numbers)
        if b'"' not in data:
            assert list(series.numbers) == _plain_column(data.decode("utf-8-sig"), column)
    return taken


def _plain_column(text: str, column: str | None) -> list[float]:
    first, *lines = re.split("\r\n|\r|\n", text.rstrip("\r\n "))
    separators = [sign for sign in ",;\t" if sign in first]
    if re.fullmatch("(?i)sep=[^a-z0-9_+.-]\\s*", first):
        separators, (first, *lines) = [first[4]], lines
    assert len(separators) < 2
    separator = separators[0] if separators else ","
    names = [" ".join(name.split()) for name in first.split(separator)]
    place = 0 if column is None else names.index(column)
    rows = [line.split(separator) for line in lines]
    assert all(len(row) == len(names) for row in rows)
    return [float(row[place].strip()) for row in rows]


CSV = (
    b"a,level\n1,2\n3,4.5\n",
    b"\xef\xbb\xbfa;b\r\n1;2\r\n\r\n-3e5;4\r\n",
    b"a\tlevel\r1\t2\r3\t1e-5\r",
    b'"a","level"\n"1","2,0"\n3,"4"\n',
    b"level\n1\n\n2\n,\n3",
    b"a,a\n1,2\n",
    "année,level\n1900,0.5\n１,２\n".encode(),
    b"sep=;\na;level\n1;2\n3;1,5\n",
    b"1.5\n2.5\n",
)


# ---- text -------------------------------------------------------------------------------------------------------


def check_text(data: bytes) -> bool:
    """The text is the bytes, decoded."""
    Path("f.txt").write_bytes(data)
    try:
        text = read_text("f.txt")
    except DataError:
        with contextlib.suppress(UnicodeDecodeError):
            data.decode("utf-8-sig")
            raise AssertionError("valid text was refused") from None
        return False
    assert text == re.sub("\r\n|\r", "\n", data.decode("utf-8-sig"))
    return True


# ---- safetensors ------------------------------------------------------------------------------------------------


def check_safetensors(data: bytes) -> bool:
    """What the safetensors library reads we read, with the same numbers; what it refuses we refuse."""
    Path("f.safetensors").write_bytes(data)
    try:
        theirs = dict(safetensors.deserialize(data))
    except Exception:
        theirs = None
    try:
        ours, _ = read_safetensors("f.safetensors")
    except DataError:
        unknown = theirs is not None and any(each["dtype"] not in (*DTYPES, "BF16") for each in theirs.values())
        huge = theirs is not None and any(math.prod(filter(None, e["shape"])) > 10**6 for e in theirs.values())
        deep = theirs is not None and any(len(each["shape"]) > MOST_DIMENSIONS for each in theirs.values())
        assert theirs is None or unknown or huge or deep, "a valid file was refused"
        return False
    assert theirs is not None, "an invalid file was taken"
    assert ours.keys() == theirs.keys()
    for name, tensor in ours.items():
        assert list(tensor.shape) == theirs[name]["shape"]
        assert math.prod(tensor.shape) == len(tensor.numbers)
        tensor.nested()
        if theirs[name]["dtype"] == "F64":
            raw = memoryview(bytes(theirs[name]["data"])).cast("d").tolist()
            assert all(map(same, tensor.numbers, raw))
    with contextlib.suppress(TinygradRNNError):
        load_checkpoint("f.safetensors")
    return True


@cache
def safetensors_seeds() -> Sequence[bytes]:
    """Small files of every dtype, and a checkpoint."""
    path = Path("seed.safetensors")
    write_safetensors(path, {"a": Tensor.of([[1.0, 2.0]]), "b": Tensor.of(3.0)}, {"format": "x"})
    made = [path.read_bytes()]
    for dtype, size in {"F32": 4, "F16": 2, "BF16": 2, "I8": 1, "I64": 8}.items():
        header = json.dumps({"x": {"dtype": dtype, "shape": [2, 1], "data_offsets": [0, 2 * size]}}).encode()
        made.append(len(header).to_bytes(8, "little") + header + bytes(range(2 * size)))
    empty = b'{"x":{"dtype":"F64","shape":[0,3],"data_offsets":[0,0]}}'
    made += [len(empty).to_bytes(8, "little") + empty, checkpoints()[0][1]]
    path.unlink()
    return made


SAFETENSORS_WORDS = [b'"dtype":"F64"', b'"shape":[', b'"data_offsets":[0,8]', b'"__metadata__":{}', b"[]", b"[0]"]


# ---- checkpoints ------------------------------------------------------------------------------------------------


@cache
def checkpoints() -> list[tuple[str, bytes]]:
    """State and file of short trainings."""
    made = []
    for task in (Reber(), _text()):
        path = Path("seed.checkpoint")
        _train(task, path, resume=False)
        made.append((read_safetensors(path)[1]["state"], path.read_bytes()))
        path.unlink()
    return made


def _train(task: Task, path: Path, resume: bool) -> None:
    model = RecurrentNetwork.for_task(task, "lstm", 2, seed=3)
    optimizer = optim.Adam(model.parameters(), lr=0.03)
    settings = Settings(optimizer=optimizer, batch_size=1, truncate=4, validate_every=2, validation_size=2)
    train(model, task, settings, Limits(3 if resume else 2), checkpoint=path, resume=resume, progress=False)


def _text() -> Text:
    return Text(text=TEXT, length=3)


def resume_training(path: Path, task: Task | None = None) -> None:
    """Train for one more step."""
    _train(task or _text(), path, resume=True)


def checkpoint_seeds() -> Sequence[bytes]:
    """The states, as JSON; the rest of the file is put around them."""
    return [state.encode() for state, _ in checkpoints()]


def generate_checkpoint(rng: random.Random, seeds: Sequence[bytes], words: Sequence[bytes]) -> bytes:
    """A state that is still JSON, mostly."""
    if rng.random() < 0.1:
        return mutated(rng, seeds, words)
    return mutated_json(rng, rng.choice(seeds).decode()).encode()


def check_checkpoint(data: bytes) -> bool:
    """A file with this state is used, or refused in one line; either way it and the model stay whole."""
    which = int(b'"name": "text"' in data)
    Path("whole.safetensors").write_bytes(checkpoints()[which][1])
    tensors, metadata = read_safetensors("whole.safetensors")
    path = Path("f.safetensors")
    write_safetensors(path, tensors, {**metadata, "state": data.decode("utf-8", "replace")})
    before = path.read_bytes()
    with limited():
        sampled, _, _ = command(["sample", str(path), "--length", "3"])
        measured, _, _ = command(["eval", str(path), "--sequences", "2", "--json"])
    assert path.read_bytes() == before
    resumed = True
    try:
        with limited():
            resume_training(path, (Reber(), _text())[which])
    except TinygradRNNError:
        resumed = False
        assert path.read_bytes() == before
    return 0 in (sampled, measured) or resumed


# ---- the command line -------------------------------------------------------------------------------------------


def command(arguments: Sequence[str]) -> tuple[int, str, str]:
    """Exit code and output of a command in this process; an error must be one line."""
    streams = [io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2)]
    with mock.patch.multiple(sys, stdout=streams[0], stderr=streams[1], stdin=io.StringIO()):
        code = main(arguments)
    out, err = (stream.buffer.getvalue().decode("utf-8") for stream in streams)  # type: ignore[attr-defined]
    assert "Traceback" not in out + err
    if code == 2:
        assert re.fullmatch(r"tinygrad-rnn: error: [^\n]+\n", err[err.rfind("tinygrad-rnn: error") :]), err
    return code, out, err


def check_command(data: bytes) -> bool:
    """Exit code 0, or 2 with one line and no file; JSON is JSON."""
    arguments = [part.decode("utf-8", "surrogateescape") for part in data.split(b"\n")]
    if any("/" in part or ".." in part or "\0" in part for part in arguments):
        return False  # it might write elsewhere; and no argument can hold a NUL
    Path("f.csv").write_bytes(CSV[0])
    Path("f.safetensors").write_bytes(checkpoints()[1][1])
    before = set(os.listdir())
    training = arguments[:1] in (["train"], ["sweep"])
    with limited(1.0, KeyboardInterrupt) if training else limited():
        code, out, err = command(arguments)
    new = set(os.listdir()) - before
    assert not [name for name in new if name.endswith(".tmp")]
    partly = arguments[:1] in (["step"], ["sweep"])  # 1: a command of the debugger, or a run, failed
    assert code in (0, 2) or (code == 1 and partly) or (code == 130 and training), (code, err)
    if code == 2 and not training:
        assert not new, new
    if code == 0:
        assert all(os.path.getsize(name) for name in new)
        if "--json" in arguments and not {"-h", "--help", "--version"} & set(arguments):
            json.loads(out, parse_constant=_refuse)
    return code == 0


def _refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is no JSON")


COMMANDS = (
    "",
    "--w 0.9 --u 0.5 --b 0 --steps 3",
    "--nonlinearity identity --w 1.5 --steps 4 --json",
    "--text hello -o hello.dot",
    "--csv f.csv --column level --no-picture",
    "--hidden 2 --seed 1 --view folded --steps 3 -o p.svg",
    "--quiet --local-gradients --steps 2 --loss all",
    "--version",
    "--help",
    "anatomy --steps 4 --parameter w",
    "anatomy --hidden 2 --steps 3 --parameter W[0,1] --json",
    "truncate --k2 4 --steps 6 --json",
    "truncate --k1 2 --k2 3 --steps 6 --picture cut.svg",
    "explore --steps 4 -o page.html",
    "decay --steps 6 --json",
    "compare --help",
    "step -c s -c c --steps 3",
    "eval f.safetensors --sequences 2 --json",
    "sample f.safetensors --length 5 --prompt h --temperature 0",
    "train reber --steps 2 --validation 2 --batch 2 --force",
    "train text --steps 2 --validation 2 --hidden 2 --length 4 --json",
    "train adding --T 3 --steps 1 --validation 1 --cell gru --history h.csv --force",
    "sweep --task adding --T 2 3 --cell rnn lstm --hidden 1 --steps 1 --validation 1 --seeds 1 -o r.jsonl --json",
    "sweep --task latch --T 2 --lr 0.1 1e308 --clip none 1 --truncate 1 none --steps 2 --every 1 --seeds 1 --no-retry",
    "sweep --task text --length 2 --hidden 1 --layers 2 --optimizer sgd adam --steps 1 --seeds 1 --batch 1 --quiet",
    "sweep --task series --csv f.csv --column level --length 2 --steps 1 --patience 1 --go-on --plot p.svg --seeds 1",
)
OPTIONS = sorted({word for line in COMMANDS for word in line.split()} | {"nan", "inf", "1e308", "0", "-1", "a", "all"})


def generate_command(rng: random.Random, seeds: Sequence[bytes], words: Sequence[bytes]) -> bytes:
    """Arguments shuffled, replaced and left out; now and then their characters too."""
    arguments = rng.choice(seeds).split(b"\n")
    for _ in range(rng.choice((1, 1, 2, 3))):
        i = rng.randrange(len(arguments) + 1)
        word = rng.choice(words)
        if rng.random() < 0.2:
            word = mutated(rng, [word], words).replace(b"\n", b"")
        arguments[i : i + rng.choice((0, 1, 1))] = rng.choice(([word], [word], [], [word, rng.choice(words)]))
    return b"\n".join(arguments)


# ---- the file of a sweep ----------------------------------------------------------------------------------------

SWEEP = (
    "sweep",
    "--task=adding",
    "--T=2",
    "--hidden",
    "1",
    "2",
    "--steps=1",
    "--validation=1",
    "--batch=1",
    "--seeds=2",
)


@cache
def _swept() -> bytes:
    """The file of a sweep that is done."""
    command([*SWEEP, "-o", "seed.jsonl"])
    path = Path("seed.jsonl")
    content = path.read_bytes()
    path.unlink()
    return content


def generate_records(rng: random.Random, seeds: Sequence[bytes], words: Sequence[bytes]) -> bytes:
    """The file with some bytes changed, or with a line that is still JSON."""
    if rng.random() < 0.5:
        return mutated(rng, seeds, words)
    lines = rng.choice(seeds).split(b"\n")
    i = rng.randrange(len(lines) - 1)
    lines[i] = mutated_json(rng, lines[i].decode()).encode()
    return b"\n".join(lines)


def check_records(data: bytes) -> bool:
    """The sweep goes on, and can be reported; or the file is refused, and keeps all whole lines."""
    path = Path("f.jsonl")
    path.write_bytes(data)
    with contextlib.suppress(SweepError):
        read_records(path)
    assert path.read_bytes() == data
    with limited():
        code, out, err = command([*SWEEP, "-o", str(path), "--json"])
    assert code in (0, 1, 2), (code, err)
    if code == 2:  # a record that another program might have written is noticed when the sweep is done
        assert path.read_bytes().startswith(data[: data.rfind(b"\n") + 1])
        return False
    assert len(json.loads(out, parse_constant=_refuse)["records"]) == 4
    with limited():
        assert command([*SWEEP, "-o", str(path)])[0] == code
    return True


# ---- the debugger -----------------------------------------------------------------------------------------------


def _debugged() -> Debugger:
    unrolled = unroll(ScalarRNNCell(w=0.9, u=0.5, b=0.1), [1.0, 0.5, -1.0])
    loss = mse_loss(unrolled.h[3], 0.3)
    loss.label = "L"
    return Debugger(loss, unrolled)


def check_debugger(data: bytes) -> bool:
    """Whatever is typed, the pass can be taken to its end, and ends where it would have."""
    lines = data.decode("utf-8", "replace").split("\n")
    lines = [line for line in lines if not any(sign in line for sign in ("(", "**", "<<"))]  # Python that does anything
    if any("/" in line or ".." in line for line in lines):  # graph might write elsewhere
        lines = [line for line in lines if not any(command.strip().startswith("g") for command in line.split(";"))]
    debugger, out = _debugged(), io.StringIO()
    terminal = Terminal(debugger, stdin=io.StringIO(), stdout=out)
    with limited():
        terminal.run(lines)
        debugger.reset()
        debugger.finish()
    plain = _debugged().loss
    plain.backward()
    assert [node.grad.hex() for node in debugger.steps.order] == [node.grad.hex() for node in topological_order(plain)]
    return not terminal.failures


DEBUGGER = (
    b"s\ns 3\nback\nn\nc\n",
    b"b h_2\nc\nw\nu\nd\nl\nwhy w\n",
    b"b t=2 if gradient < 1e-3\nc; rc\ndisplay w.grad\nclear\nreset\nfinish\n",
    b"p node.grad * local_gradient\np W[0,1].data\np h_3.grad + 1\np [1, 2] == (1, 2)\n",
    b"grads\ngrads h_*\nchain\nchain 1\nforward 3\nforward -2\n",
    b"graph g.dot\nhelp\nhelp s\nb\ncl 1\nq\n",
    b"b op tanh\ntbreak |gradient| > 0.1\nb if h_1.grad > 0.1\nc\nc 2 # on\nback 5; undisplay\n",
)
DEBUGGER_WORDS = [
    *(b"step next continue finish back rc reset break tbreak clear where up down list grads why chain graph".split()),
    *(b"forward display undisplay h_1 h_2 z_3 w u b L x_1 t=1 op node parent gradient local_gradient".split()),
    *(b"contribution time_step not and or in is None True if else . < == != \xc2\xb7 # ;".split()),
    *(b"1e999 'a' \"h_1\" (1,) [] {} : , * ? EOF ! shell".split()),
]


TARGETS = {
    target.name: target
    for target in (
        Target("csv", lambda: CSV, check_csv, [b"a", b"level", b"1e5", b"-0.5", b'""', b"NaN"]),
        Target("text", lambda: [b"hello\r\n", "\ufeffna\u00efve \u4f60".encode(), b""], check_text),
        Target("safetensors", safetensors_seeds, check_safetensors, SAFETENSORS_WORDS),
        Target("checkpoint", checkpoint_seeds, check_checkpoint, generate=generate_checkpoint),
        Target(
            "command",
            lambda: [line.replace(" ", "\n").encode() for line in COMMANDS],
            check_command,
            [word.encode() for word in OPTIONS],
            generate_command,
        ),
        Target("records", lambda: [_swept()], check_records, [b'"seed": 0', b"null", b"}", b"[]"], generate_records),
        Target("debugger", lambda: DEBUGGER, check_debugger, DEBUGGER_WORDS),
    )
}
