"""Sweeps in this process, in threads and in other processes; their files."""

from __future__ import annotations

import asyncio
import json
import math
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError, Executor, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import numpy
import pytest

from tinygrad_rnn import Value
from tinygrad_rnn.errors import ArgumentError, SweepError
from tinygrad_rnn.sweep import ProcessPool, Record, read_records, sweep
from tinygrad_rnn.sweep.records import RecordFile
from tinygrad_rnn.sweep.run import describe

ROOT = Path(__file__).parents[2]
HEADER = '{"format": "tinygrad_rnn sweep", "version": 1, "experiment": "add(a, b, seed)"}\n'


def add(a: int, b: int, seed: int) -> dict[str, Any]:
    if a < 0:
        raise ValueError(f"{a} is\nnegative")
    return {"sum": a + b, "seed": seed}


def logged(path: str, number: int, seed: int) -> dict[str, Any]:
    """Leaves a mark in a file, to be counted."""
    with open(path, "a") as file:
        file.write(f"{number} {seed}\n")
    return {"number": number}


def killer(folder: str, number: int, seed: int) -> dict[str, Any]:
    """The first time, run 3 kills its process."""
    mark = Path(folder) / "killed"
    if number == 3 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return logged(f"{folder}/log", number, seed)


def deadly(folder: str, number: int, seed: int) -> dict[str, Any]:
    """Runs 3 and 20 always end their process."""
    if number in (3, 20):
        os._exit(number % 3)  # with status 0 and 2
    return logged(f"{folder}/log", number, seed)


def untimed(records: list[Record]) -> list[Record]:
    return [replace(record, seconds=0.0) for record in records]


SETTINGS = [(1, 2), (-1, 0), (3, 4)]
RECORDS = [
    Record((1, 2), 5, {"sum": 3, "seed": 5}, None, 0.0),
    Record((1, 2), 6, {"sum": 3, "seed": 6}, None, 0.0),
    Record((-1, 0), 5, None, "ValueError: -1 is negative", 0.0),
    Record((-1, 0), 6, None, "ValueError: -1 is negative", 0.0),
    Record((3, 4), 5, {"sum": 7, "seed": 5}, None, 0.0),
    Record((3, 4), 6, {"sum": 7, "seed": 6}, None, 0.0),
]


def test_every_setting_with_every_seed_and_an_error_is_a_record() -> None:
    records = sweep(add, SETTINGS, seeds=(5, 6))
    assert untimed(records) == RECORDS
    assert all(0.0 <= record.seconds < 10.0 for record in records)
    assert [record.failed for record in records] == [False, False, True, True, False, False]


def test_without_settings_there_is_nothing_to_do(tmp_path: Path) -> None:
    assert sweep(add, [], file=tmp_path / "s") == []


@pytest.mark.parametrize("make", [ProcessPoolExecutor, ThreadPoolExecutor, ProcessPool])
@pytest.mark.slow
def test_any_executor_gives_the_same_records_and_file(make: Any, tmp_path: Path) -> None:
    with make(2) as pool:
        assert untimed(sweep(add, SETTINGS, pool, seeds=(5, 6), file=tmp_path / "s")) == RECORDS
        assert pool.submit(abs, -1).result() == 1  # left open
    written = read_records(tmp_path / "s")
    assert sorted(untimed(written), key=str) == sorted(RECORDS, key=str)


def test_records_are_in_order_whatever_finishes_first() -> None:
    third = threading.Event()

    def wait(i: int, seed: int) -> dict[str, Any]:
        assert third.wait(30) if i < 2 else not third.set()
        return {}

    with ThreadPoolExecutor(3) as pool:
        assert [record.setting for record in sweep(wait, [(0,), (1,), (2,)], pool)] == [(0,), (1,), (2,)]


def test_the_file_is_strict_json_lines(tmp_path: Path) -> None:
    sweep(add, SETTINGS, seeds=(5, 6), file=tmp_path / "s")
    header, *lines = (tmp_path / "s").read_text().splitlines(keepends=True)
    assert header == HEADER
    assert json.loads(lines[0]).keys() == {"setting", "seed", "result", "error", "seconds"}
    assert len(lines) == 6


def test_a_record_is_on_file_when_the_next_run_begins(tmp_path: Path) -> None:
    path = tmp_path / "s"

    def count(i: int, seed: int) -> dict[str, Any]:
        return {"lines": path.read_text().count("\n")}

    assert [record.result for record in sweep(count, [(0,), (1,), (2,)], file=path)] == [
        {"lines": 1},
        {"lines": 2},
        {"lines": 3},
    ]


