"""Sweeps on dask.distributed: a scheduler and two workers, each a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from distributed import Client

from tinygrad_rnn.cli import main
from tinygrad_rnn.errors import ArgumentError
from tinygrad_rnn.sweep import read_records, sweep

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}
PATIENCE = 120.0  # seconds; a busy machine starts Python slowly


@dataclass
class Cluster:
    address: str
    workers: list[subprocess.Popen[bytes]]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """On the loopback interface; the workers have no nanny, so that one that is killed stays away."""
    folder = tmp_path_factory.mktemp("dask")
    file = folder / "scheduler.json"

    def start(*command: str) -> subprocess.Popen[bytes]:
        with open(folder / "log", "ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "dask", *command, "--no-dashboard", "--scheduler-file", str(file)],
                cwd=folder, env=ENVIRONMENT, stdout=log, stderr=log,
            )  # fmt: skip

    scheduler = start("scheduler", "--host", "127.0.0.1", "--port", "0")
    workers = [start("worker", "--no-nanny", "--nthreads", "1", "--host", "127.0.0.1") for _ in range(2)]
    try:
        until = time.monotonic() + PATIENCE
        while not (file.exists() and file.read_text().endswith("}")) and time.monotonic() < until:
            time.sleep(0.05)
        yield Cluster(json.loads(file.read_text())["address"], workers)
    finally:
        for process in (*workers, scheduler):
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def client(cluster: Cluster) -> Iterator[Client]:
    with Client(cluster.address, timeout=PATIENCE) as client:
        client.wait_for_workers(2, timeout=PATIENCE)
        yield client


def square(folder: str, number: int, seed: int) -> dict[str, Any]:
    """The victim gives one result, and waits in its next run to be killed; from 20 on, the other waits for that."""
    if number == 7:
        raise ValueError("seven")
    if os.getpid() == int(Path(folder, "victim").read_text()):
        has_begun = Path(folder, "begun")
        if has_begun.exists():
            Path(folder, "waits").touch()
            time.sleep(2 * PATIENCE)
        has_begun.touch()
    else:
        while number >= 20 and not Path(folder, "killed").exists():
            time.sleep(0.01)
    return {"square": number**2, "process": os.getpid()}


def test_what_cannot_be_sent_is_refused(client: Client, tmp_path: Path) -> None:
    lock = threading.Lock()
    with pytest.raises(ArgumentError, match="cannot be sent to other processes"):
        sweep(lambda seed: {"lock": lock.locked()}, [()], client.get_executor(), file=tmp_path / "s")
    assert os.listdir(tmp_path) == []


def test_a_function_within_a_function_will_do(client: Client) -> None:
    factor = 3  # dask sends it along
    records = sweep(lambda n, seed: {"n": factor * n}, [(1,), (2,)], client.get_executor(pure=False))
    assert [record.result for record in records] == [{"n": 3}, {"n": 6}]


def test_the_command_runs_on_the_cluster(
    cluster: Cluster,
    client: Client,
    empty_folder: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    small = ["--hidden", "1", "2", "--steps", "1", "--batch", "1", "--validation", "1", "--seeds", "2"]
    assert main(["sweep", "--task", "adding", "--T", "3", *small, "--dask", cluster.address]) == 0
    assert len(read_records("adding.jsonl")) == 4
    there = capsys.readouterr()
    assert there.err == ""
    assert main(["sweep", "--task", "adding", "--T", "3", *small, "-o", "here"]) == 0

    def results(file: str) -> dict[str, Any]:
        return {str((record.setting, record.seed)): record.result for record in read_records(file)}

    assert results("here") == results("adding.jsonl")


def test_a_worker_killed_in_the_middle_loses_nothing_and_nothing_is_twice(
    cluster: Cluster, client: Client, tmp_path: Path
) -> None:
    """The last test: it leaves a cluster of one."""
    folder, file, victim = tmp_path / "folder", tmp_path / "s", cluster.workers[0]
    folder.mkdir()
    (folder / "victim").write_text(str(victim.pid))

    def is_due() -> bool:
        """Whether a result of the victim is on file, and it is in the midst of another run."""
        return (folder / "waits").exists() and f'"process": {victim.pid}}}' in file.read_text()

    def kill() -> None:
        until = time.monotonic() + PATIENCE
        while not is_due() and time.monotonic() < until:
            time.sleep(0.01)
        victim.kill()
        victim.wait()
        (folder / "killed").touch()

    killer = threading.Thread(target=kill)
    killer.start()
    settings = [(str(folder), number) for number in range(40)]
    executor = client.get_executor(pure=False)
    records = sweep(square, settings, executor, seeds=(0, 1), file=file)
    killer.join()

    runs = [(number, seed) for number in range(40) for seed in (0, 1)]
    assert [(record.setting[1], record.seed) for record in records] == runs
    assert [record.setting[1] for record in records if record.failed] == [7, 7]
    assert all(record.result["square"] == record.setting[1] ** 2 for record in records if record.result)
    lines = [json.loads(line) for line in file.read_text().splitlines()[1:]]
    assert sorted((line["setting"][1], line["seed"]) for line in lines) == runs
    # The killed worker had done one, was in the midst of another, and the other worker did the rest.
    done = [record.result["process"] for record in records if record.result]
    assert (done.count(victim.pid), done.count(cluster.workers[1].pid)) == (1, 77)
    before = file.read_bytes()
    assert sweep(square, settings, executor, seeds=(0, 1), file=file, retry_failed=False) == records
    assert file.read_bytes() == before
