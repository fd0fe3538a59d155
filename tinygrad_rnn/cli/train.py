"""``tinygrad-rnn train``: learn a task."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, Any

from ..errors import ArgumentError, CheckpointError
from .console import counted, print_json, say
from .outputs import check_plotting, check_writable, file_ending_in, plot_file
from .training import (
    SETTINGS,
    Options,
    add_training_options,
    arguments,
    check,
    complete,
    flag,
    given_options,
    made,
    schedule_of,
    shown,
)

if TYPE_CHECKING:
    from ..optim import LRScheduler
    from ..tasks import Task
    from ..train import Checkpoint, History, RecurrentNetwork

FREE = {"steps", "patience", "go_on", "engine"}  # what --resume takes anew; all else must be as it was
COLUMNS = ("step", "sequences", "loss", "error", "seconds")


def register(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "train",
        help="train a network on a task",
        description="Train an RNN, LSTM or GRU, made of scalar Values, on a task, and save it. Ctrl-C keeps what was "
        "learned; --resume -o FILE goes on from there, with everything as it was.",
    )
    add_training_options(parser)
    output = parser.add_argument_group("output")
    output.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help="the model and all that --resume needs, kept at every validation (TASK.safetensors)",
    )
    kept = output.add_mutually_exclusive_group()
    kept.add_argument(
        "--resume",
        action="store_true",
        help="go on from FILE as if training had never stopped; only --steps, --patience, --go-on and --engine may "
        "be other than they were, and --init and --forget-bias, which a new network begins with, are not taken",
    )
    kept.add_argument("--force", action="store_true", help="overwrite FILE")
    output.add_argument(
        "--history", type=file_ending_in(".csv", ".json"), metavar="FILE", help="a row per step, .csv or .json"
    )
    output.add_argument(
        "--plot", type=plot_file, metavar="FILE", help="loss, gradient norm and error by step, .png, .svg or .pdf"
    )
    form = output.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print the result as JSON")
    form.add_argument("--quiet", action="store_true", help="print nothing")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Train; 130 if Ctrl-C ended it."""
    from ..train import load_checkpoint, train

    given = given_options(args)
    target = args.output or f"{given.get('task', 'reber')}.safetensors"
    _check_targets(args, target)
    if args.resume:
        checkpoint = load_checkpoint(target)
        options = _resumed(given, checkpoint, target)
        task, model = checkpoint.make_task(), checkpoint.make_model()
        checkpoint.check_data(task)
        optimizer = checkpoint.make_optimizer(model)
        scheduler = checkpoint.make_scheduler(optimizer)
        _check_schedule(scheduler, options["steps"], target)
    else:
        options = complete({"seed": 0, **given})
        check(given, options)
        task, model, optimizer, scheduler = made(options)
    quiet = args.quiet or args.json
    if not quiet:
        _introduce(task, model)
    history = train(
        model,
        task,
        *arguments(options, optimizer, scheduler),
        checkpoint=target,
        resume=args.resume,
        progress=False if quiet else None,
        on_validation=None if quiet else _print_row,
    )
    if args.history:
        (history.write_json if args.history.lower().endswith(".json") else history.write_csv)(args.history)
    if args.plot:
        history.plot(args.plot)
    if args.json:
        print_json(
            {"task": task.name, "settings": task.settings(), "model": repr(model), **history.to_dict(), "file": target}
        )
    elif not args.quiet:
        _conclude(history, task, options, scheduler, target)
    return 130 if history.ending == "interrupted" else 0


