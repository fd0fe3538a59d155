"""What the commands print: `commands.txt` remembers it. ``python -m tests.golden.make_commands`` writes it anew.

The command ``step`` is tested with the debugger, and ``explore`` with its page; ``train`` and ``sweep`` print times.
"""

from __future__ import annotations

import contextlib
import io
import os
import shlex
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tinygrad_rnn.cli import main

FILE = Path(__file__).with_name("commands.txt")
#: Run in this order, in one folder.
COMMANDS = """
--no-picture
--no-picture --nonlinearity identity --w 1.25 --steps 5
--no-picture --w 1e200 --u 0
--no-picture --w -1.5 --steps 60 --loss all
--no-picture --text hello --hidden 3 --seed 7
--no-picture --hidden 2 --nonlinearity tanh_exact --steps 4
--no-picture --cell lstm --forget-bias 3 --steps 5
--no-picture --cell gru --loss all --steps 5
--no-picture --json --steps 3
--no-picture --json --cell rnn --hidden 2 --steps 2
--no-picture --json --cell lstm --hidden 1 --steps 2
--no-picture --json --w 1e200 --u 0 --steps 2
-o p.dot --steps 2
-o p.dot --steps 2
-o p.dot --steps 2 --quiet
anatomy
anatomy --cell lstm --hidden 2 --steps 6 --jacobians --parameter W_f[0,1]
anatomy --cell gru --hidden 1 --steps 4 --loss last
anatomy --hidden 2 --steps 40
anatomy --steps 3 --paths --loss last
anatomy --steps 3 --paths --jacobians --json
truncate
truncate --k2 3 --k1 2 --hidden 2 --terms 2
truncate --text hello --k2 9
truncate --steps 4 --json
decay
decay --nonlinearity tanh --norms 0.5 1 2 --steps 8
decay --hidden 3 --steps 6
decay --kind non-normal --hidden 3 --radius 0.5 --steps 6
decay --text hello --json --norms 1
decay --cells rnn lstm gru --forget-bias 3 --nonlinearity relu --steps 40 -o d.csv
decay --cell lstm --hidden 2 --steps 3 --json
train --task adding --T 3 --hidden 2 --steps 4 --every 2 --batch 1 --validation 3 --quiet -o m
train --task adding --T 3 --resume -o m --steps 4 --hidden 2 --lr 0.5
eval m --sequences 4
eval m --sequences 4 --T 5 --json
train --task text --hidden 2 --steps 2 --every 2 --length 5 --validation 2 --quiet -o t
eval t --sequences 2
sample t --length 20 --seed 3 --prompt the
sweep --task adding --T 2 --hidden 1 2 --steps 2 --every 1 --batch 1 --validation 2 --seeds 1 --quiet
""".strip().splitlines()


def outputs() -> Iterator[tuple[str, str]]:
    """Every command line, and what it prints, in 80 columns, with its exit code if that is not 0."""
    before, columns = os.getcwd(), os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = "80"
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            for command in COMMANDS:
                printed = io.StringIO()
                with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
                    code = main(shlex.split(command))
                yield command, printed.getvalue() + (f"exit code {code}\n" if code else "")
        finally:
            os.chdir(before)
            if columns is None:
                del os.environ["COLUMNS"]
            else:
                os.environ["COLUMNS"] = columns


def text() -> str:
    """What `FILE` holds."""
    return "\n".join(f"$ tinygrad-rnn {command}\n{printed}" for command, printed in outputs())


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
