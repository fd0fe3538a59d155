"""Ctrl-C while a file is written: it has the old content or the new, the next write leaves nothing beside it, and
nobody is kept from it.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from tinygrad_rnn.errors import DataError
from tinygrad_rnn.support.files import check_writable, sole_writer, write_whole
from tinygrad_rnn.tasks import Latch
from tinygrad_rnn.train import Limits, RecurrentNetwork, Settings, Trainer, load_checkpoint

from . import Counts
from ._interrupts import interrupt

CONTENTS = [b"a" * 100_000, b"b" * 50_000]


def write() -> None:
    """The one content, then the other."""
    for content in CONTENTS:
        write_whole("x", content)


def check() -> None:
    """Whether it could be written."""
    check_writable("x")


def hold() -> None:
    """As the only writer."""
    with sole_writer("x"):
        pass


def saving() -> Callable[[], None]:
    """A function that saves a checkpoint."""
    task = Latch(T=4)
    model = RecurrentNetwork.for_task(task, "rnn", 1)
    trainer = Trainer(model, task, Settings(batch_size=1, validation_size=1), Limits(2))
    trainer.step()

    def save() -> None:
        trainer.save("checkpoint")

    return save


def harm() -> str | None:
    """What is no longer as it was."""
    if Path("x").read_bytes() not in CONTENTS:
        return "a part of a file"
    if Path("checkpoint").exists():
        load_checkpoint("checkpoint")
    try:
        with sole_writer("x"):
            write_whole("x", CONTENTS[0])
    except DataError as error:
        return f"kept away: {error}"
    left = [name for name in os.listdir() if name.startswith(".x.")]
    if left:
        return f"left behind: {left}"
    return None


def attack(seconds: float) -> Counts:
    """Interrupt each."""
    before = os.getcwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            jobs = {"writing": write, "a check": check, "the only writer": hold, "a checkpoint": saving()}
            return interrupt(jobs, harm, seconds)
        finally:
            os.chdir(before)
