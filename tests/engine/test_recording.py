"""What a new node is told about the program around it: in functions, generators and coroutines, entered anyhow."""

from __future__ import annotations

import asyncio
import inspect
import types
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from contextvars import copy_context
from threading import Barrier, Thread
from typing import Any

import pytest

from tinygrad_rnn import Value, no_grad, time_step, trace_creation
from tinygrad_rnn.engine.recording import Scope, call_at, current, newest
from tinygrad_rnn.errors import DomainError


def is_recorded() -> bool:
    return bool((Value(2.0) * 3.0).parents)


@no_grad()
def numbers(seen: list[bool]) -> Iterator[int]:
    try:
        for number in range(3):
            seen.append(is_recorded())
            received = yield number
            if received is not None:
                seen.append(is_recorded())
                yield received
    except KeyError:
        seen.append(is_recorded())
        yield -1
    finally:
        seen.append(is_recorded())


def test_a_decorated_generator_records_nothing_and_leaves_its_caller_alone() -> None:
    seen: list[bool] = []
    assert inspect.isgeneratorfunction(numbers)
    for _ in numbers(seen):
        assert is_recorded()
    assert seen == [False] * 4
    assert is_recorded()


def test_a_decorated_generator_can_be_sent_to_thrown_into_and_closed() -> None:
    seen: list[bool] = []
    generator = numbers(seen)
    assert (next(generator), generator.send(7), next(generator)) == (0, 7, 1)  # type: ignore[attr-defined]
    assert generator.throw(KeyError) == -1  # type: ignore[attr-defined]
    generator.close()  # type: ignore[attr-defined]
    other = numbers(seen)
    next(other)
    other.close()  # type: ignore[attr-defined]
    assert seen
    assert not any(seen)
    assert is_recorded()
    failing = numbers(seen)
    next(failing)
    with pytest.raises(ZeroDivisionError):
        failing.throw(ZeroDivisionError)  # type: ignore[attr-defined]
    assert is_recorded()


def test_the_value_that_a_decorated_generator_returns_arrives() -> None:
    @no_grad()
    def generator() -> Iterator[int]:
        yield 1
        return 5

    def caller() -> Iterator[int]:
        result = yield from generator()  # type: ignore[func-returns-value]
        assert result == 5
        yield 2

    assert list(caller()) == [1, 2]


def test_a_decorated_coroutine_records_nothing_while_other_tasks_do() -> None:
    @no_grad()
    async def evaluate() -> list[bool]:
        seen = [is_recorded()]
        await asyncio.sleep(0)
        return [*seen, is_recorded()]

    async def train() -> list[bool]:
        seen = []
        for _ in range(4):
            seen.append(is_recorded())
            await asyncio.sleep(0)
        return seen

    async def both() -> list[list[bool]]:
        found = await asyncio.gather(evaluate(), train())
        assert is_recorded()
        return list(found)

    assert asyncio.run(both()) == [[False] * 2, [True] * 4]


def test_a_decorated_asynchronous_generator_leaves_its_caller_alone() -> None:
    @no_grad()
    async def numbers() -> AsyncIterator[bool]:
        for _ in range(3):
            yield is_recorded()

    async def run() -> list[tuple[bool, bool]]:
        return [(inside, is_recorded()) async for inside in numbers()]

    assert asyncio.run(run()) == [(False, True)] * 3


def test_scopes_nest_and_come_back() -> None:
    with time_step(3), no_grad(), trace_creation():
        with time_step(4):
            node = Value(2.0) * 3.0
        assert (node.time_step, node.parents) == (4, ())
        assert node.created_at is not None
        assert Value(1.0).time_step == 3
    assert current() == Scope()


def test_a_context_may_be_entered_again_within_itself() -> None:
    block = no_grad()
    with block:
        with block:
            assert not is_recorded()
        assert not is_recorded()
    assert is_recorded()


def test_a_decorated_asynchronous_generator_can_be_thrown_into_and_closed() -> None:
    seen: list[bool] = []

    @no_grad()
    async def numbers() -> AsyncIterator[int]:
        try:
            yield 1
            yield 2
        except ValueError:
            seen.append(is_recorded())
            yield 3
        finally:
            seen.append(is_recorded())

    async def run() -> None:
        generator = numbers()
        assert await generator.__anext__() == 1
        assert await generator.athrow(ValueError()) == 3  # type: ignore[attr-defined]
        await generator.aclose()  # type: ignore[attr-defined]
        assert is_recorded()

    asyncio.run(run())
    assert seen == [False, False]


