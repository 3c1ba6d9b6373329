from __future__ import annotations

import dataclasses
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import convert
import keras_fcn
from keras_fcn import models
from keras_fcn.inference.prediction import model_preprocessing
from keras_fcn.loading.names import CONSTRUCTORS
from keras_fcn.preprocessing.images import load_image
from tests.golden import REPOSITORY, layer_case

CAT = REPOSITORY / "tests" / "data" / "images" / "cat.jpg"
DEVICE = "keras-fcn runs on "


def _rows(out: str) -> list[tuple[float, int, str]]:
    """Score, index and name of each class printed."""
    rows = [line.split(maxsplit=2) for line in out.splitlines() if line.startswith("  0.")]
    return [(float(score), int(index), name.strip()) for score, index, name in rows]


def _map(folder) -> np.ndarray:
    return np.load(folder / "cat_map.npy", allow_pickle=False)


def test_every_constructor_has_a_name():
    assert sorted(CONSTRUCTORS.values()) == sorted(models.__all__)
    assert [name.replace("_", "") for name in CONSTRUCTORS] == [
        function.lower() for function in CONSTRUCTORS.values()
    ]
    assert {
        *("alexnet", "bayesian_segnet_basic", "caffenet_fcn", "dilatednet_camvid", "enet"),
        *("dilatednet_front_end", "dilatednet_kitti", "dilatednet_pascal_voc", "fcn32s"),
        *("fcn8s_at_once", "fcn_alexnet", "googlenet", "lenet_fcn", "mobilenet_v2", "nin"),
        *("resnet101", "segnet_basic", "squeezenet11", "vgg16"),
    } <= set(CONSTRUCTORS)


def test_classifier_prints_its_five_best(run, net, tmp_path):
    labels = tmp_path / "labels.txt"
    labels.write_text("\n".join(f"letter {letter}" for letter in "abcdefghijkl"))
    outcome = run(
        *("predict", CAT, "--model", "lenet", "--weights", net.h5, "--labels", labels),
        *("--class", "letter l", "-o", tmp_path),
    )
    assert outcome.status == 0
    model = keras_fcn.LeNet(classes=12, weights=net.h5)
    image = np.array(Image.fromarray(load_image(CAT, color=False)[..., 0]))
    preprocessing = dataclasses.replace(model.card.preprocessing, size=(28, 28))
    scores = keras_fcn.predict(model, image, preprocessing=preprocessing)
    best = np.argsort(-scores)[:5].tolist()
    rows = _rows(outcome.out)
    assert [row[1] for row in rows] == (best if 11 in best else [*best, 11])
    for score, index, name in rows:
        assert score == pytest.approx(scores[index], abs=6e-5)
        assert name == f"letter {'abcdefghijkl'[index]}"
    assert [path.name for path in tmp_path.iterdir()] == ["labels.txt"]
    device, images, task = outcome.err.splitlines()
    assert device.startswith(DEVICE)
    assert images.startswith("images: resized to 28x28, grey")
    assert task == "task: classify, as it ends in PixelwiseSoftmax"


def test_map_is_printed_and_written(run, net, tmp_path):
    folder = tmp_path / "new" / "folder"
    outcome = run(
        *("predict", CAT, "--model", "lenet_fcn", "--weights", net.h5, "--npy", "-o", folder),
    )
    assert outcome.status == 0
    model = keras_fcn.LeNetFCN(classes=12, weights=net.h5)
    scores = keras_fcn.predict(model, CAT)
    assert scores.shape == (84, 114, 12)
    np.testing.assert_array_equal(_map(folder), scores.argmax(axis=-1))
    assert _map(folder).dtype == np.int32
    row, column, index = np.unravel_index(scores.argmax(), scores.shape)
    assert outcome.out.splitlines() == [
        str(CAT),
        "  map of 84x114 cells, 12 classes",
        f"  {scores.max():.4f}  {index:4}  class {index}, highest at row {row}, column {column}",
        f"wrote {folder / 'cat_map.npy'}",
        f"wrote {folder / 'cat_heat_map.png'}",
    ]
    assert sorted(path.name for path in folder.iterdir()) == ["cat_heat_map.png", "cat_map.npy"]


