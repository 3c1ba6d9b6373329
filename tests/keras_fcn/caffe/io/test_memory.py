"""A lack of memory in words."""

from __future__ import annotations

import numpy as np
import pytest

from keras_fcn.caffe.io.memory import shortage


class ResourceExhaustedError(Exception):
    """TensorFlow's, by its name."""


def test_an_array():
    with pytest.raises(MemoryError) as raised:
        np.zeros((1000, 1000, 1000, 1000))
    assert shortage(raised.value) == (
        "not enough memory for an array of shape (1000, 1000, 1000, 1000), which needs 7.28 TiB; "
        "a smaller image or batch needs less"
    )


def test_a_tensor():
    error = ResourceExhaustedError(
        "{{node score/convolution}} OOM when allocating tensor with shape[1,512,512,1024] and type "
        "float on /job:localhost/replica:0/task:0/device:CPU:0 by allocator cpu"
    )
    assert shortage(error) == (
        "not enough memory for a tensor of shape (1, 512, 512, 1024) in score/convolution, which "
        "needs 1 GiB; a smaller image or batch needs less"
    )


def test_without_a_size():
    assert shortage(MemoryError()) == "not enough memory; a smaller image or batch needs less"


def test_other_errors():
    assert shortage(ValueError("shape[1,2] and type float")) is None
