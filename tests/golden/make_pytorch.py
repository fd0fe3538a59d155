"""Writes tinygrad_rnn/nn/PYTORCH.md: where names that are PyTorch's take other arguments, or mean something else.

Run with PyTorch installed: python -m tests.golden.make_pytorch
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Iterator
from functools import reduce
from pathlib import Path
from typing import Any

import tinygrad_rnn.optim
from tinygrad_rnn.support.pytorch import INSTEAD

FILE = Path(tinygrad_rnn.__file__).parent / "nn" / "PYTORCH.md"

#: Names below `tinygrad_rnn`, and what is called the same below `torch`.
NAMES = {
    **{f"nn.{name}": f"nn.{name}" for name in ("RNN", "LSTM", "GRU", "RNNCell", "LSTMCell", "GRUCell", "Linear")},
    "nn.RNN.__call__": "nn.RNN.forward",
    "nn.LSTM.__call__": "nn.LSTM.forward",
    "nn.Linear.__call__": "nn.Linear.forward",
    **{
        f"nn.Module.{name}": f"nn.Module.{name}"
        for name in (
            "named_parameters",
            "parameters",
            "named_children",
            "modules",
            "zero_grad",
            "state_dict",
            "load_state_dict",
        )
    },
    **{
        f"nn.{name}": f"nn.functional.{name}"
        for name in ("cross_entropy", "mse_loss", "binary_cross_entropy_with_logits")
    },
    **{f"nn.init.{name}": f"nn.init.{name}" for name in ("constant_", "eye_", "normal_", "orthogonal_")},
    **{f"optim.{name}": f"optim.{name}" for name in tinygrad_rnn.optim.OPTIMIZERS},
    **{
        f"optim.Optimizer.{name}": f"optim.Optimizer.{name}"
        for name in ("step", "zero_grad", "state_dict", "load_state_dict")
    },
    **{
        f"optim.{name}": f"optim.lr_scheduler.{name}"
        for name in ("StepLR", "ExponentialLR", "CosineAnnealingLR", "LambdaLR")
    },
    **{
        f"optim.LRScheduler.{name}": f"optim.lr_scheduler.LRScheduler.{name}"
        for name in ("step", "state_dict", "load_state_dict")
    },
    **{f"optim.{name}": f"nn.utils.{name}" for name in ("clip_grad_norm_", "clip_grad_value_")},
    "Value.backward": "Tensor.backward",
    "Value.register_hook": "Tensor.register_hook",
    "gradcheck": "autograd.gradcheck",
    "no_grad": "no_grad",
}

#: Arguments that have another name here.
RENAMED = {
    "params": ("parameters",),
    "tensor": ("W", "parameters"),
    "val": ("number",),
    "input": ("inputs", "h"),
    "hx": ("state",),
    "state_dict": ("state",),
}

#: What has the same name and arguments, and means something else: a name, in PyTorch, here. A test shows each.
MEANINGS = [
    ("weights of cells", "`weight_hh`, `weight_ih`, two biases, all gates below each other", "`W`, `U` and one `b`, for"
     " each gate; [`interop`](../interop/torch.py) translates"),
    ("`LSTMCell()(x, …)`", "`cell(x, (h, c))`", "`cell(x, h, c)`; both return (h, c)"),
    ("parameters of a module", "attributes that are `Parameter`, modules, `ModuleList`, `ModuleDict`", "Values that"
     " nothing computed, in attributes, lists, tuples and dicts, except under names that begin with `_`"),
    ("a gradient before `backward`", "None", "0; `has_grad` tells"),
    ("`zero_grad`", "sets gradients to None, and optimizers pass such parameters over", "sets them to 0, and optimizers"
     " update all parameters: momentum and weight decay go on"),
    ("a parameter given twice to an optimizer", "a warning, and two updates", "one update"),
    ("parameter groups", "a dict per group", "an optimizer per group"),
    ("a gradient that is NaN or infinite", "`step` and clipping use it", "an error that names the parameter"),
    ("`LambdaLR`", "undoes what other schedules have done", "multiplies, as all schedules do"),
    ("`CosineAnnealingLR` after `T_max` steps", "goes up again", "stays where it is"),
    ("`cross_entropy` of logits 40 and 0, target 0", "0", "4.2e-18, exact to rounding"),
    ("`backward(retain_graph=…)`", "a second pass needs True", "no effect: a graph is always kept"),
    ("`gradcheck`", "atol 1e-5, rtol 1e-3", "atol 1e-8, rtol 1e-6"),
]  # fmt: skip

HEAD = """# Where this package differs from PyTorch

