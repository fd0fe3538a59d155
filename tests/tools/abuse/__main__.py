"""Attack for as long as one likes."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from . import Counts, __doc__, names

ROOT = Path(__file__).parents[3]


def attack_here(name: str, seconds: float) -> Counts:
    """Run an attack in this process."""
    found: Counts = importlib.import_module(f"{__package__}.{name}").attack(seconds)
    return found


def attack(name: str, seconds: float, python: str = sys.executable) -> Counts:
    """Run an attack in a process of its own, by any Python."""
    command = [python, "-m", "tests.tools.abuse", name, "--seconds", str(seconds), "--here"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONFAULTHANDLER": "1"}
    counts = Counts()
    try:
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120 + 5 * seconds
        )
    except subprocess.TimeoutExpired:
        counts.fail("the process", "it hangs")
        return counts
    if done.returncode == 0:
        return Counts.of(json.loads(done.stdout.splitlines()[-1]))
    how = signal.Signals(-done.returncode).name if done.returncode < 0 else f"exit code {done.returncode}"
    counts.fail("the process", f"it ended with {how}: {done.stderr[-2000:]}")
    return counts


def main() -> int:
    """Run the attacks that are named; 1 if any did harm."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.tools.abuse", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("attacks", nargs="*", help=f"(default: all) {', '.join(names())}")
    parser.add_argument("--seconds", type=float, default=20.0, help="per attack (default: 20)")
    parser.add_argument("--python", default=sys.executable, help="which Python to attack (default: this one)")
    parser.add_argument("--here", action="store_true", help="run one attack in this process, and print JSON")
    args = parser.parse_args()
    unknown = sorted({*args.attacks} - {*names()})
    if unknown:
        parser.error(f"no attack {', '.join(unknown)}. There are: {', '.join(names())}")
    if args.here:
        print(json.dumps(vars(attack_here(args.attacks[0], args.seconds))))
        return 0
    python = shutil.which(args.python) or parser.error(f"no Python {args.python}")
    harm = 0
    for name in args.attacks or names():
        counts = attack(name, args.seconds, python)
        print(f"{name}\n{counts}", flush=True)
        harm += sum(counts.failed.values())
    return int(harm > 0)


if __name__ == "__main__":
    sys.exit(main())
