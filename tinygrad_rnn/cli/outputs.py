"""Check output paths up front, so that a long computation never ends in a failed write."""

from __future__ import annotations

from itertools import combinations

from ..errors import DataError
from ..support import files


def check_writable(*paths: str | None, appended: str | None = None, read: str | None = None) -> None:
    """Check that files can be written, as far as can be known. None stands for no file.

    Args:
        paths: the files, each to be written once.
        appended: a file to which the command adds.
        read: a file that the command reads.

    Raises:
        DataError: one cannot be written, two are the same, or one is the file that is read.
    """
    outputs = [path for path in paths if path is not None]
    for path in outputs:
        files.check_writable(path)
    if appended is not None:
        files.check_appendable(appended)
        outputs.append(appended)
    for path in outputs:
        if read is not None and files.same_file(path, read):
            raise DataError(f"{path!r} would be overwritten, and is read", remedy="Write to another file")
    for one, other in combinations(outputs, 2):
        if files.same_file(one, other):
            raise DataError(f"{one!r} would be written twice", remedy="Give each output a file of its own")