@pytest.mark.parametrize(
    ("returned", "complaint"),
    [
        ({"x": object()}, "result['x'] is of type object. Plain data are numbers, text"),
        (numpy.complex64(1), "the experiment returned a complex64. It must return a dict"),
        ({1: 2}, "result has a key that is not a text: 1. The file has texts as keys: give str(key), or"),
        ({"a": dict.fromkeys(range(9))}, "result['a'] has 9 keys that are not texts: 0, 1, 2, …. The file"),
        ({None: 1, "a": 2}, "result has a key that is not a text: None."),
        ({"a": [{"__float__": 1}]}, "result['a'][0] has the key '__float__', which stands for NaN and infinity"),
        ({"a": numpy.array([1j])}, "result['a'] is an array of type ndarray with entries that are masked, missing, or"),
        ({"a": numpy.ma.array([1.0, 2.0], mask=[0, 1])}, "result['a'] is an array of type MaskedArray with entries"),
        ({"a": numpy.array([Value(1.0)])}, "result['a'][0] is of type Value. Give its .data"),
        ({"a": Value(1.0)}, "result['a'] is of type Value. Give its .data"),
        ({"a": {1, 2}}, "result['a'] is of type set. Plain data are numbers, text"),
        (None, "the experiment returned nothing (None). It must return a dict, such as"),
        ([1, 2], "the experiment returned a list. It must return a dict, such as"),
    ],
)  # fmt: skip
def test_what_is_no_plain_data_is_an_error_that_names_it(returned: Any, complaint: str, tmp_path: Path) -> None:
    (record,) = sweep(lambda seed: returned, [()], file=tmp_path / "s")
    assert record.result is None
    assert record.error is not None
    assert complaint in record.error
    for line in (tmp_path / "s").read_text().splitlines():
        json.loads(line, parse_constant=pytest.fail)


def test_records_are_the_same_fresh_or_from_the_file(tmp_path: Path) -> None:
    def echo(*setting: Any, seed: int) -> dict[str, Any]:
        return {"x": (1, 0.1 + 0.2), "n": None, "s": "∂\n", "big": 2**70, "got": setting}

    settings = [(1,), (1.0,), (True,), ((1, (2,)), {"b": 1, "a": "ü"}, None), ()]
    fresh = sweep(echo, settings, seeds=(0, 2**65), file=tmp_path / "s")
    assert not any(record.failed for record in fresh)
    assert fresh[6].setting == ([1, [2]], {"b": 1, "a": "ü"}, None)
    assert fresh[6].result == {"x": [1, 0.1 + 0.2], "n": None, "s": "∂\n", "big": 2**70, "got": list(fresh[6].setting)}
    before = (tmp_path / "s").read_bytes()
    assert sweep(echo, settings, seeds=(0, 2**65), file=tmp_path / "s") == fresh == read_records(tmp_path / "s")
    assert (tmp_path / "s").read_bytes() == before
    assert len(fresh) == 10  # 1, 1.0 and True are not the same


def test_numbers_of_numpy_and_those_that_json_lacks_are_recorded(tmp_path: Path) -> None:
    def measure(seed: int) -> dict[str, Any]:
        assert type(seed) is int
        return {
            "nan": float("nan"),
            "far": [1.0, {"b": float("-inf")}, (numpy.float32("inf"),)],
            "single": numpy.float32(0.1),
            "whole": numpy.int64(2**62 + 1),
            "flag": numpy.bool_(True),
            "0-d": numpy.array(0.5),
            "text": numpy.str_("nan"),
            "rows": numpy.array([[1, 2], [3, 4]], "int8"),
            "row": numpy.array([0.1, numpy.inf], "float32"),
            "flags": numpy.array([True, False]),
            "objects": numpy.array([1, None, "x"], object),
            "none": numpy.zeros((0, 2)),
            "fraction": Fraction(1, 4),
        }

    for _ in range(2):
        (record,) = sweep(measure, [()], seeds=numpy.array([3]), file=tmp_path / "s")
        assert record.error is None
        assert record.result is not None
        assert math.isnan(record.result.pop("nan"))
        assert record.result == {
            "far": [1.0, {"b": -math.inf}, [math.inf]],
            "single": float(numpy.float32(0.1)),
            "whole": 2**62 + 1,
            "flag": True,
            "0-d": 0.5,
            "text": "nan",
            "rows": [[1, 2], [3, 4]],
            "row": [float(numpy.float32(0.1)), math.inf],
            "flags": [True, False],
            "objects": [1, None, "x"],
            "none": [],
            "fraction": 0.25,
        }
        assert record.result["flag"] is True
        assert type(record.result["whole"]) is int
    for line in (tmp_path / "s").read_text().splitlines():
        json.loads(line, parse_constant=pytest.fail)


