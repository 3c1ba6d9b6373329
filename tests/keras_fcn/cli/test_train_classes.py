"""`keras-fcn train`, `evaluate` and `classify` on images with one label each."""

from __future__ import annotations

import json

import pytest
from PIL import Image

from keras_fcn.datasets import load_lmdb_classes
from keras_fcn.loading.data_shapes import with_shapes_of
from tests.keras_fcn.training.class_data import PROTOTXT, SIZE, database


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("classes")
    database(folder / "train_lmdb", 48)
    database(folder / "val_lmdb", 12, seed=1)
    (folder / "train_test.prototxt").write_text(PROTOTXT)
    (folder / "names.txt").write_text("a\nb\nc\nd\n")
    return folder


def train(run, files, output, *more):
    return run(
        *("train", files / "train_lmdb", "--val", files / "val_lmdb", "-o", output),
        *("--model", files / "train_test.prototxt", "--labels", files / "names.txt"),
        *("--epochs", 4, "--batch-size", 8, "--learning-rate", 0.05, "--lr-policy", "fixed"),
        *("--export", "keras", "--samples", 1, *more),
    )


@pytest.mark.slow
def test_from_caffes_files_to_classes(run, files, tmp_path):
    """A prototxt of training and a database; nothing else is said."""
    output = tmp_path / "run"
    outcome = train(run, files, output)
    assert outcome.status == 0, outcome
    assert f"sizes by the data: data 1x{SIZE}x{SIZE}" in outcome.err
    assert "4: a, b, c, d; one an image" in outcome.err
    assert "grey 0..255, times 0.00390625" in outcome.err
    assert "accuracy" in outcome.out
    config = json.loads((output / "config.json").read_text())
    assert config["data"]["augmentation"]["flip"] == 0  # what is mirrored is another letter
    metrics = json.loads((output / "metrics.json").read_text())

    json_file = tmp_path / "e.json"
    data = files / "val_lmdb"
    evaluated = run("evaluate", data, "--model", output / "model.keras", "--json", json_file)
    assert (output / "metrics.txt").read_text() in evaluated.out
    assert json.loads(json_file.read_text())["confusion"] == metrics["confusion"]

    prototxt = files / "train_test.prototxt"
    random = run("evaluate", data, "--model", prototxt, "--labels", files / "names.txt")
    assert f"sizes by the data: data 1x{SIZE}x{SIZE}" in random.err
    assert "all images" in random.out

    image, label = load_lmdb_classes(data)[1]
    Image.fromarray(image[..., 0]).save(tmp_path / "one.png")
    said = run("classify", tmp_path / "one.png", "--model", output / "model.keras", "--top", 1)
    assert "abcd"[label] in said.out


@pytest.mark.slow
def test_the_same_command_goes_on(run, files, tmp_path):
    first = train(run, files, tmp_path / "run")
    again = train(run, files, tmp_path / "run", "--epochs", 5)
    assert "extended from 4 to 5 epochs" in again.err
    refused = train(run, files, tmp_path / "run", "--flip", 0.5)
    assert "data.augmentation.flip 0.5 (was 0.0)" in refused.error
    assert first.out.splitlines()[-1] == again.out.splitlines()[-1]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--monitor", "mean_iou"), "--monitor must be one of accuracy"),
        (("--void", 3), "--void: for masks; these images have one label each"),
        (("--classes", 3), "--labels must name each of the network's 3 classes"),
    ],
)
def test_what_does_not_suit(run, files, tmp_path, more, message):
    assert message in train(run, files, tmp_path / "run", *more).error
    assert not (tmp_path / "run").exists()


def test_sizes_that_only_the_data_tell(files, tmp_path):
    path = files / "train_test.prototxt"
    whole = {"input_shapes": {"data": (1, 9, 11)}}
    assert with_shapes_of(path, {}, (1, 9, 11)) == whole
    assert with_shapes_of(path, whole, (3, 5, 5)) == whole
    # Where no layer needs height and width, they stay open.
    convolutions = PROTOTXT.replace("InnerProduct", "Convolution").replace(
        "inner_product_param { num_output: 4", "convolution_param { num_output: 4 kernel_size: 1"
    )
    (tmp_path / "net.prototxt").write_text(convolutions)
    open_sizes = {"phase": "TRAIN", "input_shapes": {"data": (1, None, None)}}
    assert with_shapes_of(tmp_path / "net.prototxt", {"phase": "TRAIN"}, (1, 9, 11)) == open_sizes
    (tmp_path / "net.prototxt").write_text(PROTOTXT.replace("mirror", "crop_size: 5 mirror"))
    cropped = with_shapes_of(tmp_path / "net.prototxt", {"phase": "TRAIN"}, (1, 9, 11))
    assert cropped["input_shapes"] == {"data": (1, 5, 5)}
