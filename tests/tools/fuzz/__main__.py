"""Fuzzing for as long as one likes.

    python -m tests.tools.fuzz csv safetensors --minutes 10          # changes seeds at random
    python -m tests.tools.fuzz csv --minutes 10 --coverage           # follows coverage; pip install atheris
    python -m tests.tools.fuzz graphs --minutes 10                   # against mpmath and, where installed, JAX
    python -m tests.tools.fuzz csv --input fuzz-findings/csv-0       # a finding again

A finding is kept as a file in fuzz-findings/, with its traceback beside it.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

FINDINGS = Path("fuzz-findings").resolve()
MEMORY = 6 << 30  # bytes


def fuzz(name: str, check: Callable[[bytes], bool], make: Callable[[], bytes], end: float) -> None:
    """Try inputs until the time is up; print how many, and what was found."""
    from .targets import own_folder

    counts: Counter[str] = Counter()
    kinds: set[str] = set()
    while time.monotonic() < end:
        data = make()
        with own_folder():
            try:
                counts["taken" if check(data) else "refused"] += 1
            except BaseException as error:
                if isinstance(error, KeyboardInterrupt) and name != "command":
                    raise
                counts["found"] += 1
                last = traceback.extract_tb(error.__traceback__)[-1]
                kind = f"{type(error).__name__} at {last.name}:{last.lineno}: {str(error)[:100]!r}"
                if kind.partition(": ")[0] not in kinds:
                    kinds.add(kind.partition(": ")[0])
                    FINDINGS.mkdir(exist_ok=True)
                    kept = FINDINGS / f"{name}-{len(kinds) - 1}"
                    kept.write_bytes(data)
                    kept.with_suffix(".txt").write_text(traceback.format_exc(), encoding="utf-8")
                    print(f"{name}: {kind}\n    {data[:300]!r}", flush=True)
    print(f"{name}: {sum(counts.values())} inputs, {dict(counts)}, {len(kinds)} different findings", flush=True)


def follow_coverage(name: str, seconds: float) -> None:
    """Let atheris choose the inputs; it ends the process at a finding, or when the time is up."""
    import atheris

    with atheris.instrument_imports(include=["tinygrad_rnn", "csv", "json"]):
        from .targets import TARGETS
    target = TARGETS[name]
    with tempfile.TemporaryDirectory() as folder:
        for i, seed in enumerate(target.seeds()):
            Path(folder, f"seed{i}").write_bytes(seed)
        work = tempfile.mkdtemp()
        os.chdir(work)
        FINDINGS.mkdir(exist_ok=True)
        options = [f"-max_total_time={seconds:.0f}", f"-artifact_prefix={FINDINGS}/{name}-", "-rss_limit_mb=6000"]
        atheris.Setup([sys.argv[0], *options, "-print_final_stats=1", "-verbosity=0", folder], target.check)
        atheris.Fuzz()


def main() -> None:
    """Fuzz what is named."""
    parser = argparse.ArgumentParser(prog="python -m tests.tools.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="+")
    parser.add_argument("--minutes", type=float, default=1.0, help="per target")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--coverage", action="store_true", help="follow coverage, of one target, with atheris")
    parser.add_argument("--input", type=Path, help="try the input in this file only")
    args = parser.parse_args()
    if args.coverage:
        follow_coverage(args.targets[0], 60.0 * args.minutes)
        return
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    from . import graphs
    from .targets import TARGETS, own_folder

    unknown = sorted({*args.targets} - {*TARGETS, "graphs"})
    if unknown:
        parser.error(f"no target {', '.join(unknown)}. There are: {', '.join([*TARGETS, 'graphs'])}")
    for name in args.targets:
        rng = random.Random(args.seed)
        make: Any
        if name == "graphs":
            check, make = graphs.check, lambda rng=rng: graphs.generate(rng)
        else:
            target = TARGETS[name]
            with own_folder():
                seeds = target.seeds()
            check = target.check
            make = lambda target=target, seeds=seeds, rng=rng: target.generate(rng, seeds, target.words)  # noqa: E731
        if args.input:
            data = args.input.read_bytes()
            with own_folder():
                print("taken" if check(data) else "refused")
            return
        fuzz(name, check, make, time.monotonic() + 60.0 * args.minutes)


if __name__ == "__main__":
    main()