def test_heat_map_shows_where_a_class_scores(run, tmp_path):
    """A net whose class 1 scores where the image is bright, over its own image."""
    prototxt = tmp_path / "bright.prototxt"
    prototxt.write_text(
        'layer { name: "data" type: "Input" top: "data"'
        " input_param { shape { dim: 1 dim: 1 dim: 8 dim: 8 } } }\n"
        'layer { name: "sign" type: "Convolution" bottom: "data" top: "sign"'
        " convolution_param { num_output: 2 kernel_size: 1 } }\n"
    )
    caffemodel = tmp_path / "bright.caffemodel"
    sign = [np.array([-1, 1]).reshape(2, 1, 1, 1), np.zeros(2)]
    convert.write_caffemodel(caffemodel, prototxt, {"sign": sign})
    pixels = np.full((64, 96), 100, np.uint8)
    pixels[:32, 48:] = 160
    Image.fromarray(pixels).save(tmp_path / "corner.png")
    arguments = ("predict", tmp_path / "corner.png", "--model", prototxt, "--weights", caffemodel)
    pictures = []
    for wanted in ("class 1", "0"):
        outcome = run(*arguments, "--mean", "none", "--class", wanted, "-o", tmp_path)
        assert outcome.status == 0
        picture = load_image(tmp_path / "corner_heat_map.png").astype(int)
        pictures.append(picture[:64, -96:])
    # The heat map goes from dark blue to yellow: its red tells the score.
    bright, dark = (picture[..., 0] for picture in pictures)
    assert bright[5, 90] > bright[5, 5] + 90
    assert bright[5, 90] > bright[60, 90] + 90
    assert dark[5, 5] > dark[5, 90] + 60


def test_golden_net_of_one_layer(run, tmp_path):
    case = layer_case("conv_k3_p1_s2")
    outcome = run(
        *("predict", CAT, "--model", case.prototxt, "--weights", case.weights),
        *("--mean", "104,117,123", "--size", "64x80", "--npy", "-o", tmp_path),
    )
    assert outcome.status == 0, outcome
    model = keras_fcn.from_caffe(case.prototxt, case.weights)
    preprocessing = keras_fcn.preprocessing.Preprocessing(size=(64, 80), mean=(104, 117, 123))
    scores = keras_fcn.predict(model, CAT, preprocessing=preprocessing)
    np.testing.assert_array_equal(_map(tmp_path), scores.argmax(axis=-1))
    assert scores.shape[:2] == (32, 40)


@pytest.mark.slow
def test_stored_mean_is_used_unless_another_is_given(run, net, tmp_path):
    def best(*options):
        outcome = run("predict", CAT, "--model", "lenet_fcn", *options, "-o", tmp_path)
        assert outcome.status == 0
        return _rows(outcome.out), "less mean (" in outcome.err

    stored, said = best("--weights", net.h5_with_mean)
    assert said
    given, said = best("--weights", net.h5, "--mean", net.mean)
    assert said
    none, said = best("--weights", net.h5_with_mean, "--mean", "none")
    assert not said
    assert stored == given != none


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".keras", ""])
def test_exported_models_predict_the_same(suffix, run, net, tmp_path):
    model = tmp_path / f"model{suffix}"
    arguments = ("predict", CAT, "--npy")
    assert run("export", "lenet_fcn", "--weights", net.h5, "-o", model).status == 0
    assert run(*arguments, "--model", "lenet_fcn", "--weights", net.h5, "-o", tmp_path).status == 0
    own = _own_options() if suffix == "" else ()
    outcome = run(*arguments, "--model", model, *own, "-o", tmp_path / "again")
    assert outcome.status == 0, outcome
    np.testing.assert_array_equal(_map(tmp_path / "again"), _map(tmp_path))


def _own_options() -> list[str]:
    """LeNet's preprocessing, which a SavedModel does not hold, as options."""
    own = model_preprocessing(keras_fcn.LeNetFCN())
    assert own.mean is None
    return ["--mean", "none", f"--raw-scale={own.raw_scale}", f"--input-scale={own.input_scale}"]


def test_without_weights_it_says_so(run, tmp_path):
    outcome = run("predict", CAT, "--model", "lenet", "-o", tmp_path)
    assert outcome.status == 0
    assert "note: no --weights: LeNet has random weights\n" in outcome.err
    assert len(_rows(outcome.out)) == 5


