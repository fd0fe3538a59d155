"""Training: a model, a task, and the loop that brings them together.

    from tinygrad_rnn.train import Limits, RecurrentNetwork, Settings, train

To read it, follow a batch from the task to the updated weights:

1. `network`: `RecurrentNetwork`, a recurrent part and a read-out, as a model of a task; `validate`.
2. `engine`: the gradient of a batch, by the eager engine or as native code, and the order in which it is summed.
3. `settings`: `Settings`, what decides the numbers; `Limits`, when training ends.
4. `history`: `History`, a row per update.
5. `trainer`: `Trainer`, a run that is under way: `step` makes one update.
6. `loop`: `train`, the loop around it, with the progress bar; `listening` is for Ctrl-C.

`checkpoint` can be read by itself: the file from which a run goes on as if it had never stopped. `record` describes its
content, and reads it through `entry`, JSON whose every entry is checked.
"""

from .checkpoint import Checkpoint, load_checkpoint
from .history import History, Row
from .loop import train
from .network import RecurrentNetwork, validate
from .settings import Limits, Settings
from .trainer import Trainer

__all__ = [
    "Checkpoint",
    "History",
    "Limits",
    "RecurrentNetwork",
    "Row",
    "Settings",
    "Trainer",
    "load_checkpoint",
    "train",
    "validate",
]
