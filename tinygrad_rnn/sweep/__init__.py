"""Sweeps: one experiment over many settings and seeds, here or on any `concurrent.futures.Executor`."""

from .pool import ProcessPool
from .records import Record, read_records
from .run import sweep

__all__ = ["ProcessPool", "Record", "read_records", "sweep"]
