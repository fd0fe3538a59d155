"""`sweep`: an experiment with every setting and every seed."""

from __future__ import annotations

import copy
import inspect
import os
import pickle
import time
from collections.abc import Callable, Iterable, Mapping, Sized
from concurrent.futures import (
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    ThreadPoolExecutor,
)
from contextlib import ExitStack, nullcontext, suppress
from functools import partial
from queue import SimpleQueue
from typing import ParamSpec, TypeVar

from ..engine.arithmetic import is_number
from ..errors import ArgumentError, SweepError
from ..support.checks import in_short, whole_number
from ..support.memory import NUMBER, require_memory
from ..support.numbers import whole
from ..support.progress import Bar, make_bar
from ..support.text import count
from .records import Record, RecordFile, key, open_records, plain

P = ParamSpec("P")
T = TypeVar("T")

Experiment = Callable[..., Mapping[str, object]]
Run = tuple[tuple[object, ...], int]  # setting and seed
Outcome = tuple[dict[str, object] | None, str | None, float]  # result, error, seconds
ALONE = "result"  # what a number is called that an experiment returns by itself


def sweep(
    experiment: Experiment,
    settings: Iterable[tuple[object, ...]],
    executor: Executor | None = None,
    *,
    seeds: Iterable[int] = (0,),
    file: str | os.PathLike[str] | None = None,
    retry_failed: bool = True,
    outstanding: int = 1000,
    progress: bool | None = None,
) -> list[Record]:
    """Run an experiment with every setting and every seed.

    A run that raises an exception is recorded with it, and the others go on. With a ``file``, every run is recorded
    there as it finishes, and a recorded run is not repeated: after Ctrl-C, a crash or a kill, the same call goes on
    with what is missing. It may also add settings and seeds.

    A run that kills its worker (out of memory, a segmentation fault) fails alone in a `ProcessPool`, and is recorded as
    failed. Other pools of processes are lost with it.

    Args:
        experiment: called as ``experiment(*setting, seed=seed)``; an object, or a method of one, is copied for every
            run, as another process would. It returns a mapping of plain data: numbers (also NaN, and scalars of NumPy
            and PyTorch), text, booleans, None, and lists and dicts of them; arrays are recorded as lists. A number
            alone is recorded as ``{"result": number}``. All its randomness should come from the seed. If other
            processes are to run it, it must be a function of a module, not one within a function. One that calls
            `tinygrad_rnn.train.train` should raise KeyboardInterrupt if that ended as ``"interrupted"``.
        settings: tuples of plain data; also a generator of very many, which advances as runs finish. Duplicates run
            once.
        executor: where to run; None for this process, one run after the other. Any `concurrent.futures.Executor`:
            `ProcessPool`, ``dask.distributed.Client(address).get_executor(pure=False)``,
            ``mpi4py.futures.MPIPoolExecutor()``. It is left open.
        seeds: whole numbers.
        file: for the records; `read_records` reads it, `tinygrad_rnn.sweep.records` describes it. It is refused if
            the experiment has another name, or other parameters or defaults; whatever else may change between two
            calls belongs in the settings. Only one process at a time can write to it, if the file system has locks.
        retry_failed: whether a run that is recorded as failed is tried again.
        outstanding: the most runs that are submitted to the executor at a time. Give more than it has workers.
        progress: whether to show a progress bar; None for "if stderr is a terminal".

    Returns:
        The records, setting by setting and seed by seed, whatever the order in which the runs finished.

    Raises:
        ArgumentError: an argument makes no sense, or the experiment cannot be sent to other processes.
        SweepError: the file belongs to a different experiment, and is unchanged; or the executor died: a cluster went
            away, or a worker of an executor other than `ProcessPool` was killed. The runs that had finished are in the
            file, and in the attribute ``records`` of the error.
        OSError: the file cannot be written.
    """
    seeds = _checked_seeds(seeds)
    outstanding = whole_number("outstanding", outstanding)
    _check_portable(experiment, executor)
    with nullcontext() if file is None else open_records(file) as opened, ExitStack() as stack:
        on_file = None if file is None else stack.enter_context(RecordFile(file, describe(experiment), opened))
        total = len(settings) * len(seeds) if isinstance(settings, Sized) else None
        bar = make_bar("sweep", total, 0, progress, "run")
        stack.callback(bar.close)
        runs = _Runs(experiment, executor or _Here(), on_file, bar)
        try:
            for setting in settings:
                setting = _checked_setting(setting)
                for seed in seeds:
                    while len(runs.pending) >= outstanding:
                        runs.collect()
                    runs.add(setting, seed, retry_failed)
                    runs.collect_finished()
            while runs.pending:
                runs.collect()
        except BaseException as error:
            if not isinstance(error, BrokenExecutor):  # it fails all that is pending itself
                runs.cancel()
            runs.collect_last()
            if isinstance(error, (BrokenExecutor, CancelledError)):
                raise _lost(error, runs.finished(), file) from error
            raise
        return runs.finished()


