"""Every example runs, on little."""

from __future__ import annotations

import importlib.util
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

import convert
import keras_fcn
from keras_fcn.preprocessing.images import load_image
from keras_fcn.published import published
from keras_fcn.published.entries import PublishedModel
from keras_fcn.samples import sample_path
from tests.golden import REPOSITORY, layer_case

CAT = REPOSITORY / "tests" / "data" / "images" / "cat.jpg"


def example(name: str) -> ModuleType:
    path = REPOSITORY / "examples" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(name, *arguments):
    return example(name).main([str(argument) for argument in arguments])


@pytest.mark.slow
def test_classify(capsys):
    best = run("classify", CAT, "--network", "SqueezeNet11", "--weights", "none")
    lines = capsys.readouterr().out.splitlines()[-5:]
    assert [line.split()[1] for line in lines] == [str(each.class_index) for each in best]
    assert sorted((each.score for each in best), reverse=True) == [each.score for each in best]


def test_heat_map(tmp_path, capsys):
    arguments = ("--network", "LeNetFCN", "--weights", "none", "--size", 60, "-o", tmp_path)
    scores = run("heat_map", CAT, *arguments, "--class", "class 3")
    assert scores.shape == (9, 9, 10)
    out = capsys.readouterr().out
    assert f"map of 9 x 9 cells; class 3: {scores[..., 3].max():.4f}" in out
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"heat_map.png", "classes.png", "filters.png"}
    # The halves of the picture: the cat as the network saw it, and under the heat map.
    picture = load_image(tmp_path / "heat_map.png")
    assert picture.shape[1] > 2 * 60
    assert load_image(tmp_path / "classes.png").shape == (9 * 32, 9 * 32, 3)


def test_designer_filters(tmp_path):
    before, after = run("designer_filters", CAT, "-o", tmp_path / "filtered.png")
    np.testing.assert_allclose(after - before, [1, 0, 0], atol=1e-4)
    grey = load_image(CAT, color=False)[..., 0] / 255
    # A blur keeps the mean, an edge filter gives the sum of its differences.
    assert before[0] == pytest.approx(grey.mean(), abs=0.01)
    rise = grey[:, 2:] - grey[:, :-2]
    smooth = rise[:-2] + 2 * rise[1:-1] + rise[2:]
    assert before[1] == pytest.approx(smooth[1:-1, 1:-1].mean(), abs=1e-4)
    assert load_image(tmp_path / "filtered.png").shape[0] > 2 * (grey.shape[0] - 4)


def test_designer_filters_blur_and_find_edges():
    module = example("designer_filters")
    grey = np.zeros((9, 12), np.float32)
    grey[:, 6:] = 1
    blur, across, down = keras_fcn.blobs(module.designer_net(), grey[np.newaxis, np.newaxis])[
        "conv"
    ][0]
    assert (np.diff(blur[2]) >= -1e-6).all()
    np.testing.assert_allclose(across[2], [0, 0, 0, 4, 4, 0, 0, 0], atol=1e-6)
    np.testing.assert_allclose(down, 0, atol=1e-6)


FCN = """
layer { name: "data" type: "Input" top: "data"
  input_param { shape { dim: 1 dim: 3 dim: 32 dim: 40 } } }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
  convolution_param { num_output: 6 kernel_size: 3 pad: 5 stride: 2 } }
layer { name: "score_fr" type: "Convolution" bottom: "conv1" top: "score_fr"
  convolution_param { num_output: 21 kernel_size: 1 } }
layer { name: "upscore" type: "Deconvolution" bottom: "score_fr" top: "upscore"
  convolution_param { num_output: 21 kernel_size: 4 stride: 2 bias_term: false } }
layer { name: "score" type: "Crop" bottom: "upscore" bottom: "data" top: "score"
  crop_param { axis: 2 offset: 5 } }
"""
DILATED = """
layer { name: "data" type: "Input" top: "data"
  input_param { shape { dim: 1 dim: 3 dim: 22 dim: 24 } } }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
  convolution_param { num_output: 6 kernel_size: 3 dilation: 3 } }
layer { name: "final" type: "Convolution" bottom: "conv1" top: "final"
  convolution_param { num_output: 11 kernel_size: 1 stride: 2 } }
layer { name: "prob" type: "Softmax" bottom: "final" top: "prob" }
"""
SHAPES = {
    "fcn": {
        "conv1": ((6, 3, 3, 3), (6,)),
        "score_fr": ((21, 6, 1, 1), (21,)),
        "upscore": ((21, 21, 4, 4),),
    },
    "dilated": {"conv1": ((6, 3, 3, 3), (6,)), "final": ((11, 6, 1, 1), (11,))},
}


