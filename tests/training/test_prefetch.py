import threading
import time

import pytest
import torch

from gptkit.training.prefetch import in_thread


def numbers(count, made):
    for number in range(count):
        made.append(number)
        yield torch.tensor(number)


def test_all_come_in_order():
    made = []
    assert [int(each) for each in in_thread(numbers(50, made), 3)] == list(range(50))


def test_the_thread_is_a_little_ahead_and_ends_with_its_reader():
    made = []
    batches = in_thread(numbers(1_000, made), 3)
    assert int(next(batches)) == 0
    time.sleep(0.2)
    assert 3 <= len(made) <= 6
    batches.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "batches"]


def test_what_goes_wrong_in_the_thread_is_raised():
    def broken():
        yield torch.tensor(0)
        raise OSError("the disk is gone")

    batches = in_thread(broken(), 2)
    assert int(next(batches)) == 0
    with pytest.raises(OSError, match="the disk is gone"):
        next(batches)
