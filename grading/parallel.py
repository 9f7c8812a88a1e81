"""Hand-ins judged at the same time: on this machine's cores, or on the workers of a dask scheduler.

A worker is sent everything it needs, and sends back a result: it shares no
files with the marker. What a worker had in hand when it was lost is done again
by another.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterable, Iterator

START_SECONDS = 60.0
LOST = 1  # workers that one hand-in may cost before it is set aside, and then, alone, once more


def judged(
    marking, hand_ins: Iterable, give_up: Callable, workers: int = 1, scheduler: str = ""
) -> Iterator:
    """The results of `marking.mark` for each hand-in, as they come.

    Only a few hand-ins are in memory at a time, however many there are.

    Args:
        marking: how to mark; it is sent along with each hand-in.
        hand_ins: what to mark; drawn from only as fast as the workers are.
        give_up: makes the result, from the hand-in and an error, where no worker survives it.
        workers: processes on this machine.
        scheduler: address of a dask scheduler whose workers are to be used instead.

    Raises:
        OSError: if the scheduler cannot be reached, has no worker, or is lost.
    """
    if workers == 1 and not scheduler:
        yield from map(marking.mark, hand_ins)
        return
    from distributed.client import FutureCancelledError

    with _client(workers, scheduler) as client:
        try:
            yield from _spread(client, marking, iter(hand_ins), give_up)
        except FutureCancelledError:
            raise OSError(
                f"The connection to the scheduler {scheduler} was lost. Mark again: what is judged is not judged again."
            ) from None


def _spread(client, marking, hand_ins: Iterator, give_up: Callable) -> Iterator:
    """The results of a scheduler's workers."""
    from distributed import KilledWorker, as_completed

    waiting, suspects = {}, []

    def submit(hand_in):
        # `marking` goes along each time: what workers keep is lost with them
        future = client.submit(_mark, marking, hand_in, pure=False)
        waiting[future] = hand_in
        return future

    # two for each worker, so that none waits for us
    started = itertools.islice(hand_ins, 2 * max(1, sum(client.nthreads().values())))
    running = as_completed(map(submit, started), loop=client.loop)
    for future in running:
        hand_in = waiting.pop(future)
        error = future.exception()
        if isinstance(error, KilledWorker):
            suspects.append(hand_in)  # or another that its workers had in hand as well
        else:
            yield give_up(hand_in, error) if error else future.result()
        future.release()
        for hand_in in itertools.islice(hand_ins, 1):
            running.add(submit(hand_in))
    for hand_in in suspects:  # one at a time, so that none pays for another
        future = submit(hand_in)
        error = future.exception()
        if isinstance(error, KilledWorker):
            error = RuntimeError("every worker that judged it died")
        yield give_up(hand_in, error) if error else future.result()


def _mark(marking, hand_in):
    return marking.mark(hand_in)


@contextlib.contextmanager
def _client(workers: int, scheduler: str) -> Iterator:
    import dask
    from distributed import Client, LocalCluster

    quiet = {
        "distributed.scheduler.allowed-failures": LOST,
        "distributed.worker.memory.terminate": False,  # the jails have limits of their own
        "distributed.worker.memory.pause": False,
        "distributed.admin.large-graph-warning-threshold": "1 GB",
        "logging.distributed": "error",
    }
    with dask.config.set(quiet), contextlib.ExitStack() as stack:
        address = scheduler or stack.enter_context(
            LocalCluster(
                n_workers=workers, threads_per_worker=1, processes=True, memory_limit=0, silence_logs="ERROR",
                dashboard_address="127.0.0.1:0", scheduler_kwargs={"dashboard": False},  # any port, and nothing on it
            )  # fmt: skip
        )
        client = stack.enter_context(Client(address, timeout=START_SECONDS, set_as_default=False))
        try:
            client.wait_for_workers(1, timeout=START_SECONDS)
        except TimeoutError:
            raise OSError(f"The scheduler at {scheduler} has no workers. Start some: python -m grading worker {scheduler}") from None
        yield client


def work_for(scheduler: str, workers: int) -> None:
    """Be workers of a scheduler, until it ends or this process is interrupted."""
    import asyncio

    import dask
    from distributed import Nanny

    async def serve():
        async with contextlib.AsyncExitStack() as stack:
            nannies = [
                await stack.enter_async_context(Nanny(scheduler, nthreads=1, memory_limit=0)) for _ in range(workers)
            ]
            await asyncio.gather(*(nanny.finished() for nanny in nannies))

    with dask.config.set({"distributed.worker.memory.terminate": False}), contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve())
