"""Files answer without TensorFlow in the process, as they do with it."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import convert
import keras_fcn
from keras_fcn.preprocessing import Preprocessing
from tests.keras_fcn.inference.test_optimizing import NETS, assert_same, images
from tests.keras_fcn.inference.test_tasks import KINDS

WITHOUT = """
import json, sys
import numpy as np
import keras_fcn
from keras_fcn.cli import main
from keras_fcn.preprocessing import Preprocessing

ENDINGS = ("prototxt", "caffemodel")
folder, pictures = sys.argv[1], np.load(sys.argv[1] + "/batch.npy")
found, own = {}, Preprocessing(mean=None)
for name in ("map", "vector"):
    files = [f"{folder}/{name}.prototxt", f"{folder}/{name}.caffemodel"]
    fast = keras_fcn.optimize_for_inference(*files)
    np.save(f"{folder}/{name}.npy", fast.predict(pictures))
    found[name] = [fast.engine, fast.name, fast.output_names]
    task = keras_fcn.classify if name == "vector" else keras_fcn.predict
    answer = task(fast, f"{folder}/x.png", preprocessing=own)
    found[name].append(np.shape(answer) if name == "map" else answer[0]["index"])
    for command in ("predict", "classify" if name == "vector" else "segment"):
        out = [] if command == "classify" else ["-o", f"{folder}/out_{command}_{name}.png"]
        given = ["--prototxt", files[0], "--weights", files[1], "--engine", "auto"]
        status = main([command, f"{folder}/x.png", *given, *out, "--mean", "none"])
        found[name].append(status)
files = [f"{folder}/{name}.{end}" for name in ("vector", "boxes") for end in ENDINGS]
for command, (net, weights), more in (
    ("embed", files[:2], ["--output-blob", "conv"]),
    ("detect", files[2:], ["--json", f"{folder}/boxes.json"]),
):
    given = ["--prototxt", net, "--weights", weights, "--engine", "auto", "--mean", "none"]
    found[command] = main([command, f"{folder}/x.png", *given, "-o", folder, *more])
for ending in ("onnx", "param"):
    fast = keras_fcn.optimize_for_inference(f"{folder}/net.{ending}")
    np.save(f"{folder}/{ending}.npy", fast.predict(pictures))
found["modules"] = [x for x in ("keras", "tensorflow") if x in sys.modules]
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    for name in ("map", "vector"):
        text = NETS[name][0].replace("GROUP", "")
        if name == "map":  # a stride of 1, so that it labels every pixel
            text = text.replace("stride: 2", "pad: 1")
        (folder / f"{name}.prototxt").write_text(text)
        model = keras_fcn.from_caffe(folder / f"{name}.prototxt", seed=4)
        rng = np.random.default_rng(0)
        for weight in model.get_layer("norm").weights:
            weight.assign(rng.uniform(0.5, 1.5, weight.shape))
        keras_fcn.export(model, folder / f"{name}.caffemodel")
    (folder / "boxes.prototxt").write_text(KINDS["detector"])
    detector = keras_fcn.from_caffe(folder / "boxes.prototxt", seed=1)
    keras_fcn.export(detector, folder / "boxes.caffemodel")
    files = folder / "map.prototxt", folder / "map.caffemodel"
    for ending in ("onnx", "param"):
        convert.convert(*files, folder / f"net.{ending}")
    np.save(folder / "batch.npy", images(2, 40, 40, 3))
    pixels = np.random.default_rng(3).integers(0, 255, (40, 40, 3)).astype("u1")
    Image.fromarray(pixels).save(folder / "x.png")
    return folder


def test_tensorflow_is_not_loaded(folder):
    """Nor to find boxes, or a layer's values."""
    command = [sys.executable, "-c", WITHOUT, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found.pop("modules") == []
    assert (found["embed"], found["detect"]) == (0, 0)
    own = Preprocessing(mean=None)
    model = keras_fcn.from_caffe(folder / "vector.prototxt", folder / "vector.caffemodel")
    values = keras_fcn.embed(model, folder / "x.png", "conv", preprocessing=own, size=(40, 40))
    assert_same(np.load(folder / "x.npy"), values)
    model = keras_fcn.from_caffe(folder / "boxes.prototxt", folder / "boxes.caffemodel")
    boxes = keras_fcn.detect(model, folder / "x.png", preprocessing=own)
    (written,) = json.loads((folder / "boxes.json").read_text())
    assert [x["index"] for x in written["detections"]] == [x["index"] for x in boxes] != []
    assert_same(*(np.array([x["box"] for x in each]) for each in (written["detections"], boxes)))
    assert found["map"][:3] == ["ncnn", "small", ["prob"]]
    assert found["map"][3:] == [[40, 40, 5], 0, 0]
    x = np.load(folder / "batch.npy")
    for name in ("map", "vector"):
        model = keras_fcn.from_caffe(folder / f"{name}.prototxt", folder / f"{name}.caffemodel")
        assert_same(np.load(folder / f"{name}.npy"), model.predict(x, verbose=0))
        if name == "map":
            assert_same(np.load(folder / "onnx.npy"), model.predict(x, verbose=0))
            assert_same(np.load(folder / "param.npy"), model.predict(x, verbose=0))
            model.card = keras_fcn.with_card(model, preprocessing=Preprocessing(mean=None)).card
            labels = keras_fcn.segment(model, folder / "x.png")
            written = np.asarray(Image.open(folder / "out_segment_map.png"))
            np.testing.assert_array_equal(written, labels)
        else:
            (best, *_) = keras_fcn.classify(
                model, folder / "x.png", preprocessing=Preprocessing(mean=None)
            )
            assert found["vector"][3:] == [best["index"], 0, 0]


@pytest.mark.parametrize("ending", ["onnx", "param"])
def test_damaged_files_are_refused(folder, tmp_path, ending):
    whole = (folder / f"net.{ending}").read_bytes()
    path = tmp_path / f"bad.{ending}"
    for content in (whole[: len(whole) // 2], b"", b"no such format" * 9):
        path.write_bytes(content)
        with pytest.raises(convert.CaffeError, match=f"bad.{ending}") as caught:
            keras_fcn.optimize_for_inference(path)
        assert "\n" not in str(caught.value)
    other = {"onnx": "ncnn", "param": "onnxruntime"}[ending]
    with pytest.raises(ValueError, match=f"net.{ending} is for engine="):
        keras_fcn.optimize_for_inference(folder / f"net.{ending}", engine=other)
    with pytest.raises(ValueError, match="holds its weights"):
        keras_fcn.optimize_for_inference(folder / f"net.{ending}", "x.caffemodel")


def test_missing_files_are_told(folder):
    for name in ("none.prototxt", "none.onnx", "none.param"):
        with pytest.raises((OSError, convert.CaffeError), match=name):
            keras_fcn.optimize_for_inference(folder / name)
