"""Commands over many pictures: what is printed, written, skipped; JSON and exit statuses."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

import keras_fcn
from keras_fcn.cli.pictures import SKIPPED
from keras_fcn.preprocessing import Preprocessing
from keras_fcn.preprocessing.images import load_image
from keras_fcn.visualize import draw_boxes
from tests.keras_fcn.cli.test_inputs import KINDS
from tests.keras_fcn.inference.test_keypoints import bump
from tests.keras_fcn.preprocessing.test_videos import animation

PLAIN = Preprocessing(mean=None)
SIZE = (24, 36)


@pytest.fixture
def photos(tmp_path):
    """Three pictures in a folder."""
    folder = tmp_path / "photos"
    folder.mkdir()
    random = np.random.default_rng(0)
    for name in ("c.png", "a.png", "b.jpg"):
        Image.fromarray(random.integers(0, 256, (*SIZE, 3), np.uint8)).save(folder / name)
    return folder


def net(folder, kind):
    """A network's file with weights, and the model."""
    (folder / "net.prototxt").write_text(KINDS[kind])
    model = keras_fcn.from_caffe(folder / "net.prototxt", seed=0)
    model.save(folder / "net.keras")
    return model, ("--model", folder / "net.keras", "--mean", "none")


def files(folder):
    return [folder / name for name in ("a.png", "b.jpg", "c.png")]


def test_a_folder_is_classified_in_order(run, tmp_path, photos):
    model, options = net(tmp_path, "classifier")
    wanted = keras_fcn.classify(model, photos, 2, preprocessing=PLAIN)
    outcome = run("classify", photos, *options, "--top", 2, "--json", tmp_path / "x.json")
    assert outcome.status == 0, outcome
    records = json.loads((tmp_path / "x.json").read_text())
    assert records == [
        {"image": str(path), "height": 24, "width": 36, "classes": classes}
        for path, classes in zip(files(photos), wanted, strict=True)
    ]
    lines = outcome.out.splitlines()
    assert lines[::3] == [str(path) for path in files(photos)]
    best = wanted[0][0]
    assert lines[1] == f"  {best['score']:.4f}  {best['index']:4}  {best['label']}"
    pattern = run("classify", f"{photos}/*.png", photos / "b.jpg", *options, "--jsonl", "-")
    assert pattern.status == 0
    named = [json.loads(line)["image"] for line in pattern.out.splitlines()]
    assert named == [str(photos / name) for name in ("a.png", "c.png", "b.jpg")]


@pytest.mark.parametrize("skip", [False, True])
def test_bad_pictures_are_listed_at_the_end(run, tmp_path, photos, skip):
    _, options = net(tmp_path, "classifier")
    (photos / "b.jpg").write_bytes((photos / "b.jpg").read_bytes()[:300])
    outcome = run("classify", photos, *options, "--jsonl", "-", *["--skip-bad"] * skip)
    assert outcome.status == (SKIPPED if skip else 1)
    *_, last = outcome.err.splitlines()
    start = "skipped 1 of 3 images, which cannot" if skip else "error: 1 of 3 images cannot"
    assert last == f"{start} be read: {photos / 'b.jpg'}"
    first, bad, third = map(json.loads, outcome.out.splitlines())
    assert list(bad) == ["image", "error"]
    assert "classes" in first
    assert "classes" in third


def test_pictures_that_the_network_cannot_take_are_bad_too(run, tmp_path, photos):
    _, options = net(tmp_path, "map")
    Image.new("RGB", (2, 2)).save(photos / "b.png")
    outcome = run("embed", photos, *options, "--size", "free", "--layer", "conv", "--skip-bad")
    assert outcome.status == SKIPPED
    assert f"1 of 4 images, which cannot be used: {photos / 'b.png'}" in outcome.err
    for path in photos.iterdir():
        path.write_bytes(b"no picture")
    assert "4 of 4 images cannot be read" in run("embed", photos, *options, "--skip-bad").err
    outcome = run("classify", photos / "a.png", *options, "--skip-bad")
    assert "a.png" in outcome.error


