"""The scopes of new nodes: whether they are recorded, their time step, whether they note the line that created them.

It is one frozen `Scope` in one context variable. So each thread, and each asynchronous task, has its own.

Ctrl-C may end a Python function at its first instruction, an ``__enter__`` or ``__exit__`` also, whatever is written in
it. So no scope is begun or ended by a function in Python:

- A ``with`` statement looks up ``__enter__`` and ``__exit__`` of a context, and finds those of a new lock. They are
  written in C, where no interrupt falls. The scope is in force while the lock is held. Since the statement alone keeps
  the lock alive, it is over at the latest when the frame of the statement is gone.
- `call_at` calls a function in a copy of the context. Only that copy is changed, and C code leaves it.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Generator, Mapping
from contextvars import ContextVar, copy_context
from functools import partial, wraps
from threading import Lock, get_ident
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from weakref import ref

from ..errors import TinygradRNNError
from ..support.checks import step_or_none

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")


class Scope(NamedTuple):
    """The state that nodes are now created in.

    Attributes:
        time_step: the time step to which they belong.
        records: whether they remember how they were computed; otherwise they are leaves.
        traces: whether they note which line of the user's program created them.
        block: the innermost of the ``with`` statements without which it would not be true; None if there is none.
        plain: whether nothing is traced and there is no block, so that a new node need not call `current`.
    """

    time_step: int | None = None
    records: bool = True
    traces: bool = False
    block: Any = None
    plain: bool = True


def is_held(lock: ref[Any]) -> bool:
    """Whether the ``with`` statement of a lock is under way: neither about to begin nor over."""
    alive = lock()
    return alive is not None and alive.locked()


class _Block(NamedTuple):
    """A ``with`` statement that changes the scope.

    Attributes:
        lock: held from its beginning to its end. Dead if Python is through with the statement, however it ended.
        changes: the attributes of the scope that it sets.
        around: the scope around it.
    """

    lock: ref[object]
    changes: Mapping[str, Any]
    around: Scope

    def within(self, scope: Scope) -> Scope:
        """The scope inside it if ``scope`` is around it."""
        return scope._replace(**self.changes, block=self._replace(around=scope), plain=False)


_scope: ContextVar[Scope] = ContextVar("scope", default=Scope())  # noqa: B039  # a tuple

#: The scope in force if it is plain; otherwise `current` says what is left of it. Every new node calls it. It is C
#: code, which a debugger does not step into.
newest = _scope.get

#: Put a scope in force, for good: only in a copied context.
put_in_force = _scope.set

#: A scope from a tuple of all its fields, also C code.
new_scope = partial(tuple.__new__, Scope)


def current() -> Scope:
    """The scope in force."""
    scope = newest()
    block = scope.block
    while block is not None:
        lock = block.lock()  # `is_held`, written out: every node within a ``with`` statement comes here
        if lock is None or not lock.locked():
            return _without_ended(scope)
        block = block.around.block
    return scope


def _without_ended(scope: Scope) -> Scope:
    """Drop the blocks that are over, which need not be the innermost; return what those that hold make the scope."""
    blocks = []
    while scope.block is not None:
        blocks.append(scope.block)
        scope = scope.block.around
    left = in_force = scope
    for block in reversed(blocks):
        if block.lock() is not None:
            left = block.within(left)
        if is_held(block.lock):
            in_force = block.within(in_force)
    put_in_force(left)
    return in_force


def settled() -> Scope:
    """The scope in force, as one for a copied context: what it is called from cannot end before it."""
    scope = current()
    return scope._replace(block=None, plain=not scope.traces)


TinygradRNNError.time_step_in_force = staticmethod(lambda: current().time_step)


def call_at(t: int | None, function: Callable[..., T], *args: object) -> T:
    """Call a function; the nodes that it creates belong to time step ``t``, and so do this package's errors.

    It costs the nodes nothing, while a ``with`` statement is looked up for each. What the function assigns to context
    variables is gone afterwards.
    """
    context = copy_context()
    context.run(put_in_force, settled()._replace(time_step=t))
    return context.run(function, *args)


class _LocksMethod:
    """``__enter__`` or ``__exit__`` of a context: that of the lock of the ``with`` statement that looks it up."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, context: Within | None, owner: type) -> Callable[..., object]:
        if context is None:  # `contextlib.ExitStack` looks it up here, and calls it with the context
            return lambda context, *args: getattr(context, self._name)(*args)
        return getattr(context._lock_for(self._name), self._name)  # type: ignore[no-any-return]


