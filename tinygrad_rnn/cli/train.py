"""``tinygrad-rnn train``: learn a task."""

from __future__ import annotations

import argparse
import importlib.util
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ArgumentError, CheckpointError, DataError, MissingDependencyError
from ..nn.cells import NONLINEARITIES
from ..nn.init import RECURRENT
from .console import counted, print_json, say
from .inputs import CELLS, finite_number, or_none, positive_number, whole_number

if TYPE_CHECKING:
    from ..optim import Optimizer
    from ..tasks import Task
    from ..train import Checkpoint, History, RecurrentNetwork

#: What is not asked for otherwise: settings with which each task is learned in about a minute.
DEFAULTS: dict[str, dict[str, Any]] = {
    "reber": {"cell": "lstm", "hidden": 8, "batch": 1, "lr": 0.01, "steps": 5000, "every": 250},
    "adding": {"cell": "gru", "hidden": 6, "batch": 2, "lr": 0.02, "steps": 1500, "every": 100},
    "latch": {"cell": "rnn", "hidden": 4, "batch": 4, "lr": 0.02, "steps": 1500, "every": 100},
    "temporal-order": {"cell": "gru", "hidden": 8, "batch": 2, "lr": 0.02, "steps": 1000, "every": 100},
    "copy": {
        **{"cell": "rnn", "hidden": 16, "batch": 1, "lr": 0.005, "steps": 3000, "every": 250, "T": 3},
        **{"nonlinearity": "identity", "init": "orthogonal"},  # nothing vanishes, nothing explodes
    },
    "text": {"cell": "rnn", "hidden": 16, "batch": 1, "lr": 0.01, "steps": 600, "every": 100, "go_on": True},
    "series": {"cell": "lstm", "hidden": 6, "batch": 2, "lr": 0.01, "steps": 300, "every": 50, "go_on": True},
}
#: The same for every task.
USUAL: dict[str, Any] = {
    "layers": 1,
    "nonlinearity": "tanh",
    "init": "uniform",
    "forget_bias": None,  # of an lstm, FORGET_BIAS
    "optimizer": "adam",
    "clip": 1.0,
    "truncate": None,
    "validation": 64,
    "patience": None,
    "go_on": False,
    "seed": 0,
}
FORGET_BIAS = 1.0  # so that an lstm remembers to begin with (Gers et al. 2000; Jozefowicz et al. 2015)
SETTINGS = {"T": "T", "count": "count", "length": "length", "text_file": "path", "csv": "csv", "column": "column"}
FREE = {"steps", "patience", "go_on", "engine"}  # what --resume takes anew; all else must be as it was
OPTIMIZERS = ("adam", "adamw", "rmsprop", "sgd")
ENGINES = ("eager", "compiled", "compiled-fast")
COLUMNS = ("step", "sequences", "loss", "error", "seconds")


