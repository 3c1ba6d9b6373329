"""What the commands read: images of any channels, means of any axes, HDF5 files, lists."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from PIL import Image

import convert
import keras_fcn
from keras_fcn.preprocessing import Preprocessing
from tests.keras_fcn.inference import test_tasks

KINDS = test_tasks.KINDS | {
    "features": test_tasks.INPUT + 'layer { name: "relu" type: "ReLU" bottom: "conv" top: "relu" }',
    "pose": test_tasks.INPUT
    + 'layer { name: "both" type: "Concat" bottom: "conv" bottom: "conv" top: "both" }',
    "values": test_tasks.INPUT
    + """layer { name: "fc" type: "InnerProduct" bottom: "conv" top: "fc"
        inner_product_param { num_output: 5 weight_filler { type: "xavier" } } }""",
}


def write_net(folder, channels, kernel, bias=(0, 0), size=(6, 8), pooled=False):
    """A network whose scores are products of the channels with a matrix, in files."""
    text = (
        f'layer {{ name: "data" type: "Input" top: "data" input_param {{ shape {{ dim: 1'
        f" dim: {channels} dim: {size[0]} dim: {size[1]} }} }} }}\n"
        f'layer {{ name: "s" type: "Convolution" bottom: "data" top: "s" convolution_param'
        f" {{ num_output: {len(kernel)} kernel_size: 1 }} }}\n"
    )
    if pooled:
        text += (
            'layer { name: "g" type: "Pooling" bottom: "s" top: "g"'
            " pooling_param { pool: AVE global_pooling: true } }\n"
        )
    prototxt, caffemodel = folder / "net.prototxt", folder / "net.caffemodel"
    prototxt.write_text(text)
    kernel = np.array(kernel, np.float32).reshape(len(kernel), channels, 1, 1)
    bias = np.resize(np.array(bias, np.float32), len(kernel))
    convert.write_caffemodel(caffemodel, prototxt, {"s": [kernel, bias]})
    return prototxt, caffemodel


@pytest.mark.parametrize(
    ("shape", "axis"),
    [((3,), 0), ((3, 1, 1), 0), ((1, 1, 3), 2), ((6, 8, 3), 2), ((3, 6, 8), 0), ((1, 3, 6, 8), 1)],
)
def test_means_of_any_axes(run, tmp_path, shape, axis):
    prototxt, caffemodel = write_net(tmp_path, 3, np.eye(3), pooled=True)
    Image.fromarray(np.full((6, 8, 3), (200, 150, 100), np.uint8)).save(tmp_path / "x.png")
    pixel = np.array([10.0, 20, 30]).reshape([-1 if i == axis else 1 for i in range(len(shape))])
    np.save(tmp_path / "mean.npy", np.broadcast_to(pixel, shape))
    net = ("--model", prototxt, "--weights", caffemodel, "--mean", tmp_path / "mean.npy")
    outcome = run("predict", tmp_path / "x.png", *net)
    assert outcome.status == 0, outcome
    rows = [line.split() for line in outcome.out.splitlines()[1:]]
    assert {row[1]: float(row[0]) for row in rows} == {"0": 90, "1": 130, "2": 170}
    stored = tmp_path / "net.h5"
    convert.convert(prototxt, caffemodel, stored, mean=tmp_path / "mean.npy")
    again = run("predict", tmp_path / "x.png", "--model", prototxt, "--weights", stored)
    assert again.out == outcome.out


def test_a_mean_of_other_channels_is_named(run, tmp_path):
    prototxt, caffemodel = write_net(tmp_path, 3, np.eye(3), pooled=True)
    Image.fromarray(np.zeros((6, 8, 3), np.uint8)).save(tmp_path / "x.png")
    np.save(tmp_path / "mean.npy", np.ones((6, 8)))
    net = ("--model", prototxt, "--weights", caffemodel, "--mean", tmp_path / "mean.npy")
    assert "mean.npy has shape (6, 8)" in run("predict", tmp_path / "x.png", *net).error
    arguments = (prototxt, caffemodel, "-o", tmp_path / "x.h5", "--mean", tmp_path / "mean.npy")
    assert "mean.npy has shape (6, 8)" in run("convert", *arguments).error


@pytest.mark.sweep(2)
@pytest.mark.parametrize(
    ("options", "accuracy"),
    [
        ((), "1.000"),
        (("--mean", "none"), "1.000"),
        (("--raw-scale", "1"), "1.000"),
        (("--mean", "-1000"), "{above:.3f}"),
        (("--raw-scale", "255", "--mean", "none"), "{scaled:.3f}"),
    ],
)
def test_floats_of_hdf5_files_are_fed_as_they_are(run, tmp_path, options, accuracy):
    """Labels and network say x > 0.5."""
    prototxt, caffemodel = write_net(tmp_path, 1, [0, 1], bias=(0.5, 0), size=(8, 9))
    values = np.random.default_rng(0).uniform(size=(2, 1, 8, 9)).astype(np.float32)
    with h5py.File(tmp_path / "d.h5", "w") as file:
        file["data"], file["label"] = values, (values > 0.5).astype(np.float32)
    net = ("--model", prototxt, "--weights", caffemodel)
    outcome = run("evaluate", tmp_path / "d.h5", "--classes", 2, *net, *options)
    assert outcome.status == 0, outcome
    (line,) = [line for line in outcome.out.splitlines() if line.startswith("pixel accuracy")]
    above = (values > 0.5).mean()
    scaled = ((values > 0.5) == (values * 255 > 0.5)).mean()
    assert line.split()[-1] == accuracy.format(above=above, scaled=scaled)
    assert f"floats of {tmp_path / 'd.h5'}" in outcome.err


def test_lists_with_a_root_folder(run, tmp_path):
    for folder in ("images", "masks"):
        (tmp_path / "data" / folder).mkdir(parents=True)
        Image.fromarray(np.eye(6, 8).astype(np.uint8)).save(tmp_path / "data" / folder / "0.png")
    (tmp_path / "list.txt").write_text("/images/0.png /masks/0.png\n")
    command = ("dataset", "check", tmp_path / "list.txt", "--classes", 2)
    assert "give it as --root-folder" in run(*command).error
    outcome = run(*command, "--root-folder", tmp_path / "data")
    assert outcome.out.startswith(f"{tmp_path / 'list.txt'}: 1 pairs, 0 problems")
    command = ("dataset", "check", tmp_path / "data", "--classes", 2)
    assert "--root-folder: for the layout 'list'" in run(*command, "--root-folder", tmp_path).error


def test_byte_order_marks(run, tmp_path):
    prototxt, caffemodel = write_net(tmp_path, 3, np.eye(3), pooled=True)
    Image.fromarray(np.full((6, 8, 3), (200, 150, 100), np.uint8)).save(tmp_path / "x.png")
    (tmp_path / "labels.txt").write_bytes(b"\xef\xbb\xbfblue\r\ngreen\r\nred\r\n")
    net = ("--model", prototxt, "--weights", caffemodel, "--mean", "none")
    outcome = run("predict", tmp_path / "x.png", *net, "--labels", tmp_path / "labels.txt")
    assert [line.split()[-1] for line in outcome.out.splitlines()[1:]] == ["red", "green", "blue"]
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
        Image.fromarray(np.eye(6, 8).astype(np.uint8)).save(tmp_path / folder / "0.png")
    (tmp_path / "train.txt").write_bytes(b"\xef\xbb\xbf0\r\n")
    (tmp_path / "dataset.json").write_bytes(b'\xef\xbb\xbf{"classes": ["a", "b"]}')
    outcome = run("dataset", "check", tmp_path, "--split", "train")
    assert outcome.status == 0, outcome


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["png", "npy", "tiff"])
def test_images_of_four_channels(run, tmp_path, suffix):
    """Class 1 where the fourth channel is above 127; evaluate, segment and predict agree."""
    prototxt, caffemodel = write_net(
        tmp_path, 4, [[0, 0, 0, 0], [0, 0, 0, 1]], bias=(127.5, 0), size=(16, 16)
    )
    pixels = np.random.default_rng(0).integers(0, 255, (16, 16, 4), np.uint8)
    mask = (pixels[..., 3] > 127).astype(np.uint8)
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
    image = tmp_path / "images" / f"0.{suffix}"
    if suffix == "npy":
        np.save(image, pixels)
    else:
        Image.fromarray(pixels, "RGBA").save(image)
    Image.fromarray(mask).save(tmp_path / "masks" / "0.png")
    net = ("--model", prototxt, "--weights", caffemodel, "--mean", "none")
    assert "1.000" in run("evaluate", tmp_path, "--classes", 2, *net).out
    out = ("-o", tmp_path / "labels.png", "--picture", tmp_path / "picture.png")
    outcome = run("segment", image, *net, *out)
    assert outcome.status == 0, outcome
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "labels.png")), mask)
    outcome = run("predict", image, *net, "--npy", "-o", tmp_path)
    assert outcome.status == 0, outcome
    np.testing.assert_array_equal(np.load(tmp_path / "0_map.npy"), mask)


def test_images_of_other_channels_are_named(run, tmp_path):
    prototxt, caffemodel = write_net(tmp_path, 5, np.zeros((2, 5)))
    Image.fromarray(np.zeros((6, 8, 3), np.uint8)).save(tmp_path / "x.png")
    net = ("--model", prototxt, "--weights", caffemodel, "--mean", "none")
    for command in (("predict",), ("segment", "-o", tmp_path / "y.png")):
        outcome = run(command[0], tmp_path / "x.png", *net, *command[1:])
        assert "x.png has 3 channels, the network takes 5" in outcome.error


@pytest.mark.parametrize("mode", ["I;16", "L", "RGB"])
def test_deep_and_grey_images(run, tmp_path, mode):
    """16-bit grey keeps its depth: 100.5 of 255 is above the bias, as evaluate sees it."""
    prototxt, caffemodel = write_net(tmp_path, 1, [0, 1], bias=(100.25, 0), size=(4, 4))
    value = {"I;16": round(100.5 * 257), "L": 101, "RGB": (101, 101, 101)}[mode]
    Image.new(mode, (4, 4), value).save(tmp_path / "x.png")
    net = ("--model", prototxt, "--weights", caffemodel, "--mean", "none")
    outcome = run("segment", tmp_path / "x.png", *net, "-o", tmp_path / "y.png")
    assert outcome.out.splitlines()[0].split() == ["100.00%", "1", "class", "1"]


# The size that a prototxt declares, and what networks are for.


def write_text(folder, kind):
    (folder / "net.prototxt").write_text(KINDS[kind])
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    Image.fromarray(pixels).save(folder / "x.png")
    return ("predict", folder / "x.png", "--model", folder / "net.prototxt", "--mean", "none")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["classifier", "detector"])
def test_images_get_the_declared_size(run, tmp_path, kind):
    command = write_text(tmp_path, kind)
    outcome = run(*command)
    assert outcome.status == 0, outcome
    assert "images: resized to 6x10, BGR 0..255" in outcome.err
    assert "size: 6x10, as the prototxt declares; --size free keeps" in outcome.err
    outcome = run(*command, "--size", "free")
    assert outcome.status == 0, outcome
    assert "resized" not in outcome.err
    assert "size:" not in outcome.err
    outcome = run(*command, "--size", "12x20")
    assert "resized to 12x20" in outcome.err


def test_maps_keep_the_images_size(run, tmp_path):
    command = write_text(tmp_path, "map")
    outcome = run(*command, "-o", tmp_path)
    assert "map of 18x28 cells" in outcome.out
    assert "size: each image's own, as the output is a map of it, not the prototxt's 6x10" in (
        outcome.err
    )
    assert "map of 4x8 cells" in run(*command, "-o", tmp_path, "--size", "6x10").out


def test_a_network_of_one_size_is_not_free(run, net, tmp_path):
    Image.new("L", (30, 30)).save(tmp_path / "x.png")
    command = ("predict", tmp_path / "x.png", "--model", net.prototxt, "--weights", net.caffemodel)
    outcome = run(*command, "--mean", "none", "--size", "free")
    assert "--size free is for a network that takes any size. Received: Small" in outcome.error


@pytest.mark.slow
def test_detections_are_rows(run, tmp_path):
    """Boxes are in pixels of the image; a name for each class, the background too."""
    command = write_text(tmp_path, "detector")
    model = keras_fcn.from_caffe(tmp_path / "net.prototxt", seed=0)
    model.save(tmp_path / "net.keras")
    plain = Preprocessing(mean=None, raw_scale=1)
    rows = keras_fcn.predict(model, tmp_path / "x.png", preprocessing=plain)
    command = (*command[:3], tmp_path / "net.keras", *command[4:], "--raw-scale", 1)
    (tmp_path / "labels.txt").write_text("background\nface\n")
    outcome = run(*command, "--labels", tmp_path / "labels.txt")
    assert outcome.status == 0, outcome
    first, *lines = outcome.out.splitlines()
    assert first == str(tmp_path / "x.png")
    assert len(lines) == len(rows) > 0
    best = rows[rows[:, 2].argmax()]
    left, top, right, bottom = np.rint(best[3:] * [30, 20, 30, 20]).astype(int)
    assert lines[0] == (
        f"  {best[2]:.4f}     1  face, columns {left} to {right}, rows {top} to {bottom}"
    )
    assert "class 1, columns" in run(*command).out
    (tmp_path / "labels.txt").write_text("face\n")
    outcome = run(*command, "--labels", tmp_path / "labels.txt")
    assert "the background too. Received: 1 for 'net'" in outcome.error


@pytest.mark.parametrize("command", ["predict", "segment"])
@pytest.mark.parametrize("kind", ["boxes", "detector", "features", "values", "pose"])
def test_networks_that_give_no_classes(run, tmp_path, command, kind):
    _, *arguments = write_text(tmp_path, kind)
    if command == "segment":
        arguments += ["-o", tmp_path / "y.png"]
    elif kind == "detector":
        return
    error = run(command, *arguments).error
    assert "Received: " in error
    assert "net" in error.rpartition("Received: ")[2]
    assert not (tmp_path / "y.png").exists()


def test_vectors_that_are_named_are_classes(run, tmp_path):
    command = write_text(tmp_path, "values")
    assert "may be anything; if they are scores of classes, name them with --labels" in (
        run(*command).error
    )
    (tmp_path / "labels.txt").write_text("a\nb\nc\nd\ne\n")
    assert run(*command, "--labels", tmp_path / "labels.txt").status == 0


def test_segment_prepares_images_as_it_is_told(run, tmp_path):
    """Class 1 where a value is above 0.5 of white."""
    prototxt, caffemodel = write_net(tmp_path, 1, [0, 1], bias=(0.5, 0), size=(8, 8))
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "x.png")
    net = ("--model", prototxt, "--weights", caffemodel, "--mean", "none")
    command = ("segment", tmp_path / "x.png", *net, "-o", tmp_path / "y.png")
    for options in (("--raw-scale", 1), ("--input-scale", "1/255")):
        outcome = run(*command, *options)
        assert outcome.status == 0, outcome
        np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "y.png")), pixels > 127)
    assert run(*command, "--size", "4x4").status == 0
