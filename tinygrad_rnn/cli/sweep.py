"""``tinygrad-rnn sweep``: train with many settings and seeds."""

from __future__ import annotations

import argparse
import itertools
import json
import math
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import asdict
from statistics import mean

from ..engine.notation import number
from ..errors import DataError, DomainError, SweepError
from ..plots.saving import save
from ..plots.sweep import sweep_figure
from ..support.memory import require_memory
from ..support.optional import optional
from ..support.sums import add_up
from ..support.text import count
from ..sweep import ProcessPool, Record, sweep
from ..train import train
from ..train.engine import check_engine
from .console import print_json, print_table, say
from .options import PRINTED, Option, Switch, as_typed, dash, output_option, whole_number
from .outputs import check_writable
from .plotting import check_plotting, plot_file
from .training import (
    SETTINGS,
    VARIED,
    Options,
    arguments,
    build,
    build_task,
    check,
    engine_name,
    training_options,
    typed_options,
    with_defaults,
)

DESCRIPTION = (
    "Train on a task with every combination of option values (many options take several), and every seed. "
    "Each run is recorded in a file as it finishes: after Ctrl-C or a crash, the same command goes on; with more "
    "values or seeds, it adds the runs that are missing."
)
OPTIONS = {
    **training_options(several=True),
    "the runs": (
        Option("seeds", "number of seeds, from 0", default=3, type=whole_number(1), metavar="N"),
        (
            Option("workers", "number of processes", usual="this one", type=whole_number(1), metavar="N"),
            Option("dask", "dask scheduler whose cluster does the runs, host:port", metavar="ADDRESS"),
        ),
    ),
    "output": (
        output_option("records, a JSON line per run", usual="TASK.jsonl"),
        Switch("no_retry", "do not repeat runs that failed before"),
        Option("plot", "error by the first option that varies: .png, .svg or .pdf", type=plot_file, metavar="FILE"),
        PRINTED,
    ),
}
SHOWN_ERRORS = 3
BYTES_OF_RUN = 2500  # of its record and its setting, about
DATA = "data"  # in a setting: the digest of the task's data, since the file may change between two sweeps
PATIENCE = 10.0  # seconds, with a dask scheduler


def run(args: argparse.Namespace) -> int:
    """Sweep; return 1 if runs failed, 130 if Ctrl-C ended it."""
    typed = typed_options(args)
    settings = _settings(typed)
    require_memory("--seeds", args.seeds, lambda n: n * len(settings) * BYTES_OF_RUN)
    target = f"{settings[0]['task']}.jsonl" if args.output is None else args.output
    _check(args, target, typed, settings)
    _add_data(settings)
    try:
        with _executor(args) as executor:
            records = sweep(
                train_once,
                [(setting,) for setting in settings],
                executor,
                seeds=range(args.seeds),
                file=target,
                retry_failed=not args.no_retry,
                progress=False if args.quiet or args.json else None,
            )
    except KeyboardInterrupt:
        if not (args.quiet or args.json):
            say(f"Stopped. What has finished is in {target}: the same command goes on with the rest.")
        return 130
    _check_results(records, target)
    failed = add_up(record.failed for record in records)
    varying = [name for name in VARIED if len(set(typed.get(name, ()))) > 1]
    if args.plot:
        _plot(args.plot, records, varying)
    if args.json:
        print_json({"file": target, "failed": failed, "records": [asdict(record) for record in records]})
    elif not args.quiet:
        _report(args, records, varying, target)
    return 1 if failed else 0


def train_once(options: Options, seed: int) -> dict[str, object]:
    """Train once: a run of the sweep.

    Args:
        options: those of the command, except those of other tasks.
        seed: of weights and sequences.

    Returns:
        ``error``: of the last validation, by the task's measure; ``best``: the smallest; ``solved``: whether the last
        met the criterion; ``loss``: of the last validation; ``steps``: the number of updates.
    """
    options = {**options, "seed": seed}
    task, model, optimizer, scheduler = build(options)
    if task.digest != options.get(DATA, ""):
        raise DataError(f"the data of task {task.name} are not those that the sweep began with")
    history = train(model, task, *arguments(options, optimizer, scheduler), progress=False)
    if history.ending == "interrupted":
        raise KeyboardInterrupt
    last = history.rows[-1]
    error, loss = last.validation
    if not math.isfinite(loss) or not math.isfinite(error):
        raise DomainError(f"the loss is {loss}, the error {error}", remedy="Give a smaller --lr or --clip")
    return {
        "error": error,
        "best": history.best,
        "solved": history.solved,
        "loss": loss,
        "steps": last.step,
    }


def _settings(typed: Options) -> list[Options]:
    """Every combination of what varies, the first option slowest, each with all that is fixed."""
    varied = [name for name in VARIED if name in typed]
    combinations = math.prod(len(typed[name]) for name in varied)
    require_memory("the number of combinations", combinations, lambda n: n * BYTES_OF_RUN)
    return [
        with_defaults({**typed, **dict(zip(varied, values))})
        for values in itertools.product(*(typed[name] for name in varied))
    ]


