"""A caffemodel becomes a by-name HDF5 file, number for number."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import convert
from keras_fcn.caffe.blobs.means import read_mean
from keras_fcn.caffe.conversion.report import LayerRow, format_table
from keras_fcn.caffe.errors import CaffeError, CaffeWarning, NetworkError, WeightsError
from keras_fcn.caffe.io import streaming
from keras_fcn.caffe.keras_hdf5.writing import WeightsFile
from keras_fcn.caffe.text.prototxt import parse_net
from tests.golden import net_folder
from tests.keras_fcn.caffe import writer
from tests.keras_fcn.caffe.conftest import (
    SHAPES,
    SMALL,
    Files,
    layers_of,
    random_blobs,
    write_files,
)


def converted(files: Files, **options: Any) -> dict[str, list[np.ndarray]]:
    convert.convert(files.prototxt, files.caffemodel, files.output, **options)
    with WeightsFile(files.output) as file:
        return dict(file)


def same(actual: dict[str, list[np.ndarray]], wanted: dict[str, list[np.ndarray]]) -> None:
    assert list(actual) == list(wanted)
    for name, arrays in wanted.items():
        for array, want in zip(actual[name], arrays, strict=True):
            np.testing.assert_array_equal(array, want, err_msg=name)
            assert array.dtype == np.float32


def keras_arrays(weights: dict[str, list[np.ndarray]]) -> dict[str, list[np.ndarray]]:
    """What the small network's blobs are in Keras, by plain transposes."""
    conv1, block, ip1, ip2 = (weights[name] for name in SHAPES)
    over_map = ip1[0].reshape(5, 6, 4, 3).transpose(2, 3, 1, 0).reshape(72, 5)
    return {
        "conv1": [conv1[0].transpose(2, 3, 1, 0), conv1[1]],
        "block_conv2": [block[0].transpose(2, 3, 1, 0), block[1]],
        "ip1": [over_map, ip1[1]],
        "ip2": [ip2[0].T],
    }


# Arrays


def test_arrays(small):
    same(converted(small), keras_arrays(small.weights))


@pytest.mark.parametrize("block_bytes", [1, 37, 100, 1000])
def test_arrays_in_small_blocks(small, monkeypatch, block_bytes):
    monkeypatch.setattr(streaming, "_BLOCK_BYTES", block_bytes)
    monkeypatch.setattr(streaming, "_TILE", 3)
    same(converted(small), keras_arrays(small.weights))


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("double", [True, False])
@pytest.mark.parametrize("legacy", [True, False])
def test_arrays_of_every_form(tmp_path, packed, double, legacy):
    files = write_files(tmp_path, SMALL, SHAPES, packed=packed, double=double, legacy=legacy)
    same(converted(files), keras_arrays(files.weights))


@pytest.mark.parametrize("kind", ["f2", "f8"])
def test_arrays_of_nvidias_caffe(small, kind):
    layers = [
        writer.layer(
            f'name: "{name}"',
            [writer.dims(blob.shape) + writer.raw(blob, kind) for blob in small.weights[name]],
        )
        for name in SHAPES
    ]
    small.caffemodel.write_bytes(writer.net("", layers))
    rounded = {
        name: [blob.astype(kind).astype(np.float32) for blob in blobs]
        for name, blobs in small.weights.items()
    }
    same(converted(small), keras_arrays(rounded))


def test_doubles_are_written_in_blocks(tmp_path, monkeypatch):
    """Never as a float32 copy of a whole blob."""
    files = write_files(tmp_path, SMALL, SHAPES, double=True)
    monkeypatch.setattr(
        "keras_fcn.caffe.blobs.blob_protos.StoredBlob.array", lambda self: pytest.fail("was copied")
    )
    monkeypatch.setattr(streaming, "_BLOCK_BYTES", 100)
    seen: list[tuple[int, int]] = []
    same(converted(files, progress=lambda *p: seen.append(p)), keras_arrays(files.weights))
    assert seen[-1] == (554 * 4, 554 * 4)


def test_statistics_of_doubles_are_those_of_floats(tmp_path):
    text = IMAGE + 'layer { name: "bn" type: "BatchNorm" bottom: "data" top: "data" }'
    arrays = []
    for double in (True, False):
        files = write_files(tmp_path, text, {"bn": [(3,), (3,), (1,)]}, double=double)
        arrays.append(converted(files))
    same(*arrays)


def test_caffemodel_alone(small):
    convert.convert(None, str(small.caffemodel), str(small.output))
    with WeightsFile(small.output) as file:
        same(dict(file), keras_arrays(small.weights))