@pytest.mark.parametrize("workers", [0, 1.5, "2", None])
def test_a_pool_has_a_whole_number_of_workers(workers: Any) -> None:
    with pytest.raises(ArgumentError, match=r"workers must be a whole number of at least 1"):
        ProcessPool(workers)


@pytest.mark.parametrize("number", [0.5, 3, numpy.float32(0.5), numpy.int64(3), numpy.array(0.5), float("inf")])
def test_a_number_alone_is_a_result(number: Any, tmp_path: Path) -> None:
    (record,) = sweep(lambda seed: number, [()], file=tmp_path / "s")
    assert record.result == {"result": number.item() if hasattr(number, "item") else number}
    assert read_records(tmp_path / "s") == [record]


def test_settings_are_plain_numbers_whatever_they_came_from() -> None:
    with pytest.raises(ArgumentError, match=r"setting\[0\] is an array of type ndarray. Give its .tolist()"):
        sweep(lambda a, seed: {}, [(numpy.arange(2),)])
    (record,) = sweep(lambda rate, size, seed: {"rate": rate, "size": size}, [(numpy.float32(0.5), numpy.int8(3))])
    assert record.setting == (0.5, 3)
    assert record.result == {"rate": 0.5, "size": 3}
    with pytest.raises(ArgumentError, match=r"setting\[0\] is nan"):
        sweep(lambda a, seed: {}, [(float("nan"),)])


@pytest.mark.parametrize("number", ["1", "[1]", '"1e5"', '"nan", "x": 1'])
def test_a_number_that_json_lacks_is_written_in_one_way(number: str, tmp_path: Path) -> None:
    file = tmp_path / "s"
    sweep(lambda seed: {"x": float("nan")}, [()], file=file)
    text = file.read_text()
    assert '"nan"' in text
    file.write_text(text.replace('"nan"', number))
    with pytest.raises(SweepError, match="line 2 is not a record"):
        read_records(file)


def test_finished_runs_are_not_repeated_and_more_may_be_asked_for(tmp_path: Path) -> None:
    log = str(tmp_path / "log")
    sweep(logged, [(log, 1), (log, 2), (log, 1)], file=tmp_path / "s")
    records = sweep(logged, [(log, 3), (log, 1)], seeds=(0, 1), file=tmp_path / "s")
    assert [(record.setting[1], record.seed) for record in records] == [(3, 0), (3, 1), (1, 0), (1, 1)]
    assert Path(log).read_text() == "1 0\n2 0\n3 0\n3 1\n1 1\n"
    assert len(read_records(tmp_path / "s")) == 5


def test_failed_runs_are_tried_again_unless_told_otherwise(tmp_path: Path) -> None:
    fails = True

    def moody(i: int, seed: int) -> dict[str, Any]:
        if fails and i:
            raise RuntimeError
        return {}

    settings, path = [(0,), (1,)], tmp_path / "s"
    assert [record.error for record in sweep(moody, settings, file=path)] == [None, "RuntimeError"]
    fails = False
    assert [record.failed for record in sweep(moody, settings, file=path, retry_failed=False)] == [False, True]
    assert [record.failed for record in sweep(moody, settings, file=path)] == [False, False]
    assert [record.failed for record in read_records(path)] == [False, False]
    assert path.read_text().count("\n") == 4  # the failure stays on record


