"""What Python allocates for the things that `tinygrad_rnn.support.memory` estimates, in bytes each."""

import gc
import random
import tracemalloc

from tinygrad_rnn.nn import RNN
from tinygrad_rnn.optim import Adam
from tinygrad_rnn.tasks import Adding
from tinygrad_rnn.train import RecurrentNetwork

gc.disable()
tracemalloc.start()


def begin() -> None:
    global before
    gc.collect()
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]


def end(what: str, count: int) -> None:
    print(what, (tracemalloc.get_traced_memory()[1] - before) / count)


begin()
module = RNN(1, 60)
optimizer = Adam(module.parameters())
copies = module.state_dict(), module.state_dict()
for parameter in optimizer.parameters:
    parameter.grad = random.random()
optimizer.step()
end("parameter", len(optimizer.parameters))

begin()
numbers = [random.random() for _ in range(10_000)]
end("number", 10_000)

task = Adding(300)
begin()
example = task.example(random.Random(0))
end("step", task.T)

model = RecurrentNetwork.for_task(task, "lstm", 8)
begin()
predicted = model.predictions(example.inputs)
loss = predicted[-1][0] * predicted[-1][0]
loss.backward()
end("node", 2 * len(model.parameters()) * task.T)
