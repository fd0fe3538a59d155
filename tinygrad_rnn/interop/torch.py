"""State dicts of PyTorch's `RNN`, `LSTM`, `GRU`, their cells and `Linear`, from and to modules of this package.

========================  =================================================================
here                      PyTorch
========================  =================================================================
``cells.k.W`` (or W_i …)  ``weight_hh_lk``: the gates below each other, i f g o or r z n
``cells.k.U`` (or U_i …)  ``weight_ih_lk``
``cells.k.b`` (or b_i …)  ``bias_ih_lk`` + ``bias_hh_lk``
``b_n`` and ``b_hn``      their n thirds in a GRU, which has to keep them apart
``V``, ``c``              ``weight``, ``bias`` of a Linear
========================  =================================================================

PyTorch has two biases where one would do. On the way out the second one is 0; on the way in they are added. So
outputs and gradients agree, while plain gradient descent in PyTorch moves the sum of its two biases by twice as
much.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from typing import Any

from ..engine.arithmetic import number
from ..errors import ArgumentError, DataError, ShapeError
from ..nn import Gate, GRUCell, Linear, LSTMCell, Module, Recurrent, RNNCell, linalg
from ..nn.trees import NestedNumbers, is_vector, shape
from ..support.checks import in_short
from ..support.numbers import as_lists
from ..support.optional import optional
from ..support.text import count, listed

CELLS = (RNNCell, LSTMCell, GRUCell)  # and no subclass, which may compute something else
NONLINEARITIES = ("tanh", "relu")  # of PyTorch's RNN
WRAPPERS = ("module.", "_orig_mod.")  # what DataParallel and torch.compile put before the names


def to_torch_numbers(module: Module) -> dict[str, NestedNumbers]:
    """The weights under PyTorch's names, as nested lists: like `to_torch_state_dict`, but without PyTorch.

    Raises:
        ArgumentError: the module has parameters that PyTorch has no name for, or a nonlinearity that its RNN lacks.
    """
    return dict(_leaving(module, ""))


def to_torch_state_dict(module: Module) -> dict[str, Any]:
    """The weights as a state dict of 64-bit tensors: ``torch.nn.LSTM(…).double().load_state_dict(…)``.

    A state dict does not say what the nonlinearity is: to an RNN with relu belongs
    ``torch.nn.RNN(…, nonlinearity="relu")``. PyTorch has none with identity or tanh_exact.

    Args:
        module: an `RNN`, `LSTM`, `GRU`, one of their cells, a `Linear`, or a module made of these: then names are
            prefixed with those of the attributes, as in PyTorch.

    Raises:
        ArgumentError: the module has parameters that PyTorch has no name for, or a nonlinearity that its RNN lacks.
        MissingDependencyError: PyTorch is not installed.
    """
    named = to_torch_numbers(module)
    with optional("tensors need PyTorch", "torch", ", or use to_torch_numbers"):
        torch = import_module("torch")  # with an import statement, type checkers would need PyTorch
    return {name: torch.tensor(numbers, dtype=torch.float64) for name, numbers in named.items()}


def from_torch_state_dict(module: Module, state_dict: Mapping[str, Any]) -> None:
    """Give a module the weights of a PyTorch module. Nothing changes if anything does not fit.

    Args:
        module: as for `to_torch_state_dict`, of the same sizes.
        state_dict: tensors, arrays or nested lists by PyTorch's names, with both biases, with ``bias_ih`` alone,
            or with none.

    Raises:
        ArgumentError: names are missing or unknown, or this is a module instead of its state dict.
        ShapeError: a size differs; the error names the parameter and both shapes.
        DataError: a number is NaN or infinite; the error names the parameter and the place.
        OperandError: an entry is not a number.
    """
    if not isinstance(state_dict, Mapping):
        remedy = "Give its .state_dict()" if hasattr(state_dict, "state_dict") else "Give tensors by their names"
        raise ArgumentError(f"a {type(state_dict).__name__} is not a state dict", remedy=remedy)
    remaining = dict(state_dict)
    try:
        own = dict(_entering(module, "", "", remaining))
    except ArgumentError as error:
        error.remedy = _remedy_for_names(state_dict) or error.remedy
        raise
    if remaining:
        raise ArgumentError(
            f"the state dict has {listed(list(map(str, remaining)))}, which {in_short(module)} has not",
            remedy=_remedy_for_names(remaining)
            or "Check the number of layers and directions, and whether there are biases",
        )
    module.load_state_dict(own)


def _remedy_for_names(names: Iterable[object]) -> str | None:
    """The remedy for a prefix that a wrapper of PyTorch puts before every name."""
    texts = list(map(str, names))
    prefix = next((prefix for prefix in WRAPPERS if all(text.startswith(prefix) for text in texts)), None)
    if prefix is None or not texts:
        return None
    return (
        f"The names begin with {prefix!r}, as those of a wrapped module: give the .state_dict() of what it wraps, or "
        f"{{name.removeprefix({prefix!r}): tensor for name, tensor in state_dict.items()}}"
    )


# ---- out --------------------------------------------------------------------------------------------------------


def _leaving(module: Module, prefix: str) -> Iterator[tuple[str, NestedNumbers]]:
    if isinstance(module, Recurrent):
        for cell, suffix in zip(module.cells, module.suffixes):
            yield from _cell_leaving(cell, prefix, suffix)
    elif type(module) in CELLS:
        yield from _cell_leaving(module, prefix, "")
    elif isinstance(module, Linear):
        numbers = module.state_dict()
        yield f"{prefix}weight", numbers["V"]
        if "c" in numbers:
            yield f"{prefix}bias", numbers["c"]
    else:
        for path, part in _parts(module):
            yield from _leaving(part, f"{prefix}{path}.")


def _cell_leaving(cell: Module, prefix: str, suffix: str) -> Iterator[tuple[str, NestedNumbers]]:
    nonlinearity = getattr(cell, "nonlinearity", "tanh")
    if nonlinearity not in NONLINEARITIES:
        raise ArgumentError(
            f"PyTorch's RNN has no nonlinearity {nonlinearity!r}: with these weights it would compute something else",
            remedy="Take the weights by the names of this package, from state_dict()",
        )
    gates = _gates(cell)
    yield f"{prefix}weight_ih{suffix}", [row for gate in gates for row in linalg.numbers(gate.U)]
    yield f"{prefix}weight_hh{suffix}", [row for gate in gates for row in linalg.numbers(gate.W)]
    if gates[0].b:
        inner = [entry.data for gate in gates for entry in gate.b or ()]
        outer = [0.0] * len(inner)
        if isinstance(cell, GRUCell) and cell.b_hn:
            outer[-len(cell.b_hn) :] = [entry.data for entry in cell.b_hn]
        yield f"{prefix}bias_ih{suffix}", inner
        yield f"{prefix}bias_hh{suffix}", outer


# ---- in ---------------------------------------------------------------------------------------------------------


def _entering(
    module: Module, path: str, prefix: str, remaining: dict[str, NestedNumbers]
) -> Iterator[tuple[str, NestedNumbers]]:
    """The module's own state, taken out of ``remaining``."""
    if isinstance(module, Recurrent):
        for k, (cell, suffix) in enumerate(zip(module.cells, module.suffixes)):
            yield from _cell_entering(cell, f"{path}cells.{k}.", prefix, suffix, remaining)
    elif type(module) in CELLS:
        yield from _cell_entering(module, path, prefix, "", remaining)
    elif isinstance(module, Linear):
        own = {"V": f"{prefix}weight", "c": f"{prefix}bias"}
        for name, numbers in module.state_dict().items():
            yield f"{path}{name}", _take(remaining, own[name], shape(numbers))
    else:
        for name, part in _parts(module):
            yield from _entering(part, f"{path}{name}.", f"{prefix}{name}.", remaining)