def test_v1_files(tmp_path):
    v1 = """input: "data" input_dim: 1 input_dim: 2 input_dim: 3 input_dim: 4
        layers { name: "c" type: CONVOLUTION bottom: "data" top: "c"
          convolution_param { num_output: 3 kernel_size: 2 } }
        layers { name: "ip" type: INNER_PRODUCT bottom: "c" top: "ip"
          inner_product_param { num_output: 5 } }"""
    weight, bias, fc, fc_bias = random_blobs([(3, 2, 2, 2), (3,), (5, 18), (5,)])
    net = writer.text("NetParameter", v1)
    blobs = {"c": [weight, bias], "ip": [fc, fc_bias]}
    layers = [
        writer.layer(
            str(layer), [writer.blob(b, legacy=True) for b in blobs[layer.name]], writer.V1
        )
        for layer in net.layers
    ]
    path = tmp_path / "net.caffemodel"
    net.ClearField("layers")
    path.write_bytes(writer.net(str(net), layers, writer.V1))
    (tmp_path / "net.prototxt").write_text(v1)
    for prototxt in (tmp_path / "net.prototxt", None):
        convert.convert(prototxt, path, tmp_path / "net.h5")
        with WeightsFile(tmp_path / "net.h5") as file:
            same(
                dict(file),
                {
                    "c": [weight.transpose(2, 3, 1, 0), bias],
                    "ip": [fc.reshape(5, 3, 6).transpose(2, 1, 0).reshape(18, 5), fc_bias],
                },
            )


PRODUCT = """layer { name: "ip" type: "InnerProduct" bottom: "%s" top: "ip"
  inner_product_param { num_output: 5 bias_term: false %s } }"""
IMAGE = """layer { name: "data" type: "Input" top: "data"
  input_param { shape { dim: 2 dim: 3 dim: 4 dim: 2 } } }"""
FLAT = """layer { name: "f" type: "Flatten" bottom: "data" top: "f" }
  layer { name: "d" type: "Dropout" bottom: "f" top: "f" }"""
OVER_MAP = lambda w: w.reshape(5, 3, 4, 2).transpose(2, 3, 1, 0).reshape(24, 5)  # noqa: E731


@pytest.mark.parametrize(
    ("text", "shape", "wanted"),
    [
        (IMAGE + PRODUCT % ("data", ""), (5, 24), OVER_MAP),
        (IMAGE + PRODUCT % ("data", "transpose: true"), (24, 5), lambda w: OVER_MAP(w.T)),
        (IMAGE + FLAT + PRODUCT % ("f", ""), (5, 24), OVER_MAP),
        (IMAGE + PRODUCT % ("data", "axis: 2"), (5, 8), lambda w: w.T),
        (IMAGE + PRODUCT % ("data", "axis: -1"), (5, 2), lambda w: w.T),
    ],
)
def test_inner_product(tmp_path, text, shape, wanted):
    files = write_files(tmp_path, text, {"ip": [shape]})
    same(converted(files), {"ip": [wanted(files.weights["ip"][0])]})


def test_unknown_type_keeps_its_blobs_in_caffes_layout(tmp_path):
    text = IMAGE + 'layer { name: "x" type: "Foreign" bottom: "data" top: "x" }'
    files = write_files(tmp_path, text, {"x": [(2, 3, 4), (), (1,)]})
    report = convert.convert(files.prototxt, files.caffemodel, files.output)
    with WeightsFile(files.output) as file:
        same(dict(file), {"x": files.weights["x"]})
        assert file.weight_names("x") == ["blob0", "blob1", "blob2"]
    assert report.notes == (
        "layer 'x': type 'Foreign' is not known, its weights are kept in Caffe's layout",
    )


def test_order_of_inputs_behind_an_unknown_type_is_noted(tmp_path):
    foreign = 'layer { name: "x" type: "Foreign" bottom: "data" top: "x" }'
    data = 'layer { name: "data" type: "Data" top: "data" }'
    for text in (IMAGE + foreign + PRODUCT % ("x", ""), data + PRODUCT % ("data", "")):
        files = write_files(tmp_path, text, {"ip": [(5, 24)]})
        report = convert.convert(files.prototxt, files.caffemodel, files.output)
        assert "layer 'ip': its inputs are taken as a plain vector" in report.notes[0]
        with WeightsFile(files.output) as file:
            same(dict(file), {"ip": [files.weights["ip"][0].T]})


