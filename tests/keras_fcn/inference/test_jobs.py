"""Jobs: order, threads, pictures that are bad."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from keras_fcn.caffe.errors import CaffeWarning
from keras_fcn.inference.jobs import Job, answers, results
from keras_fcn.inference.ordered import in_order


def late_first(number):
    time.sleep(0.02 if number % 4 == 0 else 0)
    return number * number


@pytest.mark.parametrize("ahead", [1, 3, 50])
def test_order_is_kept(ahead):
    assert list(in_order(late_first, range(21), ahead)) == [x * x for x in range(21)]
    assert list(in_order(late_first, [], ahead)) == []


def test_work_overlaps():
    """Each waits for the other: one after the other they would never end."""
    meet = threading.Barrier(2, timeout=20)
    assert len(list(in_order(lambda _: meet.wait(), range(4), 2))) == 4


def test_items_are_taken_no_further_than_told():
    taken = []

    def items():
        for index in range(100):
            taken.append(index)
            yield index

    found = in_order(lambda x: x, items(), 3)
    assert next(found) == 0
    assert len(taken) <= 4
    found.close()
    assert len(taken) <= 4


def test_errors_come_in_their_place():
    found = in_order(lambda x: 1 / x, [1, 2, 0, 4], 4)
    assert [next(found), next(found)] == [1, 0.5]
    with pytest.raises(ZeroDivisionError):
        next(found)


def infer(number):
    if number == 2:
        raise ValueError("two is too much")
    return 10 * number


JOB = Job(1, lambda pixels: int(pixels[0, 0]), infer, lambda x, pixels: (x, pixels.shape))


def test_three_steps_in_the_callers_order():
    images = [np.full((1, size), size) for size in (1, 3, 5)]
    assert answers(JOB, images) == [(10, (1, 1)), (30, (1, 3)), (50, (1, 5))]
    assert answers(JOB, images[1]) == (30, (1, 3))
    assert answers(JOB, []) == []


def test_the_network_runs_in_the_callers_thread():
    threads = []
    job = Job(1, lambda x: x, lambda x: threads.append(threading.current_thread()), lambda x, _: x)
    answers(job, [np.zeros((1, 1))] * 5)
    assert set(threads) == {threading.current_thread()}


def test_bad_pictures_are_named(tmp_path):
    (tmp_path / "broken.png").write_bytes(b"\x89PNG")
    images = [np.full((1, 1), 2), np.full((1, 1), 1), tmp_path / "broken.png"]
    with pytest.raises(ValueError, match=r"^picture 0: two is too much$"):
        answers(JOB, images)
    with pytest.raises(ValueError, match=r"^two is too much$"):
        answers(JOB, images[0], skip_bad=True)
    with pytest.warns(CaffeWarning, match="skipped: ") as warned:
        assert answers(JOB, images, skip_bad=True) == [None, (10, (1, 1)), None]
    assert [str(x.message).split(": ")[1] for x in warned] == ["picture 0", "Cannot read an image"]
    found = list(results(JOB, images))
    assert [x.pixels is None for x in found] == [False, False, True]