def test_quiet_commands_say_results_and_errors_only(run, tmp_path, photos):
    _, options = net(tmp_path, "classifier")
    outcome = run("classify", photos / "a.png", *options, "--quiet")
    assert (outcome.status, outcome.err) == (0, "")
    assert len(outcome.out.splitlines()) == 5
    outcome = run("classify", photos, *options, "--quiet", "--jsonl", tmp_path / "x.jsonl")
    assert (outcome.status, outcome.out, outcome.err) == (0, "", "")
    assert len((tmp_path / "x.jsonl").read_text().splitlines()) == 3
    assert "no such file" in run("classify", tmp_path / "x.png", *options, "--quiet").error


@pytest.mark.slow
def test_boxes_are_printed_written_and_drawn(run, tmp_path, photos):
    model, options = net(tmp_path, "detector")
    (tmp_path / "labels.txt").write_text("background\nface\n")
    options += ("--labels", tmp_path / "labels.txt", "--threshold", 0.5)
    wanted = keras_fcn.detect(
        model, photos, threshold=0.5, classes=["background", "face"], preprocessing=PLAIN
    )
    assert all(wanted)
    out = tmp_path / "out"
    outcome = run("detect", photos, *options, "-o", out, "--json", tmp_path / "x.json")
    assert outcome.status == 0, outcome
    records = json.loads((tmp_path / "x.json").read_text())
    assert [x["detections"] for x in records] == wanted
    assert records[0]["files"] == [str(out / "a_boxes.png")]
    assert f"wrote {out / 'b_boxes.png'}" in outcome.out
    for path, found in zip(files(photos), wanted, strict=True):
        drawn = load_image(out / f"{path.stem}_boxes.png")
        np.testing.assert_array_equal(drawn, draw_boxes(load_image(path), found))
    assert "face, columns" in outcome.out
    predicted = run("predict", photos, *options, "--jsonl", "-", "-o", out)
    assert [json.loads(x)["detections"] for x in predicted.out.splitlines()] == wanted
    assert "task: detect, as its output is rows of detections\n" in predicted.err


def test_parts_are_printed_and_drawn(run, tmp_path):
    import keras

    image = keras.Input((None, None, 1))
    maps = [keras.layers.Conv2D(n, 1, kernel_initializer="ones")(image) for n in (22, 22)]
    keras.Model(image, keras.layers.Concatenate()(maps)).save(tmp_path / "pose.keras")
    Image.fromarray((250 * bump(*SIZE, 10, 20, 4)).astype(np.uint8)).save(tmp_path / "x.png")
    options = ("--model", tmp_path / "pose.keras", "--mean", "none", "--raw-scale", 1)
    outcome = run("predict", tmp_path / "x.png", *options, "-o", tmp_path)
    assert outcome.status == 0, outcome
    assert "task: keypoints, as it ends in 44 heat maps and limbs of a pose\n" in outcome.err
    assert len(outcome.out.splitlines()) == 1 + 15 + 1
    assert "   0  Head, column 20.0, row 10.0" in outcome.out
    drawn = load_image(tmp_path / "x_keypoints.png")
    assert len(np.unique(drawn[10, 20:])) > 2
    same = run("keypoints", tmp_path / "x.png", *options, "--json", "-")
    assert [x["label"] for x in json.loads(same.out)[0]["keypoints"]][:2] == ["Head", "Neck"]


def test_values_of_a_layer_are_written(run, tmp_path, photos):
    model, options = net(tmp_path, "classifier")
    outcome = run("embed", photos, *options, "--layer", "pool", "-o", tmp_path / "f", "--json", "-")
    assert outcome.status == 0, outcome
    wanted = np.stack(keras_fcn.embed(model, photos, "pool", preprocessing=PLAIN))
    read = np.stack([np.load(tmp_path / "f" / f"{path.stem}.npy") for path in files(photos)])
    np.testing.assert_array_equal(read, wanted)
    records = json.loads(outcome.out)
    np.testing.assert_array_equal(np.array([x["features"] for x in records], "f4"), wanted)
    assert records[0]["shape"] == [4]