def test_batch_norm_and_scale(tmp_path):
    """Caffe stores sums and their weight, Keras the averages; the weight stands aside."""
    text = (
        IMAGE
        + """
        layer { name: "bn" type: "BatchNorm" bottom: "data" top: "data" }
        layer { name: "sc" type: "Scale" bottom: "data" top: "data"
          scale_param { bias_term: true } }"""
    )
    files = write_files(tmp_path, text, {"bn": [(3,), (3,), (1,)], "sc": [(3,), (3,)]})
    mean, variance, factor = files.weights["bn"]
    same(converted(files), {"bn": [mean / factor, variance / factor], "sc": files.weights["sc"]})
    with WeightsFile(files.output) as file:
        assert file.weight_names("bn") == ["moving_mean", "moving_variance"]
        np.testing.assert_array_equal(file.extra("bn")[0], factor)
        assert file.extra("sc") == []
    import keras

    layer = keras.layers.BatchNormalization(center=False, scale=False, name="bn")
    model = keras.Sequential([keras.Input((4, 2, 3)), layer])
    model.load_weights(files.output, by_name=True)
    np.testing.assert_array_equal(layer.moving_mean, mean / factor)
    np.testing.assert_array_equal(layer.moving_variance, variance / factor)


# What stands beside the weights


def test_attributes(small):
    convert.convert(small.prototxt, small.caffemodel, small.output)
    with WeightsFile(small.output) as file:
        root = file.attributes()
        assert root["source"] == small.caffemodel.name
        assert root["source_sha256"] == hashlib.sha256(small.caffemodel.read_bytes()).hexdigest()
        assert root["converter_version"] == convert.__version__
        assert root["keras_fcn_format"] == 1
        assert root["network"] == "small"
        assert parse_net(file.text("prototxt")).message == parse_net(SMALL).message
        layer = file.attributes("block_conv2")
        assert layer["caffe_name"] == "block/conv2"
        assert layer["caffe_type"] == "Convolution"
        assert json.loads(layer["caffe_blob_shapes"]) == [[6, 2, 1, 3], [6]]
        assert file.caffe_shapes("ip1") == [(5, 72), (5,)]
        assert file.attributes("ip1")["flattened_channels"] == 6
        assert "flattened_channels" not in file.attributes("ip2")
        assert file.mean() is None


def test_prototxt_is_stored_without_the_weights(small):
    convert.convert(None, small.caffemodel, small.output)
    with WeightsFile(small.output) as file:
        message = parse_net(file.text("prototxt")).message
    assert [layer.name for layer in message.layer if layer.blobs] == []
    assert message.layer == parse_net(SMALL).message.layer


def test_report(small):
    report = convert.convert(small.prototxt, small.caffemodel, small.output)
    assert (report.source, report.output) == (str(small.caffemodel), str(small.output))
    assert report.notes == ()
    assert [row.name for row in report.layers] == list(SHAPES)
    assert str(report).splitlines() == [
        "layer        type          Caffe blobs  Keras weights  parameters",
        "conv1        Convolution   4x3x3x3 4    3x3x3x4 4             112",
        "block_conv2  Convolution   6x2x1x3 6    1x3x2x6 6              42",
        "ip1          InnerProduct  5x72 5       72x5 5                365",
        "ip2          InnerProduct  7x5          5x7                    35",
        "total                                                         554",
    ]


def test_table_of_large_and_scalar_blobs():
    row = LayerRow("a/b", "a_b", "Scale", ((), (4096, 9216)), ((), (9216, 4096)))
    line = format_table([row]).splitlines()[1]
    assert line.split() == [
        "a_b",
        "Scale",
        "scalar",
        "4096x9216",
        "scalar",
        "9216x4096",
        "37,748,737",
    ]


def test_list_writes_nothing(small):
    before = sorted(small.prototxt.parent.iterdir())
    report = convert.list_layers(small.caffemodel)
    assert str(report) == str(convert.list_layers(small.caffemodel, small.prototxt))
    assert report.output is None
    assert sorted(small.prototxt.parent.iterdir()) == before


def test_notes_say_what_is_left_out(small):
    layers = layers_of(SMALL, {name: small.weights[name] for name in ("conv1", "ip1")})
    layers.append(writer.layer('name: "old_head" type: "InnerProduct"', [writer.blob(np.ones(2))]))
    small.caffemodel.write_bytes(writer.net("", layers))
    report = convert.convert(small.prototxt, small.caffemodel, small.output, partial=True)
    assert report.notes == (
        f"layer 'old_head' of the caffemodel is not in {small.prototxt}: left out",
        f"layer 'block/conv2' has no weights in {small.caffemodel}",
        f"layer 'ip2' has no weights in {small.caffemodel}",
    )


