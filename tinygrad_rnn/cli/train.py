"""``tinygrad-rnn train``: learn a task."""

from __future__ import annotations

import argparse
import importlib.util
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ArgumentError, DataError, MissingDependencyError
from .console import print_json, print_table, say
from .inputs import finite_number, whole_number

if TYPE_CHECKING:
    from ..tasks import Task
    from ..train import History

#: What is not asked for otherwise: settings with which each task visibly learns in about a minute.
DEFAULTS: dict[str, dict[str, Any]] = {
    "reber": {"cell": "lstm", "hidden": 8, "batch": 1, "lr": 0.01, "steps": 4000, "every": 250},
    "adding": {"cell": "gru", "hidden": 6, "batch": 2, "lr": 0.02, "steps": 1500, "every": 100},
    "latch": {"cell": "rnn", "hidden": 4, "batch": 4, "lr": 0.02, "steps": 1500, "every": 100},
    "temporal-order": {"cell": "gru", "hidden": 8, "batch": 2, "lr": 0.02, "steps": 1000, "every": 100},
    "copy": {"cell": "gru", "hidden": 10, "batch": 2, "lr": 0.02, "steps": 2000, "every": 250, "T": 3},
    "text": {"cell": "gru", "hidden": 16, "batch": 1, "lr": 0.02, "steps": 150, "every": 25},
    "series": {"cell": "lstm", "hidden": 6, "batch": 2, "lr": 0.01, "steps": 300, "every": 50},
}
SETTINGS = {"text_file": "path"}  # options that are called otherwise in a task
OPTIMIZERS = ("adam", "adamw", "rmsprop", "sgd")
SHOWN = 12  # rows of the table