def _resumed(given: Options, checkpoint: Checkpoint, target: str) -> Options:
    """The options of the run that the checkpoint is of, with what may change as given.

    Raises:
        ArgumentError: one that may not change is given, and is another.
    """
    try:
        was = _options_of(checkpoint)
    except (KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{target} is damaged: its state makes no sense ({error!r})") from error
    for name in ("init", "forget_bias"):
        if name in given:
            raise ArgumentError(f"{flag(name)} is for a new network, --resume goes on with that of {target}")
    other = [name for name in given if name not in FREE and given[name] != was[name]]
    if other:
        differences = (
            f"{flag(name)} is {'not set' if was[name] is None else shown(was[name])} in {target}, "
            f"not {shown(given[name])}"
            for name in other
        )
        raise ArgumentError(
            "; ".join(differences),
            remedy="Go on with --resume -o FILE alone, or start anew in another file",
        )
    options = {**was, **given}
    check(given, options)
    return options


def _end_of(scheduler: LRScheduler | None) -> int | None:
    """The step after which the rate is 0; None if there is none."""
    from ..optim import CosineAnnealingLR

    return scheduler.T_max if isinstance(scheduler, CosineAnnealingLR) else None


def _check_schedule(scheduler: LRScheduler | None, steps: int, target: str) -> None:
    """Check that there is something left to learn at."""
    end = _end_of(scheduler)
    if end and steps > end:
        raise ArgumentError(
            f"--steps {steps}: the cosine schedule of {target} ends after {end}",
            remedy="Give at most that many, or start anew in another file",
        )


def _options_of(checkpoint: Checkpoint) -> Options:
    """The options that a checkpoint was made with."""
    from ..train import Limits, Settings

    state = checkpoint.state
    built, made = state["architecture"], state["optimizer"]
    settings, limits = Settings.from_record(state["settings"]), Limits.from_record(state["limits"])
    planned = state["scheduler"]
    arguments = built.get("arguments", {})
    return {
        "task": state["task"]["name"],
        **{option: state["task"]["settings"].get(setting) for option, setting in SETTINGS.items()},
        "cell": built["kind"].lower(),
        "hidden": arguments.get("hidden_size"),
        "layers": arguments.get("num_layers"),
        "nonlinearity": arguments.get("nonlinearity"),
        "bidirectional": arguments.get("bidirectional", False),
        "optimizer": made["kind"].lower(),
        "lr": made["lr"],
        "schedule": schedule_of(planned["kind"], planned["settings"]) if planned else "constant",
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


def _check_targets(args: argparse.Namespace, target: str) -> None:
    """What can be known to go wrong at the end must go wrong before the training."""
    check_writable(target, args.history, args.plot)
    check_plotting(args.plot)
    if os.path.exists(target) and not (args.resume or args.force):
        raise ArgumentError(f"{target} exists", remedy="Go on from it with --resume, or overwrite it with --force")


def _introduce(task: Task, model: RecurrentNetwork) -> None:
    say(f"Task {task.name}: {(type(task).__doc__ or '').splitlines()[0]}")
    say(f"Source: {task.source}.")
    say(f"Solved when: {task.criterion}.")
    say(f"Trivially: {task.trivial}.")
    say(f"{model!r}, {len(model.parameters())} parameters")
    print()
    print("  ".join(f"{name:>9}" for name in COLUMNS), flush=True)


def _print_row(history: History) -> None:
    """The latest validation, as soon as it is done, also into a file."""
    row = history.rows[-1]
    numbers = (f"{row.validation_loss:.4f}", f"{row.validation_error:.4f}", f"{row.seconds:.1f}")
    print("  ".join(f"{number:>9}" for number in (row.step, row.sequences, *numbers)), flush=True)


def _conclude(history: History, task: Task, options: Options, scheduler: LRScheduler | None, target: str) -> None:
    checked = len(task.validation(options["validation"]))
    print()
    say(f"Loss and error ({history.metric}) are those of {counted(checked, 'validation sequence')}.")
    # Not "solved": they are few, and training may have ended on a lucky draw of them.
    met = "Criterion met on them" if history.best <= history.goal else "Criterion not met yet"
    ending = {
        "solved": met,
        "steps": met,
        "patience": f"No progress any more. {met}",
        "interrupted": f"Stopped after step {len(history.rows)}",
    }[history.ending]
    row = history.best_row
    best = f"best {history.metric} {history.best:.4g} at step {row.step}, " if row else ""
    say(f"{ending}: {best}criterion {history.goal:.4g}, trivially {history.baseline:.4g}.")
    kept = f"with the weights of step {row.step}" if row and history.best_is_earlier else "as it is now"
    others = "on other sequences" if "seed" in task.validation_by else "again on the held-out part of the data"
    say(f"Model: {target}, {kept}. Measure it {others} with tinygrad-rnn eval {target}.")
    more = {"interrupted": "", "steps": "", "solved": " --go-on", "patience": " --patience none"}[history.ending]
    end = _end_of(scheduler)
    if end == len(history.rows):
        return  # the rate is 0
    if history.ending != "interrupted" and end != options["steps"]:
        more += f" --steps {end or 2 * len(history.rows)}"
    say(f"Go on with tinygrad-rnn train --resume -o {target}{more}.")
