"""Training: a model, a task, and the loop that brings them together."""

from .checkpoint import Checkpoint, load_checkpoint
from .history import History
from .loop import train
from .network import RecurrentNetwork, validate

__all__ = ["Checkpoint", "History", "RecurrentNetwork", "load_checkpoint", "train", "validate"]