def _cell_entering(
    cell: Module, path: str, prefix: str, suffix: str, remaining: dict[str, NestedNumbers]
) -> Iterator[tuple[str, NestedNumbers]]:
    gates = _gates(cell)
    rows, columns = shape(gates[0].U)
    parts = {
        "U": _take(remaining, f"{prefix}weight_ih{suffix}", (len(gates) * rows, columns)),
        "W": _take(remaining, f"{prefix}weight_hh{suffix}", (len(gates) * rows, rows)),
    }
    outer = None
    resets_bias = isinstance(cell, GRUCell)
    if gates[0].b:
        inner = _take(remaining, f"{prefix}bias_ih{suffix}", (len(gates) * rows,))
        if f"{prefix}bias_hh{suffix}" in remaining:
            outer = _take(remaining, f"{prefix}bias_hh{suffix}", (len(gates) * rows,))
        else:
            outer = [0.0] * len(inner)
        kept_apart = len(inner) - rows if resets_bias else len(inner)
        parts["b"] = [a + b if i < kept_apart else a for i, (a, b) in enumerate(zip(inner, outer))]
    for kind, numbers in parts.items():
        for k, gate in enumerate(gates):
            yield f"{path}{kind}{gate.suffix}", numbers[k * rows : (k + 1) * rows]
    if resets_bias and outer is not None:
        yield f"{path}b_hn", outer[-rows:]


def _take(remaining: dict[str, NestedNumbers], name: str, expected: tuple[int, ...]) -> Any:
    """The numbers under a name, as nested lists of floats. The caller knows how deep: `expected`."""
    if name not in remaining:
        raise ArgumentError(
            f"the state dict has no {name}", remedy=f"It has {listed(list(map(str, remaining))) or 'nothing else'}"
        )
    numbers = as_lists(remaining.pop(name))
    if shape(numbers) != expected:
        raise ShapeError(f"{name} has shape {shape(numbers)} in the state dict, and {expected} in the module")
    return _finite(name, numbers, expected)


def _finite(name: str, given: object, expected: tuple[int, ...], index: tuple[int, ...] = ()) -> object:
    """Numbers as floats, in nested lists of this shape."""
    where = f"{name}[{','.join(map(str, index))}]" if index else name
    if not expected:
        plain = number(given, where)
        if not math.isfinite(plain):
            raise DataError(f"{where} is {plain} in the state dict", remedy="Take weights from before that")
        return plain
    if is_vector(given) and len(given) == expected[0]:
        return [_finite(name, entry, expected[1:], (*index, i)) for i, entry in enumerate(given)]
    found = f"has {count(len(given), 'entry', 'entries')}" if is_vector(given) else "is a single number"
    raise ShapeError(
        f"{where} {found} in the state dict, and has {count(expected[0], 'entry', 'entries')} in the module"
    )


# ---- both -------------------------------------------------------------------------------------------------------


def _gates(cell: Module) -> tuple[Gate, ...]:
    if not isinstance(cell, CELLS) or type(cell) not in CELLS:
        raise ArgumentError(f"PyTorch has nothing like {type(cell).__name__}", remedy="Use an RNN, LSTM or GRU")
    return cell.gates


def _parts(module: Module) -> Iterator[tuple[str, Module]]:
    """The modules that a module is made of.

    Raises:
        ArgumentError: it has parameters of its own.
    """
    children = list(module.named_children())
    for path in module.state_dict():
        if not any(path.startswith(f"{name}.") for name, _ in children):
            raise ArgumentError(
                f"PyTorch has no name for {path} of {type(module).__name__}",
                remedy="Its modules are RNN, LSTM, GRU, their cells and Linear",
            )
    yield from children
