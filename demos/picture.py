"""Draw the pictures of the README and of the page on BPTT, each by one command.

python demos/picture.py [FOLDER]
"""

import contextlib
import io
import sys
from pathlib import Path

from tinygrad_rnn.cli import main

PICTURES = {
    "bptt.svg": "--animate -o",
    "constant_error_path.svg": "--cell lstm --hidden 1 --forget-bias 3 --steps 3 --state c -o",
    "straight_path.svg": "anatomy --cell lstm --forget-bias 3 --loss last --straight",
    "decay_by_cell.svg": "decay --cells rnn lstm gru --hidden 8 --forget-bias 3 --steps 60 -o",
}

if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    for name, command in PICTURES.items():
        with contextlib.redirect_stdout(io.StringIO()):
            code = main([*command.split(), str(folder / name)])
        if code:
            sys.exit(code)
