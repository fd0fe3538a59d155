"""Whether the debugger that is attached can stop in this package.

VS Code's debugger leaves out whatever is not the user's own code, by default: a breakpoint in an installed package is
passed over without a word.
"""

from __future__ import annotations

import sys
import warnings
from functools import cache
from typing import Any


def warn_if_it_cannot_stop() -> None:
    """Warn, once, that the attached debugger passes over the breakpoints of this package, and say which setting to
    change.
    """
    constants: Any = sys.modules.get("_pydevd_bundle.pydevd_constants")  # of debugpy, and of PyCharm's debugger
    debugger = constants and constants.get_global_debugger()
    frame = sys._getframe()
    if (
        debugger
        and getattr(debugger, "is_files_filter_enabled", False)
        and debugger.apply_files_filter(frame, frame.f_code.co_filename, False)
    ):
        _warn()


@cache
def _warn() -> None:
    warnings.warn(
        "a Value has a breakpoint, but the debugger only stops in your own code, and the backward pass is in "
        'tinygrad_rnn: set "justMyCode": false in launch.json (VS Code), or debugpy.configure(just_my_code=False)',
        RuntimeWarning,
        stacklevel=5,
    )
