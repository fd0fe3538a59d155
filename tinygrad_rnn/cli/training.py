"""The options of training, shared by the commands that train, and what they describe."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import ArgumentError
from ..nn.cells import NONLINEARITIES
from ..nn.init import RECURRENT
from .inputs import CELLS, factor, finite_number, or_none, positive_number, whole_number

if TYPE_CHECKING:
    from .. import train
    from ..optim import LRScheduler, Optimizer
    from ..tasks import Task
    from ..train import RecurrentNetwork

Options = dict[str, Any]  # by name, as in `OPTIONS`

#: What is not asked for otherwise: settings with which each task is learned in about a minute.
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
#: The same for every task.
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
SETTINGS = {"T": "T", "count": "count", "length": "length", "text_file": "path", "csv": "csv", "column": "column"}
ENGINES = ("eager", "compiled", "compiled-fast")
#: Schedules by name: the class in `optim`, and those of its arguments that follow the name, after colons.
SCHEDULES: dict[str, tuple[str, dict[str, Callable[[str], Any]]]] = {
    "cosine": ("CosineAnnealingLR", {}),
    "step": ("StepLR", {"step_size": whole_number(1), "gamma": factor}),
    "exponential": ("ExponentialLR", {"gamma": factor}),
}
ONLY = {"nonlinearity": ("rnn", "a choice of it"), "forget_bias": ("lstm", "a forget gate")}  # kinds that have it


@dataclass(frozen=True)
class Option:
    """An option of training. Its default is not that of the parser: see `complete`.

    Attributes:
        name: what it is parsed to.
        help: what it means, for people.
        type: of a value, from its text; bool for one that is only switched on or off.
        metavar: what a value is called.
        choices: the values that there are, where they are few.
        varies: whether a sweep takes several values.
    """

    name: str
    help: str
    type: Callable[[str], Any] = str
    metavar: str | None = None
    choices: Collection[str] | None = None
    varies: bool = True

    @property
    def flag(self) -> str:
        """What is typed."""
        return flag(self.name)

    def add_to(self, group: Any, several: bool) -> None:
        """Add it to a parser; if ``several``, with any number of values where it varies."""
        kind: dict[str, Any] = {"help": self.help}
        if self.type is bool and several and self.varies:
            kind |= {"type": yes_or_no, "metavar": "no|yes"}
        elif self.type is bool:
            kind |= {"action": argparse.BooleanOptionalAction}
        else:
            kind |= {"type": self.type, "metavar": self.metavar, "choices": self.choices}
        if several and self.varies:
            kind |= {"nargs": "+"}
        group.add_argument(self.flag, **kind)


def dashed(name: str) -> str:
    """The name of an option as people know it."""
    return name.replace("_", "-")


def flag(name: str) -> str:
    """What is typed for the option of this name."""
    return f"--{dashed(name)}"


def shown(value: Any) -> str:
    """The value of an option, as it is typed."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value is None else str(value)


def yes_or_no(text: str) -> bool:
    """The type of an option that takes "yes" or "no"."""
    if text not in ("yes", "no"):
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is neither yes nor no")
    return text == "yes"


def schedule(text: str) -> str:
    """The type of an option that takes "constant", or one of `SCHEDULES` with its arguments."""
    name, *texts = text.split(":")
    arguments = SCHEDULES[name][1] if name in SCHEDULES else {}
    if name not in ("constant", *SCHEDULES) or len(texts) != len(arguments):
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is not constant, cosine, step:N:FACTOR or exponential:FACTOR")
    return ":".join([name, *(str(parse(text)) for parse, text in zip(arguments.values(), texts))])


OPTIONS = {
    "the task": (
        Option("task", "what to learn (reber)", choices=sorted(DEFAULTS), varies=False),
        Option("T", "time steps (adding, latch, temporal-order, copy)", whole_number(1), "T"),
        Option("count", "letters to remember (copy)", whole_number(1), "N"),
        Option("length", "time steps of an example (text, series)", whole_number(1), "T"),
        Option("text_file", "the text, in UTF-8 (Alice's Adventures in Wonderland)", metavar="FILE", varies=False),
        Option("csv", "the series, a CSV file (yearly sunspot numbers)", metavar="FILE", varies=False),
        Option("column", "the column of the CSV file", metavar="NAME", varies=False),
    ),
    "the network (defaults differ by task)": (
        Option("cell", "kind of cell", choices=tuple(CELLS)),
        Option("hidden", "hidden units per layer", whole_number(1), "H"),
        Option("layers", "layers (1)", whole_number(1), "N"),
        Option("bidirectional", "read backwards, too (no; not for reber, text, series, where the next input is asked)",
               bool),
        Option("nonlinearity", "of an rnn (tanh; copy: identity)", choices=tuple(NONLINEARITIES)),
        Option("init", "recurrent weights at first (uniform, as in PyTorch; copy: orthogonal)", choices=RECURRENT),
        Option("forget_bias", 'b_f of an lstm at first, or "none": drawn like its other weights (1)',
               or_none(finite_number), "NUMBER"),
    ),
    "training (defaults differ by task)": (
        Option("steps", "steps to take in all", whole_number(1), "N"),
        Option("batch", "sequences per step", whole_number(1), "B"),
        Option("lr", "learning rate", positive_number, "RATE"),
        Option("schedule", "of the rate: constant, cosine (down to 0 at --steps), step:N:FACTOR (times FACTOR, at "
               "most 1, every N steps), or exponential:FACTOR (at every step) (constant)", schedule, "SCHEDULE"),
        Option("optimizer", "(adam)", choices=("adam", "adamw", "rmsprop", "sgd")),
        Option("clip", 'bound on the gradient norm, or "none" (1)', or_none(positive_number), "NORM"),
        Option("truncate", 'cut the gradient after K steps, or "none" (none)', or_none(whole_number(1)), "K"),
        Option("every", "steps between validations", whole_number(1), "N", varies=False),
        Option("validation", "sequences to validate on (64)", whole_number(1), "N", varies=False),
        Option("patience", 'end after N validations without progress, or "none" (none)',
               or_none(whole_number(1)), "N"),
        Option("go_on", "whether to go on when a validation meets the criterion (no; text, series: yes)",
               bool, varies=False),
        Option("engine", "eager; compiled, the same to the bit as native code (needs the extra compile); or "
               "compiled-fast, which rounds differently (eager)",
               choices=ENGINES, varies=False),
    ),
}  # fmt: skip
NAMES = [option.name for options in OPTIONS.values() for option in options]
NOT_GIVEN = object()  # None is a value of its own
VARIED = [option.name for options in OPTIONS.values() for option in options if option.varies]


