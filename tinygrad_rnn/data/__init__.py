"""Real data: the built-in series and text, and columns of CSV files."""

from .series import Series, read_column, sunspots
from .text import alice, read_text

__all__ = ["Series", "alice", "read_column", "read_text", "sunspots"]
