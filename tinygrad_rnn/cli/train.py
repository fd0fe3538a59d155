"""``tinygrad-rnn train``: learn a task."""

from __future__ import annotations

import argparse
import os

from ..engine.notation import number
from ..errors import ArgumentError
from ..optim import CosineAnnealingLR, LRScheduler
from ..plots.saving import save
from ..plots.training import history_figure
from ..support.files import sole_writer
from ..support.progress import late_clock
from ..support.text import count
from ..tasks import Task
from ..train import History, RecurrentNetwork, load_checkpoint, train
from ..train.engine import check_engine
from ..train.record import Record
from .console import print_json, say
from .options import PRINTED, Option, Switch, as_typed, file_ending_in, flag, output_option
from .outputs import check_writable
from .plotting import check_plotting, plot_file
from .training import (
    DEFAULT_TASK,
    SETTINGS,
    Options,
    arguments,
    build,
    check,
    engine_name,
    schedule_of,
    training_options,
    typed_options,
    with_defaults,
)

DESCRIPTION = (
    "Train an RNN, LSTM or GRU, made of scalar Values, on a task, and save it. Ctrl-C keeps what was learned; "
    "--resume -o FILE goes on from there, with everything as it was."
)
OPTIONS = {
    **training_options(),
    "output": (
        output_option("model and all that --resume needs, written at every validation", usual="TASK.safetensors"),
        (
            Switch(
                "resume",
                "go on from FILE as if training had never stopped; only --steps, --patience, --go-on and --engine may "
                "change, and --init and --forget-bias, which are for a new network, are refused",
            ),
            Switch("force", "overwrite FILE"),
        ),
        Option("history", "a row per update, .csv or .json", type=file_ending_in(".csv", ".json"), metavar="FILE"),
        Option("plot", "loss, gradient norm and error by update: .png, .svg or .pdf", type=plot_file, metavar="FILE"),
        PRINTED,
    ),
}
FREE = {"steps", "patience", "go_on", "engine"}  # may change with --resume; all else must stay as it was
COLUMNS = ("update", "sequences", "loss", "error", "seconds")


def run(args: argparse.Namespace) -> int:
    """Train; return 130 if Ctrl-C ended it."""
    typed = typed_options(args)
    target = f"{typed.get('task', DEFAULT_TASK)}.safetensors" if args.output is None else args.output
    _check_targets(args, target, typed.get("csv") or typed.get("text_file"))
    with late_clock("network"):
        if args.resume:
            checkpoint = load_checkpoint(target)
            task, model = checkpoint.make_task(), checkpoint.make_model()
            checkpoint.check_data(task)
            optimizer = checkpoint.make_optimizer(model)
            scheduler = checkpoint.make_scheduler(optimizer)
            options = _options_to_resume(typed, checkpoint.record, scheduler, target)
            _check_schedule(scheduler, options["steps"], target)
        else:
            options = with_defaults({"seed": 0, **typed})
            check(typed, options)
            task, model, optimizer, scheduler = build(options)
    check_engine(engine_name(options))
    quiet = args.quiet or args.json
    if not quiet:
        _introduce(task, model)
    history = train(
        model,
        task,
        *arguments(options, optimizer, scheduler),
        checkpoint=target,
        resume=args.resume,
        overwrite=args.force,
        progress=False if quiet else None,
        on_validation=None if quiet else _print_row,
    )
    if args.history:
        (history.write_json if args.history.lower().endswith(".json") else history.write_csv)(args.history)
    if args.plot:
        save(history_figure(history), args.plot)
    if args.json:
        print_json(
            {"task": task.name, "settings": task.settings(), "model": repr(model), **history.to_dict(), "file": target}
        )
    elif not args.quiet:
        _conclude(history, task, options, scheduler, target)
    return 130 if history.ending == "interrupted" else 0


def _options_to_resume(typed: Options, record: Record, scheduler: LRScheduler | None, target: str) -> Options:
    """The options of the run in the checkpoint, with the typed values of those that may change.

    Raises:
        ArgumentError: one that may not change was typed with another value.
    """
    was = _options_of(record, scheduler)
    for name in ("init", "forget_bias"):
        if name in typed:
            raise ArgumentError(f"{flag(name)} is for a new network, --resume goes on with that of {target}")
    other = [name for name in typed if name not in FREE and typed[name] != was[name]]
    if other:
        differences = (
            f"{flag(name)} is {'not set' if was[name] is None else as_typed(was[name])} in {target}, "
            f"not {as_typed(typed[name])}"
            for name in other
        )
        raise ArgumentError(
            "; ".join(differences),
            remedy="Go on with --resume -o FILE alone, or start again in another file",
        )
    options = {**was, **typed}
    check(typed, options)
    return options