def add_training_options(parser: argparse.ArgumentParser, several: bool = False) -> None:
    """Add `OPTIONS`, in groups; if ``several``, with any number of values where they vary, else with a seed."""
    for title, options in OPTIONS.items():
        group = parser.add_argument_group(title)
        for option in options:
            option.add_to(group, several)
    if not several:
        parser.add_argument("--seed", type=whole_number(0), metavar="N", help="seed of weights and sequences (0)")
    parser.set_defaults(**dict.fromkeys([*NAMES, "seed"], NOT_GIVEN))


def given_options(args: argparse.Namespace) -> Options:
    """Those of `OPTIONS` that were typed, and the seed."""
    found = {name: getattr(args, name) for name in (*NAMES, "seed")}
    return {name: value for name, value in found.items() if value is not NOT_GIVEN}


def complete(given: Options) -> Options:
    """The options given, and the defaults of all others that the cell has."""
    task = given.get("task", "reber")
    usual = {**USUAL, **DEFAULTS[task]}
    cell = given.get("cell", usual["cell"])
    known = {name: value for name, value in usual.items() if name not in ONLY or cell == ONLY[name][0]}
    return {"task": task, **known, **given}


def check(given: Collection[str], options: Options) -> None:
    """Check that task and cell have the options given, and that those go together.

    Args:
        given: names of those that were typed.
        options: all, with their values.

    Raises:
        ArgumentError: they have not.
    """
    from ..tasks import TASKS
    from ..train.network import check_bidirectional

    known = TASKS[options["task"]].known_settings()
    for name in given:
        if name in SETTINGS and SETTINGS[name] not in known:
            raise ArgumentError(f"{flag(name)} is no option of task {options['task']}")
        if name in ONLY and options["cell"] != ONLY[name][0]:
            kind, what = ONLY[name]
            raise ArgumentError(f"{flag(name)} with --cell {options['cell']}", remedy=f"Only an {kind} has {what}")
    if options["bidirectional"]:
        check_bidirectional(TASKS[options["task"]], options["truncate"], options["engine"])


def arguments(
    options: Options, optimizer: Optimizer, scheduler: LRScheduler | None
) -> tuple[train.Settings, train.Limits]:
    """Settings and limits of training, as the options describe them."""
    from .. import train

    settings = train.Settings(
        optimizer=optimizer,
        scheduler=scheduler,
        batch_size=options["batch"],
        max_norm=options["clip"],
        truncate=options["truncate"],
        seed=options["seed"],
        validate_every=options["every"],
        validation_size=options["validation"],
        keep_best=options.get("keep_best", True),
        engine=options["engine"].replace("-", " "),
    )
    return settings, train.Limits(options["steps"], options["patience"], not options["go_on"])


def made_task(options: Options) -> Task:
    """The task that the options describe."""
    from ..tasks import make_task

    settings = {setting: options[name] for name, setting in SETTINGS.items() if name in options}
    return make_task(options["task"], settings)


def made(options: Options) -> tuple[Task, RecurrentNetwork, Optimizer, LRScheduler | None]:
    """The task, the network, the optimizer and the schedule that the options describe."""
    from .. import optim
    from ..train import RecurrentNetwork

    task, cell = made_task(options), options["cell"]
    sizes = options["hidden"], options["layers"]
    more = {name: options[name] for name, (kind, _) in ONLY.items() if kind == cell}
    more["bidirectional"] = options["bidirectional"]
    model = RecurrentNetwork.for_task(task, cell, *sizes, options["seed"], options["init"], **more)
    kinds = {kind.lower(): made for kind, made in optim.OPTIMIZERS.items()}
    optimizer = kinds[options["optimizer"]](model.parameters(), lr=options["lr"])
    name, *texts = options["schedule"].split(":")
    if name == "constant":
        return task, model, optimizer, None
    kind, parsers = SCHEDULES[name]
    settings = {setting: parse(text) for (setting, parse), text in zip(parsers.items(), texts)}
    if name == "cosine":
        settings["T_max"] = options["steps"]
    return task, model, optimizer, optim.SCHEDULES[kind](optimizer, **settings)


def schedule_of(kind: str, settings: Mapping[str, Any]) -> str:
    """What is typed for a schedule of this kind in `optim`, with these arguments; or its kind, where nothing is."""
    for name, (known, arguments) in SCHEDULES.items():
        if known == kind:
            return ":".join([name, *(str(settings[argument]) for argument in arguments)])
    return kind