@pytest.mark.parametrize(
    ("family", "prototxt", "facts"),
    [
        ("fcn", FCN, {"dataset": "pascal_voc"}),
        (
            "dilated",
            DILATED,
            {
                "dataset": "kitti_dilation",
                "input": (22, 24),
                "tiles": {"margin": 3, "zoom": 2},
            },
        ),
    ],
)
def test_segment(family, prototxt, facts, tmp_path, monkeypatch, capsys):
    """Small networks of each family's layers, published under a name of their own."""
    monkeypatch.setenv("KERAS_FCN_HOME", str(tmp_path))
    entry = PublishedModel("small", "small", mean=(100.0, 110.0, 120.0), **facts)
    monkeypatch.setitem(published(), "small", entry)
    (tmp_path / "net.prototxt").write_text(prototxt)
    random = np.random.default_rng(0)
    blobs = {
        name: [random.normal(0, 0.2, shape) for shape in shapes]
        for name, shapes in SHAPES[family].items()
    }
    (tmp_path / "models").mkdir()
    convert.write_caffemodel(
        tmp_path / "models" / "small.caffemodel", tmp_path / "net.prototxt", blobs
    )
    image = tmp_path / "image.png"
    Image.open(CAT).resize((41, 33)).save(image)
    labels = run(
        *("segment", image, "--prototxt", tmp_path / "net.prototxt", "--weights", "small"),
        *("-o", tmp_path / "labels.png", "--picture", tmp_path / "picture.png"),
    )
    assert labels.shape == (33, 41)
    with Image.open(tmp_path / "labels.png") as written:
        np.testing.assert_array_equal(np.asarray(written), labels)
    assert load_image(tmp_path / "picture.png").shape[1] > 2 * 41
    assert "%" in capsys.readouterr().out


@pytest.mark.slow
def test_segment_with_a_network_of_the_zoo(tmp_path):
    image = tmp_path / "image.png"
    Image.open(CAT).resize((64, 48)).save(image)
    labels = run(
        *("segment", image, "--network", "SegNetBasic", "--weights", "none"),
        *("-o", tmp_path / "labels.png", "--picture", tmp_path / "picture.png"),
    )
    assert labels.shape == (48, 64)
    assert labels.max() < 11


def test_activations_agree_with_caffes(tmp_path, capsys):
    case = layer_case("conv_k3_p1_s2")
    np.savez(tmp_path / "dump.npz", **case.inputs, **case.outputs)
    (name,) = case.outputs
    differences = run(
        *("activations", case.prototxt, case.weights, tmp_path / "dump.npz"),
        *("--draw", name, "-o", tmp_path / "picture.png"),
    )
    assert set(differences) == {*case.inputs, *case.outputs}
    assert max(differences.values()) < 1e-5
    assert name in capsys.readouterr().out
    channels, height, width = case.outputs[name].shape[1:]
    columns = int(np.ceil(np.sqrt(channels)))
    assert load_image(tmp_path / "picture.png").shape[1] == columns * (2 * width + 2) - 2
    assert height > 0


def test_net_surgery(tmp_path, capsys):
    files = [sample_path(f"lenet_plate.{end}") for end in ("prototxt", "caffemodel")]
    fcn = run("net_surgery", *files, "-o", tmp_path / "fcn", "--size", 64, 160)
    out = capsys.readouterr().out
    assert "ip1 -> ip1-conv: the same numbers in the same order: True" in out
    model = keras_fcn.from_caffe(tmp_path / "fcn.prototxt", tmp_path / "fcn.caffemodel")
    (output,) = fcn.network.outputs
    assert model(np.zeros((1, 64, 160, 1))).shape[1:3] == output.shape[2:] == (10, 34)
