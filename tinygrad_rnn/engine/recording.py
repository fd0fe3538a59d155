"""What holds for new nodes: whether they are recorded, their time step, whether they note the line that created them.

It is one frozen `Scope` in one context variable. So each thread, and each asynchronous task, has its own.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Generator
from contextvars import ContextVar
from functools import partial, wraps
from typing import Any, NamedTuple, TypeVar

from ..errors import TinygradRNNError

F = TypeVar("F", bound=Callable[..., Any])


class Scope(NamedTuple):
    """What holds for the nodes that are created now.

    Attributes:
        time_step: the time step to which they belong.
        records: whether they remember how they were computed; otherwise they are leaves.
        traces: whether they note which line of the user's program created them.
        outer: the scope around this one, which comes back at its end; None for the outermost.
    """

    time_step: int | None = None
    records: bool = True
    traces: bool = False
    outer: Any = None


_scope: ContextVar[Scope] = ContextVar("scope", default=Scope())  # noqa: B039  # a tuple

#: The scope in force. Every new node calls it.
current = _scope.get

#: Put another scope in force. The caller must put the earlier one back.
put_in_force = _scope.set


#: A scope from a tuple of all its fields. It is one call into C, which a debugger does not step into.
new_scope = partial(tuple.__new__, Scope)


class _Within:
    """A context manager, and a decorator of functions, for the nodes that are created within.

    It may be entered again within itself. A decorated generator holds it while it runs, not while it waits.
    """

    def __init__(self, **changes: Any) -> None:
        self._changes = changes

    def __enter__(self) -> None:
        outer = current()
        put_in_force(outer._replace(outer=outer, **self._changes))

    def __exit__(self, *_: object) -> None:
        put_in_force(current().outer or Scope())

    def __call__(self, function: F) -> F:
        @wraps(function)
        def plain(*args: Any, **kwargs: Any) -> Any:
            with self:
                return function(*args, **kwargs)

        @types.coroutine
        def resumed(inner: Any) -> Generator[Any, Any, Any]:
            return (yield from self._resumed(inner.__await__()))

        @wraps(function)
        async def coroutine(*args: Any, **kwargs: Any) -> Any:
            return await resumed(function(*args, **kwargs))

        @wraps(function)
        def generator(*args: Any, **kwargs: Any) -> Any:
            return (yield from self._resumed(function(*args, **kwargs)))

        @wraps(function)
        async def asynchronous_generator(*args: Any, **kwargs: Any) -> Any:
            inner = function(*args, **kwargs)
            resume, argument = inner.asend, None
            while True:
                try:
                    with self:
                        item = await resume(argument)
                except StopAsyncIteration:
                    return
                try:
                    resume, argument = inner.asend, (yield item)
                except GeneratorExit:
                    with self:
                        await inner.aclose()
                    raise
                except BaseException as error:
                    resume, argument = inner.athrow, error

        if inspect.isasyncgenfunction(function):
            return asynchronous_generator  # type: ignore[return-value]
        if inspect.iscoroutinefunction(function):
            return coroutine  # type: ignore[return-value]
        return generator if inspect.isgeneratorfunction(function) else plain  # type: ignore[return-value]

    def _resumed(self, inner: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
        """The generator, with this context around every stretch in which it runs."""
        resume: Callable[[Any], Any] = inner.send
        argument: Any = None
        while True:
            try:
                with self:
                    item = resume(argument)
            except StopIteration as stop:
                return stop.value
            try:
                resume, argument = inner.send, (yield item)
            except GeneratorExit:
                with self:
                    inner.close()
                raise
            except BaseException as error:
                resume, argument = inner.throw, error


class no_grad(_Within):
    """Within this context, or in a function decorated with it, results are leaves: no graph is recorded.

    It holds for the thread, or the asynchronous task, that entered it, as in PyTorch. In a decorated generator or
    asynchronous function it holds whenever that function runs.
    """

    def __init__(self) -> None:
        super().__init__(records=False)


class trace_creation(_Within):
    """Within this context every new node notes which line of the user's program created it (`Value.created_at`).

    It holds for the thread, or the asynchronous task, that entered it. A traced node takes several times as long to
    make.
    """

    def __init__(self) -> None:
        super().__init__(traces=True)


class time_step(_Within):
    """Nodes that are created within this context belong to time step ``t``, and so do this package's errors."""

    def __init__(self, t: int | None) -> None:
        super().__init__(time_step=t)

    def __exit__(self, *raised: object) -> None:
        for error in raised:
            if isinstance(error, TinygradRNNError) and error.time_step is None:
                error.time_step = current().time_step
        super().__exit__()
