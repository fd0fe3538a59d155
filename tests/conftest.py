"""Settings of the tests, and what many of them need."""

import signal
from collections.abc import Iterator

import pytest
from hypothesis import settings

from tinygrad_rnn.engine.ops import OPS

from .pythons import interpreters

# Tests must not fail for the machine's being slow.
settings.register_profile("default", deadline=None)
settings.load_profile("default")

# A shell starts background jobs, and nohup all jobs, with Ctrl-C ignored, which processes pass on to their children.
# The tests press Ctrl-C themselves, so they and their children begin with Python's own handler.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_report_header() -> str:
    """Say by which Pythons the same numbers are computed once more."""
    return f"found Python {', '.join(f'{major}.{minor}' for major, minor in interpreters())}"


@pytest.fixture
def ops_as_they_were() -> Iterator[None]:
    """Take the ops that a test has added to the table out again."""
    before = set(OPS)
    yield
    for name in set(OPS) - before:
        del OPS[name]