# Names


def test_weights_that_lack_layers_are_refused(small):
    small.caffemodel.write_bytes(writer.net("", layers_of(SMALL, {"ip1": small.weights["ip1"]})))
    words = r"no weights for 3 of the layers of .*'conv1' \(Convolution\), .*partial=True"
    with pytest.raises(convert.WeightsError, match=words):
        convert.convert(small.prototxt, small.caffemodel, small.output)
    assert not small.output.exists()


def test_layers_that_share_or_are_of_another_phase_do_not_lack(tmp_path):
    prototxt, caffemodel = tmp_path / "net.prototxt", tmp_path / "net.caffemodel"
    convolution = """layer { name: "%s" type: "Convolution" bottom: "data" top: "%s" %s
        param { name: "w" } param { name: "b" }
        convolution_param { num_output: 2 kernel_size: 1 } }"""
    prototxt.write_text(
        'input: "data" input_shape { dim: 1 dim: 3 dim: 4 dim: 4 }'
        + convolution % ("own", "own", "")
        + convolution % ("same", "same", "")
        + (convolution % ("train", "train", "include { phase: TRAIN }")).replace('"w"', '"v"')
    )
    blobs = [np.ones((2, 3, 1, 1), np.float32), np.zeros(2, np.float32)]
    convert.write_caffemodel(caffemodel, prototxt, {"own": blobs})
    report = convert.convert(prototxt, caffemodel, tmp_path / "net.h5")
    assert [row.name for row in report.layers] == ["own", "same"]
    with pytest.raises(convert.WeightsError, match=r"'train' \(Convolution\)"):
        convert.convert(prototxt, caffemodel, tmp_path / "net.h5", phase="TRAIN")


def test_how_to_read_a_prototxt_that_is_not_given(small):
    with pytest.raises(ValueError, match="without a prototxt there is no phase to choose"):
        convert.convert(None, small.caffemodel, small.output, phase="TRAIN")


def test_renamed_layers(small):
    wanted = converted(small)
    text = small.prototxt.read_text()
    small.prototxt.write_text(
        text.replace('"ip2"', '"score/a"').replace('name: "ip1"', 'name: "fc"')
    )
    rename = {"ip2": "score/a", "ip1": "fc"}
    stored = converted(small, rename=rename)
    same(stored, {{"ip1": "fc", "ip2": "score_a"}.get(n, n): a for n, a in wanted.items()})
    report = convert.list_layers(small.caffemodel, rename=rename)
    assert [row.name for row in report.layers] == ["conv1", "block/conv2", "fc", "score/a"]
    assert report.notes == ()
    with pytest.raises(WeightsError, match="no layer 'ip3' to rename; there are ip"):
        converted(small, rename={"ip3": "ip2"})


def test_names_that_meet_are_kept_apart_and_can_be_reversed(tmp_path):
    names = ["a b", "a/b", "a_b", "a:b", "é", "a_b_2"]
    text = IMAGE + "".join(
        f'layer {{ name: "{name}" type: "Scale" bottom: "data" top: "data" }}' for name in names
    )
    files = write_files(tmp_path, text, {name: [(3,)] for name in names})
    same_order = converted(files)
    assert len(same_order) == len(names)
    assert list(same_order)[2] == "a_b"
    with WeightsFile(files.output) as file:
        stored = {file.attributes(name)["caffe_name"]: file[name][0] for name in file}
    assert list(stored) == names
    for name, array in stored.items():
        np.testing.assert_array_equal(array, files.weights[name][0])


def test_layers_of_one_name(tmp_path):
    """Caffe gives the weights to the first of them only."""
    layer = 'layer { name: "s" type: "Scale" bottom: "data" top: "data" }\n'
    files = write_files(tmp_path, IMAGE + layer + layer, {"s": [(3,)]})
    with pytest.raises(NetworkError, match=r"layer 's' \(Scale\): another layer .* has this name"):
        convert.convert(files.prototxt, files.caffemodel, files.output)
    assert not files.output.exists()


# Layers of training


TRAINING = """layer { name: "data" type: "HDF5Data" top: "data" top: "label" top: "roi"
    include { phase: TRAIN } hdf5_data_param { source: "train.txt" batch_size: 64 } }
  layer { name: "test" type: "HDF5Data" top: "data" top: "label" top: "roi"
    include { phase: TEST } hdf5_data_param { source: "test.txt" batch_size: 64 } }
  layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
    convolution_param { num_output: 4 kernel_size: 3 } }
  layer { name: "conv1_data_0_split" type: "Split" bottom: "conv1" top: "a" top: "b" }
  layer { name: "relu" type: "PReLU" bottom: "a" top: "a" }
  layer { name: "head" type: "InnerProduct" bottom: "b" top: "head"
    inner_product_param { num_output: 2 } }
  layer { name: "loss" type: "SoftmaxWithLoss" bottom: "head" bottom: "label" }
  layer { name: "own" type: "Python" bottom: "roi" python_param { module: "m" layer: "L" } }"""