class _Runs:
    """The runs of a sweep: those that are done, and those that were submitted to the executor."""

    def __init__(self, experiment: Experiment, executor: Executor, file: RecordFile | None, bar: Bar) -> None:
        self.experiment, self.executor, self.file, self.bar = experiment, executor, file, bar
        self.records: dict[str, Record | None] = {}  # by key, in the order in which they were added
        self.pending: dict[Future[Outcome], Run] = {}
        self.arrivals: SimpleQueue[Future[Outcome]] = SimpleQueue()
        self.began = time.perf_counter()
        self.run = self.failed = 0

    def add(self, setting: tuple[object, ...], seed: int, retry_failed: bool) -> None:
        """Start a run, unless it has been started or is on file."""
        known = key(setting, seed)
        if known in self.records:
            return
        earlier = self.file.records.get(known) if self.file else None
        if earlier and not (earlier.failed and retry_failed):
            self._note(known, earlier)
            return
        self.records[known] = None
        self._submit(setting, seed)

    def collect(self) -> None:
        """Wait for a run, and record it."""
        future = self.arrivals.get()
        outcome = _outcome(future)
        self._record(self.pending.pop(future), outcome)

    def collect_finished(self) -> None:
        """Record the runs that have finished, without waiting for any."""
        while not self.arrivals.empty():
            self.collect()

    def cancel(self) -> None:
        """Cancel the runs that have not begun."""
        for future in self.pending:
            future.cancel()

    def collect_last(self) -> None:
        """Record the runs that have finished, whatever goes wrong."""
        while not self.arrivals.empty():
            with suppress(Exception, KeyboardInterrupt):  # a worker's
                self.collect()

    def finished(self) -> list[Record]:
        """Return the records so far."""
        return [record for record in self.records.values() if record]

    def _submit(self, setting: tuple[object, ...], seed: int) -> None:
        try:
            future = self.executor.submit(_attempt, self.experiment, setting, seed)
        except BrokenExecutor:
            raise
        except RuntimeError as error:  # it is shut down
            raise BrokenExecutor(str(error)) from error
        self.pending[future] = (setting, seed)
        future.add_done_callback(self.arrivals.put)

    def _record(self, run: Run, outcome: Outcome) -> None:
        setting, seed = run
        record = Record(setting, seed, *outcome)
        if self.file:
            self.file.append(record)
        self.run += 1
        self._note(key(setting, seed), record)

    def _note(self, known: str, record: Record) -> None:
        self.records[known] = record
        self.failed += record.failed
        rate = self.run / max(time.perf_counter() - self.began, 1e-9)
        self.bar.set_postfix_str(f"{self.failed} failed, {rate:.3g} runs/s", refresh=False)
        self.bar.update()


