# %% [markdown]
# # 13 · Training on the embedded Reber grammar
#
# Strings such as BTBTXSETE. The inside changes all the time. But the last symbol but one is always the second: here T.
# To predict it, a network has to carry one bit over everything in between (Hochreiter & Schmidhuber 1997).
#
# Training is what you have seen so far, in a loop: unroll, backward, clip, step.

# %%
import random

from lesson import ask, check, show
from tinygrad_rnn.optim import Adam
from tinygrad_rnn.plots.training import history_figure
from tinygrad_rnn.tasks import Reber
from tinygrad_rnn.train import Limits, RecurrentNetwork, Settings, train, validate

task = Reber()
rng = random.Random(0)
for _ in range(4):
    print(task.string(rng))
print("after BTBTXSE may follow", task.legal("BTBTXSE"), "and after BPBTXSE", task.legal("BPBTXSE"))

# %%
ask("A network that knows the grammar but has forgotten the second symbol: how many strings does it get wrong?")

# %%
print(f"{task.baseline:.0%}: {task.trivial}")

# %%
ask("An LSTM with 8 units, 8 strings per step. After how many steps has it learnt to carry the bit?")

# %%
model = RecurrentNetwork.for_task(task, "lstm", hidden_size=8, seed=2, forget_bias=1.0)
optimizer = Adam(model.parameters(), lr=0.03)
settings = Settings(optimizer=optimizer, seed=2, engine="compiled", validate_every=25, validation_size=32)
history = train(model, task, settings, Limits(updates=300), progress=False)
for row in history.validations():
    print(f"step {row.step:3}: loss {row.validation_loss:.2f}, wrong {row.validation_error:.0%}")
wrong = validate(model, task, task.validation(128, seed=1))[1]
print(f"{history.ending} after {len(history.rows) * 8} strings; of 128 others it gets {wrong:.1%} wrong")

# %% [markdown]
# The grammar comes first, and leaves about half of the strings wrong. Then the bit.
#
# Luck plays its part: of the seeds 0 to 3 this one, 2, is the only one that gets there within 400 steps.

# %%
show(history_figure(history))

# %% [markdown]
# **Exercise.** Over how many steps must the bit be carried? Between the input of the second symbol and the input after
# which it is asked for.


# %%
def lag(string: str) -> int:
    """The number of time steps from the second symbol to the one after which it must be predicted."""
    ...


check(lag)