def test_several_images(run, net, tmp_path):
    other = tmp_path / "other.png"
    Image.open(CAT).resize((60, 50)).save(other)
    outcome = run(
        "predict", CAT, other, "--model", "lenet_fcn", "--weights", net.h5, "-o", tmp_path
    )
    assert outcome.status == 0
    assert [line for line in outcome.out.splitlines() if line.startswith("wrote")] == [
        f"wrote {tmp_path / 'cat_heat_map.png'}",
        f"wrote {tmp_path / 'other_heat_map.png'}",
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["absent.jpg", "--model", "lenet"], "absent.jpg: no such file"),
        ([CAT.parent.parent, "--model", "lenet"], "no pictures (.bmp, .gif"),
        ([CAT, "--model", "vgg7"], "the model is one of: alexnet, "),
        ([CAT, "--model", "absent.keras"], "absent.keras: no such file"),
        ([CAT, "--model", CAT.parent], "a folder, but no SavedModel"),
        ([CAT, "--model", "lenet", "--weights", "absent.h5"], "absent.h5: no such file"),
        ([CAT, "--model", "lenet", "--mean", "blue"], "Received: blue"),
        ([CAT, "--model", "lenet", "--mean", "absent.npy"], "cannot read absent.npy"),
        ([CAT, "--model", "lenet", "--mean", "1,2,3"], "--mean must have one value"),
        ([CAT, "--model", "lenet", "--labels", "absent.txt"], "absent.txt"),
        ([CAT, "--model", "lenet", "--class", "10"], "--class must be below 10"),
        ([CAT, "--model", "lenet_fcn", "--size", "12"], "large enough for its windows"),
        ([__file__, "--model", "lenet"], "Cannot read an image"),
        ([CAT, "--model", __file__], "test_predict.py:1: "),
        (
            [CAT, "--model", layer_case("conv_k3_p1_s2").prototxt],
            "give --mean, or --mean none",
        ),
    ],
)
def test_errors_are_one_line(arguments, message, run, tmp_path):
    outcome = run("predict", *arguments, "-o", tmp_path)
    assert message in outcome.error
    assert list(tmp_path.iterdir()) == []


def test_images_behind_a_broken_one_are_read(run, net, tmp_path):
    broken, other = tmp_path / "broken.jpg", tmp_path / "other.png"
    broken.write_bytes(CAT.read_bytes()[:900])
    Image.open(CAT).save(other)
    outcome = run("predict", CAT, broken, other, "--model", "lenet", "--weights", net.h5)
    assert outcome.status == 1
    assert [x for x in outcome.out.splitlines() if not x.startswith(" ")] == [str(CAT), str(other)]
    assert f"error: 1 of 3 images cannot be read: {broken}" in outcome.err


def test_several_outputs_name_the_option(run, tmp_path):
    prototxt = tmp_path / "train_val.prototxt"
    prototxt.write_text("""
layer { name: "data" type: "Data" top: "data" top: "label" transform_param { crop_size: 8 } }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip"
  inner_product_param { num_output: 4 } }
layer { name: "accuracy" type: "Accuracy" bottom: "ip" bottom: "label" top: "accuracy" }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }
""")
    outcome = run("predict", CAT, "--model", prototxt, "--input", "data=3x8x8", "--mean", "none")
    assert "the model gives accuracy, loss; of a prototxt, --output-blob" in outcome.error


@pytest.mark.slow
def test_weights_of_another_model_are_one_line(run, net):
    outcome = run("predict", CAT, "--model", "caffenet_fcn", "--weights", net.h5)
    assert "fits no layer of model 'caffenet_fcn'" in outcome.error


def test_model_of_two_outputs(run, net, tmp_path):
    prototxt = tmp_path / "net.prototxt"
    second = (
        'layer { name: "ip3" type: "InnerProduct" bottom: "ip1" top: "ip3"'
        " inner_product_param { num_output: 2 } }\n"
    )
    prototxt.write_text(net.prototxt.read_text() + second)
    outcome = run("predict", CAT, "--model", prototxt, "--mean", "none")
    assert "predict takes one output, the model gives prob, ip3" in outcome.error


def test_labels_for_another_number_of_classes(run, tmp_path):
    (tmp_path / "labels.txt").write_text("yes\nno\n")
    outcome = run("predict", CAT, "--model", "lenet", "--labels", tmp_path / "labels.txt")
    assert "Received: 2 for 'lenet'" in outcome.error


def test_damaged_keras_file(run, tmp_path):
    (tmp_path / "model.keras").write_bytes(b"not a zip")
    outcome = run("predict", CAT, "--model", tmp_path / "model.keras")
    assert "model.keras" in outcome.error


def test_weights_for_a_saved_model(run, net, tmp_path):
    (tmp_path / "saved_model.pb").touch()
    outcome = run("predict", CAT, "--model", tmp_path, "--weights", net.h5)
    assert "a SavedModel holds its weights" in outcome.error


def test_folder_that_cannot_be_made(run, net, tmp_path):
    (tmp_path / "file").touch()
    outcome = run("predict", CAT, "--model", "lenet_fcn", "-o", tmp_path / "file")
    assert str(tmp_path / "file") in outcome.error


@pytest.mark.slow
def test_a_fresh_process_shows_our_lines_only(run, tmp_path):
    model = tmp_path / "lenet.keras"
    assert run("export", "lenet", "-o", model).status == 0
    done = subprocess.run(
        [sys.executable, "-m", "keras_fcn", "predict", CAT, "--model", model],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if not name.startswith("TF_")},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    device, images, task = done.stderr.splitlines()
    assert device.startswith(DEVICE)
    assert images.startswith("images: ")
    assert task.startswith("task: classify, as ")
