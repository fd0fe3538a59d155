"""A package that is missing is told apart from one that cannot be imported."""

import sys
from pathlib import Path

import pytest

from tinygrad_rnn.errors import MissingDependencyError
from tinygrad_rnn.support.optional import optional


def test_a_missing_package_is_installed_by_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "json", None)
    with pytest.raises(MissingDependencyError) as caught, optional("this needs json", "plot", ", or do without"):
        import json  # noqa: F401
    assert str(caught.value) == "this needs json. pip install 'tinygrad_rnn[plot]', or do without"


@pytest.mark.parametrize("raised", ["raise ImportError('the core\\nfailed\\n')", "raise ImportError"])
def test_one_that_is_there_but_fails_is_not_said_to_be_missing(
    raised: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_library.py").write_text(raised)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(MissingDependencyError) as caught, optional("plots need it", "plot"):
        import broken_library  # type: ignore[import-not-found]  # noqa: F401
    reason = "the core" if "core" in raised else "an ImportError"
    assert str(caught.value) == (
        f"plots need it, which is there but cannot be imported: {reason}. "
        "Try again, or install it anew: pip install 'tinygrad_rnn[plot]'"
    )
