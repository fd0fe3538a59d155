"""Every command under hostile conditions does its work or says in one line why not, and soon: streams that are closed
or full, files that cannot be written, sizes that do not fit into memory, names with control characters.
"""

from __future__ import annotations

import csv
import os
import random
import shlex
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass

from . import Counts

LONGEST = 20.0  # seconds that a command may take
SMALL = "--hidden 2 --steps 2 --validation 2 --batch 1"
TRAIN = f"train --task latch --T 5 {SMALL} --force"
SWEEP = f"sweep --task latch --T 5 --seeds 1 {SMALL}"
TRAINED = "trained"
#: Command lines, each with the ending of the file whose name comes last; None if it writes none.
COMMANDS = {
    "--no-picture --json": None,
    "-o": ".svg",
    "step -c s -c 'why h_1' -c c -c q": None,
    "explore -o": ".html",
    "explore --code": ".mjs",
    "anatomy --steps 3 --paths --json": None,
    "anatomy --steps 3 -o": ".svg",
    "decay --steps 3 -o": ".json",
    "truncate --steps 3 --picture": ".svg",
    f"{TRAIN} -o": ".safetensors",
    f"{TRAIN} -o other --quiet --history": ".csv",
    f"{SWEEP} -o": ".jsonl",
    f"eval {TRAINED}": None,
    f"sample {TRAINED} --length 9": None,
    "--help": None,
    "train --help": None,
}
WRITERS = {line: ending for line, ending in COMMANDS.items() if ending}
CLOSED = ["<&-", ">&-", "2>&-", "<&- >&-", ">&- 2>&-", "<&- >&- 2>&-"]
TOO_LARGE = [
    "--hidden 100000 --no-picture",
    "anatomy --hidden 100000",
    "truncate --hidden 100000 --k2 2",
    "explore --hidden 100000",
    "step --hidden 100000 -c s",
    "decay --hidden 100000",
    "decay --kind non-normal --hidden 100000",
    "train --hidden 100000",
    "train --layers 1000000000",
    "train --task adding --T 100000000000",
    "train --task copy --count 1000000000",
    "train --batch 1000000000",
    "train --task series --length 1000000000000",
    f"eval {TRAINED} --sequences 1000000000",
    f"eval {TRAINED} --T 100000000000",
    f"train --steps {'9' * 5000}",
]
NAMES = ["a\x1b[31mb", "a\x01\x07b", "$\\frac{a$b", "]]><script>&", "水位\u202e", "%~^_#{}\\", "--> </style>"]


@dataclass
class Attempt:
    """A command line and what must come of it.

    Attributes:
        line: after the name of the program, as for a shell.
        python: options of Python.
        before: for the shell, before it.
        is_refused: whether it must end with exit code 2.
        is_silent: whether it must print nothing before.
    """

    line: str
    python: str = ""
    before: str = ""
    is_refused: bool = False
    is_silent: bool = False

    def harm(self) -> str | None:
        """Run it; what is not as it should be."""
        shell = f"{self.before} exec {shlex.quote(sys.executable)} {self.python} -m tinygrad_rnn {self.line}"
        begun = time.monotonic()
        try:
            done = subprocess.run(
                ["bash", "-c", shell], stdin=subprocess.DEVNULL, capture_output=True, timeout=LONGEST, check=False
            )
        except subprocess.TimeoutExpired:
            return f"{self.line[:200]}: no end after {time.monotonic() - begun:.0f} s"
        error = done.stderr.decode(errors="replace")
        is_known = done.returncode in ((2,) if self.is_refused else (0, 1, 2))
        is_one_line = error.count("\n") <= 1 and len(error) < 3000 and "\x1b" not in error
        if is_known and is_one_line and not (self.is_silent and done.stdout):
            return None
        return f"{self.line[:200]}: exit code {done.returncode}, {error[-300:]}"


def draw(name: str, rng: random.Random, number: int) -> Attempt:
    """An attempt of one kind, in the folder of the process."""
    line, ending = rng.choice([*COMMANDS.items()])
    output = "" if ending is None else f"file{number}{ending}"
    if name == "streams that are closed":
        return Attempt(f"{line} {output} {rng.choice(CLOSED)}")
    if name == "python -OO":
        return Attempt(f"{line} {output}", python="-OO")
    if name == "a full stdout":
        return Attempt(f"{line} {output} >/dev/full", is_refused="--quiet" not in line)
    if name == "outputs that cannot be written":
        line, ending = rng.choice([*WRITERS.items()])
        os.makedirs(f"folder{ending}", exist_ok=True)
        if not os.path.lexists(f"full{ending}"):
            os.symlink("/dev/full", f"full{ending}")
        stem = rng.choice(["no/such", "folder", "full", "x" * 300, "/dev/null/x", "/proc/x"])
        return Attempt(f"{line} {stem}{ending}", is_refused=True, is_silent=True)
    if name == "sizes that do not fit":
        return Attempt(rng.choice(TOO_LARGE), before="ulimit -v 3000000;", is_refused=True)
    column = rng.choice(NAMES)
    with open("names.csv", "w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([[column, "other"], *[[i % 3, i] for i in range(40)]])
    line, ending = rng.choice([*((line, ending) for line, ending in COMMANDS.items() if "task" not in line)])
    if line.startswith((f"eval {TRAINED}", "sample", "--help", "train")):
        line, ending = f"train --task series --length 3 {SMALL} --force --plot", ".svg"
    output = "" if ending is None else f"file{number}{ending}"
    return Attempt(f"{line} {output} --csv names.csv --column={shlex.quote(column)}")


KINDS = [
    *("streams that are closed", "python -OO", "a full stdout"),
    *("outputs that cannot be written", "sizes that do not fit", "names of columns"),
]


def attack(seconds: float) -> Counts:
    """Run command lines drawn at random."""
    counts, rng, here = Counts(), random.Random(0), os.getcwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            train = f"train --task text --length 5 {SMALL} --quiet -o {TRAINED}"
            subprocess.run([sys.executable, "-m", "tinygrad_rnn", *train.split()], check=True)
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                for name in KINDS:
                    counts.tried[name] += 1
                    found = draw(name, rng, counts.tried[name]).harm()
                    if found is not None:
                        counts.fail(name, found)
        finally:
            os.chdir(here)
    return counts