DEPLOY = """layer { name: "data" type: "Input" top: "data"
    input_param { shape { dim: 1 dim: 3 dim: 6 dim: 6 } } }
  layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
    convolution_param { num_output: 4 kernel_size: 3 } }
  layer { name: "relu" type: "PReLU" bottom: "conv1" top: "conv1" }"""


def test_weights_saved_in_training(tmp_path):
    """As those of MTCNN: data layers, losses and Caffe's own splits stand in the file."""
    shapes = {"conv1": [(4, 3, 3, 3), (4,)], "relu": [(4,)], "head": [(2, 64), (2,)]}
    files = write_files(tmp_path, TRAINING, shapes)
    files.prototxt.write_text(DEPLOY)
    report = convert.convert(files.prototxt, files.caffemodel, files.output)
    assert [row.name for row in report.layers] == ["conv1", "relu"]
    assert report.notes == (f"layer 'head' of the caffemodel is not in {files.prototxt}: left out",)
    report = convert.convert(None, files.caffemodel, files.output)
    assert [row.name for row in report.layers] == ["conv1", "relu", "head"]
    assert report.notes == ()


def test_v1_type_of_a_fork(tmp_path):
    """A caffemodel holds the type's number only; the weights are kept in Caffe's layout."""
    blob = random_blobs([(2, 3)])[0]
    strange = writer.layer('name: "x" bottom: "data" top: "x"', [writer.blob(blob)], writer.V1)
    path = tmp_path / "net.caffemodel"
    path.write_bytes(
        writer.net('input: "data" input_dim: [1, 3, 1, 1]', [strange + b"\x28\x63"], writer.V1)
    )
    report = convert.convert(None, path, tmp_path / "net.h5")
    assert report.notes == (
        "layer 'x': type 'V1 type 99' is not known, its weights are kept in Caffe's layout",
    )
    with WeightsFile(tmp_path / "net.h5") as file:
        same(dict(file), {"x": [blob]})


def test_progress(small, monkeypatch):
    monkeypatch.setattr(streaming, "_BLOCK_BYTES", 300)
    seen: list[tuple[int, int]] = []
    convert.convert(
        small.prototxt, small.caffemodel, small.output, progress=lambda *p: seen.append(p)
    )
    total = 4 * sum(array.size for arrays in small.weights.values() for array in arrays)
    assert [total for _, total in seen] == [total] * len(seen)
    assert seen[-1] == (total, total)
    assert len(seen) > 7
    done = [done for done, _ in seen]
    assert done == sorted(set(done))


def test_nan_weights_are_warned_of_and_named(small):
    small.weights["block/conv2"][1][3] = np.nan
    small.caffemodel.write_bytes(writer.net("", layers_of(SMALL, small.weights)))
    with pytest.warns(CaffeWarning, match=rf"^{small.caffemodel}: block_conv2/bias holds NaN$"):
        report = convert.convert(small.prototxt, small.caffemodel, small.output)
    assert report.notes == ("block_conv2/bias holds NaN",)
    with WeightsFile(small.output) as file:
        same(dict(file), keras_arrays(small.weights))


# The mean


@pytest.mark.parametrize("shape", [(3, 4, 5), (1, 3, 4, 5), (3,), (1, 3), (1, 3, 1, 1)])
@pytest.mark.parametrize("suffix", [".npy", ".binaryproto"])
def test_mean(small, tmp_path, shape, suffix):
    mean = random_blobs([shape])[0]
    path = tmp_path / f"mean{suffix}"
    if suffix == ".npy":
        np.save(path, mean.astype(np.float64))
    else:
        path.write_bytes(writer.blob(mean, legacy=len(shape) == 4))
    convert.convert(small.prototxt, small.caffemodel, small.output, mean=path)
    wanted = mean.ravel() if len(shape) < 3 else mean.reshape(shape[-3:]).transpose(1, 2, 0)
    with WeightsFile(small.output) as file:
        np.testing.assert_array_equal(file.mean(), wanted)
        assert file.mean().dtype == np.float32