def _check(args: argparse.Namespace, target: str, typed: Options, settings: Sequence[Options]) -> None:
    """Check options and files before the first run."""
    for options in settings:
        check(typed, options)
    for name in {} if args.dask else dict.fromkeys(map(engine_name, settings)):  # the workers of dask have their own
        check_engine(name)
    check_writable(args.plot, appended=target, read=typed.get("csv") or typed.get("text_file"))
    check_plotting(args.plot)


def _add_data(settings: Sequence[Options]) -> None:
    """Add the digest of its data to every setting whose task reads any. Raises as building a task does."""
    digests: dict[tuple[object, ...], str] = {}
    for options in settings:
        which = tuple(map(options.get, SETTINGS))
        if which not in digests:
            digests[which] = build_task(options).digest
        if digests[which]:
            options[DATA] = digests[which]


def _check_results(records: Sequence[Record], target: str) -> None:
    """Check the records, which may be of an older version of this command, or of someone's own `train_once`.

    Raises:
        SweepError: a result is not one of this command.
    """
    for record in records:
        numbers = (
            [record.result.get(name) for name in ("error", "solved", "steps")] if record.result is not None else []
        )
        if not all(isinstance(n, (int, float)) and abs(n) <= sys.float_info.max for n in numbers):
            raise SweepError(
                f"{target}: the result of seed {record.seed} with {record.setting[0]} is not one of this command",
                remedy="Take that line out, or give another file",
            )


@contextmanager
def _executor(args: argparse.Namespace) -> Iterator[Executor | None]:
    """The executor that ``--workers`` or ``--dask`` names."""
    if args.workers:
        with ProcessPool(args.workers) as pool:
            yield pool
    elif args.dask:
        with optional("--dask needs dask.distributed", "dask"):
            from distributed import Client
        try:
            client = Client(args.dask, timeout=PATIENCE)  # type: ignore[no-untyped-call]
        except (OSError, ValueError, TypeError) as error:
            raise SweepError(
                f"no dask scheduler answers at {args.dask} ({error})", remedy="Start one with: dask scheduler"
            ) from error
        with client:
            yield client.get_executor(pure=False)  # type: ignore[no-untyped-call]
    else:
        yield None


def _by_setting(records: Sequence[Record]) -> dict[str, list[Record]]:
    """The records of every setting, in order."""
    groups: dict[str, list[Record]] = {}
    for record in records:
        groups.setdefault(json.dumps(record.setting), []).append(record)
    return groups


def _errors(records: Sequence[Record]) -> list[float]:
    return [record.result["error"] for record in records if record.result]


def smallest(errors: Sequence[float]) -> float:
    """The smallest; NaN, which is below and above nothing, counts as the largest."""
    return min(errors, key=lambda error: (math.isnan(error), error))


def largest(errors: Sequence[float]) -> float:
    """The largest; NaN if there is one."""
    return max(errors, key=lambda error: (math.isnan(error), error))


def _report(args: argparse.Namespace, records: Sequence[Record], varying: Sequence[str], target: str) -> None:
    task = build_task(records[0].setting[0])
    say(f"Task {task.name}: {task.summary}")
    over = count(args.seeds, "seed")
    say(f"Measured: {task.metric}, in the last validation, over {over}. Solved when: {task.criterion}.")
    print()
    rows = []
    for group in _by_setting(records).values():
        options, errors = group[0].setting[0], _errors(group)
        results = [record.result for record in group if record.result]
        rows.append(
            [
                *(as_typed(options[name]) for name in varying or ["cell"]),
                *(number(figure(errors)) if errors else "" for figure in (mean, smallest, largest)),
                f"{add_up(result['solved'] for result in results)}/{len(group)}",
                f"{mean(result['steps'] for result in results):.0f}" if results else "",
                f"{mean(record.seconds for record in group):.1f}",
                str(len(group) - len(results)),
            ]
        )
    print_table([*map(dash, varying or ["cell"]), "mean", "min", "max", "solved", "updates", "seconds", "failed"], rows)
    print()
    failures = [record for record in records if record.failed]
    for record in failures[:SHOWN_ERRORS]:
        which = ", ".join(f"{dash(name)} {as_typed(record.setting[0][name])}" for name in varying)
        say(f"Failed with {which}{', ' if which else ''}seed {record.seed}: {record.error}")
    if len(failures) > SHOWN_ERRORS:
        say(f"{count(len(failures) - SHOWN_ERRORS, 'more run')} failed.")
    say(f"Records: {target}. The same command with more values or seeds adds what is missing.")


def _plot(path: str, records: Sequence[Record], varying: Sequence[str]) -> None:
    """Plot the error of every run against the first option that varies as a number, and the means as lines."""
    task = build_task(records[0].setting[0])
    groups = [group for group in _by_setting(records).values() if _errors(group)]

    def numeric(name: str) -> bool:
        return all(isinstance(group[0].setting[0][name], (int, float)) for group in groups)

    along = next(filter(numeric, varying), next(iter(varying), "cell"))
    lines: dict[str, list[tuple[object, list[float]]]] = {}
    for group in groups:
        options = group[0].setting[0]
        label = ", ".join(f"{dash(name)} {as_typed(options[name])}" for name in varying if name != along)
        x = options[along] if numeric(along) else as_typed(options[along])
        lines.setdefault(label, []).append((x, _errors(group)))
    figure = sweep_figure(task, lines, dash(along), tick=as_typed, logarithmic=along == "lr")
    save(figure, path)