@pytest.mark.parametrize("cut", range(1, 40))
def test_a_torn_last_line_is_run_again(cut: int, tmp_path: Path) -> None:
    whole, path = tmp_path / "whole", tmp_path / "s"
    sweep(add, [(1, 2), (3, 4)], file=whole)
    content = whole.read_bytes()
    last = len(content) - content.rstrip(b"\n").rindex(b"\n") - 1
    path.write_bytes(content[: len(content) - cut * last // 40 - 1])
    assert len(read_records(path)) == 1
    assert [record.setting for record in sweep(add, [(1, 2), (3, 4)], file=path)] == [(1, 2), (3, 4)]
    assert [record.setting for record in read_records(path)] == [(1, 2), (3, 4)]


@pytest.mark.parametrize("length", [0, 1, 30, len(HEADER) - 1])
def test_a_torn_header_is_written_again(length: int, tmp_path: Path) -> None:
    (tmp_path / "s").write_text(HEADER[:length])
    assert len(sweep(add, [(1, 2)], file=tmp_path / "s")) == 1
    assert (tmp_path / "s").read_text().startswith(HEADER)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("my notes", "is not the file of a sweep"),
        ("a,b\n1,2\n", "is not the file of a sweep"),
        ("[]\n", "is not the file of a sweep"),
        ('{"format": "tinygrad_rnn sweep", "version": 1}\n', "is not the file of a sweep"),
        (HEADER.replace("add(a", "add(x"), "add(x, b, seed) there, add(a, b, seed) here"),
        (HEADER.replace("1", "2"), "has version 2"),
        (HEADER + "{}\n", "line 2 is not a record"),
        (HEADER + "\n", "line 2 is not a record"),
        (HEADER.replace("1", "1e999"), "is not the file of a sweep"),
        (HEADER + "[" * 100_000 + "\n", "line 2 is not a record"),
        *(
            (
                HEADER + f'{{"setting": {setting}, "seed": {seed}, {came}, "seconds": {seconds}}}\n',
                "line 2 is not a record",
            )
            for setting, seed, came, seconds in (
                ("[1, 2]", 0, '"result": null, "error": null', 0.0),
                ("[1, 2]", 0, '"result": [], "error": null', 0.0),
                ("[1, 2]", 0, '"result": {"sum": NaN}, "error": null', 0.0),
                ("[1, 2]", 0, '"result": null, "error": 1', 0.0),
                ("[1, 2]", '"0"', '"result": {}, "error": null', 0.0),
                ('"12"', 0, '"result": {}, "error": null', 0.0),
                ("[1, 2]", 0, '"result": {}, "error": null', "[]"),
                ("[1, 2]", 0, '"result": {}, "error": null', "1e999"),
                ("[1, 2]", 0, '"result": {}, "error": null', 10**400),
            )
        ),
    ],
)
def test_the_file_of_something_else_is_refused_and_untouched(content: str, complaint: str, tmp_path: Path) -> None:
    (tmp_path / "s").write_text(content)
    with pytest.raises(SweepError) as caught:
        sweep(add, SETTINGS, file=tmp_path / "s")
    assert complaint in str(caught.value)
    assert (tmp_path / "s").read_text() == content


def test_an_experiment_is_known_by_its_name_parameters_defaults_and_what_it_was_given() -> None:
    def learn(T: int, steps: int = 100, *, seed: int) -> dict[str, Any]:
        return {}

    name = "test_an_experiment_is_known_by_its_name_parameters_defaults_and_what_it_was_given.<locals>.learn"
    assert describe(learn) == f"{name}(T, steps=100, seed)"
    assert describe(partial(learn, 3, steps=5)) == f"{name}(T, steps=100, seed) given 3, steps=5"
    assert describe(partial(partial(learn, 3), steps=5)) == describe(partial(learn, 3, steps=5))
    assert describe(dict).startswith("dict(")


#: Windows' locks of bytes, in terms of those of this platform; of these, a process may lock a byte twice.
AS_ON_WINDOWS = """
import fcntl, importlib, os, sys, types
sys.path.insert(0, sys.argv[1])
from tinygrad_rnn.support import locks
def locking(file, mode, count):
    assert count == 1
    how = {"LK_NBLCK": fcntl.LOCK_EX | fcntl.LOCK_NB, "LK_UNLCK": fcntl.LOCK_UN}[mode]
    fcntl.lockf(file, how, count, os.lseek(file, 0, os.SEEK_CUR))
from tinygrad_rnn.sweep import records
sys.modules["msvcrt"] = types.SimpleNamespace(LK_NBLCK="LK_NBLCK", LK_UNLCK="LK_UNLCK", locking=locking)
sys.platform = "win32"
importlib.reload(locks)
records.lock, records.unlock = locks.lock, locks.unlock
"""