class Within:
    """A context manager, and a decorator of functions, for the nodes that are created within.

    It may be entered again within itself, and in several threads. A decorated generator holds it while it runs, not
    while it waits.
    """

    def __init__(self, **changes: object) -> None:
        self._changes = changes
        self._half: dict[
            int, tuple[str, Any]
        ] = {}  # by thread: of a ``with`` that has looked up one of the two methods
        self._entered_by_hand: list[object] = []

    if TYPE_CHECKING:

        def __enter__(self) -> object: ...
        def __exit__(self, *_: object) -> None: ...

    else:
        __enter__, __exit__ = _LocksMethod(), _LocksMethod()

    def _lock_for(self, method: str) -> object:
        """The lock of the ``with`` statement, or the call by hand, that looks up a method.

        The first of the two to be looked up makes the lock. If Ctrl-C comes before the second, nobody holds it.
        """
        first, lock = self._half.pop(get_ident(), (method, None))
        if lock is not None and lock.locked():
            self._entered_by_hand.append(lock)
        elif first != method:
            return lock
        if method == "__exit__" and self._entered_by_hand:
            return self._entered_by_hand.pop()
        lock = Lock()
        self._begin(ref(lock))
        self._half[get_ident()] = method, lock
        return lock

    def _begin(self, lock: ref[object]) -> None:
        """Prepare what is in force as soon as, and as long as, the lock is held."""
        current()  # drops what is over
        put_in_force(_Block(lock, self._changes, newest()).within(newest()))

    def __call__(self, function: F) -> F:
        @wraps(function)
        def plain(*args: object, **kwargs: object) -> object:
            with self:
                return function(*args, **kwargs)

        @types.coroutine
        def resumed(inner: Any) -> Generator[object, object, object]:
            return (yield from self._resumed(inner.__await__()))

        @wraps(function)
        async def coroutine(*args: object, **kwargs: object) -> object:
            return await resumed(function(*args, **kwargs))

        @wraps(function)
        def generator(*args: object, **kwargs: object) -> Any:
            return (yield from self._resumed(function(*args, **kwargs)))

        @wraps(function)
        async def asynchronous_generator(*args: object, **kwargs: object) -> object:
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

    def _resumed(self, inner: Generator[object, object, object]) -> Generator[object, object, object]:
        """The generator, with this context around every stretch in which it runs."""
        resume: Callable[[Any], object] = inner.send
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


class no_grad(Within):
    """Within this context, or in a function decorated with it, results are leaves: no graph is recorded.

    It holds for the thread, or the asynchronous task, that entered it, as in PyTorch. In a decorated generator or
    asynchronous function it holds whenever that function runs.
    """

    def __init__(self) -> None:
        super().__init__(records=False)


class trace_creation(Within):
    """Within this context every new node notes which line of the user's program created it (`Value.created_at`).

    It holds for the thread, or the asynchronous task, that entered it. A traced node takes several times as long to
    make.
    """

    def __init__(self) -> None:
        super().__init__(traces=True)


class time_step(Within):
    """Nodes that are created within this context belong to time step ``t``, and so do this package's errors.

    Raises:
        ArgumentError: t is neither a whole number nor None.
    """

    def __init__(self, t: int | None) -> None:
        super().__init__(time_step=step_or_none("t", t))