Names that are PyTorch's take PyTorch's arguments: what can be given by position means the same in both, and what only
this package has is given by name. Options of PyTorch's that are missing here are refused by name. This page is written
by `python -m tests.golden.make_pytorch`, from the signatures of both.

"""


def find(root: Any, name: str) -> Any:
    """What a dotted name stands for."""
    return reduce(getattr, name.split("."), root)


def arguments(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """The arguments that have a name, without ``self``."""
    parameters = inspect.signature(function).parameters
    stars = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return {name: each for name, each in parameters.items() if name != "self" and each.kind not in stars}


def declared(function: Callable[..., Any]) -> Callable[..., Any]:
    """The first signature of several, where PyTorch declares them so; needs Python 3.11."""
    overloads = typing.get_overloads(function.__init__ if isinstance(function, type) else function)
    return overloads[0] if overloads else function


def by_position(parameters: dict[str, inspect.Parameter]) -> list[str]:
    """The arguments that can be given by position."""
    return [name for name, each in parameters.items() if each.kind is not inspect.Parameter.KEYWORD_ONLY]


def is_same(theirs: str, ours: str) -> bool:
    """Whether an argument of PyTorch's goes by this name here."""
    return ours == theirs or ours in RENAMED.get(theirs, ())


def row(ours: str, own: dict[str, inspect.Parameter], theirs: dict[str, inspect.Parameter]) -> list[str]:
    """A row of the table of arguments.

    Raises:
        AssertionError: an argument by position means something else in PyTorch.
    """
    first, their_first = by_position(own), by_position(theirs)
    both = {name: other for name in own for other in theirs if is_same(other, name)}
    assert len(first) <= len(their_first), (ours, first, their_first)
    assert all(map(is_same, their_first, first)), (ours, first, their_first)
    missing = [name for name in theirs if name not in both.values()]
    assert not (unknown := [name for name in missing if name not in INSTEAD]), unknown
    renamed = [name if name == both[name] else f"{name} ({both[name]})" for name in first]
    by_name = [name for name in own if name not in first and name in both]
    alone = [name for name in own if name not in both]
    return [f"`{ours.replace('.__call__', '()(…)')}`", *map(", ".join, (renamed, by_name, alone, missing))]


def text() -> str:
    """The page, from the signatures of both packages."""
    import torch

    rows = []
    for ours, theirs in NAMES.items():
        rows.append(row(ours, arguments(find(tinygrad_rnn, ours)), arguments(declared(find(torch, theirs)))))
    missing = {name for each in rows for name in each[-1].split(", ") if name}
    assert missing == set(INSTEAD), missing ^ set(INSTEAD)
    version = ".".join(torch.__version__.split(".")[:2])
    return HEAD + "".join(
        _section(title, heads, body)
        for title, heads, body in (
            (f"Arguments, beside those of PyTorch {version}", ["name", "by position, as in PyTorch (its name there)",
             "by name", "by name, only here", "only in PyTorch"], rows),
            ("Options of PyTorch's that are not here", ["option", "instead"],
             [[f"`{name}`", instead] for name, instead in INSTEAD.items()]),
            ("The same name, another meaning", ["what", "in PyTorch", "here"], [list(each) for each in MEANINGS]),
        )
    ).rstrip() + "\n"  # fmt: skip


def _section(title: str, heads: list[str], rows: list[list[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return f"## {title}\n\n" + "".join(f"| {' | '.join(line)} |\n" for line in lines) + "\n"


def tables(page: str) -> Iterator[list[list[str]]]:
    """The rows of every table of the page, without its head."""
    for section in page.split("\n## ")[1:]:
        lines = [line for line in section.splitlines() if line.startswith("|")]
        yield [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
