"""LLVM assembly into machine code, by llvmlite."""

from __future__ import annotations

import ctypes
import math
import sys
import threading
import weakref
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from ..errors import CompileError
from ..support.memory import require_memory
from ..support.optional import optional
from .elementary import LIBM, libm_name

T = TypeVar("T")


@cache
def llvm() -> Any:
    """The binding of llvmlite, ready for this processor.

    Raises:
        MissingDependencyError: llvmlite is not installed.
        CompileError: this platform is not supported.
    """
    with optional("compiling needs llvmlite", "compile", "; without it, backward() does everything, only slower"):
        from llvmlite import binding  # type: ignore[import-untyped]
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


#: Bytes, as measured with llvmlite 0.50 and codes of 30 kB to 1.7 MB, and twice as many: of the libraries, of any
#: compilation, and per character of the code.
_LIBRARIES, _COMPILATION, _CHARACTER = 160 * 2**20, 32 * 2**20, 60


def _memory_for(characters: int) -> int:
    """The memory that it takes to compile code of this length."""
    return _COMPILATION + _CHARACTER * characters + (0 if "llvmlite.binding" in sys.modules else _LIBRARIES)


class Native:
    """A function in machine code. When it is deleted, its code can be freed; the next compilation does so.

    Ctrl-C is raised in the main thread only. In the middle of llvmlite it would free something twice, or leave a lock
    locked. So llvmlite is used, and what it made is deleted, in other threads.

    Args:
        text: LLVM assembly.
        name: the function that is called from outside. It takes one address and returns a whole number.

    Raises:
        CompileError: LLVM rejects the code.
        TooLargeError: there is too little memory for LLVM, which ends the process if it gets no more.
    """

    def __init__(self, text: str, name: str) -> None:
        require_memory("the length of the code", len(text), _memory_for)
        address = _in_a_thread(lambda: _compiled(text, name, self))
        self.call: Callable[[int], int] = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p)(address)


class _Code(weakref.ref[Native]):
    """The code that llvmlite made for an object, kept until that is deleted.

    Attributes:
        held: the context, and the execution engine, which must be freed first: a list is emptied from its end.
    """

    __slots__ = ("held",)
    held: list[object]


_in_use: dict[int, _Code] = {}  # by id
_unused: SimpleQueue[_Code] = SimpleQueue()  # C code puts something here, so that no Ctrl-C falls


def _in_a_thread(function: Callable[[], T]) -> T:
    """Call a function in a thread of its own."""
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(function())
        except BaseException as error:
            errors.append(error.with_traceback(None))  # whose frames hold what llvmlite made

    thread = threading.Thread(target=run, name="LLVM")
    try:
        thread.start()
    except RuntimeError as error:
        if isinstance(error.__context__, KeyboardInterrupt):  # between a lock of the thread and its release
            raise error.__context__ from None
        run()  # no thread can be started: the process is about to end
    else:
        thread.join()
    if errors:
        raise errors.pop()
    return results.pop()


def _compiled(text: str, name: str, native: Native) -> int:
    """The address of a function in machine code, which lives as long as ``native``."""
    with suppress(Empty):
        while code := _unused.get_nowait():
            del _in_use[id(code)]
            code.held.clear()
    binding, module, refusal = llvm(), None, ""
    held = [binding.create_context()]  # a context of its own, so that everything is freed with it
    try:
        module = binding.parse_assembly(text, held[0])
    except RuntimeError as error:
        refusal = str(error)
    if module is None:
        raise CompileError(f"LLVM rejects the code: {refusal}".splitlines()[0], remedy=_EAGER)
    machine = _machine()  # the engine frees it
    module.triple, module.data_layout = machine.triple, str(machine.target_data)
    # A tape has no duplicate and no unused instruction, so a short list of passes does as well as all of -O3.
    passes = binding.create_new_module_pass_manager()
    passes.add_always_inliner_pass()
    passes.add_sroa_pass()
    passes.add_simplify_cfg_pass()
    passes.run(module, _pass_builder())
    held.append(binding.create_mcjit_compiler(module, machine))
    held[-1].finalize_object()
    code = _Code(native, _unused.put)
    code.held, _in_use[id(code)] = held, code
    return held[-1].get_function_address(name)  # type: ignore[no-any-return]


def _machine() -> Any:
    """Code generation for the processor at hand."""
    binding = llvm()
    return binding.Target.from_default_triple().create_target_machine(
        cpu=binding.get_host_cpu_name(), features=binding.get_host_cpu_features().flatten(), opt=3, jit=True
    )


@cache
def _pass_builder() -> object:
    """The only pass builder of this process: llvmlite does not free everything that one holds."""
    return llvm().create_pass_builder(_machine(), llvm().create_pipeline_tuning_options())
