"""Training and sweeping are killed at random moments. `tests/tools/soak/kill.py` does so more often."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest

from tinygrad_rnn.support.files import write_whole

from .soak.kill import kill_sweeping, kill_training

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform == "win32", reason="sends SIGKILL")]


@pytest.mark.parametrize("kill", [kill_training, kill_sweeping])
def test_nothing_is_lost_and_no_part_of_a_file_is_left(kill, tmp_path: Path) -> None:
    kill(tmp_path, 3, random.Random(0))


WRITES = """
import os, sys, time
from tinygrad_rnn.support import files
def stop(*_):
    print("writing", flush=True)
    time.sleep(100)
files.os.replace = stop
files.write_whole("result", "new")
"""


def test_what_a_killed_write_left_is_removed_by_the_next_but_not_what_is_being_written(
    empty_folder: Path,
) -> None:
    others = [".result.mine.unfinished", ".other.12345678.unfinished", ".result.12345678.tmp"]
    for name in others:
        Path(name).touch()
    write_whole("result", "old")
    with subprocess.Popen([sys.executable, "-c", WRITES], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "writing\n"
        before = sorted(path.name for path in empty_folder.iterdir())
        assert len(before) == 5
        write_whole("result", "newer")
        assert sorted(path.name for path in empty_folder.iterdir()) == before
        process.kill()
    write_whole("result", "newest")
    assert sorted(path.name for path in empty_folder.iterdir()) == sorted([*others, "result"])
    assert Path("result").read_text() == "newest"