@pytest.mark.parametrize(
    ("shape", "channels", "order"),
    [
        ((3, 4, 5), None, "first"),
        ((1, 4, 5), None, "first"),
        ((4, 5, 3), None, "last"),
        ((4, 5, 1), None, "last"),
        ((1, 4, 5, 3), None, "last"),
        ((4, 5, 6), 4, "first"),
        ((4, 5, 6), 6, "last"),
        ((3, 5, 1), 3, "first"),
        ((1, 5, 3), 3, "last"),
        ((3, 5, 4), 4, "last"),
        ((1, 1, 3), 3, "last"),
        ((1, 1, 3), None, "last"),
        ((3, 1, 1), None, "first"),
        ((1, 3, 1, 1), 3, "first"),
        ((1, 1, 1, 3), 3, "last"),
    ],
)
def test_axes_of_a_mean(tmp_path, shape, channels, order):
    mean = random_blobs([shape])[0]
    np.save(tmp_path / "mean.npy", mean)
    image = mean.reshape(shape[-3:])
    wanted = image.transpose(1, 2, 0) if order == "first" else image
    np.testing.assert_array_equal(read_mean(tmp_path / "mean.npy", channels), wanted)


@pytest.mark.parametrize(
    ("shape", "channels", "message"),
    [
        ((3, 5, 3), None, r"has shape \(3, 5, 3\); its channels.* 1 or 3: save it as"),
        ((3, 5, 1), None, r"has shape \(3, 5, 1\); its channels"),
        ((1, 3, 5, 3), 3, r"has shape \(1, 3, 5, 3\); its channels.* is 3"),
        ((4, 5, 6), None, r"has shape \(4, 5, 6\); neither end is 1 or 3, as a mean's"),
        ((4, 5, 6), 3, r"has shape \(4, 5, 6\); neither end is 3, as the network's"),
        ((1, 1, 3), 1, r"has shape \(1, 1, 3\), 3 channels; the network takes 1"),
        ((3, 1, 1), 1, r"has shape \(3, 1, 1\), 3 channels; the network takes 1"),
        ((3,), 1, r"has shape \(3,\), 3 channels; the network takes 1"),
        ((3,), 4, r"has shape \(3,\), 3 channels; the network takes 4"),
        ((4, 5), 3, r"has shape \(4, 5\); a mean is"),
    ],
)
def test_axes_of_a_mean_that_are_not_told(tmp_path, shape, channels, message):
    np.save(tmp_path / "mean.npy", np.zeros(shape))
    with pytest.raises(WeightsError, match=rf"mean\.npy {message}"):
        read_mean(tmp_path / "mean.npy", channels)


def test_grey_means(tmp_path):
    for name, shape in {"mean.npy": (4, 5), "MEAN.NPY": (4, 5, 1)}.items():
        mean = random_blobs([shape])[0]
        with open(tmp_path / name, "wb") as file:
            np.save(file, mean)
        np.testing.assert_array_equal(read_mean(tmp_path / name, 1), mean.reshape(4, 5, 1))


def test_a_binaryproto_has_its_channels_first(small, tmp_path):
    mean = random_blobs([(3, 4, 3)])[0]
    (tmp_path / "mean.binaryproto").write_bytes(writer.blob(mean))
    read = read_mean(tmp_path / "mean.binaryproto", 3)
    np.testing.assert_array_equal(read, mean.transpose(1, 2, 0))
    (tmp_path / "mean.binaryproto").write_bytes(writer.blob(random_blobs([(1, 4, 3)])[0]))
    with pytest.raises(WeightsError, match=r"\(1, 4, 3\), 1 channels; the network takes 3"):
        convert.convert(
            small.prototxt, small.caffemodel, small.output, mean=tmp_path / "mean.binaryproto"
        )


def test_mean_of_whole_numbers(tmp_path):
    np.save(tmp_path / "mean.npy", np.array([104, 117, 123], np.uint8))
    assert read_mean(tmp_path / "mean.npy").tolist() == [104, 117, 123]


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((2, 3, 4, 5)), r"has shape \(2, 3, 4, 5\); a mean is"),
        (np.zeros((3, 4)), r"has shape \(3, 4\)"),
        (np.float32(5), r"has shape \(\)"),
        (np.array(["a", "b", "c"]), "holds <U1 values; a mean holds real numbers"),
        (np.zeros(3, complex), "holds complex128 values"),
        (np.array([None, 1, 2]), "as a NumPy array"),
    ],
)
def test_arrays_that_are_not_a_mean(tmp_path, array, message):
    path = tmp_path / "mean.npy"
    np.save(path, array)
    with pytest.raises(WeightsError, match=message) as caught:
        read_mean(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    "content", [b"", b"<html>", b"\x93NUMPY", b"PK\x03\x04", b"\x93NUMPY\x01\x00\x02\x00{}"]
)
def test_files_that_are_not_a_mean(tmp_path, content):
    path = tmp_path / "mean.npy"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=f"cannot read {path} as a NumPy array"):
        read_mean(path)
    with pytest.raises(WeightsError, match=r"cannot read .*No such file"):
        read_mean(tmp_path / "none.npy")


