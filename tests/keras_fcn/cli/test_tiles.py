"""`--tile`: the same maps as without; and from a file to a file of the map."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import rasterio
from PIL import Image

import convert

PROTOTXT = """
name: "Fields"
layer { name: "data" type: "Input" top: "data"
  input_param { shape { dim: 1 dim: 3 dim: 40 dim: 40 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 8 kernel_size: 5 stride: 2 } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "score" type: "Convolution" bottom: "conv" top: "score"
  convolution_param { num_output: 4 kernel_size: 3 } }
layer { name: "prob" type: "Softmax" bottom: "score" top: "prob" }
"""
NORM = PROTOTXT.replace('"relu" type: "ReLU"', '"norm" type: "MVN"')


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder, rng = tmp_path_factory.mktemp("fields"), np.random.default_rng(0)
    weights = {
        "conv": [rng.normal(0, 0.1, (8, 3, 5, 5)), np.zeros(8)],
        "score": [rng.normal(0, 0.1, (4, 8, 3, 3)), np.zeros(4)],
    }
    for name, text in (("net", PROTOTXT), ("norm", NORM)):
        (folder / f"{name}.prototxt").write_text(text)
        convert.write_caffemodel(
            folder / f"{name}.caffemodel", folder / f"{name}.prototxt", weights
        )
    pixels = rng.integers(0, 256, (31, 40, 3), np.uint8).repeat(4, 0).repeat(4, 1)[:121, :157]
    Image.fromarray(pixels).save(folder / "x.png")
    place = {"crs": "EPSG:32633", "transform": rasterio.Affine(10, 0, 5e5, 0, -10, 5e6)}
    sizes = {"driver": "GTiff", "height": 121, "width": 157, "dtype": "uint16"}
    with rasterio.open(folder / "x.tif", "w", count=4, **sizes, **place) as file:
        file.write(np.moveaxis(pixels.astype(np.uint16) * 10, -1, 0)[::-1], [1, 2, 3])
        file.write(np.zeros((121, 157), np.uint16), 4)
    return folder


def net(files, name="net"):
    return (
        *("--prototxt", files / f"{name}.prototxt", "--weights", files / f"{name}.caffemodel"),
        *("--mean", "100", "--input-scale", "1/64"),
    )


BANDS = ("--bands", "3,2,1", "--value-range", "0,2550")


@pytest.fixture(scope="module")
def whole(files, tmp_path_factory):
    from keras_fcn.cli import main

    out = tmp_path_factory.mktemp("whole") / "whole.png"
    assert main([*map(str, ("segment", files / "x.png", *net(files), "-o", out))]) == 0
    with Image.open(out) as image:
        return np.asarray(image)


def read(path):
    if path.suffix == ".npy":
        return np.load(path)
    if path.suffix == ".png":
        with Image.open(path) as image:
            return np.asarray(image)
    with rasterio.open(path) as file:
        return file.read().squeeze()


@pytest.mark.sweep(2)
@pytest.mark.parametrize(
    ("image", "out", "options"),
    [
        ("x.png", "out.png", ("--tile", "48")),
        ("x.png", "out.npy", ("--tile", "48x90")),
        ("x.tif", "out.tif", ("--tile", "auto", *BANDS)),
        ("x.tif", "out.npy", ("--tile", "0.2MB", *BANDS)),
    ],
)
def test_labels(run, files, whole, tmp_path, image, out, options):
    assert len(np.unique(whole)) == 4
    outcome = run("segment", files / image, *net(files), "-o", tmp_path / out, *options)
    assert outcome.status == 0, outcome
    np.testing.assert_array_equal(read(tmp_path / out), whole)
    *lines, last = outcome.out.splitlines()
    assert last == f"wrote {tmp_path / out}"
    shares = np.sort(np.bincount(whole.reshape(-1)))[::-1] / whole.size
    assert [line.split()[0] for line in lines] == [f"{share:.2%}" for share in shares]


def test_quiet(run, files, tmp_path):
    loud = run("segment", files / "x.png", *net(files), "-o", tmp_path / "x.npy")
    assert "images:" in loud.err
    outcome = run("segment", files / "x.png", *net(files), "-o", tmp_path / "x.npy", "--quiet")
    assert (outcome.status, outcome.err) == (0, "")


@pytest.mark.slow
def test_maps(run, files, tmp_path):
    made = []
    for name, options in (
        ("tiles.npy", ("--tile", "48")),
        ("whole.npy", ()),
    ):
        outcome = run("predict", files / "x.png", *net(files), "-o", tmp_path / name, *options)
        assert outcome.status == 0, outcome
        assert outcome.out.splitlines()[0] == "  map of 57x75 cells, 4 classes"
        made.append(np.load(tmp_path / name))
    np.testing.assert_allclose(*made, atol=1e-6)
    for name, options in (("a", ("--tile", "48")), ("b", ())):
        ways = ("--npy", *options)
        outcome = run("predict", files / "x.png", *net(files), "-o", tmp_path / name, *ways)
        assert outcome.status == 0, outcome
        np.testing.assert_array_equal(
            np.load(tmp_path / name / "x_map.npy"), made[0].argmax(axis=-1)
        )


@pytest.mark.sweep(3)
@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("x.png", "-o", "out.png", "--bands", "1"), "--bands is for -o FILE.tif"),
        (("x.png", "x.tif", "-o", "out.tif"), "takes one image"),
        (("x.png", "-o", "out.tif", "--picture", "p.png"), "--picture is of pictures"),
        (("x.tif", "-o", "out.tif"), "such as --bands 3,2,1"),
        (("x.tif", "-o", "out.tif", "--bands", "3,2,9"), "Received: --bands with 9"),
        (("x.tif", "-o", "out.tif", "--bands", "3,2,1"), "such as --value-range 0,10000"),
        (("x.png", "-o", "out.tif", "--tile", "much"), "--tile must be .* Received: --tile much"),
        (("x.png", "-o", "out.tif", "--tile", "8"), r"`?--tile \d+`? is enough"),
        (("x.png", "-o", "out.png", "--tile", "8"), r"--tile \d+ is enough"),
        (("x.png", "-o", "x.tif", "--size", "50x50"), "--size free"),
    ],
)
def test_what_cannot_be_done(run, files, tmp_path, monkeypatch, arguments, why):
    monkeypatch.chdir(tmp_path)
    for name in ("x.png", "x.tif"):
        (tmp_path / name).symlink_to(files / name)
    assert_told(run("segment", *arguments, *net(files)), why)


def test_a_layer_that_sees_all_is_named(run, files, tmp_path):
    for out in ("out.tif", "out.png"):
        outcome = run(
            "segment", files / "x.png", *net(files, "norm"), "-o", tmp_path / out, "--tile", "48"
        )
        assert_told(outcome, r"--tile 48x48: layer 'norm' ")


def assert_told(outcome, why):
    assert re.search(why, outcome.error), outcome


@pytest.mark.slow
def test_a_run_that_is_killed_goes_on(run, files, tmp_path):
    """Ended by the system in the middle, the labels are bit for bit those of a whole run."""
    image = np.random.default_rng(0).integers(0, 256, (700, 650, 3), np.uint8)
    np.save(tmp_path / "x.npy", image)

    def command(out):
        ways = ("--tile", "40", "--quiet")
        return [*map(str, ("segment", tmp_path / "x.npy", *net(files), "-o", out, *ways))]

    out, journal = tmp_path / "out.tif", tmp_path / ".out.tif.part.jsonl"
    process = subprocess.Popen([sys.executable, "-m", "keras_fcn", *command(out)])
    try:
        end = time.monotonic() + 120
        while not journal.is_file() or len(journal.read_bytes().splitlines()) < 8:
            assert process.poll() is None
            assert time.monotonic() < end
            time.sleep(0.01)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    done = len(journal.read_bytes().splitlines()) - 1
    assert not out.exists()
    assert "differs in --tile" in run(*command(out), "--tile", "44", "--resume").error
    outcome = run(*[x for x in command(out) if x != "--quiet"], "--resume")
    assert outcome.status == 0, outcome
    (told,) = [x for x in outcome.err.splitlines() if "were done before" in x]
    before, _, tiles, *_ = told.split()
    assert done <= int(before) < int(tiles)
    assert run(*command(tmp_path / "whole.tif")).status == 0
    assert out.read_bytes() == (tmp_path / "whole.tif").read_bytes()
    assert not journal.exists()


@pytest.mark.slow
def test_it_is_told_where_tiles_are_blended(run, files, tmp_path):
    norm = (files / "x.png", *net(files, "norm"), "--tile", "48", "--approximate")
    out = (tmp_path / "x.npy", tmp_path / "x.png")
    outcome = run("segment", *norm, "-o", out[0], "--tile-overlap", "20")
    assert outcome.status == 0, outcome
    assert re.search(r"^approximate: .*'norm' \(MVN\)", outcome.err, re.MULTILINE)
    outcome = run("segment", *norm, "-o", out[1], "--tile-overlap", "20", "--json", "-")
    assert re.search(r"^warning: approximate: .*'norm' \(MVN\)", outcome.err, re.MULTILINE)
    (record,) = json.loads(outcome.out)
    assert record["approximation"]["layers"] == [["norm", "MVN"]]
    np.testing.assert_array_equal(*map(read, out))
    exact = (files / "x.png", *net(files), "--tile", "48", "--approximate")
    assert "exact: " in run("segment", *exact, "-o", out[0]).err
    (record,) = json.loads(run("segment", *exact, "-o", out[1], "--json", "-").out)
    assert record["approximation"] is None
