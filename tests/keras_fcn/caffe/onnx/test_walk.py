"""Names, sizes and outputs of whole graphs."""

from __future__ import annotations

import numpy as np
import pytest

import convert
from keras_fcn.caffe.surgery import fold_batch_norm, open_net
from tests.golden import assert_close
from tests.keras_fcn.caffe.onnx.cases import run, session, written

INPUT = 'input: "data" input_shape {{ dim: 2 dim: 4 dim: 6 dim: 5 }}\n'
CONV = (
    'layer {{ name: "{0}" type: "Convolution" bottom: "{1}" top: "{0}" convolution_param {{ '
    'num_output: 4 kernel_size: 1 {2} weight_filler {{ type: "xavier" }} }} }}\n'
)


def layer(name: str, kind: str, bottoms: str, tops: str, more: str = "") -> str:
    ends = [f'bottom: "{x}"' for x in bottoms.split()] + [f'top: "{x}"' for x in tops.split()]
    return f'layer {{ name: "{name}" type: "{kind}" {" ".join(ends)} {more} }}\n'


def network_of(tmp_path, *layers: str, **options):
    path = tmp_path / "net.prototxt"
    path.write_text("".join([INPUT.format(), *layers]))
    return convert.load_network(path, **options)


def images(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 1, shape).astype(np.float32)


@pytest.mark.parametrize(
    "through",
    [
        layer("d", "Dropout", "c", "d"),
        layer("s", "Split", "c", "d e"),
        layer("s", "Slice", "c", "d"),
        layer("s", "Concat", "c", "d"),
    ],
)
def test_one_tensor_of_several_blobs(through, tmp_path):
    """Every blob that is asked for is there under its name, whoever hands it on."""
    layers = [CONV.format("c", "data", ""), through, CONV.format("x", "d", "")]
    layers += [CONV.format("y", "c", ""), layer("r", "ReLU", "y", "y")]
    x = images(2, 4, 6, 5)
    for outputs in (None, ["c", "d"], ["d", "c", "x", "y"]):
        network = network_of(tmp_path, *layers, outputs=outputs)
        found = run(written(network), {"data": x})
        assert list(found) == [blob.name for blob in network.outputs]
        if outputs:
            np.testing.assert_array_equal(found["c"], found["d"])


def test_shapes_of_shared_memory_are_open(tmp_path):
    layers = [CONV.format("c", "data", ""), layer("s", "Split", "c", "d")]
    network = network_of(tmp_path, *layers, layer("b", "BNLL", "d", "d"), outputs=["c", "d"])
    opened = session(written(network))
    assert [x.shape for x in opened.get_outputs()] == [["batch", 4, None, None]] * 2


def test_what_a_network_makes_has_one_size(tmp_path):
    dummy = "dummy_data_param { shape { dim: 2 dim: 4 dim: 6 dim: 5 } }"
    layers = [layer("m", "DummyData", "", "m", dummy), layer("sum", "Eltwise", "data m", "sum")]
    opened = session(written(network_of(tmp_path, *layers)))
    assert opened.get_inputs()[0].shape[1:] == [4, 6, 5]


def test_weights_for_one_batch_keep_it(tmp_path):
    network = network_of(tmp_path, CONV.format("c", "data", "axis: 0"))
    assert session(written(network)).get_inputs()[0].shape == [2, 4, 6, 5]


def test_channels_that_only_the_size_tells(tmp_path):
    order = "permute_param { order: 0 order: 2 order: 1 order: 3 }"
    window = "convolution_param { kernel_size: 2 }"
    layers = [layer("p", "Permute", "data", "p", order), layer("i", "Im2col", "p", "i", window)]
    network = network_of(tmp_path, *layers)
    found = run(written(network), {"data": images(3, 4, 6, 5)})
    assert found["i"].shape == (3, 24, 3, 4)


NORM = layer("bn", "BatchNorm", "c", "bn")


@pytest.mark.parametrize(
    ("layers", "options", "folds"),
    [
        ([CONV.format("c", "data", ""), NORM], {}, True),
        ([CONV.format("c", "data", "axis: 1"), NORM], {}, True),
        ([CONV.format("c", "data", "axis: 2"), NORM], {}, False),
        ([CONV.format("c", "data", "axis: -3"), NORM], {}, True),
        ([CONV.format("c", "data", ""), NORM], {"phase": "TRAIN"}, False),
        ([CONV.format("c", "data", ""), NORM], {"outputs": ["c", "bn"]}, False),
    ],
)
def test_fold(layers, options, folds, tmp_path):
    """It keeps every output and its numbers, whatever of it can be done."""
    network = network_of(tmp_path, *layers, **options)
    net = open_net(network.path, phase=options.get("phase", "TEST"), seed=0)
    channels = net.params["bn"][0].shape
    net.params["bn"][0][:], net.params["bn"][1][:] = images(*channels), 2 + images(*channels)
    net.params["bn"][2][:] = 2
    if "outputs" in options:
        net = type(net)(network, net.params)
    folded = fold_batch_norm(net)
    assert ("bn" not in folded.params) is folds
    x = images(2, 4, 6, 5)
    wanted, found = (
        run(written(each.network, {n: list(each.params.peek(n)) for n in each.params}), {"data": x})
        for each in (net, folded)
    )
    assert list(found) == list(wanted)
    for name, array in wanted.items():
        assert_close(found[name], array, 1e-5)
