"""Kill training and sweeping at random moments, and look at what is left.

Run as a script, from the root of the repository, for 50 kills: ``python -m tests.tools.soak.kill [KILLS [SEED]]``. Half
of them hit ``tinygrad-rnn train``, which writes a checkpoint after every step, half ``tinygrad-rnn sweep`` with two
workers. A command that is killed is given again; one that reaches its end is compared with one that was never
killed, and the next begins anew.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tinygrad_rnn.sweep import read_records
from tinygrad_rnn.train import load_checkpoint

ROOT = Path(__file__).parents[3]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}

SMALL = "--task adding --hidden 2 --batch 1 --validation 2 --go-on --quiet"
TRAIN = f"train {SMALL} --T 4 --steps 100 --every 1 -o model".split()
SWEEP = f"sweep {SMALL} --T 2 3 --cell rnn gru --steps 2 --seeds 30 --workers 2 -o records".split()


def kill_training(folder: Path, kills: int, rng: random.Random) -> str:
    """Kill ``tinygrad-rnn train`` so many times; AssertionError if anything is lost or left."""
    model = folder / "model"
    resumed = unfinished = 0

    def command() -> list[str]:
        nonlocal resumed
        resumed += model.exists()
        return [*TRAIN, "--resume"] if model.exists() else TRAIN

    def look() -> None:
        nonlocal unfinished
        files = sorted(os.listdir(folder))
        left = [name for name in files if name not in ("model", ".model.lock")]
        assert len(left) <= 1, f"more than one write was interrupted: {left}"
        assert all(re.fullmatch(r"\.model\.\w{8}\.unfinished", name) for name in left), left
        unfinished += len(left)
        if model.exists():
            load_checkpoint(model)  # whole

    def outcome() -> Any:
        assert os.listdir(folder) == ["model"]
        checkpoint = load_checkpoint(model)
        for row in checkpoint.record.history.rows:
            row.seconds = 0.0
        return repr(checkpoint)

    runs = _kill(folder, command, look, outcome, kills, rng)
    return f"train: {kills} kills, {resumed} times resumed, {unfinished} writes cut off, {runs} runs to the end"


def kill_sweeping(folder: Path, kills: int, rng: random.Random) -> str:
    """Kill ``tinygrad-rnn sweep`` so many times; AssertionError if a run is lost or twice."""
    file = folder / "records"
    on_file: list[str] = []
    torn = resumed = 0

    def command() -> list[str]:
        nonlocal resumed
        resumed += file.exists()
        return SWEEP

    def look() -> None:
        nonlocal torn
        assert set(os.listdir(folder)) <= {"records"}
        content = file.read_bytes() if file.exists() else b""
        if b"\n" in content:
            lines = list(map(str, read_records(file)))
            assert lines[: len(on_file)] == on_file, "a record was lost"
            on_file[:] = lines
        torn += bool(content) and not content.endswith(b"\n")

    def outcome() -> Any:
        look()
        on_file.clear()
        lines = [json.loads(line) for line in file.read_text().splitlines()]
        runs = {json.dumps([line["setting"], line["seed"]]): line["result"] for line in lines[1:]}
        assert len(runs) == len(lines) - 1, "a run was repeated"
        return dict(sorted(runs.items()))

    runs = _kill(folder, command, look, outcome, kills, rng)
    return f"sweep: {kills} kills, {resumed} times resumed, {torn} lines cut off, {runs} runs to the end"


def _kill(
    folder: Path,
    command: Callable[[], list[str]],
    look: Callable[[], None],
    outcome: Callable[[], Any],
    kills: int,
    rng: random.Random,
) -> int:
    """Run and kill; how often a command reached its end, where what it left is compared."""
    began = time.monotonic()
    assert _runs_to_its_end(folder, command(), None)
    longest = time.monotonic() - began
    undisturbed = outcome()
    ends = 0
    while True:
        for name in os.listdir(folder):
            (folder / name).unlink()
        if ends and not kills:
            return ends
        while not _runs_to_its_end(folder, command(), rng.uniform(0.0, longest) if kills else None):
            kills -= 1
            look()
        assert outcome() == undisturbed
        ends += 1


def _runs_to_its_end(folder: Path, command: list[str], seconds: float | None) -> bool:
    """Run ``tinygrad-rnn`` and kill it after so many seconds; whether it was faster."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tinygrad_rnn", *command], cwd=folder, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True
    )
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
    _, complaint = process.communicate(timeout=100)  # until its workers, too, have ended
    assert process.returncode in (0, -signal.SIGKILL), complaint
    return process.returncode == 0


def main(kills: int = 50, seed: int = 0) -> None:
    rng = random.Random(seed)
    for kill, share in ((kill_training, kills // 2), (kill_sweeping, kills - kills // 2)):
        with tempfile.TemporaryDirectory() as folder:
            print(kill(Path(folder), share, rng), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Kill training and sweeping at random moments, and look what is left.")
    parser.add_argument("kills", type=int, nargs="?", default=50)
    parser.add_argument("seed", type=int, nargs="?", default=0)
    main(**vars(parser.parse_args()))