def test_cut_mean(tmp_path):
    path = tmp_path / "mean.npy"
    np.save(path, np.zeros((3, 4, 4)))
    for size in range(path.stat().st_size):
        (tmp_path / "cut.npy").write_bytes(path.read_bytes()[:size])
        with pytest.raises(WeightsError, match="as a NumPy array"):
            read_mean(tmp_path / "cut.npy")


# Inner products as convolutions


def test_fully_convolutional(small):
    plain = converted(small)
    names = {"ip1": "ip1-conv", "ip2": "ip2-conv"}
    cast = converted(small, fully_convolutional=True)
    assert list(cast) == ["conv1", "block_conv2", "ip1-conv", "ip2-conv"]
    assert [array.shape for array in cast["ip1-conv"]] == [(4, 3, 6, 5), (5,)]
    assert [array.shape for array in cast["ip2-conv"]] == [(1, 1, 5, 7)]
    for name, arrays in plain.items():
        for array, other in zip(arrays, cast[names.get(name, name)], strict=True):
            assert array.tobytes() == other.tobytes()
    over_map = small.weights["ip1"][0].reshape(5, 6, 4, 3)
    np.testing.assert_array_equal(cast["ip1-conv"][0], over_map.transpose(2, 3, 1, 0))


@pytest.mark.parametrize("between", ["", FLAT])
def test_cast_of_a_map_that_is_not_square(tmp_path, between):
    """Also behind a Flatten: 2 x 8 is not taken for 4 x 4."""
    image = IMAGE.replace("dim: 4 dim: 2", "dim: 2 dim: 8")
    files = write_files(
        tmp_path, image + between + PRODUCT % ("f" if between else "data", ""), {"ip": [(5, 48)]}
    )
    cast = converted(files, fully_convolutional=True)
    wanted = files.weights["ip"][0].reshape(5, 3, 2, 8).transpose(2, 3, 1, 0)
    same(cast, {"ip-conv": [wanted]})


def test_cast_without_the_size_takes_a_square_and_says_so(tmp_path):
    text = (
        """layer { name: "data" type: "Data" top: "data" }
        layer { name: "c" type: "Convolution" bottom: "data" top: "c"
          convolution_param { num_output: 2 kernel_size: 1 } }"""
        + PRODUCT % ("c", "")
    )
    files = write_files(tmp_path, text, {"c": [(2, 3, 1, 1), (2,)], "ip": [(5, 18)]})
    report = convert.convert(
        files.prototxt, files.caffemodel, files.output, fully_convolutional=True
    )
    assert report.layers[1].keras_shapes == ((3, 3, 2, 5),)
    (note,) = report.notes
    assert note.startswith(
        "layer 'ip': the map it reads is taken for a square of 3 x 3; a prototxt"
    )
    files = write_files(tmp_path, text, {"c": [(2, 3, 1, 1), (2,)], "ip": [(5, 16)]})
    with pytest.raises(NetworkError, match="a map of 2 x 2 x 2 does not give its 16 inputs"):
        converted(files, fully_convolutional=True)


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        (IMAGE + PRODUCT % ("data", "axis: 2"), (5, 8)),
        (
            IMAGE
            + 'layer { name: "x" type: "Foreign" bottom: "data" top: "x" }'
            + PRODUCT % ("x", ""),
            (5, 9),
        ),
        ('layer { name: "data" type: "Data" top: "data" }' + PRODUCT % ("data", ""), (5, 9)),
    ],
)
def test_cast_that_does_not_fit_is_an_error(tmp_path, text, shape):
    files = write_files(tmp_path, text, {"ip": [shape]})
    with pytest.raises(NetworkError, match=r"'ip' cannot become a convolution: its . inputs"):
        converted(files, fully_convolutional=True)
    assert not files.output.exists()


