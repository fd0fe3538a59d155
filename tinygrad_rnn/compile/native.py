"""LLVM assembly into machine code, by llvmlite."""

from __future__ import annotations

import ctypes
import math
import weakref
from collections.abc import Callable
from functools import cache
from typing import Any

from ..errors import CompileError, MissingDependencyError
from .elementary import LIBM, libm_name


@cache
def llvm() -> Any:
    """The binding of llvmlite, ready for this processor.

    Raises:
        MissingDependencyError: llvmlite is not installed.
        CompileError: this platform is not supported.
    """
    try:
        from llvmlite import binding  # type: ignore[import-untyped]
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
        raise CompileError(f"this platform is not supported: {error}", remedy=_EAGER) from error
    return binding


_EAGER = "Use the eager engine: it computes the same numbers"


@cache
def _libm() -> dict[str, Any]:
    """The functions that Python's `math` calls."""
    library = ctypes.CDLL(getattr(math, "__file__", None))  # the module's own symbols, and those of its libm
    functions = {}
    for op, arity in LIBM.items():
        functions[op] = getattr(library, op)
        functions[op].restype, functions[op].argtypes = ctypes.c_double, [ctypes.c_double] * arity
        of_python = getattr(math, op)
        for i in range(1, 200):
            x = [0.37 * i, 1.7][:arity]
            try:
                expected = of_python(*x)
            except ValueError:  # it has no value there
                continue
            if functions[op](*x) != expected:
                raise CompileError(f"{op} of this Python is not that of the system's libm", op=op, remedy=_EAGER)
    return functions


class Native:
    """A compiled module. When it is deleted, its machine code is freed.

    Args:
        text: LLVM assembly.
    """

    def __init__(self, text: str) -> None:
        binding = llvm()
        context = binding.create_context()  # a context of its own, so that everything is freed with it
        try:
            module = binding.parse_assembly(text, context)
        except RuntimeError as error:
            raise CompileError(f"LLVM rejects the code: {error}".splitlines()[0], remedy=_EAGER) from error
        machine = _machine()  # the engine frees it
        module.triple, module.data_layout = machine.triple, str(machine.target_data)
        # A tape has no duplicate and no unused instruction, so a short list of passes does as well as all of -O3.
        passes = binding.create_new_module_pass_manager()
        passes.add_always_inliner_pass()
        passes.add_sroa_pass()
        passes.add_simplify_cfg_pass()
        passes.run(module, _pass_builder())
        passes.close()
        self._engine = binding.create_mcjit_compiler(module, machine)
        self._engine.finalize_object()
        # At the end of the process a thread may still be running the code.
        weakref.finalize(self, _close, self._engine, context).atexit = False

    def function(self, name: str) -> Callable[[int], int]:
        """The compiled function of this name. It takes one address and returns a whole number."""
        address = self._engine.get_function_address(name)
        return ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p)(address)


def _machine() -> Any:
    """Code generation for the processor at hand."""
    binding = llvm()
    return binding.Target.from_default_triple().create_target_machine(
        cpu=binding.get_host_cpu_name(), features=binding.get_host_cpu_features().flatten(), opt=3, jit=True
    )


@cache
def _pass_builder() -> Any:
    """The only pass builder of this process: llvmlite does not free everything that one holds."""
    return llvm().create_pass_builder(_machine(), llvm().create_pipeline_tuning_options())


def _close(*in_order: Any) -> None:
    for each in in_order:
        each.close()
