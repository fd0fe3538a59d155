"""The main job: unroll, run backward(), and show how the gradient reached every step."""

from __future__ import annotations

import argparse

from .inputs import add_input_options, read_problem


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the main job."""
    add_input_options(parser)


def run(args: argparse.Namespace) -> int:
    """Do the main job."""
    problem = read_problem(args)
    problem.loss.backward()
    print(problem.title)
    return 0