class _Here(Executor):
    """An executor that runs everything at once, in this process and thread."""

    def submit(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future: Future[T] = Future()
        future.set_result(function(*args, **kwargs))
        return future


def _attempt(experiment: Experiment, setting: tuple[object, ...], seed: int) -> Outcome:
    """Run the experiment once, in any process. The outcome can be sent to other processes."""
    began = time.perf_counter()
    result, error = None, None
    try:
        # Copies, as another process has: what a run does to its setting, or to the object of which the experiment is a
        # method, is not seen by the next, and not recorded. Of a function there is no copy.
        returned = copy.deepcopy(experiment)(*copy.deepcopy(setting), seed=seed)
        if not isinstance(returned, Mapping):
            if not is_number(returned):
                what = "nothing (None)" if returned is None else f"a {type(returned).__name__}"
                raise ArgumentError(
                    f"the experiment returned {what}",
                    remedy='It must return a dict, such as {"loss": 0.5}, or a number',
                )
            returned = {ALONE: returned}
        result = plain(dict(returned), "result", is_result=True)
    except KeyboardInterrupt:
        raise
    except BaseException as mistake:  # whatever it is, one run has failed
        error = _one_line(mistake)
    return result, error, time.perf_counter() - began


def _outcome(future: Future[Outcome]) -> Outcome:
    """Return the outcome of a run.

    Raises:
        BrokenExecutor, CancelledError: there is none, and there will be none.
        KeyboardInterrupt: it was interrupted.
    """
    error = future.exception()
    if error is None:
        return future.result()
    if isinstance(error, BrokenExecutor) or not isinstance(error, Exception):
        raise error
    return None, _one_line(error), 0.0  # the executor's own complaint: dask's of a run that kills its workers


LONGEST_ERROR = 1000  # characters


def _one_line(error: BaseException) -> str:
    """Return the type and the message of an error, shortened, even if one of them itself raises an error."""
    name = "an error"
    try:
        name = type(error).__name__
        message = str(error)
    except KeyboardInterrupt:
        raise
    except BaseException as another:
        message = f"its {'message' if name != 'an error' else 'name'} raises {type(another).__name__}"
    line = " ".join(f"{name}: {message}".split()).removesuffix(":")
    return line if len(line) <= LONGEST_ERROR else f"{line[: LONGEST_ERROR - 1]}…"


def _lost(error: BaseException, finished: list[Record], file: str | os.PathLike[str] | None) -> SweepError:
    remedy = (
        "With file=, the same call would go on with the rest"
        if file is None
        else f"They are on {os.path.basename(file)}: the same call goes on with the rest"
    )
    runs = count(len(finished), "run")
    lost = SweepError(f"the executor died after {runs} ({_one_line(error)})", remedy=remedy)
    lost.records = finished
    return lost


def describe(experiment: Experiment) -> str:
    """Return the name of an experiment and its parameters, as in ``"learn(T, cell, steps=100, seed)"``.

    For a `functools.partial`, its arguments are included.
    """
    if isinstance(experiment, partial):
        given = (*map(repr, experiment.args), *(f"{name}={value!r}" for name, value in experiment.keywords.items()))
        return f"{describe(experiment.func)} given {', '.join(given)}"
    name = getattr(experiment, "__qualname__", type(experiment).__qualname__)
    try:
        parameters = inspect.signature(experiment).parameters.values()
    except (TypeError, ValueError):  # built in
        return f"{name}(?)"
    return f"{name}({', '.join(p.name if p.default is p.empty else f'{p.name}={p.default!r}' for p in parameters)})"


def _checked_seeds(seeds: Iterable[int]) -> tuple[int, ...]:
    if whole(seeds) is not None:
        raise ArgumentError(f"seeds is {seeds}", remedy=f"Give range({seeds}), or a list of whole numbers")
    if isinstance(seeds, Sized):
        require_memory("the number of seeds", len(seeds), lambda n: n * NUMBER)
    checked = []
    for seed in seeds:
        number = whole(seed)
        if number is None:
            raise ArgumentError(f"a seed is {in_short(seed)}", remedy="Give whole numbers")
        checked.append(plain(number, "a seed"))
    if not checked:
        raise ArgumentError("there are no seeds", remedy="Give at least one")
    return tuple(checked)


def _checked_setting(setting: tuple[object, ...]) -> tuple[object, ...]:
    if not isinstance(setting, (tuple, list)):
        raise ArgumentError(
            f"setting {in_short(setting)} is not a tuple",
            remedy="Of one parameter, a setting is written (value,), with a comma",
        )
    try:
        return tuple(plain(setting, "setting"))
    except RecursionError as error:
        raise ArgumentError("a setting contains itself, or is nested too deeply", remedy="Give plain data") from error


def _check_portable(experiment: Experiment, executor: Executor | None) -> None:
    if executor is None or isinstance(executor, ThreadPoolExecutor):
        return
    dumps: Callable[[object], bytes] = pickle.dumps
    if type(executor).__module__.startswith("distributed."):
        from distributed.protocol.pickle import dumps  # it knows more than Python's own
    try:
        dumps(experiment)
    except Exception as error:
        raise ArgumentError(
            f"{describe(experiment)} cannot be sent to other processes ({_one_line(error)})",
            remedy="Define it at the top level of a module",
        ) from error