def register(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "train",
        help="train a network on a task",
        description="Train an RNN, LSTM or GRU, made of scalar Values, on a task, and save it. Ctrl-C keeps what was "
        "learned; --resume goes on from there.",
    )
    what = parser.add_argument_group("the task")
    what.add_argument("--task", choices=sorted(DEFAULTS), default="reber", help="what to learn (reber)")
    what.add_argument("--T", type=whole_number(1), metavar="T", help="time steps (adding, latch, temporal-order, copy)")
    what.add_argument("--count", type=whole_number(1), metavar="N", help="letters to remember (copy)")
    what.add_argument("--length", type=whole_number(1), metavar="T", help="time steps of an example (text, series)")
    what.add_argument("--text-file", metavar="FILE", help="the text, in UTF-8 (Alice's Adventures in Wonderland)")
    what.add_argument("--csv", metavar="FILE", help="the series, a CSV file (yearly sunspot numbers)")
    what.add_argument("--column", metavar="NAME", help="the column of the CSV file")
    model = parser.add_argument_group("the network (defaults differ by task)")
    model.add_argument("--cell", choices=("rnn", "lstm", "gru"), help="kind of cell")
    model.add_argument("--hidden", type=whole_number(1), metavar="H", help="hidden units per layer")
    model.add_argument("--layers", type=whole_number(1), default=1, metavar="N", help="layers (1)")
    how = parser.add_argument_group("training (defaults differ by task)")
    how.add_argument("--steps", type=whole_number(1), metavar="N", help="steps to take, resumed ones included")
    how.add_argument("--batch", type=whole_number(1), metavar="B", help="sequences per step")
    how.add_argument("--lr", type=finite_number, metavar="RATE", help="learning rate")
    how.add_argument("--optimizer", choices=OPTIMIZERS, default="adam", help="(adam)")
    how.add_argument("--clip", type=finite_number, default=1.0, metavar="NORM", help="bound on the gradient norm (1)")
    how.add_argument("--truncate", type=whole_number(1), metavar="K", help="cut the gradient after K steps (never)")
    how.add_argument("--every", type=whole_number(1), metavar="N", help="steps between validations and checkpoints")
    how.add_argument(
        "--validation", type=whole_number(1), default=64, metavar="N", help="sequences to validate on (64)"
    )
    how.add_argument("--patience", type=whole_number(1), metavar="N", help="end after N validations without progress")
    how.add_argument("--go-on", action="store_true", help="do not end when a validation meets the criterion")
    how.add_argument("--seed", type=whole_number(0), default=0, metavar="N", help="seed of weights and sequences (0)")
    output = parser.add_argument_group("output")
    output.add_argument(
        "-o", "--output", metavar="FILE", help="the model and all that --resume needs (TASK.safetensors)"
    )
    kept = output.add_mutually_exclusive_group()
    kept.add_argument("--resume", action="store_true", help="go on from FILE")
    kept.add_argument("--force", action="store_true", help="overwrite FILE")
    output.add_argument("--history", metavar="FILE", help="a row per step, .csv or .json")
    output.add_argument("--plot", metavar="FILE", help="loss, gradient norm and error by step, .png, .svg or .pdf")
    form = output.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print the result as JSON")
    form.add_argument("--quiet", action="store_true", help="print nothing")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Train; 130 if Ctrl-C ended it."""
    from .. import optim
    from ..tasks import TASKS, make_task
    from ..train import RecurrentNetwork, train

    options = {**DEFAULTS[args.task], **{name: given for name, given in vars(args).items() if given is not None}}
    target = args.output or f"{args.task}.safetensors"
    _check_targets(args, target)
    names = {"T", "count", "length", "text_file", "csv", "column"} & options.keys()
    known = TASKS[args.task].known_settings()
    for name in sorted(names):
        if SETTINGS.get(name, name) not in known:
            raise ArgumentError(f"--{name.replace('_', '-')} is no option of task {args.task}")
    task = make_task(args.task, {SETTINGS.get(name, name): options[name] for name in names})
    more = {"forget_bias": 1.0} if options["cell"] == "lstm" else {}
    model = RecurrentNetwork.for_task(task, options["cell"], options["hidden"], args.layers, args.seed, **more)
    kinds = {kind.__name__.lower(): kind for kind in (optim.Adam, optim.AdamW, optim.RMSprop, optim.SGD)}
    optimizer: optim.Optimizer = kinds[args.optimizer](model.parameters(), lr=options["lr"])
    history = train(
        model,
        task,
        options["steps"],
        batch_size=options["batch"],
        optimizer=optimizer,
        max_norm=args.clip,
        truncate=args.truncate,
        seed=args.seed,
        validate_every=options["every"],
        validation_size=args.validation,
        patience=args.patience,
        stop_when_solved=not args.go_on,
        checkpoint=target,
        resume=args.resume,
        progress=False if args.quiet or args.json else None,
    )
    if args.history:
        (history.write_json if args.history.endswith(".json") else history.write_csv)(args.history)
    if args.plot:
        history.plot(args.plot)
    if args.json:
        print_json(
            {"task": args.task, "settings": task.settings(), "model": repr(model), **vars(history), "file": target}
        )
    elif not args.quiet:
        _report(task, repr(model), len(model.parameters()), history, len(task.validation(args.validation)), target)
    return 130 if history.ending == "interrupted" else 0


def _check_targets(args: argparse.Namespace, target: str) -> None:
    """What can be known to go wrong at the end must go wrong before the training."""
    for path in (target, args.history, args.plot):
        if path and not Path(path).absolute().parent.is_dir():
            raise DataError(f"cannot write {path!r}: there is no such folder")
    if os.path.exists(target) and not (args.resume or args.force):
        raise ArgumentError(f"{target} exists", remedy="Go on from it with --resume, or overwrite it with --force")
    if args.history and not args.history.endswith((".csv", ".json")):
        raise ArgumentError(f"--history {args.history}", remedy="Its name must end in .csv or .json")
    if args.plot:
        if not args.plot.endswith((".png", ".svg", ".pdf")):
            raise ArgumentError(f"--plot {args.plot}", remedy="Its name must end in .png, .svg or .pdf")
        if importlib.util.find_spec("matplotlib") is None:
            raise MissingDependencyError("--plot needs matplotlib", remedy="pip install 'tinygrad_rnn[plot]'")


def _report(task: Task, model: str, parameters: int, history: History, checked: int, target: str) -> None:
    say(f"Task {task.name}: {(type(task).__doc__ or '').splitlines()[0]}")
    say(f"Source: {task.source}.")
    say(f"Solved when: {task.criterion}.")
    say(f"Trivially: {task.trivial}.")
    say(f"{model}, {parameters} parameters")
    print()
    validations = history.validations()
    every = -(-len(validations) // SHOWN)
    rows = [row for i, row in enumerate(validations, 1) if i % every == 0 or i == len(validations)] if every else []
    print_table(
        ("step", "sequences", "loss", f"validation: {history.metric}", "seconds"),
        [
            (
                str(row["step"]),
                str(row["sequences"]),
                f"{row['validation_loss']:.4f}",
                f"{row['validation_error']:.4f}",
                f"{row['seconds']:.1f}",
            )
            for row in rows
        ],
    )
    print()
    # Not "solved": they are few, and training may have ended on a lucky draw of them.
    met = f"Criterion met on the {checked} validation sequences" if checked > 1 else "Criterion met in validation"
    ending = {
        "solved": met,
        "steps": met if history.solved else "Criterion not met yet",
        "patience": "No progress any more",
        "interrupted": f"Stopped after step {len(history.rows)}",
    }[history.ending]
    figures = f"best {history.metric} {history.best:.4g}, " if validations else ""
    say(f"{ending}: {figures}criterion {history.goal:.4g}, trivially {history.baseline:.4g}.")
    say(f"Model: {target}. Measure it on other sequences with tinygrad-rnn eval {target}; go on with --resume.")
