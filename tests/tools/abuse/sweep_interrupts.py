"""Two Ctrl-C in quick succession, at a random moment of a sweep over processes: all processes end within seconds."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from . import Counts
from .__main__ import ROOT

LONGEST = 15.0  # seconds that an end may take
SCRIPT = """
import os, sys, time
from tinygrad_rnn.sweep import ProcessPool, sweep

def work(folder, number, seed):
    open(f"{folder}/{os.getpid()}", "w").close()
    time.sleep(0.02 if number < 5 else 300.0)
    return {}

if __name__ == "__main__":
    folder = sys.argv[1]
    print("begins", flush=True)
    with ProcessPool(2) as pool:
        sweep(work, [(folder, number) for number in range(50)], pool, file=f"{folder}.jsonl")
"""


def attack(seconds: float) -> Counts:
    """Start sweeps and interrupt them, as a terminal does: the whole group of processes is sent the signal."""
    counts = Counts()
    end = time.monotonic() + seconds
    with tempfile.TemporaryDirectory() as scratch:
        Path(scratch, "script.py").write_text(SCRIPT)
        while time.monotonic() < end:
            folder = Path(scratch, str(counts.tried["two Ctrl-C"]))
            folder.mkdir()
            counts.tried["two Ctrl-C"] += 1
            _once(Path(scratch, "script.py"), folder, counts)
    return counts


def _once(script: Path, folder: Path, counts: Counts) -> None:
    # Python ignores Ctrl-C if it is started with that ignored, as by a shell in the background.
    start = f"import signal, runpy; signal.signal(signal.SIGINT, signal.default_int_handler); {_RUN}"
    process = subprocess.Popen(
        [sys.executable, "-c", start, str(folder), str(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        start_new_session=True,
        text=True,
    )
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(random.uniform(0.0, 1.5))
    os.killpg(process.pid, signal.SIGINT)
    time.sleep(random.choice([0.0, 0.001, 0.01, 0.1]))
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGINT)
    try:
        process.wait(LONGEST)
    except subprocess.TimeoutExpired:
        counts.fail("two Ctrl-C", "the sweep goes on")
    end = time.monotonic() + LONGEST
    while any(_runs(int(pid)) for pid in os.listdir(folder)):
        if time.monotonic() > end:
            counts.fail("two Ctrl-C", "a worker goes on")
            break
        time.sleep(0.05)
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    process.stdout.close()


_RUN = "import sys; runpy.run_path(sys.argv[2], run_name='__main__')"


def _runs(pid: int) -> bool:
    """Whether a process runs: one that has ended may wait for its parent to take note of it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
