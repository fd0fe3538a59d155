"""Draw the picture of the README: the last years of the built-in series, unrolled over three time steps.

python demos/picture.py [FILE]
"""

import sys
from pathlib import Path

from tinygrad_rnn.cli import main

if __name__ == "__main__":
    target = sys.argv[1] if len(sys.argv) > 1 else str(Path(__file__).with_name("bptt.svg"))
    sys.exit(main(["--steps", "3", "--quiet", "-o", target]))