def test_cast_may_not_take_the_name_of_another_layer(tmp_path):
    other = """layer { name: "ip-conv" type: "Convolution" bottom: "data" top: "c"
      convolution_param { num_output: 1 kernel_size: 1 bias_term: false } }"""
    shapes = {"ip": [(5, 24)], "ip-conv": [(1, 3, 1, 1)]}
    files = write_files(tmp_path, IMAGE + PRODUCT % ("data", "") + other, shapes)
    assert list(converted(files)) == ["ip", "ip-conv"]
    with pytest.raises(WeightsError, match="two layers would be stored as 'ip-conv'"):
        converted(files, fully_convolutional=True)


# Weights and network that do not belong together


def test_inner_product_that_is_no_map_of_the_channels(tmp_path):
    text = (
        """layer { name: "data" type: "Data" top: "data" }
        layer { name: "c" type: "Convolution" bottom: "data" top: "c"
          convolution_param { num_output: 4 kernel_size: 1 } }"""
        + PRODUCT % ("c", "")
    )
    files = write_files(tmp_path, text, {"c": [(4, 3, 1, 1), (4,)], "ip": [(5, 10)]})
    with pytest.raises(CaffeError, match=r"layer 'ip' \(InnerProduct\) cannot hold .*\(5, 10\)"):
        converted(files)


def test_reading_files_are_not_overwritten(small, tmp_path):
    np.save(tmp_path / "mean.npy", np.zeros(3))
    (tmp_path / "link.h5").symlink_to(small.caffemodel)
    before = small.caffemodel.read_bytes()
    for output in (small.caffemodel, small.prototxt, tmp_path / "mean.npy", tmp_path / "link.h5"):
        with pytest.raises(CaffeError, match=rf"cannot write {output}: it is a file to be read"):
            convert.convert(small.prototxt, small.caffemodel, output, mean=tmp_path / "mean.npy")
    assert small.caffemodel.read_bytes() == before


# Real weights, and Keras itself


def test_lenet_with_its_trained_weights(tmp_path):
    folder = net_folder("lenet")
    convert.convert(folder / "net.prototxt", folder / "weights.caffemodel", tmp_path / "lenet.h5")
    blobs = convert.load_weights(folder / "weights.caffemodel")
    with WeightsFile(tmp_path / "lenet.h5") as file:
        same(
            dict(file),
            {
                "conv1": [blobs["conv1"][0].transpose(2, 3, 1, 0), blobs["conv1"][1]],
                "conv2": [blobs["conv2"][0].transpose(2, 3, 1, 0), blobs["conv2"][1]],
                "ip1": [
                    blobs["ip1"][0].reshape(500, 50, 16).transpose(2, 1, 0).reshape(800, 500),
                    blobs["ip1"][1],
                ],
                "ip2": [blobs["ip2"][0].T, blobs["ip2"][1]],
            },
        )
    notes = convert.convert(
        None, folder / "weights.caffemodel", tmp_path / "alone.h5", fully_convolutional=True
    ).notes
    assert [note for note in notes if "square of 4 x 4" in note]


def test_stock_keras_loads_the_file_by_name(small):
    import keras

    convert.convert(small.prototxt, small.caffemodel, small.output)
    model = keras.Sequential(
        [
            keras.Input((9, 8, 3)),
            keras.layers.Conv2D(4, 3, name="conv1", activation="relu"),
            keras.layers.Conv2D(6, (1, 3), groups=2, padding="same", name="block_conv2"),
            keras.layers.MaxPooling2D(2, padding="same"),
            keras.layers.Flatten(),
            keras.layers.Dense(5, name="ip1"),
            keras.layers.Dense(7, use_bias=False, name="ip2"),
            keras.layers.Dense(2, name="head"),
        ]
    )
    head = model.get_layer("head").get_weights()
    model.load_weights(small.output, by_name=True)
    for name, arrays in keras_arrays(small.weights).items():
        for array, wanted in zip(model.get_layer(name).get_weights(), arrays, strict=True):
            np.testing.assert_array_equal(array, wanted)
    np.testing.assert_array_equal(model.get_layer("head").get_weights()[0], head[0])


def test_a_whole_conversion_imports_no_tensorflow_and_no_keras(small):
    code = f"""
import sys, convert, convert.__main__
heavy = [name for name in ("numpy", "h5py", "google.protobuf") if name in sys.modules]
assert not heavy, f"import convert loads {{heavy}}"
convert.convert({str(small.prototxt)!r}, {str(small.caffemodel)!r}, {str(small.output)!r},
                fully_convolutional=True)
convert.list_layers({str(small.caffemodel)!r})
found = [name for name in sys.modules if name.split(".")[0] in ("tensorflow", "keras")]
assert not found, found
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[4])
    assert h5py.is_hdf5(small.output)
