from __future__ import annotations

import json

import numpy as np
import pytest

from keras_fcn.cli import data_options
from keras_fcn.datasets import LAYOUTS
from tests.keras_fcn.datasets import pictures


def test_good_data(run, tmp_path):
    outcome = run("dataset", "check", pictures.write_folders(tmp_path))
    assert (outcome.status, outcome.err) == (0, "")
    assert f"{tmp_path} train: 3 pairs, 0 problems" in outcome.out
    assert f"{tmp_path} val: 2 pairs, 0 problems" in outcome.out
    assert outcome.out.count("index  class") == 2


def test_all_problems_at_once(run, tmp_path):
    pictures.write_folders(tmp_path)
    (tmp_path / "images" / "a.png").write_bytes(b"no picture")
    (tmp_path / "masks" / "b.png").unlink()
    pictures.save(tmp_path / "masks" / "e.png", np.full((6, 8), 77, np.uint8))
    outcome = run("dataset", "check", tmp_path)
    assert outcome.error == "3 problems in 5 pairs, see above"
    for problem in ("a.png: not an image", "b.*: No such file", "e.png: labels 77 in 48 pixels"):
        assert problem in outcome.out
    assert run("dataset", "check", tmp_path, "--split", "val").error.startswith("1 problems in 2")


def test_labels_of_the_command_line(run, tmp_path):
    pictures.write_folders(tmp_path)
    (tmp_path / "dataset.json").unlink()
    assert "give their names" in run("dataset", "check", tmp_path).error
    assert "0 problems" in run("dataset", "check", tmp_path, "--classes", 3).out
    outcome = run("dataset", "check", tmp_path, "--classes", 1, "--void", 1, "--void", 2)
    assert outcome.status == 0
    (tmp_path / "names.txt").write_text("cat\ndog\n")
    names = ("--labels", tmp_path / "names.txt")
    outcome = run("dataset", "check", tmp_path, *names, "--reduce-zero-label")
    assert (outcome.status, "    1  dog" in outcome.out) == (0, True)
    assert "labels 2 in" in run("dataset", "check", tmp_path, *names).out
    assert run("dataset", "check", tmp_path, *names, "--ignore-index", 2).status == 0
    assert "go with --labels or --classes" in run("dataset", "check", tmp_path, "--void", 3).error


def test_layouts_are_those_of_the_package(run, tmp_path):
    assert ("auto", *LAYOUTS) == data_options.LAYOUTS
    pictures.write_folders(tmp_path)
    (tmp_path / "list.txt").write_text("images/a.png masks/a.png\n")
    assert "1 pairs, 0 problems" in run("dataset", "check", tmp_path / "list.txt").out
    outcome = run("dataset", "check", tmp_path, "--layout", "folders", "--split", "test")
    assert "no split 'test'" in outcome.error


def test_databases(run, tmp_path):
    pytest.importorskip("lmdb", reason="LMDB databases need the package lmdb")
    from tests.keras_fcn.datasets.test_caffe_lmdb import datum, write_lmdb

    (tmp_path / "dataset.json").write_text(json.dumps({"classes": ["a", "b", "c"]}))
    images = write_lmdb(tmp_path / "images", {"0": datum(pictures.image(0), encoded=True)})
    masks = write_lmdb(tmp_path / "masks", {"0": datum(pictures.mask(0), encoded=True)})
    assert "1 pairs, 0 problems" in run("dataset", "check", images, masks).out


def test_missing_folder(run, tmp_path):
    assert run("dataset", "check", tmp_path / "none").error.startswith(str(tmp_path / "none"))


def test_images_with_one_label(run, tmp_path):
    """Folders by class and lists are found out; options for masks are refused by name."""
    for number, name in enumerate(("cat", "dog")):
        pictures.save(tmp_path / "data" / name / "0.png", pictures.image(number))
    outcome = run("dataset", "check", tmp_path / "data")
    assert "2 pairs, 0 problems" in outcome.out
    assert "index  class    labels" in outcome.out
    (tmp_path / "list.txt").write_text("data/cat/0.png 0\ndata/dog/0.png 7\n")
    outcome = run("dataset", "check", tmp_path / "list.txt", "--classes", 2)
    assert "list.txt: data/dog/0.png: label 7 is none of the 2 classes" in outcome.out
    refused = run("dataset", "check", tmp_path / "list.txt", "--void", 7, "--reduce-zero-label")
    assert (
        refused.error == "--void, --reduce-zero-label: for masks; these images have one label each"
    )
    pictures.write_folders(tmp_path / "masks")
    wrong = run("dataset", "check", tmp_path / "masks", "--layout", "class-list")
    assert wrong.status == 1
