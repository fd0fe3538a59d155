"""Draw the picture of the README: the last years of the built-in series, unrolled over three time steps."""

from pathlib import Path

from tinygrad_rnn.cli import main

if __name__ == "__main__":
    raise SystemExit(main(["--steps", "3", "--quiet", "-o", str(Path(__file__).with_name("bptt.svg"))]))
