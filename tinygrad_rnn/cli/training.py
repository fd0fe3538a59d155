"""The options of training, which ``train`` and ``sweep`` share, and what they describe."""

from __future__ import annotations

import argparse
import inspect
from collections.abc import Callable, Collection, Mapping
from typing import Any

from .. import optim
from ..errors import ArgumentError
from ..nn.cells import NONLINEARITIES
from ..nn.init import RECURRENT
from ..nn.kinds import KINDS, ONLY, own_settings
from ..tasks import TASKS, Task, make_task
from ..train import Limits, RecurrentNetwork, Settings
from ..train.network import check_bidirectional
from .inputs import OF_CSV, check_kind
from .options import (
    Option,
    Table,
    as_typed,
    factor,
    finite_number,
    flag,
    or_none,
    positive_number,
    seed_option,
    whole_number,
    yes_or_no,
)

Options = dict[str, Any]  # by name, as in `OPTIONS`

#: Defaults by task: settings with which each is learned in about a minute.
DEFAULTS: dict[str, Options] = {
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
#: Defaults of every task.
USUAL: Options = {
    "layers": 1,
    "bidirectional": False,
    "nonlinearity": "tanh",
    "init": "uniform",
    "forget_bias": 1.0,  # so that an lstm remembers to begin with (Gers et al. 2000; Jozefowicz et al. 2015)
    "schedule": "constant",
    "optimizer": "adam",
    "clip": 1.0,
    "truncate": None,
    "validation": 64,
    "patience": None,
    "go_on": False,
    "engine": "eager",
}
#: Options that are settings of the task, and what it calls them.
SETTINGS = {
    "T": "T",
    "count": "count",
    "length": "length",
    "text_file": "path",
    "csv": "csv",
    **{name: name for name in OF_CSV},
}
ENGINES = ("eager", "compiled", "compiled-fast")
#: Schedules by name: the class in `optim`, and those of its arguments that follow the name, after colons.
SCHEDULES: dict[str, tuple[str, dict[str, Callable[[str], object]]]] = {
    "cosine": ("CosineAnnealingLR", {}),
    "step": ("StepLR", {"step_size": whole_number(1), "gamma": factor}),
    "exponential": ("ExponentialLR", {"gamma": factor}),
}
DEFAULT_TASK = "reber"


class TrainingOption(Option):
    """An option of training. Its default is not that of the parser, which leaves it out: see `with_defaults`.

    Args:
        varies: whether a sweep takes several values.
        name, help, usual, more: as for `Option`; ``usual`` is by default what `DEFAULTS` and `USUAL` say.
    """

    def __init__(self, name: str, help: str, *, usual: str | None = None, varies: bool = True, **more: Any) -> None:
        super().__init__(name, help, default=argparse.SUPPRESS, usual=usual or _usual(name), **more)
        self.varies = varies

    def of_a_sweep(self) -> Option:
        """The same option with any number of values, if it varies."""
        if not self.varies:
            return self
        settings = {**self.settings, "nargs": "+"}
        if settings.pop("action", None):  # an option that is switched on and off
            settings |= {"type": yes_or_no, "metavar": "no|yes"}
        return Option(self.name, self.help, default=self.default, usual=self.usual, **settings)


def _usual(name: str) -> str:
    """The default of an option for people: that of the default task, and the tasks where it is another."""
    tasks: dict[str, list[str]] = {}
    for task, settings in DEFAULTS.items():
        arguments = inspect.signature(TASKS[task]).parameters
        of_task = {option: arguments[setting].default for option, setting in SETTINGS.items() if setting in arguments}
        usual = {**of_task, **USUAL, **settings}
        if name in usual:
            tasks.setdefault(as_typed(usual[name]), []).append(task)
    first, *others = tasks
    return "; ".join([first, *(f"{', '.join(tasks[value])}: {value}" for value in others)])


def schedule(text: str) -> str:
    """The type of an option that takes "constant", or one of `SCHEDULES` with its arguments."""
    name, *texts = text.split(":")
    arguments = SCHEDULES[name][1] if name in SCHEDULES else {}
    if name not in ("constant", *SCHEDULES) or len(texts) != len(arguments):
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is not constant, cosine, step:N:FACTOR or exponential:FACTOR")
    return ":".join([name, *(str(parse(text)) for parse, text in zip(arguments.values(), texts))])


ON_OR_OFF = argparse.BooleanOptionalAction
OPTIONS: Mapping[str, tuple[TrainingOption, ...]] = {
    "the task": (
        TrainingOption("task", "task to learn", usual=DEFAULT_TASK, choices=sorted(DEFAULTS), varies=False),
        TrainingOption("T", "time steps (adding, latch, temporal-order, copy)", type=whole_number(1), metavar="T"),
        TrainingOption("count", "letters to remember (copy)", type=whole_number(1), metavar="N"),
        TrainingOption("length", "time steps of an example (text, series)", type=whole_number(1), metavar="T"),
        TrainingOption(
            "text_file",
            "text to learn, in UTF-8 (text)",
            usual="Alice's Adventures in Wonderland",
            metavar="FILE",
            varies=False,
        ),
        TrainingOption(
            "csv", "CSV file with the series (series)", usual="yearly sunspot numbers", metavar="FILE", varies=False
        ),
        *(TrainingOption(name, varies=False, **settings) for name, settings in OF_CSV.items()),
    ),
    "the network": (
        TrainingOption("cell", "kind of cell", choices=tuple(KINDS)),
        TrainingOption("hidden", "hidden units per layer", type=whole_number(1), metavar="H"),
        TrainingOption("layers", "number of layers", type=whole_number(1), metavar="N"),
        TrainingOption(
            "bidirectional",
            "also read backwards; not for reber, text, series, which predict the next input",
            action=ON_OR_OFF,
        ),
        TrainingOption("nonlinearity", "nonlinearity of an rnn", choices=tuple(NONLINEARITIES)),
        TrainingOption("init", "initial recurrent weights, where uniform is as in PyTorch", choices=RECURRENT),
        TrainingOption(
            "forget_bias",
            'initial b_f of an lstm, or "none": drawn like its other weights',
            type=or_none(finite_number),
            metavar="NUMBER",
        ),
    ),
    "training": (
        TrainingOption("steps", "number of updates in all", type=whole_number(1), metavar="N"),
        TrainingOption("batch", "sequences per update", type=whole_number(1), metavar="B"),
        TrainingOption("lr", "learning rate", type=positive_number, metavar="RATE"),
        TrainingOption(
            "schedule",
            "schedule of the rate: constant, cosine (down to 0 at --steps), step:N:FACTOR (times FACTOR, at most 1, "
            "every N updates), or exponential:FACTOR (at every update)",
            type=schedule,
            metavar="SCHEDULE",
        ),
        TrainingOption("optimizer", "optimizer", choices=tuple(map(str.lower, optim.OPTIMIZERS))),
        TrainingOption("clip", 'bound on the gradient norm, or "none"', type=or_none(positive_number), metavar="NORM"),
        TrainingOption(
            "truncate",
            'truncated BPTT in chunks of K time steps, k1 = k2 = K, or "none"',
            type=or_none(whole_number(1)),
            metavar="K",
        ),
        TrainingOption("every", "updates between validations", type=whole_number(1), metavar="N", varies=False),
        TrainingOption("validation", "sequences to validate on", type=whole_number(1), metavar="N", varies=False),
        TrainingOption(
            "patience",
            'number of validations without progress after which to end, or "none"',
            type=or_none(whole_number(1)),
            metavar="N",
        ),
        TrainingOption("go_on", "go on when a validation meets the criterion", action=ON_OR_OFF, varies=False),
        TrainingOption(
            "engine",
            "eager; compiled: native code, the same bits (needs the extra compile); or compiled-fast, which "
            "rounds differently",
            choices=ENGINES,
            varies=False,
        ),
    ),
}
SEED = seed_option("weights and sequences", argparse.SUPPRESS, "0")
NAMES = [option.name for options in OPTIONS.values() for option in options]
VARIED = [option.name for options in OPTIONS.values() for option in options if option.varies]


def training_options(several: bool = False) -> Table:
    """`OPTIONS` and a seed; if ``several``, with any number of values where they vary, and without a seed."""
    if several:
        return {title: [option.of_a_sweep() for option in options] for title, options in OPTIONS.items()}
    return {**OPTIONS, "training": (*OPTIONS["training"], SEED)}


def typed_options(args: argparse.Namespace) -> Options:
    """The `OPTIONS` that were typed, and the seed."""
    return {name: getattr(args, name) for name in (*NAMES, "seed") if hasattr(args, name)}


def with_defaults(typed: Options) -> Options:
    """The typed options, completed with the defaults for this task and cell."""
    task = typed.get("task", DEFAULT_TASK)
    usual = {**USUAL, **DEFAULTS[task]}
    own = own_settings(typed.get("cell", usual["cell"]))
    return {"task": task, **{name: value for name, value in usual.items() if name not in ONLY or name in own}, **typed}


def check(typed: Collection[str], options: Options) -> None:
    """Check that the typed options apply to the task and the cell, and that all go together.

    Args:
        typed: names of those that were typed.
        options: all, with their values.

    Raises:
        ArgumentError: one does not apply, or two do not go together.
    """
    known = TASKS[options["task"]].known_settings()
    for name in typed:
        if name in SETTINGS and SETTINGS[name] not in known:
            raise ArgumentError(f"{flag(name)} is not an option of task {options['task']}")
    check_kind(options["cell"], typed)
    if options["bidirectional"]:
        check_bidirectional(TASKS[options["task"]], options["truncate"], options["engine"])


def engine_name(options: Options) -> str:
    """The engine, as `Settings` has it."""
    return str(options["engine"].replace("-", " "))


def arguments(
    options: Options, optimizer: optim.Optimizer, scheduler: optim.LRScheduler | None
) -> tuple[Settings, Limits]:
    """The settings and limits of training that the options describe."""
    settings = Settings(
        optimizer=optimizer,
        scheduler=scheduler,
        batch_size=options["batch"],
        max_norm=options["clip"],
        truncate=options["truncate"],
        seed=options["seed"],
        validate_every=options["every"],
        validation_size=options["validation"],
        keep_best=options.get("keep_best", True),
        engine=engine_name(options),
    )
    return settings, Limits(options["steps"], options["patience"], not options["go_on"])


def build_task(options: Options) -> Task:
    """Build the task that the options describe."""
    settings = {setting: options[name] for name, setting in SETTINGS.items() if name in options}
    return make_task(options["task"], settings)


def build(options: Options) -> tuple[Task, RecurrentNetwork, optim.Optimizer, optim.LRScheduler | None]:
    """Build the task, the network, the optimizer and the schedule that the options describe."""
    task, cell = build_task(options), options["cell"]
    sizes = options["hidden"], options["layers"]
    more = {name: options[name] for name in own_settings(cell)}
    more["bidirectional"] = options["bidirectional"]
    model = RecurrentNetwork.for_task(task, cell, *sizes, options["seed"], options["init"], **more)
    optimizers = {name.lower(): optimizer for name, optimizer in optim.OPTIMIZERS.items()}
    optimizer = optimizers[options["optimizer"]](model.parameters(), lr=options["lr"])
    name, *texts = options["schedule"].split(":")
    if name == "constant":
        return task, model, optimizer, None
    kind, parsers = SCHEDULES[name]
    settings = {setting: parse(text) for (setting, parse), text in zip(parsers.items(), texts)}
    if name == "cosine":
        settings["T_max"] = options["steps"]
    return task, model, optimizer, optim.SCHEDULES[kind](optimizer, **settings)


def schedule_of(scheduler: optim.LRScheduler | None) -> str:
    """A schedule as it is typed; or its kind if it cannot be typed."""
    if scheduler is None:
        return "constant"
    kind = type(scheduler).__name__
    for name, (known, arguments) in SCHEDULES.items():
        if known == kind:
            return ":".join([name, *(str(getattr(scheduler, argument)) for argument in arguments)])
    return kind