@pytest.mark.skipif(sys.platform == "win32", reason="plays Windows on other platforms")
def test_a_second_process_is_kept_out_by_the_locks_of_windows_too(tmp_path: Path) -> None:
    code = (
        f"{AS_ON_WINDOWS}\n"
        "file = records.RecordFile(sys.argv[2], 'f(seed)'); file.append(records.Record((), 0, {}, None, 1.0))\n"
        "print('open', flush=True); input()"
    )
    command = [sys.executable, "-c", code, ROOT, tmp_path / "s"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "open\n"
        assert len(read_records(tmp_path / "s")) == 1
        content = (tmp_path / "s").read_bytes()
        second = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
        assert "SweepError: another sweep is writing to s" in second.stderr
        assert (tmp_path / "s").read_bytes() == content
        first.communicate("\n")
    subprocess.run(command, input="\n", text=True, check=True, capture_output=True)


def test_a_second_process_is_kept_out(tmp_path: Path) -> None:
    path = tmp_path / "s"
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); from tinygrad_rnn.sweep.records import RecordFile\n"
        "file = RecordFile(sys.argv[2], 'add(a, b, seed)'); print('open', flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, ROOT, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        with pytest.raises(SweepError, match="another sweep is writing to s"):
            sweep(add, SETTINGS, file=path)
        assert path.read_text() == HEADER
        process.communicate("\n")
    assert len(sweep(add, SETTINGS, file=path)) == 3