def test_many_pictures_are_segmented_into_folders(run, tmp_path, photos):
    model, options = net(tmp_path, "map")
    out, seen = tmp_path / "labels", tmp_path / "seen"
    outcome = run("segment", photos, *options, "-o", out, "--picture", seen, "--jsonl", "-")
    assert outcome.status == 0, outcome
    wanted = keras_fcn.segment(model, photos, preprocessing=PLAIN)
    for path, labels, line in zip(files(photos), wanted, outcome.out.splitlines(), strict=True):
        with Image.open(out / f"{path.stem}.png") as image:
            np.testing.assert_array_equal(np.asarray(image), labels)
        record = json.loads(line)
        assert record["files"] == [str(x / f"{path.stem}.png") for x in (out, seen)]
        shares = {x["index"]: x["share"] for x in record["classes"]}
        assert shares == {int(i): (labels == i).mean() for i in np.unique(labels)}
    options += ("-o", tmp_path / "one.png")
    assert "several images go to a folder" in run("segment", photos, *options).error
    outcome = run("segment", photos / "a.png", *options)
    assert outcome.status == 0
    assert outcome.out.splitlines()[-1] == f"wrote {tmp_path / 'one.png'}"
    both = run("segment", photos / "a.png", *options, "--picture", tmp_path / "one.png")
    assert "-o and --picture must differ" in both.error


def test_maps_of_a_data_set_are_labelled_by_predict(run, tmp_path, photos):
    _, options = net(tmp_path, "map")
    (tmp_path / "names.txt").write_text("a\nb\nc\nd\n")
    (tmp_path / "colours.txt").write_text("0,0,0\n255,0,0\n0,255,0\n0,0,255\n")
    names = ("--labels", tmp_path / "names.txt", "--palette", tmp_path / "colours.txt")
    outcome = run("predict", photos / "a.png", *options, *names, "-o", tmp_path)
    assert "task: segment, as it ends in PixelwiseSoftmax\n" in outcome.err
    assert (tmp_path / "a_labels.png").exists()
    outcome = run("predict", photos / "a.png", *options, "-o", tmp_path)
    assert "task: the map of scores, as" in outcome.err
    assert (tmp_path / "a_heat_map.png").exists()


@pytest.mark.sweep(2)
@pytest.mark.parametrize(
    ("command", "kind", "message"),
    [
        ("classify", "detector", "detect is for it"),
        ("classify", "map", "segment labels every pixel"),
        ("segment", "detector", "detect is for it"),
        ("segment", "features", "embed gives the values"),
        ("detect", "classifier", "classify is for it"),
        ("detect", "boxes", "networks that end in DetectionOutput"),
        ("keypoints", "detector", "detect is for it"),
        ("predict", "features", "keras-fcn embed gives the values"),
    ],
)
def test_the_right_command_is_named(run, tmp_path, photos, command, kind, message):
    _, options = net(tmp_path, kind)
    more = ("-o", tmp_path / "y.png") if command == "segment" else ()
    assert message in run(command, photos / "a.png", *options, *more).error
    assert not (tmp_path / "y.png").exists()


@pytest.mark.slow
def test_frames_of_an_animation(run, tmp_path):
    _, options = net(tmp_path, "detector")
    path = animation(tmp_path / "walk.gif", size=SIZE[::-1])
    out = tmp_path / "out"
    outcome = run("detect", path, *options, "-o", out, "--jsonl", tmp_path / "x.jsonl")
    assert outcome.status == 0, outcome
    records = [json.loads(line) for line in (tmp_path / "x.jsonl").read_text().splitlines()]
    assert [(x["image"], x["frame"]) for x in records] == [(str(path), n) for n in range(5)]
    assert [round(x["time"], 3) for x in records] == [0, 0.04, 0.08, 0.12, 0.16]
    assert records[3]["files"] == [str(out / "walk_000003_boxes.png")]
    assert len([*out.glob("*.png")]) == 5
    assert str(tmp_path / "walk_000004.gif") in outcome.out.splitlines()
    path.write_bytes(path.read_bytes()[:-300])
    outcome = run("detect", path, *options, "--jsonl", "-", "--skip-bad")
    assert outcome.status == SKIPPED
    *_, last = map(json.loads, outcome.out.splitlines())
    assert last["image"] == str(path)
    assert "walk.gif: damaged after" in last["error"]