def _end_of(scheduler: LRScheduler | None) -> int | None:
    """The update after which the rate is 0; None if there is none."""
    return scheduler.T_max if isinstance(scheduler, CosineAnnealingLR) else None


def _check_schedule(scheduler: LRScheduler | None, steps: int, target: str) -> None:
    """Check that the schedule has not ended before ``steps``.

    Raises:
        ArgumentError: it has.
    """
    end = _end_of(scheduler)
    if end and steps > end:
        raise ArgumentError(
            f"--steps {steps}: the cosine schedule of {target} ends after {end}",
            remedy="Give at most that many, or start again in another file",
        )


def _options_of(record: Record, scheduler: LRScheduler | None) -> Options:
    """The options that a checkpoint was made with."""
    was, limits = record.description, record.limits
    built, settings = was.architecture.arguments, was.settings
    return {
        "task": was.task.name,
        **{option: was.task.settings.get(setting) for option, setting in SETTINGS.items()},
        "cell": was.architecture.kind.lower(),
        "hidden": built and built.hidden_size,
        "layers": built and built.num_layers,
        "nonlinearity": built and built.nonlinearity,
        "bidirectional": built is not None and built.bidirectional,
        "optimizer": was.optimizer.kind.lower(),
        "lr": was.optimizer.lr,
        "schedule": schedule_of(scheduler),
        "batch": settings.batch_size,
        "clip": settings.max_norm,
        "truncate": settings.truncate,
        "every": settings.validate_every,
        "validation": settings.validation_size,
        "seed": settings.seed,
        "keep_best": settings.keep_best,
        "steps": limits.updates,
        "patience": limits.patience,
        "go_on": not limits.stop_when_solved,
        "engine": "eager",
    }


def _check_targets(args: argparse.Namespace, target: str, read: str | None) -> None:
    """Check the files to write before the training."""
    check_writable(target, args.history, args.plot, read=read)
    check_plotting(args.plot)
    if os.path.exists(target) and not (args.resume or args.force):
        raise ArgumentError(f"{target} exists", remedy="Go on from it with --resume, or overwrite it with --force")
    with sole_writer(target):  # on trial: `train` locks it once the network is built, which may take long
        pass


def _introduce(task: Task, model: RecurrentNetwork) -> None:
    say(f"Task {task.name}: {task.summary}")
    say(f"Source: {task.source}.")
    say(f"Solved when: {task.criterion}.")
    say(f"Trivially: {task.trivial}.")
    say(f"{model!r}, {count(len(model.parameters()), 'parameter')}")
    print()
    print("  ".join(f"{name:>9}" for name in COLUMNS), flush=True)


def _print_row(history: History) -> None:
    """Print the latest validation at once, also into a file."""
    row = history.rows[-1]
    numbers = (f"{row.validation_loss:.4f}", f"{row.validation_error:.4f}", f"{row.seconds:.1f}")
    print("  ".join(f"{cell:>9}" for cell in (row.step, row.sequences, *numbers)), flush=True)


def _conclude(history: History, task: Task, options: Options, scheduler: LRScheduler | None, target: str) -> None:
    checked = len(task.validation(options["validation"]))
    print()
    say(f"Loss and error ({history.metric}) are those of {count(checked, 'validation sequence')}.")
    # Not "solved": they are few, and training may have ended on a lucky draw of them.
    met = "Criterion met on them" if history.best <= history.goal else "Criterion not met yet"
    ending = {
        "solved": met,
        "steps": met,
        "patience": f"No progress any more. {met}",
        "interrupted": f"Stopped after update {len(history.rows)}",
    }[history.ending]
    row = history.best_row
    best = f"best {history.metric} {number(history.best)} at update {row.step}, " if row else ""
    say(f"{ending}: {best}criterion {number(history.goal)}, trivial predictor {number(history.baseline)}.")
    kept = f"with the weights of update {row.step}" if row and history.best_is_earlier else "as it is now"
    others = "on other sequences" if "seed" in task.validation_by else "again on the held-out part of the data"
    say(f"Model: {target}, {kept}. Measure it {others} with tinygrad-rnn eval {target}.")
    more = {"interrupted": "", "steps": "", "solved": " --go-on", "patience": " --patience none"}[history.ending]
    end = _end_of(scheduler)
    if end == len(history.rows):
        return  # the rate is 0
    if history.ending != "interrupted" and end != options["steps"]:
        more += f" --steps {end or 2 * len(history.rows)}"
    say(f"Go on with tinygrad-rnn train --resume -o {target}{more}.")
