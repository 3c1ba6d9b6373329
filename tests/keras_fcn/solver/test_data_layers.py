"""Trainings that data layers feed."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

import keras_fcn
from keras_fcn.builder import BUILDERS
from keras_fcn.caffe.errors import CaffeError, CaffeWarning
from keras_fcn.caffe.layers import LAYER_TYPES
from keras_fcn.solver import Solver

NET = """
layer { name: "data" %s }
layer { name: "fc" type: "InnerProduct" bottom: "data" top: "fc"
  inner_product_param { num_output: 3 } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" }
"""
SOLVER = 'net: "net.prototxt" base_lr: 0.1 lr_policy: "fixed" max_iter: 9 snapshot_prefix: "snap" '
MEMORY = """type: "MemoryData" top: "data" top: "label"
  memory_data_param { batch_size: 2 channels: 1 height: 2 width: 2 }"""
IMAGES = """type: "ImageData" top: "data" top: "label" transform_param { mirror: true scale: 0.01 }
  image_data_param { source: "list.txt" batch_size: 2 shuffle: true is_color: false }"""
PYTHON = """type: "Python" top: "data" top: "label"
  python_param { module: "layers" layer: "Made" }"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "solver.prototxt").write_text(SOLVER)
    return tmp_path


def solver(here, data, **options):
    (here / "net.prototxt").write_text(NET % data)
    return Solver("solver.prototxt", verbose=False, **options)


def write_images(here, labels=range(3)):
    random = np.random.default_rng(0)
    for number, _ in enumerate(labels):
        pixels = random.integers(0, 256, (4, 5), np.uint8)
        Image.fromarray(pixels).save(here / f"{number}.png")
    lines = [f"{number}.png {label}" for number, label in enumerate(labels)]
    (here / "list.txt").write_text("\n".join(lines))


def test_memory_data_is_fed_from_python(here):
    data, labels = np.random.default_rng(0).normal(size=(4, 1, 2, 2)), [0, 1, 2, 0]
    with solver(here, MEMORY) as first:
        first.params["fc"][0].data[...] = 0
        with pytest.raises(CaffeError, match=r"nothing was fed; call feed\(data, labels\)"):
            first.step(1)
        first.data_layers["data"].feed(data, labels)
        losses = [first.step(1) for _ in range(3)]
    halves = [{"data": data[i : i + 2], "label": labels[i : i + 2]} for i in (0, 2, 0)]
    with solver(here, MEMORY, feed=iter(halves)) as second:
        second.params["fc"][0].data[...] = 0
        assert [second.step(1) for _ in range(3)] == losses
    assert losses[0] == pytest.approx(np.log(3))


def test_a_registered_generator_feeds(here):
    kept = [(registry, dict(registry)) for registry in (LAYER_TYPES, BUILDERS)]

    @keras_fcn.register("Made")
    def made(layer, phase, random):
        while True:
            yield random.normal(size=(2, 1, 2, 2)), random.integers(3, size=2)

    try:
        with solver(here, PYTHON) as one:
            one.params["fc"][0].data[...] = 0
            assert one.step(1) == pytest.approx(np.log(3))
            one.step(2)
    finally:
        for registry, before in kept:
            registry.clear()
            registry.update(before)


def test_a_label_that_the_loss_does_not_have(here):
    write_images(here, [0, 1, 2, 3])
    with (
        solver(here, IMAGES.replace("shuffle: true", "")) as one,
        pytest.raises(CaffeError, match=r"3.png: label 3 is no class of .*layer 'loss'.* 0 to 2"),
    ):
        one.step(2)


def test_a_snapshot_goes_on_within_an_epoch_with_what_chance_chose(here):
    write_images(here)
    with solver(here, IMAGES) as whole:
        whole.step(4)
        state = whole.snapshot()
        expected = [whole.step(1) for _ in range(5)]
    with solver(here, IMAGES, snapshot=state) as resumed:
        assert [resumed.step(1) for _ in range(5)] == expected


@pytest.mark.slow
def test_an_image_that_is_damaged_in_the_middle(here):
    write_images(here)
    (here / "2.png").write_bytes(b"no image")
    text = IMAGES.replace("shuffle: true", "")
    with (
        solver(here, text) as one,
        pytest.raises(CaffeError, match=r"2.png: not an image that is whole"),
    ):
        one.step(2)
    with solver(here, text, skip_bad=True) as one:
        with pytest.warns(CaffeWarning, match=r"left out: .*2.png"):
            one.step(3)
        assert one.data_layers["data"].skipped == 2
