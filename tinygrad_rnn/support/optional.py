"""`optional`: what is said where a package that is not needed by all is missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import MissingDependencyError


@contextmanager
def optional(need: str, extra: str, otherwise: str = "") -> Iterator[None]:
    """A context for the import of an optional package.

    Args:
        need: what needs which package, for the error.
        extra: the extra of this package that installs it.
        otherwise: what can be done instead.

    Raises:
        MissingDependencyError: the package is not installed, or cannot be imported, which is told apart.
    """
    remedy = f"pip install 'tinygrad_rnn[{extra}]'{otherwise}"
    try:
        yield
    except ModuleNotFoundError as error:
        raise MissingDependencyError(need, remedy=remedy) from error
    except ImportError as error:  # of a damaged installation, or of Ctrl-C while a library in C begins
        reason = (str(error).strip() or "an ImportError").splitlines()[0]
        raise MissingDependencyError(
            f"{need}, which is there but cannot be imported: {reason}",
            remedy=f"Try again, or install it anew: {remedy}",
        ) from error
