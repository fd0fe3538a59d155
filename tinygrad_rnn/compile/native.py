"""LLVM assembly into machine code, by llvmlite."""

from __future__ import annotations

import ctypes
import math
import weakref
from functools import cache
from typing import Any

from ..errors import CompileError, MissingDependencyError
from .elementary import LIBM, libm_name


@cache
def llvm() -> Any:
    """llvmlite's binding, ready for this processor.

    Raises:
        MissingDependencyError: llvmlite is not installed.
        CompileError: there is no compiling for this platform.
    """
    try:
        from llvmlite import binding
    except ImportError as error:
        raise MissingDependencyError(
            "compiling needs llvmlite",
            remedy="pip install 'tinygrad_rnn[compile]'; without it, backward() does everything, only slower",
        ) from error
    try:
        binding.initialize_native_target()
        binding.initialize_native_asmprinter()
        for op in LIBM:
            binding.add_symbol(libm_name(op)[2:-1], ctypes.cast(_libm()[op], ctypes.c_void_p).value)
    except (RuntimeError, OSError, AttributeError) as error:
        raise CompileError(f"there is no compiling on this platform: {error}", remedy=_EAGER) from error
    return binding


_EAGER = "Use the eager engine: it computes the same numbers"


@cache
def _libm() -> dict[str, Any]:
    """The functions that Python's `math` calls."""
    library = ctypes.CDLL(getattr(math, "__file__", None))  # its own symbols, and those of the libm that it uses
    functions = {}
    for op, arity in LIBM.items():
        functions[op] = getattr(library, op)
        functions[op].restype, functions[op].argtypes = ctypes.c_double, [ctypes.c_double] * arity
        of_python = getattr(math, op)
        for i in range(1, 200):
            x = [0.37 * i, 1.7][:arity]
            if functions[op](*x) != of_python(*x):
                raise CompileError(f"this Python does not take {op} from the system's libm", op=op, remedy=_EAGER)
    return functions


class Native:
    """A compiled module. Its machine code is freed with it.

    Args:
        text: LLVM assembly.
        speed: effort of the optimizer, 0 to 3.
    """

    def __init__(self, text: str, speed: int = 2) -> None:
        binding = llvm()
        module = binding.parse_assembly(text)
        machine = binding.Target.from_default_triple().create_target_machine(
            cpu=binding.get_host_cpu_name(),
            features=binding.get_host_cpu_features().flatten(),
            opt=speed,
            jit=True,
        )
        module.triple, module.data_layout = machine.triple, str(machine.target_data)
        options = binding.create_pipeline_tuning_options(speed_level=speed)
        options.slp_vectorization = False
        passes = binding.create_pass_builder(machine, options)
        passes.getModulePassManager().run(module, passes)
        self._engine = binding.create_mcjit_compiler(module, machine)
        self._engine.finalize_object()
        weakref.finalize(self, self._engine.close)

    def function(self, name: str) -> Any:
        """The compiled function of this name, which takes one address and gives a whole number."""
        address = self._engine.get_function_address(name)
        return ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p)(address)