def test_a_decorated_coroutine_that_is_driven_by_hand_leaves_its_driver_alone() -> None:
    @types.coroutine
    def pause() -> Iterator[None]:
        yield

    @no_grad()
    async def evaluate() -> bool:
        await pause()  # type: ignore[misc]
        return is_recorded()

    coroutine = evaluate()
    coroutine.send(None)
    assert is_recorded()
    with pytest.raises(StopIteration) as stop:
        coroutine.send(None)
    assert stop.value.value is False
    assert is_recorded()


# ---- with statements, in whatever order they end -----------------------------------------------------------------


def within(scope: Any) -> Iterator[None]:
    """A generator that waits within a scope."""
    with scope:
        yield


def test_scopes_may_end_in_another_order_than_they_began() -> None:
    first, second, third = within(no_grad()), within(time_step(3)), within(trace_creation())
    for generator in (first, second, third):
        next(generator)
    assert current()[:3] == (3, False, True)
    second.close()  # type: ignore[attr-defined]
    node = Value(2.0) * 3.0
    assert (node.time_step, node.parents, node.created_at is None) == (None, (), False)
    first.close()  # type: ignore[attr-defined]
    assert current()[:3] == (None, True, True)
    assert is_recorded()
    third.close()  # type: ignore[attr-defined]
    assert current() == Scope()


def test_of_two_time_steps_the_one_that_began_last_and_still_holds_counts() -> None:
    outer, inner = within(time_step(1)), within(time_step(2))
    next(outer)
    next(inner)
    assert Value(1.0).time_step == 2
    outer.close()  # type: ignore[attr-defined]
    assert Value(1.0).time_step == 2
    inner.close()  # type: ignore[attr-defined]
    assert Value(1.0).time_step is None


def test_a_scope_is_over_with_the_frame_that_entered_it() -> None:
    generator = within(no_grad())
    next(generator)
    assert not is_recorded()
    del generator
    assert is_recorded()


def test_a_generator_may_be_finished_in_another_context() -> None:
    generator = within(no_grad())
    copy_context().run(next, generator)
    assert is_recorded()
    next(generator, None)
    assert current() == Scope()


def test_the_scopes_that_are_over_do_not_pile_up() -> None:
    for _ in range(3):
        with time_step(3), no_grad():
            pass
        assert current() == newest() == Scope()


def test_one_context_may_be_entered_in_several_threads_at_once() -> None:
    shared, both_within, wrong = no_grad(), Barrier(4, timeout=60), []

    def run() -> None:
        for _ in range(200):
            with shared:
                both_within.wait()
                wrong.append(is_recorded())
            wrong.append(not is_recorded())

    threads = [Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(wrong) == 4 * 200 * 2
    assert not any(wrong)
    assert is_recorded()


def test_a_context_may_be_entered_by_hand_and_by_an_exit_stack() -> None:
    by_hand = no_grad()
    by_hand.__enter__()
    with by_hand:
        by_hand.__enter__()
        by_hand.__exit__(None, None, None)
        assert not is_recorded()
    assert not is_recorded()
    by_hand.__exit__(None, None, None)
    assert is_recorded()
    with ExitStack() as stack:
        for t in range(3):
            stack.enter_context(time_step(t))
        stack.enter_context(by_hand)
        assert current()[:2] == (2, False)
    assert current() == Scope()


def test_an_error_belongs_to_the_time_step_in_which_it_arises() -> None:
    with pytest.raises(DomainError) as caught:
        with time_step(7):
            Value(-1.0).log()
    assert caught.value.time_step == 7
    with time_step(7):
        assert DomainError("", time_step=3).time_step == 3
    assert DomainError("").time_step is None


def test_a_scope_ends_for_tasks_that_began_within_it() -> None:
    async def look(seen: list[bool]) -> None:
        for _ in range(2):
            seen.append(is_recorded())
            await asyncio.sleep(0)

    async def run() -> list[bool]:
        seen: list[bool] = []
        with no_grad():
            task = asyncio.create_task(look(seen))
            await asyncio.sleep(0)
        await task
        return seen

    assert asyncio.run(run()) == [False, True]


def test_a_call_at_a_time_step_has_what_else_is_in_force() -> None:
    with no_grad(), trace_creation():
        node = call_at(3, lambda: Value(2.0) * 3.0)
    assert (node.time_step, node.parents) == (3, ())
    assert node.created_at is not None
    assert call_at(3, lambda: Value(1.0)).time_step == 3
    with time_step(4):
        assert call_at(None, lambda: Value(1.0)).time_step is None
    assert current() == Scope()
