"""Layers of forks, and losses, through onnxruntime against the Keras model of the same file."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import keras_fcn
from keras_fcn.caffe.blobs.caffemodel import write_caffemodel
from keras_fcn.caffe.errors import CaffeWarning, UnsupportedLayerError
from keras_fcn.caffe.net.assembly import load_network
from tests.golden import assert_close
from tests.keras_fcn.builder.forks import net
from tests.keras_fcn.caffe.onnx.cases import run, written
from tests.keras_fcn.caffe.onnx.map_cases import MAPS
from tests.keras_fcn.caffe.onnx.number_cases import NUMBERS

Shapes = Mapping[str, tuple[int, ...]]

VALUES = {
    "label": lambda rng, shape: rng.integers(0, 3, shape),
    "cont": lambda rng, shape: rng.integers(0, 2, shape),
    "similar": lambda rng, shape: rng.integers(0, 2, shape),
    "targets": lambda rng, shape: rng.random(shape),
    "positive": lambda rng, shape: rng.random(shape) * (rng.random(shape) > 0.4),
    "flow": lambda rng, shape: rng.normal(0, 3, shape),
    "some": lambda rng, shape: np.where(rng.random(shape) < 0.2, np.nan, rng.normal(size=shape)),
}
"""What inputs of these names hold; others hold normal numbers."""


def filled(shapes: Shapes, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {
        name: VALUES.get(name, lambda rng, shape: rng.normal(size=shape))(rng, shape).astype("f4")
        for name, shape in shapes.items()
    }


def assert_same(
    folder: Path,
    layer: str,
    declared: Shapes,
    fed: Mapping[str, np.ndarray],
    least: float = -1.0,
    tolerance: float = 1e-5,
    write: Callable[..., Any] = written,
    run: Callable[..., dict[str, np.ndarray]] = run,
    **state: str,
) -> dict[str, np.ndarray]:
    """A net of one layer gives the same elsewhere and in Keras; returns what it gives.

    Args:
        folder: where files go.
        layer: the layer.
        declared: input -> the shape in the prototxt.
        fed: input -> what it gets, perhaps in another shape.
        least: of the weights, which are below 1.
        tolerance: of the largest value.
        write: writes the network with its weights.
        run: runs what that has written.
        **state: phase and so on.
    """
    prototxt = net(folder, layer, **declared)
    network = load_network(prototxt, **state)
    rng = np.random.default_rng(1)
    weights = {
        x.name: [rng.uniform(least, 1, shape).astype("f4") for shape in x.weight_shapes]
        for x in network.layers
        if x.weight_shapes
    }
    write_caffemodel(folder / "net.caffemodel", network.definition, weights)
    model = keras_fcn.from_caffe(prototxt, folder / "net.caffemodel", **state)
    wanted = keras_fcn.blobs(model, fed)
    found = run(write(network, weights), fed)
    assert found.keys() == {blob.name for blob in network.outputs}
    for name, array in found.items():
        assert np.shape(wanted[name]) == array.shape
        np.testing.assert_array_equal(np.isnan(array), np.isnan(wanted[name]))
        assert_close(np.nan_to_num(array), np.nan_to_num(wanted[name]), tolerance)
    return found


@pytest.mark.sweep(3)
@pytest.mark.parametrize("name", MAPS)
def test_maps(name, tmp_path):
    case = MAPS[name]
    least = 0.1 if "bn" in name else -1.0
    assert_same(tmp_path, case.layer, case.declared, filled(case.more_images()), least)
    if case.other is not None:
        assert_same(tmp_path, case.layer, case.declared, filled(case.other_maps()), least)


@pytest.mark.filterwarnings("ignore:.*begins at zero states")
@pytest.mark.sweep(3)
@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_and_sequences(name, tmp_path):
    case = NUMBERS[name]
    found = assert_same(tmp_path, case.layer, case.declared, filled(case.twice_as_long()))
    assert all(np.isfinite(array).all() for array in found.values())


@pytest.mark.parametrize("name", ["softmax", "softmax_weighed", "infogain", "sigmoid", "hinge_l2"])
def test_far_scores(name, tmp_path):
    case = NUMBERS[name]
    fed = filled(case.declared)
    fed["data"] = 3000 * fed["data"]
    (loss, *_) = assert_same(tmp_path, case.layer, case.declared, fed).values()
    assert np.isfinite(loss)


def test_probabilities_of_0(tmp_path):
    case = NUMBERS["multinomial"]
    fed = {"targets": np.zeros((2, 3), "f4"), "label": np.array([0, 2], "f4")}
    (loss,) = assert_same(tmp_path, case.layer, case.declared, fed).values()
    assert_close(loss, np.float32(-np.log(1e-20)))


@pytest.mark.parametrize(
    ("name", "told"), [("lstm", 1), ("caffe_lstm_told", 1), ("lstm_exposed", 0), ("ctpn", 0)]
)
def test_states_that_are_not_kept_are_told(name, told, tmp_path):
    case = NUMBERS[name]
    network = load_network(net(tmp_path, case.layer, **case.declared))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        written(network)
    notes = [str(x.message) for x in caught if issubclass(x.category, CaffeWarning)]
    assert len(notes) == told
    assert all("layer 'l'" in note and "begins at zero states" in note for note in notes)


@pytest.mark.parametrize("frozen", ["true", "false"])
@pytest.mark.parametrize("axis", [1, 2])
def test_pspnet_bn_in_training(frozen, axis, tmp_path):
    layer = f'type: "BN" bn_param {{ frozen: {frozen} axis: {axis} }}'
    declared = {"data": (2, 3, 4, 5)}
    assert_same(tmp_path, layer, declared, filled(declared), 0.1, phase="TRAIN")


def test_interp_of_a_large_map(tmp_path):
    layer = 'type: "Interp" interp_param { height: 713 width: 511 }'
    declared = {"data": (1, 2, 90, 65)}
    assert_same(tmp_path, layer, declared, filled(declared))


@pytest.mark.parametrize(
    ("layer", "phase", "why"),
    [
        (
            'type: "CTCDecoder" ctc_param { decode: BEAM_SEARCH }',
            "TEST",
            "decode: BEAM_SEARCH is not written as ONNX",
        ),
        (
            'type: "Pooling" pooling_param { pool: STOCHASTIC kernel_size: 1 }',
            "TRAIN",
            "pool: STOCHASTIC draws when trained, which is not written as ONNX",
        ),
        ('type: "Dropout"', "TRAIN", "draws random numbers, which is not written as ONNX"),
    ],
)
def test_refused(layer, phase, why, tmp_path):
    network = load_network(net(tmp_path, layer, data=(2, 3, 2, 1)), phase=phase)
    with pytest.raises(UnsupportedLayerError) as refused:
        written(network)
    message = str(refused.value)
    assert "net.prototxt:2: layer 'l'" in message
    assert why in message


def dummy(folder: Path, filler: str) -> Path:
    path = folder / "net.prototxt"
    path.write_text(
        'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 } } }\n'
        'layer { name: "d" type: "DummyData" top: "d" dummy_data_param { shape { dim: 2 dim: 3 } '
        f"data_filler {{ {filler} }} }} }}\n"
        'layer { name: "sum" type: "Eltwise" bottom: "data" bottom: "d" top: "y" }\n'
    )
    return path


def test_dummy_data_follows_the_batch(tmp_path):
    network = load_network(dummy(tmp_path, 'type: "constant" value: 0.5'))
    data = np.random.default_rng(0).normal(size=(5, 3)).astype("f4")
    np.testing.assert_array_equal(run(written(network), {"data": data})["y"], data + 0.5)


def test_random_dummy_data_is_refused(tmp_path):
    network = load_network(dummy(tmp_path, 'type: "gaussian"'))
    with pytest.raises(UnsupportedLayerError, match=r"'d'.*data_filler: gaussian draws random"):
        written(network)


@pytest.mark.parametrize(
    "settings", ["scale: 2", "scale: 2 pad_out_h: true", "scale_h: 2 scale_w: 3"]
)
def test_unpooling_by_mask(settings, tmp_path):
    wide = 3 if "scale_w" in settings else 2
    path = tmp_path / "net.prototxt"
    path.write_text(
        'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 8 '
        'dim: 6 } } }\nlayer { name: "pool" type: "Pooling" bottom: "data" top: "pool" top: "mask" '
        f"pooling_param {{ kernel_h: 2 kernel_w: {wide} stride_h: 2 stride_w: {wide} }} }}\n"
        'layer { name: "up" type: "Upsample" bottom: "pool" bottom: "mask" top: "y" '
        f"upsample_param {{ {settings} }} }}\n"
    )
    network, model = load_network(path), keras_fcn.from_caffe(path)
    shapes = [(3, 3, 8, 6)] if "pad" in settings else [(3, 3, 8, 6), (2, 3, 4, 12)]
    for shape in shapes:
        data = np.random.default_rng(0).normal(size=shape).astype("f4")
        if "pad" in settings:
            data[:, :, -1] = -9  # places in the row that is left out end the run
        found = run(written(network), {"data": data})["y"]
        np.testing.assert_array_equal(found, keras_fcn.blobs(model, {"data": data})["y"])
