"""What Caffe's data layers gave in whole training runs, batch by batch."""

from __future__ import annotations

import json
import re
from contextlib import ExitStack

import numpy as np
import pytest

from keras_fcn.caffe.net.assembly import load_network
from keras_fcn.datasets.data_layers import SOURCES, open_source
from tests.golden import REPOSITORY

RUNS = REPOSITORY / "tests" / "data" / "golden" / "training_files"
NAMES = sorted(path.name for path in RUNS.iterdir() if path.is_dir())


def sources(stack, path, phase, stages=()):
    network = load_network(path, phase, stages=stages)
    layers = [layer for layer in network.layers if layer.type in SOURCES]
    return [stack.enter_context(open_source(layer, phase, path.parent)) for layer in layers]


def next_of(opened):
    return {top: blob for source in opened for top, blob in source.next().items()}


def compare(batch, recorded, prefix):
    """The blobs of a batch with those that are recorded of it; how many there are."""
    named = {f"{prefix}/{top}": blob for top, blob in batch.items()}
    found = [key for key in named if key in recorded]
    for key in found:
        np.testing.assert_array_equal(named[key], recorded[key], err_msg=key)
        assert named[key].dtype == np.float32
    return len(found)


def test_there_are_runs():
    assert len(NAMES) == 8


@pytest.mark.parametrize("name", NAMES)
def test_training_batches(name):
    folder = RUNS / name
    recorded = np.load(folder / "trajectory.npz")
    case = json.loads((folder / "case.json").read_text())
    path = next(x for x in folder.glob("train*.prototxt"))
    passes = case["passes_per_iteration"]
    expected = [key for key in recorded if key.startswith("fed/")]
    compared = 0
    with ExitStack() as stack:
        opened = sources(stack, path, "TRAIN")
        for iteration in range(1, max(int(key.split("/")[1]) for key in expected) + 1):
            for number in range(passes):
                middle = f"/pass{number}" if passes > 1 else ""
                compared += compare(next_of(opened), recorded, f"fed/{iteration}{middle}")
    assert compared == len(expected) > 0


@pytest.mark.parametrize("name", NAMES)
def test_test_batches(name):
    """Each test goes on where the one before stopped."""
    folder = RUNS / name
    recorded = np.load(folder / "trajectory.npz")
    counts = re.findall(r"test_iter: (\d+)", (folder / "solver.prototxt").read_text())
    keys = [key.split("/") for key in recorded if key.startswith("testfed/")]
    compared = 0
    for net, count in enumerate(map(int, counts)):
        path, stages = folder / "train_val.prototxt", ()
        if name == "two_test_nets":
            path = folder / f"test_{'ab'[net]}.prototxt"
            stages = [("whole",), ("part",)][net]
        with ExitStack() as stack:
            opened = sources(stack, path, "TEST", stages)
            for at in sorted({int(key[1]) for key in keys}):
                for number in range(count):
                    prefix = f"testfed/{at}/{net}/{number}"
                    compared += compare(next_of(opened), recorded, prefix)
    assert compared == len(keys) > 0
