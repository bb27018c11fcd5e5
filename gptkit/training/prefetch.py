"""Batches that are read while the device computes."""

import queue
import threading
from collections.abc import Generator, Iterable, Iterator

import torch
from torch import Tensor

from gptkit.training.device import Device
from gptkit.training.loader import Loader, WeightedLoader

AHEAD = 4  # batches


def read_batches(
    loader: Loader | WeightedLoader, places: Iterable[tuple[int, int]], device: Device, ahead: int = AHEAD
) -> Generator[Tensor]:
    """The sequences at each of `places` (first, count), int64 [count, context + 1] on the device.

    For a GPU a thread reads them into page-locked memory, from where they are copied while the GPU works; a processor
    has no time to spare for it. What goes wrong in the thread is raised here.
    """
    if device.name == "cpu":
        for first, count in places:
            yield torch.from_numpy(loader.batch(first, count))
    else:
        for batch in in_thread((torch.from_numpy(loader.batch(*place)).pin_memory() for place in places), ahead):
            yield batch.to(device.name, non_blocking=True)


def in_thread(batches: Iterator[Tensor], ahead: int) -> Generator[Tensor]:
    """What an iterator gives, made by a thread that is up to `ahead` in front. It ends when the generator is closed."""
    made: queue.Queue[Tensor | BaseException | None] = queue.Queue(ahead)
    ended = threading.Event()

    def put(value: Tensor | BaseException | None) -> None:
        while not ended.is_set():
            try:
                made.put(value, timeout=0.1)
                return
            except queue.Full:
                continue

    def work() -> None:
        try:
            for batch in batches:
                if ended.is_set():
                    return
                put(batch)
            put(None)
        except BaseException as error:
            put(error)

    thread = threading.Thread(target=work, name="batches", daemon=True)
    thread.start()
    try:
        while (value := made.get()) is not None:
            if isinstance(value, BaseException):
                raise value
            yield value
    finally:
        ended.set()
        thread.join()
