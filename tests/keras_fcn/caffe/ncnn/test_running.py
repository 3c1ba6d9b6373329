"""Networks run in ncnn."""

from __future__ import annotations

import numpy as np
import pytest

from keras_fcn.caffe.conversion.to_ncnn import in_ncnn
from keras_fcn.caffe.surgery import open_net
from keras_fcn.samples import sample_path

pytest.importorskip("ncnn")

from keras_fcn.caffe.ncnn.running import opened


def test_arrays_of_any_layout_are_read_as_they_are():
    """Of a view a copy is made, whose memory has to live until ncnn has read it."""
    session = opened(
        in_ncnn(open_net(*map(sample_path, ("lenet_plate.prototxt", "lenet_plate.caffemodel"))))
    )
    images = np.random.default_rng(0).random((20, 28, 28, 1), np.float32)
    views = images[:, ::-1].transpose(0, 3, 1, 2)
    expected = session.run({"data": np.ascontiguousarray(views)})["prob"]
    np.testing.assert_array_equal(session.run({"data": views})["prob"], expected)
