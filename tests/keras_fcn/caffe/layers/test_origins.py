"""Which kinds BVLC Caffe 1.0 has, and under which type each is written."""

from __future__ import annotations

import pytest

from keras_fcn.caffe.layers import DIALECTS, LAYER_TYPES
from keras_fcn.caffe.layers.activation import Dropout, ReLU
from keras_fcn.caffe.layers.normalization import BatchNorm, ScaledBatchNorm
from keras_fcn.caffe.layers.origins import NOT_BUILT, ORIGINS, dialect_of, origin, type_of
from keras_fcn.caffe.layers.pooling import Pooling
from keras_fcn.caffe.layers.proposal import ProposalLayer
from keras_fcn.caffe.layers.scale import ScaleByBottom
from keras_fcn.caffe.layers.shape import PixelShuffle, Reshape
from keras_fcn.caffe.layers.upsample import SegNetUpsample

# The layers of BVLC Caffe 1.0.
BVLC = {
    *(
        "AbsVal",
        "Accuracy",
        "ArgMax",
        "BNLL",
        "BatchNorm",
        "BatchReindex",
        "Bias",
        "Concat",
    ),
    *("ContrastiveLoss", "Convolution", "Crop", "Data", "Deconvolution", "Dropout"),
    *("DummyData", "ELU", "Eltwise", "Embed", "EuclideanLoss", "Exp", "Filter", "Flatten"),
    *("HDF5Data", "HDF5Output", "HingeLoss", "Im2col", "ImageData", "InfogainLoss"),
    *("InnerProduct", "Input", "LRN", "LSTM", "LSTMUnit", "Log", "MVN", "MemoryData"),
    *("MultinomialLogisticLoss", "PReLU", "Parameter", "Pooling", "Power", "RNN", "ReLU"),
    *("Reduction", "Reshape", "SPP", "Scale", "Sigmoid", "SigmoidCrossEntropyLoss", "Silence"),
    *("Slice", "Softmax", "SoftmaxWithLoss", "Split", "TanH", "Threshold", "Tile"),
    "WindowData",
}


def test_every_kind_is_bvlcs_or_tells_its_fork():
    own = {name for name, kind in LAYER_TYPES.items() if kind not in ORIGINS}
    assert own == BVLC
    assert all(kind in ORIGINS for known in DIALECTS.values() for kind in known.values())


def test_settings_that_bvlc_lacks():
    assert origin(ReLU()) is None
    assert origin(Dropout(sample_weights_test=True)) == "SegNet's Caffe"
    assert origin(Pooling(kernel_size=(2, 2))) is None
    floor = Pooling(kernel_size=(2, 2), round_mode="FLOOR")
    assert origin(floor) == "BVLC/caffe after 1.0"
    assert origin(BatchNorm()) is None
    assert origin(ScaledBatchNorm()) == "NVIDIA/caffe and intel/caffe"


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        (ReLU(), "ReLU"),
        (ScaledBatchNorm(), "BatchNorm"),
        (ScaleByBottom(), "Scale"),
        (Reshape(), "Reshape"),
        (PixelShuffle(pixelshuffler=2), "Reshape"),
        (SegNetUpsample(), "Upsample"),
        (ProposalLayer(), "Python"),
    ],
)
def test_the_type_in_a_prototxt(params, expected):
    assert type_of(params) == expected


def test_the_dialect_of_a_type_that_forks_define_differently():
    assert (dialect_of(SegNetUpsample()), dialect_of(ReLU())) == ("segnet", None)


def test_what_is_not_built_is_not_registered():
    assert not NOT_BUILT.keys() & (LAYER_TYPES.keys() | DIALECTS.keys())
