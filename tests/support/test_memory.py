"""Memory: what there is, and what does not fit into it is refused before it is allocated."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tinygrad_rnn.errors import ArgumentError, TooLargeError
from tinygrad_rnn.nn import GRU, LSTM, MLP, Linear, Neuron, OneHot, RNNCell
from tinygrad_rnn.support import memory
from tinygrad_rnn.support.memory import available_memory, in_units, require_memory
from tinygrad_rnn.tasks import Adding, CopyMemory, Forecast, Latch, Reber, Task, TemporalOrder, Text
from tinygrad_rnn.tasks.task import BYTES_OF_STEP
from tinygrad_rnn.train import Limits, RecurrentNetwork, Settings, train

GB = 10**9


@pytest.fixture(autouse=True)
def one_gigabyte(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available_memory", lambda: GB)


def test_what_does_not_fit_is_refused_and_what_would_fit_is_said() -> None:
    def need(n: int) -> int:
        return 1000 * n * n

    require_memory("n", 1000, need)
    with pytest.raises(TooLargeError) as refused:
        require_memory("n", 12_345, need)
    assert str(refused.value) == ("n = 12,345 takes about 152 GB of memory, and 1 GB are free. Up to 1,000 would fit")
    assert (refused.value.needed, refused.value.available) == (need(12_345), GB)
    assert isinstance(refused.value, ArgumentError)
    with pytest.raises(TooLargeError, match="Up to 990 would fit"):
        require_memory("n", 10**18, lambda n: 1005 * n * n)
    with pytest.raises(TooLargeError, match="Make something else smaller: not even 1 would fit"):
        require_memory("n", 2, lambda n: 10**12)


def test_what_is_small_is_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available_memory", lambda: 0)
    require_memory("n", 10, lambda n: memory.UNCHECKED)


def test_a_system_that_does_not_say_is_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available_memory", lambda: None)
    require_memory("n", 10, lambda n: 10**15)


@pytest.mark.parametrize(
    ("size", "shown"),
    [(999, "999 bytes"), (1000, "1 kB"), (999_999, "1 MB"), (22_544_384_000, "22.5 GB"), (10**30, "9.22 EB")],
)
def test_sizes_are_written_for_people(size: int, shown: str) -> None:
    assert in_units(size) == shown


@pytest.mark.skipif(sys.platform != "linux", reason="read from /proc")
def test_the_limit_of_the_process_counts() -> None:
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (2 * 10**9,) * 2)\n"
        "from tinygrad_rnn.support.memory import available_memory; print(available_memory())"
    )
    environment = {"PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60)
    assert 10**9 < int(done.stdout) < 2 * 10**9


@pytest.mark.skipif(sys.platform != "linux", reason="read from /proc")
def test_the_machine_says_what_is_free() -> None:
    free = available_memory()
    assert free is not None
    assert 10**7 < free < 10**14


@pytest.mark.parametrize(
    ("line", "folder", "names"),
    [
        ("0::/a/b", "a", ("memory.max", "memory.current", "inactive_file")),
        ("4:cpu,memory:/a/b", "memory/a", ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")),
    ],
    ids=["version 2", "version 1"],
)
def test_the_limits_of_control_groups_count(
    line: str, folder: str, names: tuple[str, str, str], tmp_path: Path
) -> None:
    limit, usage, cache = names
    group, groups = tmp_path / folder, tmp_path / "groups"
    (group / "b").mkdir(parents=True)
    groups.write_text(f"7:cpu:/x\n{line}\n")
    (group / "b" / limit).write_text("max\n")  # no limit of its own
    (group / limit).write_text("1000000\n")
    (group / usage).write_text("400000\n")
    (group / "memory.stat").write_text(f"anon 300000\n{cache} 100000\n")
    assert list(memory.limits_of_groups(tmp_path, groups)) == [700_000]


TASKS: dict[str, Callable[[], Task]] = {
    "adding": lambda: Adding(10**11),
    "latch": lambda: Latch(10**11),
    "temporal order": lambda: TemporalOrder(10**11),
    "copy": lambda: CopyMemory(10**11),
    "letters": lambda: CopyMemory(5, 10**11),
}


@pytest.mark.parametrize("name", TASKS)
def test_sequences_that_do_not_fit_are_not_made(name: str) -> None:
    task = TASKS[name]()
    with pytest.raises(TooLargeError, match=r"^the number of time steps = .* TB of memory, and 1 GB are free\. Up to"):
        task.validation(1)
    model = RecurrentNetwork.for_task(task, "rnn", 2)
    with pytest.raises(TooLargeError, match="the number of time steps = "):
        train(model, task, progress=False)


@pytest.mark.parametrize("task", [Adding(10), Reber(), Text(), Forecast()])
def test_more_sequences_than_fit_are_not_made(task: Task) -> None:
    model = RecurrentNetwork.for_task(task, "rnn", 2)
    with pytest.raises(TooLargeError, match="batch_size = 10,000,000,000 "):
        train(model, task, Settings(batch_size=10**10), Limits(1), progress=False)
    if "count" in task.validation_by:
        with pytest.raises(TooLargeError, match="the number of sequences = 10,000,000,000 "):
            task.validation(10**10)


def test_a_graph_that_does_not_fit_is_not_begun() -> None:
    task = Adding(100_000)
    model = RecurrentNetwork.for_task(task, "rnn", 8)
    settings = Settings(batch_size=1, validation_size=1)
    with pytest.raises(TooLargeError, match=r"^the number of time steps = 100,000 .* Up to 20,000 would fit$"):
        train(model, task, settings, progress=False)
    with pytest.raises(TooLargeError, match=r"^truncate = 50,000 .* Up to 20,000 would fit$"):
        train(model, task, Settings(batch_size=1, validation_size=1, truncate=50_000), progress=False)
    with pytest.raises(TooLargeError, match=r"^the number of time steps = "):
        model.outputs([(0.0, 0.0)] * 200_000)


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (lambda: RecurrentNetwork.for_task(Reber(), "lstm", 10**5), "hidden_size = 100,000"),
        (lambda: RecurrentNetwork.for_task(Reber(), "gru", 10, 10**8), "num_layers = 100,000,000"),
        (lambda: RNNCell(1, 10**6), "the number of rows of W = 1,000,000"),
        (lambda: Linear(10**8, 1), "the number of rows of V = 1"),
        (lambda: GRU(10**8, 1), "the number of rows of U"),
        (lambda: LSTM(1, 1, 10**9), "num_layers = 1,000,000,000"),
        (lambda: Neuron(10**9), "nin = 1,000,000,000"),
        (lambda: MLP(10**3, [10**9]), "nout = 1,000,000,000"),
        (lambda: OneHot(0, 10**9), "size = 1,000,000,000"),
    ],
)
def test_a_network_that_does_not_fit_is_not_begun(make: Callable[[], object], what: str) -> None:
    with pytest.raises(TooLargeError, match=f"^{what}"):
        make()


@pytest.mark.slow
def test_estimates_are_not_below_what_is_taken() -> None:
    """Python's own account of what it allocated."""
    code = Path(__file__).with_name("allocated.py")
    done = subprocess.run(
        [sys.executable, str(code)],
        env={"PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stderr == ""
    taken = dict(line.split() for line in done.stdout.splitlines())
    assert 0.5 * memory.PARAMETER < float(taken["parameter"]) <= memory.PARAMETER
    assert 0.7 * memory.NODE < float(taken["node"]) <= memory.NODE
    assert 0.7 * memory.NUMBER <= float(taken["number"]) <= memory.NUMBER
    assert 0.7 * BYTES_OF_STEP < float(taken["step"]) <= BYTES_OF_STEP
