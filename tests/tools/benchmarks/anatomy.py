"""How long it takes to split gradients, and how much memory truncated BPTT needs. Run as a script."""

import random
import time
import tracemalloc

from tinygrad_rnn import ScalarRNNCell, anatomy, truncated_bptt, unroll


def unrolled(T):
    rng = random.Random(0)
    return unroll(ScalarRNNCell(0.95, 0.5, 0.1), [rng.gauss(0.0, 1.0) for _ in range(T)])


def seconds(run):
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def main():
    one, all_ = unrolled(10_000), unrolled(1_000)
    print(f"one loss, T = 10,000: {seconds(lambda: anatomy(one, one.h[10_000], one.cell.w)):.2f} s")
    losses = [all_.h[t] for t in range(1, 1_001)]
    print(f"1,000 losses, T = 1,000: {seconds(lambda: anatomy(all_, losses, all_.cell.w)):.2f} s")
    tracemalloc.start()
    truncated_bptt(ScalarRNNCell(0.9), (0.01 for _ in range(100_000)), (0.0 for _ in range(100_000)), 35, 35)
    print(f"truncated BPTT, T = 100,000, k = 35: {tracemalloc.get_traced_memory()[1] / 1e6:.2f} MB at peak")


if __name__ == "__main__":
    main()
