"""Work in threads, in order, whatever becomes of who asked for it."""

from __future__ import annotations

import threading

from keras_fcn.inference.ordered import in_order


def test_results_come_in_order_and_no_further_ahead_than_told():
    begun = []

    def work(item):
        begun.append(item)
        return item * item

    found = in_order(work, range(100), ahead=3)
    assert [next(found) for _ in range(5)] == [0, 1, 4, 9, 16]
    found.close()
    assert max(begun) <= 8


def test_an_end_in_one_of_its_own_threads_waits_for_nobody():
    """As where what is left half-way is collected there."""
    taken, errors = threading.Event(), []
    ended = threading.Event()

    def work(item):
        if item == 1:
            taken.wait(10)
            try:
                found.close()
            except RuntimeError as error:
                errors.append(error)
            ended.set()
        return item

    found = in_order(work, range(9), ahead=2)
    assert next(found) == 0
    taken.set()
    assert ended.wait(10)
    assert errors == []
    assert list(found) == []
