"""Exchange weights with PyTorch: state dicts (`torch`) and safetensors files (`safetensors`).

>>> from tinygrad_rnn import LSTM
>>> from tinygrad_rnn.interop import load_safetensors, save_safetensors
>>> save_safetensors(LSTM(3, 4), "lstm.safetensors")  # torch: safetensors.torch.load_file("lstm.safetensors")
>>> load_safetensors(LSTM(3, 4), "lstm.safetensors")
"""

from __future__ import annotations

import os

from ..errors import DataError
from ..nn import Module
from .safetensors import CHECKPOINT, Tensor, read_safetensors, write_safetensors
from .torch import from_torch_state_dict, to_torch_numbers, to_torch_state_dict

__all__ = [
    "Tensor",
    "from_torch_state_dict",
    "load_safetensors",
    "read_safetensors",
    "save_safetensors",
    "to_torch_numbers",
    "to_torch_state_dict",
    "write_safetensors",
]


def save_safetensors(module: Module, path: str | os.PathLike[str]) -> None:
    """Write weights under PyTorch's names as a safetensors file of 64-bit floats, whole or not at all.

    Raises:
        ArgumentError: the module has parameters that PyTorch has no name for, or a nonlinearity that its RNN lacks.
        OSError: the file cannot be written.
    """
    tensors = {name: Tensor.of(numbers) for name, numbers in to_torch_numbers(module).items()}
    write_safetensors(path, tensors, {"format": "pt"})


def load_safetensors(module: Module, path: str | os.PathLike[str]) -> None:
    """Read weights under PyTorch's names from a safetensors file. Nothing changes if anything does not fit.

    Raises:
        DataError: the file cannot be read, is damaged, or is a checkpoint of training.
        ArgumentError: names are missing or unknown.
        ShapeError: a size differs; the error names the parameter and both shapes.
    """
    tensors, metadata = read_safetensors(path)
    if metadata.get("format") == CHECKPOINT:
        raise DataError(
            f"{os.path.basename(os.fspath(path))} is a checkpoint of training, not weights alone",
            remedy="Its model is tinygrad_rnn.train.load_checkpoint(path).make_model()",
        )
    from_torch_state_dict(module, {name: tensor.nested() for name, tensor in tensors.items()})
