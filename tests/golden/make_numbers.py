"""Numbers that users see, to the last digit: `numbers.json` remembers them. ``python -m tests.golden.make_numbers``
writes it anew, and with ``--print`` prints it instead.

They are the same in every version of Python; those that depend on the C library are the same where `fingerprint` is.
The standard library is enough to run this.
"""

from __future__ import annotations

import contextlib
import io
import json
import random
import shlex
import sys
from pathlib import Path
from typing import Any

from tinygrad_rnn.cli import main
from tinygrad_rnn.nn.linalg import orthonormal, product, spectral_norm
from tinygrad_rnn.optim import clip_grad_norm_
from tinygrad_rnn.tasks import TASKS, Text, make_task
from tinygrad_rnn.train import Limits, RecurrentNetwork, Settings, train, validate

from .make_bits import fingerprint

FILE = Path(__file__).with_name("numbers.json")

COMMANDS = """
--no-picture --json --text hello --hidden 3 --loss all
decay --text hello --json --norms 1
decay --text hello --hidden 3 --json
anatomy --text hello --hidden 2 --json
""".strip().splitlines()


def numbers() -> dict[str, Any]:
    """All of them, by what they are."""
    found: dict[str, Any] = {"fingerprint": fingerprint()}
    for name in TASKS:
        task = make_task(name, {})
        model = RecurrentNetwork.for_task(task, "lstm", 3)
        found[f"criterion of {name}"] = f"{task.criterion}; {task.trivial}"
        rows = train(model, task, Settings(batch_size=2, validation_size=2), Limits(3), progress=False).rows
        found[f"losses of {name}"] = [row.loss for row in rows]
        found[f"norms of {name}"] = [row.gradient_norm for row in rows]
        found[f"validation of {name}"] = validate(model, task, task.validation(3))
        found[f"clipping of {name}"] = clip_grad_norm_(model.parameters(), 0.1, norm_type=3.0)
    found["what to reach in text"] = Text().goal, Text().baseline
    rng = random.Random(0)
    a, b = ([[rng.gauss(0.0, 1.0) for _ in range(9)] for _ in range(9)] for _ in range(2))
    found["matrices"] = product(a, b), orthonormal(9, 9), spectral_norm(a)
    for command in COMMANDS:
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            assert main(shlex.split(command)) == 0, command
        found[f"tinygrad-rnn {command}"] = printed.getvalue()
    return found


def text() -> str:
    """What `FILE` holds."""
    return json.dumps(numbers(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    if "--print" in sys.argv:
        sys.stdout.write(text())
    else:
        FILE.write_text(text(), encoding="utf-8")