def register(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "train",
        help="train a network on a task",
        description="Train an RNN, LSTM or GRU, made of scalar Values, on a task, and save it. Ctrl-C keeps what was "
        "learned; --resume -o FILE goes on from there, with everything as it was.",
    )
    what = parser.add_argument_group("the task")
    what.add_argument("--task", choices=sorted(DEFAULTS), help="what to learn (reber)")
    what.add_argument("--T", type=whole_number(1), metavar="T", help="time steps (adding, latch, temporal-order, copy)")
    what.add_argument("--count", type=whole_number(1), metavar="N", help="letters to remember (copy)")
    what.add_argument("--length", type=whole_number(1), metavar="T", help="time steps of an example (text, series)")
    what.add_argument("--text-file", metavar="FILE", help="the text, in UTF-8 (Alice's Adventures in Wonderland)")
    what.add_argument("--csv", metavar="FILE", help="the series, a CSV file (yearly sunspot numbers)")
    what.add_argument("--column", metavar="NAME", help="the column of the CSV file")
    model = parser.add_argument_group("the network (defaults differ by task)")
    model.add_argument("--cell", choices=tuple(CELLS), help="kind of cell")
    model.add_argument("--hidden", type=whole_number(1), metavar="H", help="hidden units per layer")
    model.add_argument("--layers", type=whole_number(1), metavar="N", help="layers (1)")
    model.add_argument("--nonlinearity", choices=tuple(NONLINEARITIES), help="of an rnn (tanh; copy: identity)")
    model.add_argument(
        "--init",
        choices=RECURRENT,
        help="recurrent weights at the beginning (uniform, as in PyTorch; copy: orthogonal)",
    )
    model.add_argument(
        "--forget-bias", type=finite_number, metavar="NUMBER", help="b_f of an lstm at the beginning (1)"
    )
    how = parser.add_argument_group("training (defaults differ by task)")
    how.add_argument("--steps", type=whole_number(1), metavar="N", help="steps to take, resumed ones included")
    how.add_argument("--batch", type=whole_number(1), metavar="B", help="sequences per step")
    how.add_argument("--lr", type=positive_number, metavar="RATE", help="learning rate")
    how.add_argument("--optimizer", choices=OPTIMIZERS, help="(adam)")
    how.add_argument(
        "--clip",
        type=or_none(positive_number),
        default=argparse.SUPPRESS,  # None is a value of its own
        metavar="NORM",
        help='bound on the gradient norm, or "none" (1)',
    )
    how.add_argument("--truncate", type=whole_number(1), metavar="K", help="cut the gradient after K steps (never)")
    how.add_argument("--every", type=whole_number(1), metavar="N", help="steps between validations and checkpoints")
    how.add_argument("--validation", type=whole_number(1), metavar="N", help="sequences to validate on (64)")
    how.add_argument("--patience", type=whole_number(1), metavar="N", help="end after N validations without progress")
    how.add_argument(
        "--go-on",
        action=argparse.BooleanOptionalAction,
        help="whether to go on when a validation meets the criterion (no; text, series: yes)",
    )
    how.add_argument("--seed", type=whole_number(0), metavar="N", help="seed of weights and sequences (0)")
    how.add_argument(
        "--engine",
        choices=ENGINES,
        help="eager; compiled, the same to the bit as native code (needs the extra compile); or compiled-fast, which "
        "rounds differently (eager)",
    )
    output = parser.add_argument_group("output")
    output.add_argument(
        "-o", "--output", metavar="FILE", help="the model and all that --resume needs (TASK.safetensors)"
    )
    kept = output.add_mutually_exclusive_group()
    kept.add_argument(
        "--resume",
        action="store_true",
        help="go on from FILE as if training had never stopped; only --steps, --patience, --go-on and --engine may "
        "be other than they were",
    )
    kept.add_argument("--force", action="store_true", help="overwrite FILE")
    output.add_argument("--history", metavar="FILE", help="a row per step, .csv or .json")
    output.add_argument("--plot", metavar="FILE", help="loss, gradient norm and error by step, .png, .svg or .pdf")
    form = output.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print the result as JSON")
    form.add_argument("--quiet", action="store_true", help="print nothing")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Train; 130 if Ctrl-C ended it."""
    from ..train import load_checkpoint, train

    target = args.output or f"{args.task or 'reber'}.safetensors"
    _check_targets(args, target)
    known = {"task", "cell", "hidden", "batch", "lr", "every", "engine", *USUAL, *SETTINGS, *FREE}
    given = {
        name: option for name, option in vars(args).items() if name in known and (option is not None or name == "clip")
    }
    if args.resume:
        checkpoint = load_checkpoint(target)
        options = _resumed(given, checkpoint, target)
        task, model = checkpoint.make_task(), checkpoint.make_model()
        checkpoint.check_data(task)
        optimizer = checkpoint.make_optimizer(model)
    else:
        name = given.setdefault("task", "reber")
        options = {**USUAL, **DEFAULTS[name], **given}
        task, model, optimizer = made(options)
    quiet = args.quiet or args.json
    if not quiet:
        _introduce(task, model)
    history = train(
        model,
        task,
        optimizer=optimizer,
        **arguments(options),
        keep_best=options.get("keep_best", True),
        checkpoint=target,
        resume=args.resume,
        progress=False if quiet else None,
        on_validation=None if quiet else _print_row,
    )
    if args.history:
        (history.write_json if args.history.endswith(".json") else history.write_csv)(args.history)
    if args.plot:
        history.plot(args.plot)
    if args.json:
        print_json(
            {"task": task.name, "settings": task.settings(), "model": repr(model), **vars(history), "file": target}
        )
    elif not args.quiet:
        _conclude(history, task, len(task.validation(options["validation"])), target)
    return 130 if history.ending == "interrupted" else 0


def arguments(options: dict[str, Any]) -> dict[str, Any]:
    """What the options say to `tinygrad_rnn.train.train`."""
    return {
        "steps": options["steps"],
        "batch_size": options["batch"],
        "max_norm": options["clip"],
        "truncate": options["truncate"],
        "seed": options["seed"],
        "validate_every": options["every"],
        "validation_size": options["validation"],
        "patience": options["patience"],
        "stop_when_solved": not options["go_on"],
        "engine": options.get("engine", "eager").replace("-", " "),
    }


def made(options: dict[str, Any]) -> tuple[Task, RecurrentNetwork, Optimizer]:
    """The task, the network and the optimizer that the options describe."""
    from .. import optim
    from ..tasks import TASKS, make_task
    from ..train import RecurrentNetwork

    name, cell = options["task"], options["cell"]
    settings = {SETTINGS[option]: option for option in SETTINGS if option in options}
    for setting in sorted(settings.keys() - TASKS[name].known_settings()):
        raise ArgumentError(f"--{settings[setting].replace('_', '-')} is no option of task {name}")
    task = make_task(name, {setting: options[option] for setting, option in settings.items()})
    more: dict[str, Any] = {}
    check_cell(options)
    if cell == "lstm":
        bias = options.get("forget_bias")
        more["forget_bias"] = FORGET_BIAS if bias is None else bias
    if cell == "rnn":
        more["nonlinearity"] = options["nonlinearity"]
    model = RecurrentNetwork.for_task(
        task, cell, options["hidden"], options["layers"], options["seed"], options["init"], **more
    )
    kinds = {kind.lower(): made for kind, made in optim.OPTIMIZERS.items()}
    return task, model, kinds[options["optimizer"]](model.parameters(), lr=options["lr"])


def check_cell(options: dict[str, Any]) -> None:
    """Check that the kind of cell has what the options say of it.

    Raises:
        ArgumentError: it has not.
    """
    cell = options["cell"]
    usual = (USUAL["nonlinearity"], DEFAULTS[options["task"]].get("nonlinearity"))
    if cell != "rnn" and options["nonlinearity"] not in usual:
        raise ArgumentError(f"--nonlinearity with --cell {cell}", remedy="Only an rnn has a choice of it")
    if cell != "lstm" and options.get("forget_bias") is not None:
        raise ArgumentError(f"--forget-bias with --cell {cell}", remedy="Only an lstm has a forget gate")


def _resumed(given: dict[str, Any], checkpoint: Checkpoint, target: str) -> dict[str, Any]:
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
            option = name.replace("_", "-")
            raise ArgumentError(f"--{option} is for a new network, --resume goes on with that of {target}")
    other = [name for name in given if name not in FREE and given[name] != was[name]]
    if other:
        differences = (
            f"--{name.replace('_', '-')} is {was[name] if was[name] is not None else 'not set'} in {target}, "
            f"not {'none' if given[name] is None else given[name]}"
            for name in other
        )
        raise ArgumentError(
            "; ".join(differences),
            remedy="Go on with --resume -o FILE alone, or start anew in another file",
        )
    return {**was, **given}


def _options_of(checkpoint: Checkpoint) -> dict[str, Any]:
    """The options that a checkpoint was made with."""
    state = checkpoint.state
    built, made, settings, limits = (state[part] for part in ("architecture", "optimizer", "settings", "limits"))
    arguments = built.get("arguments", {})
    return {
        "task": state["task"]["name"],
        **{option: state["task"]["settings"].get(setting) for option, setting in SETTINGS.items()},
        "cell": built["kind"].lower(),
        "hidden": arguments.get("hidden_size"),
        "layers": arguments.get("num_layers"),
        "nonlinearity": arguments.get("nonlinearity"),
        "optimizer": made["kind"].lower(),
        "lr": made["lr"],
        "batch": settings["batch_size"],
        "clip": settings["max_norm"],
        "truncate": settings["truncate"],
        "every": settings["validate_every"],
        "validation": settings["validation_size"],
        "seed": settings["seed"],
        "keep_best": settings["keep_best"],
        "steps": limits["steps"],
        "patience": limits["patience"],
        "go_on": not limits["stop_when_solved"],
    }


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
    numbers = (f"{row['validation_loss']:.4f}", f"{row['validation_error']:.4f}", f"{row['seconds']:.1f}")
    print("  ".join(f"{number:>9}" for number in (row["step"], row["sequences"], *numbers)), flush=True)


def _conclude(history: History, task: Task, checked: int, target: str) -> None:
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
    best = f"best {history.metric} {history.best:.4g} at step {row['step']}, " if row else ""
    say(f"{ending}: {best}criterion {history.goal:.4g}, trivially {history.baseline:.4g}.")
    kept = f"with the weights of step {row['step']}" if row and history.best_is_earlier else "as it is now"
    others = "on other sequences" if "seed" in task.validation_by else "again on the held-out part of the data"
    say(f"Model: {target}, {kept}. Measure it {others} with tinygrad-rnn eval {target}.")
    more = "" if history.ending == "interrupted" else f" --steps {2 * len(history.rows)}"
    more += " --go-on" if history.ending == "solved" else ""
    say(f"Go on with tinygrad-rnn train --resume -o {target}{more}.")
