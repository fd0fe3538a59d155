"""``tinygrad-rnn eval``: measure what a trained network has learned."""

from __future__ import annotations

import argparse
from typing import Any

from ..errors import ArgumentError
from .console import print_json, say
from .inputs import whole_number


def register(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "eval",
        help="measure a trained network",
        description="Measure a network that `tinygrad-rnn train` saved, by its task's own criterion, on new sequences.",
    )
    parser.add_argument("model", metavar="FILE", help="what train saved")
    parser.add_argument("--sequences", type=whole_number(1), default=256, metavar="N", help="how many (256)")
    parser.add_argument("--seed", type=whole_number(0), default=1, metavar="N", help="seed of the sequences (1)")
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
    checkpoint.check_data(trained_on)
    task = trained_on if args.T is None else checkpoint.make_task(T=args.T)
    model = checkpoint.make_model()
    model.check_fits(task)
    examples = task.validation(args.sequences, args.seed)
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
            f"{len(examples)} sequences:"
        )
        say(f"loss {loss:.4f}; {task.metric} {error:.4f}; criterion {task.goal:.4g}, trivially {task.baseline:.4g}")
        say("Solved." if error <= task.goal else "Not solved.")
    return 0
