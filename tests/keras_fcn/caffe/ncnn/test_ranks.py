"""Layers of every number of axes and along every one, in ncnn against onnxruntime."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations

import numpy as np
import pytest

from keras_fcn.caffe.errors import NetworkError
from keras_fcn.caffe.net.assembly import load_network
from tests.golden import assert_close
from tests.keras_fcn.builder.forks import net
from tests.keras_fcn.caffe.ncnn.cases import run, written
from tests.keras_fcn.caffe.onnx.cases import run as run_onnx
from tests.keras_fcn.caffe.onnx.cases import written as written_onnx

SHAPES = {
    2: [(2, 8), (2, 3)],
    3: [(2, 8, 5), (2, 3, 5)],
    4: [(2, 8, 5, 6), (2, 3, 1, 7)],
    5: [(2, 8, 3, 5, 6), (2, 3, 2, 1, 7)],
}
"""Number of axes -> shapes: channels that ncnn packs and others, and axes of size 1."""

EACH = [
    *(
        f'type: "{x}"'
        for x in [
            "AbsVal",
            "BNLL",
            "Sigmoid",
            "TanH",
            "ELU",
            "SeLU",
            "PReLU",
            "BatchNorm",
            "MVN",
            "GRN",
        ]
    ),
    'type: "PReLU" prelu_param { channel_shared: true }',
    'type: "Power" power_param { power: 2 scale: 0.5 shift: 1 }',
    'type: "Power" power_param { power: 3 scale: 0.5 shift: 9 }',
    'type: "Exp" exp_param { base: 2 scale: 0.5 shift: 1 }',
    'type: "Log" log_param { scale: 0.1 shift: 9 }',
    'type: "Threshold"',
    'type: "Clip" clip_param { min: 0.5 max: -0.7 }',
    'type: "Swish" swish_param { beta: 2 }',
    'type: "ReLU" relu_param { negative_slope: 0.1 }',
    'type: "ReLU6" relu6_param { negative_slope: 0.1 n: 1 }',
    'type: "Normalize" norm_param { across_spatial: false channel_shared: false }',
    'type: "Normalize" norm_param { across_spatial: true channel_shared: true }',
    'type: "Normalize" normalize_param { normalize_type: "L1" }',
    'type: "ShuffleChannel" shuffle_channel_param { group: 2 }',
    'type: "MVN" mvn_param { across_channels: true }',
    'type: "BN" bn_param { frozen: true axis: 2 }',
    'type: "ArgMax"',
    'type: "ArgMax" argmax_param { out_max_val: true }',
    'type: "Scale" scale_param { num_axes: 0 bias_term: true }',
]
PAIRS = [
    *(f'type: "Eltwise" eltwise_param {{ operation: {x} }}' for x in ("SUM", "PROD", "MAX")),
    'type: "Eltwise" eltwise_param { coeff: 2 coeff: -1 }',
    'type: "Eltwise" eltwise_param { coeff: 0 coeff: 0 }',
    'type: "Scale" scale_param { axis: 0 }',
    'type: "Bias" bias_param { axis: 0 }',
]
ALONG = [
    'type: "Softmax" softmax_param { axis: %d }',
    'type: "Tile" tile_param { axis: %d tiles: 3 }',
    *(
        f'type: "Reduction" reduction_param {{ axis: %d operation: {x} coeff: 2 }}'
        for x in ("SUM", "MEAN", "ASUM", "SUMSQ")
    ),
    'type: "ArgMax" argmax_param { axis: %d }',
    'type: "ArgMax" argmax_param { axis: %d out_max_val: true }',
    'type: "Reverse" reverse_param { axis: %d }',
    'type: "InnerProduct" inner_product_param { num_output: 4 axis: %d }',
    'type: "InnerProduct" inner_product_param { num_output: 4 axis: %d transpose: true }',
    'type: "Flatten" flatten_param { axis: %d }',
    'type: "Slice" top: "y" top: "z" slice_param { axis: %d slice_point: 1 }',
    *(f'type: "Scale" scale_param {{ axis: %d num_axes: {x} bias_term: true }}' for x in (1, -1)),
    *(f'type: "Bias" bias_param {{ axis: %d num_axes: {x} }}' for x in (1, -1)),
]
PAIRS_ALONG = [
    'type: "Concat" concat_param { axis: %d }',
    'type: "Crop" crop_param { axis: %d }',
]
WINDOWS = [
    f'type: "{kind}" convolution_param {{ num_output: 4 {window} }}'
    for kind in ("Convolution", "Deconvolution")
    for window in (
        "kernel_size: 3",
        "kernel_size: 3 stride: 2 pad: 1 dilation: 2",
        "kernel_size: 3 group: 2 pad: 1",
        "kernel_size: 2 group: 4 bias_term: false",
    )
]
MAPS = [
    *(
        f'type: "Pooling" pooling_param {{ pool: {pool} {window} }}'
        for pool in ("MAX", "AVE", "AVE_EXC_PAD")
        for window in (
            "kernel_size: 3 stride: 2",
            "kernel_size: 3 stride: 2 pad: 1",
            "kernel_size: 2 stride: 3 pad: 1",
            "global_pooling: true",
            "kernel_size: 3 stride: 2 round_mode: FLOOR",
            "kernel_h: 3 kernel_w: 2 stride_h: 1 stride_w: 3 pad_h: 1 pad_w: 0",
        )
    ),
    'type: "LRN" lrn_param { local_size: 5 alpha: 0.1 k: 2 }',
    'type: "LRN" lrn_param { local_size: 3 alpha: -0.1 }',
    'type: "LRN" lrn_param { norm_region: WITHIN_CHANNEL local_size: 3 }',
]


def layers(rank: int) -> Iterator[tuple[str, str]]:
    """Layers for blobs of so many axes, and the names of their bottoms."""
    yield from ((text, "a") for text in (*EACH, *(WINDOWS if rank > 2 else ())))
    yield from ((text, "a") for text in (MAPS if rank == 4 else ()))
    yield from ((text, "ab") for text in PAIRS)
    for axis in range(1, rank):
        yield from ((text % axis, "a") for text in ALONG)
        yield from ((text % axis, "ab") for text in PAIRS_ALONG)
    for order in permutations(range(1, rank)):
        listed = " ".join(f"order: {axis}" for axis in (0, *order))
        yield f'type: "Permute" permute_param {{ {listed} }}', "a"


@pytest.mark.slow
@pytest.mark.parametrize("shape", [shape for shapes in SHAPES.values() for shape in shapes])
def test_every_axis(shape, tmp_path):
    pytest.importorskip("ncnn")
    compared = 0
    for text, names in layers(len(shape)):
        rng = np.random.default_rng(0)
        try:
            network = load_network(net(tmp_path, text, **dict.fromkeys(names, shape)))
        except NetworkError:  # not for such a shape
            continue
        weights = {
            x.name: [rng.uniform(0.1, 1, size).astype("f4") for size in x.weight_shapes]
            for x in network.layers
            if x.weight_shapes
        }
        fed = {name: rng.normal(size=shape).astype("f4") for name in names}
        wanted = run_onnx(written_onnx(network, weights), fed)
        found = run(written(network, weights), fed)
        for name, array in wanted.items():
            try:
                assert_close(found[name], array, 2e-5)
            except AssertionError as error:
                raise AssertionError(f"{text}: {error}") from error
        compared += 1
    assert compared >= 40
