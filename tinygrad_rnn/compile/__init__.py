"""The compiler: recorded graphs and time steps of recurrent cells as native code, forward and backward."""

from .graph import Program, compile
from .recurrence import Recurrence, Run
from .replay import Inspection
from .step import Symbols

__all__ = ["Inspection", "Program", "Recurrence", "Run", "Symbols", "compile"]
