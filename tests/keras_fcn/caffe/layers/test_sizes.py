"""Caffe's rules for output sizes, against the windows counted one by one."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_fcn.caffe.errors import NetworkError
from keras_fcn.caffe.layers.convolution import conv_size
from keras_fcn.caffe.layers.pooling import pool_size

SIZES = {
    "size": st.integers(1, 40),
    "kernel": st.integers(1, 9),
    "stride": st.integers(1, 5),
    "pad": st.integers(0, 8),
}


@given(**SIZES, dilation=st.integers(1, 3))
def test_convolution(size, kernel, stride, pad, dilation):
    extent = dilation * (kernel - 1) + 1
    room = size + 2 * pad - extent
    if room < 0:
        # The C++ division rounds towards zero: the first window may reach past the end.
        if math.trunc(room / stride) == 0:
            assert conv_size(size, kernel, stride, pad, dilation) == 1
        else:
            with pytest.raises(NetworkError, match=f"extent {extent} does not fit into {size}"):
                conv_size(size, kernel, stride, pad, dilation)
        return
    starts = range(0, room + 1, stride)
    assert conv_size(size, kernel, stride, pad, dilation) == len(starts)


@given(**SIZES)
def test_pooling_rounds_up_and_clips(size, kernel, stride, pad):
    pad = min(pad, kernel - 1)
    out = math.ceil((size + 2 * pad - kernel) / stride) + 1
    if pad and (out - 1) * stride >= size + pad:
        out -= 1
    if out < 1:
        return
    assert pool_size(size, kernel, stride, pad, "CEIL", bool(pad)) == out
    assert (out - 1) * stride - pad < size or not pad


@given(**SIZES)
def test_pooling_rounds_down_on_request(size, kernel, stride, pad):
    pad = min(pad, kernel - 1)
    out = math.floor((size + 2 * pad - kernel) / stride) + 1
    if out < 1:
        with pytest.raises(NetworkError, match="does not fit"):
            pool_size(size, kernel, stride, pad, "FLOOR", bool(pad))
    elif not pad:
        assert pool_size(size, kernel, stride, 0, "FLOOR", False) == out


def test_unknown_sizes_stay_unknown():
    assert conv_size(None, 3, 1, 0, 1) is None
    assert pool_size(None, 3, 1, 0, "CEIL", False) is None
