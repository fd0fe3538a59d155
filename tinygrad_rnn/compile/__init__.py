"""The compiler: recorded graphs and time steps of recurrent cells as native code, forward and backward."""

from .graph import Program, compile

__all__ = ["Program", "compile"]
