"""How the benchmarks measure: in turns, in one run, and the best counts."""

import time


def best_times(calls, rounds):
    """Return the shortest time of every call. They take turns, so that a busy moment hits none of them alone."""
    times = [[] for _ in calls]
    for _ in range(rounds):
        for call, taken in zip(calls, times):
            start = time.perf_counter()
            call()
            taken.append(time.perf_counter() - start)
    return [min(taken) for taken in times]
