"""Sweeps: one experiment over many settings and seeds, here or on any `concurrent.futures.Executor`."""

from .records import Record, read_records
from .run import process_pool, sweep

__all__ = ["Record", "process_pool", "read_records", "sweep"]
