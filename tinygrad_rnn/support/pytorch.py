"""Options that PyTorch has and this package lacks: they are refused, and the error says what to do instead."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from functools import wraps
from typing import ParamSpec, TypeVar

from ..errors import OptionError

P = ParamSpec("P")
R = TypeVar("R")

#: PyTorch's options that are missing here, and what there is instead.
INSTEAD = {
    "assign": "numbers are loaded into the Values that there are",
    "batch_first": "a sequence is x_1 … x_T, one at a time",
    "capturable": "there is no GPU",
    "check_backward_ad": "there is one way to a derivative",
    "check_batched_forward_grad": "there are no batches",
    "check_batched_grad": "there are no batches",
    "check_forward_ad": "there is one way to a derivative",
    "check_grad_dtypes": "every number is a double",
    "check_undefined_grad": "a gradient is always a number",
    "closure": "compute loss and gradients before `step()`",
    "create_graph": "there are no second derivatives",
    "decoupled_weight_decay": "take `AdamW`",
    "destination": "a new dict is returned",
    "device": "there is no GPU",
    "differentiable": "no gradient flows through an update",
    "dropout": "there is none",
    "dtype": "every number is a double",
    "epoch": "`lr_at(n)` is the rate after n steps",
    "error_if_nonfinite": "it is always an error",
    "fast_mode": "every input is checked",
    "foreach": "it is a matter of speed",
    "fused": "it is a matter of speed",
    "generator": "give `seed=`",
    "ignore_index": "take the time step out of both lists",
    "inputs": "take `engine.backward.gradients(root, of)`",
    "keep_vars": "numbers are returned",
    "label_smoothing": "there is none",
    "last_epoch": "`load_state_dict` sets where a schedule stands",
    "masked": "there are no sparse tensors",
    "mean": "it is 0; add a number to the parameters' data",
    "nondet_tol": "the engine is deterministic",
    "pos_weight": "weigh the losses of single entries",
    "prefix": "add it to the names",
    "proj_size": "take a `Linear` after each time step",
    "recurse": "it always does; `vars(module)` has what is a module's own",
    "reduce": "it is always the mean",
    "reduction": "it is always the mean; `total` of single losses is their sum",
    "remove_duplicate": "each is always listed once",
    "size_average": "it is always the mean",
    "strict": "it always is",
    "weight": "weigh the losses of single time steps",
}


def refuses_options(function: Callable[P, R]) -> Callable[P, R]:
    """A decorator for a function with a name of PyTorch's: arguments that it does not take are an OptionError.

    Only a call that Python has refused is examined, so every other costs as much as without the decorator.
    """

    def call(*args: P.args, **options: P.kwargs) -> R:
        try:
            return function(*args, **options)
        except TypeError as error:
            if error.__traceback__ is not None and error.__traceback__.tb_next is None:  # the call itself was refused
                refuse(function, args, options)
            raise

    call.__code__ = call.__code__.replace(co_name=function.__name__)  # for debuggers, tracebacks and profilers
    return wraps(function)(call)


def refuse(function: Callable[..., object], args: tuple[object, ...], options: Iterable[str]) -> None:
    """Refuse arguments that a function does not take; do nothing if it takes them all.

    Raises:
        OptionError: there is one; the error says what there is instead.
    """
    starred = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    found = inspect.signature(function).parameters
    parameters = {name: each for name, each in found.items() if name != "self" and each.kind not in starred}
    name = function.__qualname__
    if name.endswith((".__init__", ".__call__")):
        name = f"{type(args[0]).__name__}{'()(…)' if name.endswith('.__call__') else ''}"
    for option in options:
        if option not in parameters:
            raise OptionError(f"{name} has no option {option}", remedy=_remedy(option, list(parameters)))
    first = [each.name for each in parameters.values() if each.kind is not inspect.Parameter.KEYWORD_ONLY]
    if len(args) - ("self" in found) > len(first):
        raise OptionError(
            f"{name} takes {', '.join(first) or 'nothing'} by position",
            remedy="Give others by name" if len(parameters) > len(first) else "Leave out the rest",
        )


def _remedy(option: str, known: list[str]) -> str:
    close = get_close_matches(option, known, n=1, cutoff=0.7 if option not in INSTEAD else 0.85)
    if close:
        return f"Did you mean {close[0]}?"
    if option in INSTEAD:
        return f"Leave it out: {INSTEAD[option].replace('`', '')}"
    return f"It has {', '.join(known) or 'no options'}"