@pytest.mark.skipif(sys.platform == "win32", reason="limits the size of files")
def test_a_disk_that_is_full_leaves_no_part_of_a_line(tmp_path: Path) -> None:
    import resource

    path = tmp_path / "s"
    sweep(add, SETTINGS[:1], file=path)
    before = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 20, limits[1]))
    try:
        with pytest.raises(OSError, match="s'") as caught:
            sweep(add, SETTINGS, file=path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
    assert caught.value.filename == str(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"seeds": 5}, "Give range(5)"),
        ({"seeds": ()}, "there are no seeds"),
        ({"seeds": range(10**15)}, "the number of seeds = 1,000,000,000,000,000 takes about 36 PB of memory"),
        ({"seeds": [0.5]}, "a seed is 0.5"),
        ({"seeds": [True]}, "a seed is True"),
        ({"outstanding": 0}, "outstanding is 0"),
        ({"settings": [3]}, "setting 3 is not a tuple"),
        ({"settings": ["ab"]}, "setting 'ab' is not a tuple"),
        ({"settings": [(1, float("nan"))]}, "setting[1] is nan"),
    ],
)
def test_senseless_arguments_are_named(arguments: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        sweep(add, **{"settings": SETTINGS, **arguments})
    assert complaint in str(caught.value)


def test_what_cannot_be_sent_is_refused_before_anything_starts(tmp_path: Path) -> None:
    with ProcessPoolExecutor(1) as pool:
        with pytest.raises(ArgumentError, match=r"<lambda>\(seed\) cannot be sent to other processes"):
            sweep(lambda seed: {}, [()], pool, file=tmp_path / "s")
        assert os.listdir(tmp_path) == []
        assert not pool._processes


def test_an_endless_supply_of_settings_is_drawn_from_as_runs_finish() -> None:
    begun = drawn = most = 0

    def settings() -> Iterator[tuple[int]]:
        nonlocal drawn
        for drawn in range(300):
            yield (drawn,)

    def watch(i: int, seed: int) -> dict[str, Any]:
        nonlocal begun, most
        begun += 1
        most = max(most, drawn - begun)
        return {}

    with ThreadPoolExecutor(2) as pool:
        assert len(sweep(watch, settings(), pool, outstanding=5)) == 300
    assert most <= 5


@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGKILL")
def test_a_killed_worker_loses_nothing(tmp_path: Path) -> None:
    settings = [(str(tmp_path), number) for number in range(8)]
    with ProcessPoolExecutor(2) as pool, pytest.raises(SweepError) as caught:
        sweep(killer, settings, pool, file=tmp_path / "s")
    assert "BrokenProcessPool" in str(caught.value)
    assert "They are on s: the same call goes on with the rest" in str(caught.value)
    survived = read_records(tmp_path / "s")
    assert sorted(map(str, caught.value.records)) == sorted(map(str, survived))
    assert not any(record.failed for record in survived)
    with ProcessPoolExecutor(2) as pool:
        assert [record.result for record in sweep(killer, settings, pool, file=tmp_path / "s")] == [
            {"number": number} for number in range(8)
        ]
    assert sorted(record.setting[1] for record in read_records(tmp_path / "s")) == list(range(8))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGKILL")
def test_a_run_whose_worker_is_killed_is_run_again_by_the_next_call(tmp_path: Path) -> None:
    settings = [(str(tmp_path), number) for number in range(8)]
    with ProcessPool(2) as pool:
        records = sweep(killer, settings, pool, file=tmp_path / "s")
        assert [record.setting[1] for record in records if record.failed] == [3]
        records = sweep(killer, settings, pool, file=tmp_path / "s")
    assert [record.result for record in records] == [{"number": number} for number in range(8)]


@pytest.mark.slow
@pytest.mark.parametrize("outstanding", [3, 1000])
def test_runs_that_always_kill_their_worker_are_recorded_and_the_others_go_on(tmp_path: Path, outstanding: int) -> None:
    settings = [(str(tmp_path), number) for number in range(30)]
    for _ in range(2 if outstanding == 3 else 1):  # what failed is tried again
        with ProcessPool(2) as pool:
            records = sweep(deadly, settings, pool, file=tmp_path / "s", outstanding=outstanding)
            assert pool.submit(abs, -1).result() == 1
        assert [record.result for record in records] == [
            None if number in (3, 20) else {"number": number} for number in range(30)
        ]
        assert {record.error for record in records} == {None, "ProcessExpired: Abnormal termination"}
        assert sorted(map(str, records)) == sorted(map(str, read_records(tmp_path / "s")))
    lines = Path(tmp_path, "log").read_text().split("\n")
    assert len(set(lines)) == len(lines) == 29  # none is run twice


def test_no_run_is_blamed_if_workers_cannot_even_begin(tmp_path: Path) -> None:
    script = tmp_path / "script.py"  # lacks if __name__ == "__main__"
    script.write_text(
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "from tinygrad_rnn.sweep import ProcessPool, sweep\n"
        "def nothing(number, seed): return {}\n"
        "with ProcessPool(1) as pool: sweep(nothing, [(1,), (2,)], pool, file=sys.argv[1])\n"
    )
    done = subprocess.run([sys.executable, script, tmp_path / "s"], capture_output=True, text=True, timeout=100)
    assert done.returncode == 1
    assert "SweepError: the executor died after 0 runs" in done.stderr
    assert read_records(tmp_path / "s") == []


def test_a_pool_that_is_shut_down_is_said_to_be_lost() -> None:
    pool = ThreadPoolExecutor(1)
    pool.shutdown()
    with pytest.raises(SweepError, match="the executor died after 0 runs"):
        sweep(add, SETTINGS, pool)


def test_settings_that_fail_on_the_way_stop_the_sweep_and_lose_nothing(tmp_path: Path) -> None:
    def settings() -> Iterator[Any]:
        yield from [(1, 2), (3, 4)]
        yield 5

    with ProcessPoolExecutor(1) as pool, pytest.raises(ArgumentError, match="setting 5 is not a tuple"):
        sweep(add, settings(), pool, file=tmp_path / "s")
    assert len(sweep(add, [(1, 2), (3, 4)], file=tmp_path / "s")) == 2


def test_ctrl_c_keeps_what_has_finished(tmp_path: Path) -> None:
    def stop(i: int, seed: int) -> dict[str, Any]:
        if i == 2:
            raise KeyboardInterrupt
        return {}

    settings = [(i,) for i in range(5)]
    for executor in (None, ThreadPoolExecutor(1)):
        path = tmp_path / str(executor is None)
        with pytest.raises(KeyboardInterrupt):
            sweep(stop, settings, executor, file=path)
        numbers = {record.setting[0] for record in read_records(path)}
        assert {0, 1} <= numbers
        assert 2 not in numbers


def test_the_bar_counts_runs_and_failures(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    sweep(add, SETTINGS)
    assert capsys.readouterr().err == ""  # it is no terminal
    monkeypatch.setattr("tinygrad_rnn.support.progress.INTERVAL", 0.0)
    sweep(add, SETTINGS, progress=True)
    assert "3/3" in capsys.readouterr().err
    sweep(add, iter(SETTINGS), progress=True)
    shown = [line.rstrip() for line in capsys.readouterr().err.split("\r") if line.strip()]
    assert shown[-1].startswith("sweep: 3run ")
    assert ", 1 failed, " in shown[-1]
    assert shown[-1].endswith("runs/s]")


@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGKILL")
def test_workers_end_with_the_process_that_made_them(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "import multiprocessing, time\n"
        "from tinygrad_rnn.sweep import ProcessPool\n"
        "if __name__ == '__main__':\n"
        "    pool = ProcessPool(2)\n"
        "    busy = [pool.submit(time.sleep, 300) for _ in range(2)]\n"
        "    while not all(future.running() for future in busy): time.sleep(0.01)\n"
        "    print(*(p.pid for p in multiprocessing.active_children()), flush=True)\n"
        "    time.sleep(300)\n"
    )
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        workers = [int(pid) for pid in process.stdout.readline().split()]
        assert len(workers) == 2
        process.kill()
    until = time.monotonic() + 30
    while any(map(_alive, workers)) and time.monotonic() < until:
        time.sleep(0.05)
    assert not any(map(_alive, workers))


class Speechless(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


class Leaving(Exception):
    def __str__(self) -> str:
        raise SystemExit("no text")


class NamelessType(type):
    @property
    def __name__(cls) -> str:
        raise RuntimeError("no name")


class Nameless(Exception, metaclass=NamelessType):
    pass


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (Speechless(), "Speechless: its message raises RuntimeError"),
        (Leaving(), "Leaving: its message raises SystemExit"),
        (Nameless(), "an error: its name raises RuntimeError"),
        (CancelledError(), "CancelledError"),
        (asyncio.CancelledError("enough"), "CancelledError: enough"),
        (GeneratorExit(), "GeneratorExit"),
        (SystemExit(3), "SystemExit: 3"),
        (ValueError("x" * 10**7), f"ValueError: {'x' * 987}…"),
    ],
)
@pytest.mark.parametrize("executor", [None, ThreadPoolExecutor(1)])
def test_whatever_a_run_raises_it_is_one_failed_run(
    error: BaseException, line: str, executor: Executor | None, tmp_path: Path
) -> None:
    def moody(number: int, seed: int) -> dict[str, Any]:
        if number == 1:
            raise error
        return {"number": number}

    records = sweep(moody, [(number,) for number in range(4)], executor, file=tmp_path / "s")
    assert [record.error for record in records] == [None, line, None, None]
    assert len(read_records(tmp_path / "s")) == 4


class Unknown:
    """An experiment that no other process can unpack, as one of a module that it does not find."""

    def __call__(self, number: int, seed: int) -> dict[str, Any]:
        return {}

    def __reduce__(self) -> tuple[Any, ...]:
        return refuse_to_unpack, ()


def refuse_to_unpack() -> None:
    if multiprocessing.parent_process() is not None:
        raise RuntimeError("unknown here")


@pytest.mark.slow
def test_an_experiment_that_the_processes_do_not_find_is_a_failed_run_that_says_so() -> None:
    """It ended the processes, one after the other, and the sweep went on for ever."""
    with ProcessPool(1) as pool:
        records = sweep(Unknown(), [(1,), (2,)], pool, progress=False)
        assert [record.error for record in records] == ["RuntimeError: unknown here"] * 2
        assert pool.submit(abs, -1).result(10.0) == 1


def grow(sizes: list[int], options: dict[str, int], seed: int) -> dict[str, Any]:
    sizes.append(1)
    options["seen"] = options.get("seen", 0) + 1
    return {"sizes": len(sizes), "seen": options["seen"]}


@pytest.mark.parametrize("executor", [None, ThreadPoolExecutor(2)])
def test_what_a_run_does_to_its_setting_is_not_seen_by_the_next_and_not_recorded(
    executor: Executor | None, tmp_path: Path
) -> None:
    settings = [([8, 8], {})]
    for experiment in (grow, partial(grow, [8, 8])):
        rest = settings if experiment is grow else [({},)]
        path = tmp_path / describe(experiment)
        for _ in range(2):
            records = sweep(experiment, rest, executor, seeds=range(3), file=path)
            assert [record.result for record in records] == [{"sizes": 3, "seen": 1}] * 3
            assert {str(record.setting) for record in records} == {str(rest[0])}
        assert len(read_records(path)) == 3
    assert settings == [([8, 8], {})]


class Growing:
    """An experiment, or one that has a method that is one."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def __call__(self, number: int, seed: int) -> dict[str, Any]:
        return grow(self.sizes, {}, seed)

    def method(self, number: int, seed: int) -> dict[str, Any]:
        return self(number, seed)


@pytest.mark.parametrize("executor", [None, ThreadPoolExecutor(2)])
def test_what_a_run_does_to_the_object_of_the_experiment_is_not_seen_by_the_next(executor: Executor | None) -> None:
    growing = Growing()
    for experiment in (growing, growing.method):
        records = sweep(experiment, [(0,)], executor, seeds=range(3))
        assert [record.result for record in records] == [{"sizes": 1, "seen": 1}] * 3
    assert growing.sizes == []


ENDLESS: list[Any] = []
ENDLESS.append(ENDLESS)


@pytest.mark.parametrize(
    ("setting", "seed", "message"),
    [
        ((10**5000,), 0, r"setting\[0\] is a number of 5,000 digits"),
        ((-(10**5000),), 0, r"setting\[0\] is a number of 5,000 digits"),
        ((1,), 10**5000, "a seed is a number of 5,000 digits"),
        ((ENDLESS,), 0, "a setting contains itself"),
    ],
    ids=["large", "small", "seed", "endless"],
)
def test_what_no_file_can_hold_is_refused(setting: tuple[Any, ...], seed: int, message: str, tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match=message):
        sweep(add, [setting], seeds=[seed], file=tmp_path / "s")


@pytest.mark.parametrize("device", ["/dev/full", "/dev/zero", "/dev/null"])
def test_a_device_is_no_file_of_a_sweep(device: str) -> None:
    """Of the first two, the content has no end."""
    if not os.path.exists(device):
        pytest.skip("there is none")
    with pytest.raises(SweepError, match=f"{device[5:]} is not a regular file"):
        sweep(add, [(1, 2)], file=device)
    with pytest.raises(SweepError, match=f"{device[5:]} is not a regular file"):
        read_records(device)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names")
def test_a_pipe_is_no_file_of_a_sweep(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SweepError, match="pipe is not a regular file"):
        sweep(add, [(1, 2)], file=tmp_path / "pipe")


def test_a_run_may_change_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file was said to be deleted."""

    def change(number: int, seed: int) -> dict[str, Any]:
        os.chdir("/")
        return {}

    monkeypatch.chdir(tmp_path)
    assert len(sweep(change, [(1,), (2,)], file="s", progress=False)) == 2
    assert len(read_records(tmp_path / "s")) == 2


@pytest.mark.parametrize("replaced", [False, True])
def test_a_file_that_is_deleted_under_way_is_an_error(replaced: bool, tmp_path: Path) -> None:
    path = tmp_path / "s"

    def delete(number: int, seed: int) -> dict[str, Any]:
        if number == 1:
            path.unlink()
            if replaced:
                path.write_text("mine")
        return {}

    with pytest.raises(SweepError, match="s was deleted or replaced while the sweep was writing to it"):
        sweep(delete, [(number,) for number in range(3)], file=path)
    assert path.exists() == replaced
    assert not replaced or path.read_text() == "mine"


def test_a_second_sweep_is_kept_out_of_the_file_by_threads_and_readers_too(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with RecordFile(path, "add(a, b, seed)"), ThreadPoolExecutor(1) as other:
        assert read_records(path) == []  # which closes the file in this process
        with pytest.raises(SweepError, match="another sweep is writing to s"):
            other.submit(sweep, add, SETTINGS, file=path).result()
        assert path.read_text() == HEADER
    assert len(sweep(add, SETTINGS, file=path)) == 3


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_a_forked_process_does_not_hold_on_to_the_file(tmp_path: Path) -> None:
    path = tmp_path / "s"
    script = tmp_path / "script.py"
    script.write_text(
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "import os, time\n"
        "from tinygrad_rnn.sweep.records import RecordFile\n"
        "file = RecordFile(sys.argv[1], 'add(a, b, seed)')\n"
        "if os.fork() == 0: print(os.getpid(), flush=True); time.sleep(300)\n"
        "time.sleep(300)\n"
    )
    with subprocess.Popen([sys.executable, script, path], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        process.kill()
        process.wait()
        try:
            assert len(sweep(add, SETTINGS, file=path)) == 3
        finally:
            os.kill(child, signal.SIGKILL)


def idle(folder: str) -> None:
    Path(folder, str(os.getpid())).touch()
    for _ in range(30_000):
        time.sleep(0.01)


@pytest.mark.slow
def test_what_workers_are_at_is_ended_if_the_block_is_left_by_an_exception(tmp_path: Path) -> None:
    began = time.monotonic()
    pool = ProcessPool(2)
    futures = [pool.submit(idle, str(tmp_path)) for _ in range(20)]
    while len(os.listdir(tmp_path)) < 2:
        time.sleep(0.01)
    with pytest.raises(ZeroDivisionError), pool:
        raise ZeroDivisionError
    assert time.monotonic() - began < 100
    assert len(os.listdir(tmp_path)) == 2  # no other one was begun
    assert all(future.cancelled() for future in futures)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat")
    return not (state.exists() and state.read_text().rpartition(")")[2].split()[0] == "Z")
