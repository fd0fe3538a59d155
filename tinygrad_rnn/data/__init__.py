"""Real data: the built-in series and text, and columns of CSV files.

`series` has series of numbers, `text` has texts. `table` reads a CSV file for `series`, and `quotes` explains its
unclosed quotes.
"""

from .series import Series, read_column, sunspots
from .table import DECIMALS
from .text import alice, read_text

__all__ = ["DECIMALS", "Series", "alice", "read_column", "read_text", "sunspots"]
