"""``tinygrad-rnn eval``: measure what a trained network has learned."""

from __future__ import annotations

import argparse
from typing import Any

from ..errors import ArgumentError
from .console import counted, print_json, say
from .inputs import whole_number

HELD_OUT = "These are of the held-out part of the data, on which training validated and chose the best weights, too."


def register(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "eval",
        help="measure a trained network",
        description="Measure a network that `tinygrad-rnn train` saved, by its task's own criterion, on new "
        "sequences (text, series: on the part that was held out, the same as in training).",
    )
    parser.add_argument("model", metavar="FILE", help="what train saved")
    parser.add_argument("--sequences", type=whole_number(1), metavar="N", help="how many (256; not for series)")
    parser.add_argument(
        "--seed", type=whole_number(0), metavar="N", help="seed of the sequences (1; not for text, series)"
    )
    parser.add_argument("--T", type=whole_number(1), metavar="T", help="another number of time steps")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Measure."""
    from ..train import load_checkpoint, validate

    checkpoint = load_checkpoint(args.model)
    trained_on = checkpoint.make_task()
    if args.T is not None and "T" not in trained_on.known_settings():
        raise ArgumentError(f"--T is no option of task {trained_on.name}")
    for option, argument in (("sequences", "count"), ("seed", "seed")):
        if getattr(args, option) is not None and argument not in trained_on.validation_by:
            raise ArgumentError(
                f"--{option} makes no difference to task {trained_on.name}",
                remedy="Leave it out: it is measured on the part of the data that was held out",
            )
    checkpoint.check_data(trained_on)
    task = trained_on if args.T is None else checkpoint.make_task(T=args.T)
    model = checkpoint.make_model()
    model.check_fits(task)
    examples = task.validation(args.sequences or 256, 1 if args.seed is None else args.seed)
    loss, error = validate(model, task, examples)
    if args.json:
        print_json(
            {
                "task": task.name,
                "settings": task.settings(),
                "step": checkpoint.step,
                "sequences": len(examples),
                "loss": loss,
                "metric": task.metric,
                "error": error,
                "goal": task.goal,
                "baseline": task.baseline,
                "solved": error <= task.goal,
            }
        )
    else:
        say(
            f"{model!r} with the weights of step {checkpoint.model_step} of {checkpoint.step} on {task!r}, "
            f"{counted(len(examples), 'sequence')}:"
        )
        say(f"loss {loss:.4f}; {task.metric} {error:.4f}; criterion {task.goal:.4g}, trivially {task.baseline:.4g}")
        if "seed" not in task.validation_by:
            say(HELD_OUT)
        say("Solved." if error <= task.goal else "Not solved.")
    return 0
