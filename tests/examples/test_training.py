"""The examples that train, on little."""

from __future__ import annotations

import importlib
import json
import sys

import numpy as np
import pytest

from keras_fcn.datasets.road_scenes import CAMVID
from keras_fcn.preprocessing.images import load_image
from tests.examples.test_examples import run
from tests.golden import REPOSITORY
from tests.keras_fcn.datasets.pictures import image, save


@pytest.mark.slow
def test_finetune_shapes(tmp_path, capsys):
    metrics = run(
        *("finetune_shapes", "-o", tmp_path, "--images", 8, "--epochs", 1, "--width", 4),
    )
    assert metrics.classes == ("background", "disc", "square", "triangle")
    assert metrics.label_pixels.sum() == 96 * 96
    out = capsys.readouterr().out
    assert str(metrics) in out
    (sample,) = (tmp_path / "run" / "samples").iterdir()
    assert load_image(sample).shape[1] > 3 * 96
    assert (tmp_path / "run" / "model.keras").is_file()


@pytest.fixture
def road_net(monkeypatch):
    """The network, imported as its script does: by its plain name."""
    monkeypatch.syspath_prepend(REPOSITORY / "examples" / "camvid")
    monkeypatch.delitem(sys.modules, "road_net", raising=False)
    yield importlib.import_module("road_net").road_net
    sys.modules.pop("road_net", None)


@pytest.fixture
def camvid(tmp_path):
    """A folder like CamVid's, with scenes of sky over road."""
    names = ("a", "b", "c")
    mask = np.full((48, 64), 3, np.uint8)
    mask[:20] = 0
    mask[20:24] = 11
    for number, name in enumerate(names):
        pixels = image(number, mask.shape) // 4 + np.where(mask == 0, 190, 0)[..., np.newaxis]
        save(tmp_path / "images" / f"{name}.png", pixels.astype(np.uint8))
        save(tmp_path / "labels" / f"{name}.png", mask)
    (tmp_path / "train.txt").write_text("a\nb\n")
    (tmp_path / "val.txt").write_text("c\n")
    return tmp_path


@pytest.mark.slow
def test_camvid(camvid, road_net, tmp_path, capsys):
    metrics = run(
        *("camvid/train", camvid, "-o", tmp_path / "run", "--epochs", 2, "--batch-size", 2),
        *("--size", "24x32", "--width", 4),
    )
    assert metrics.classes == CAMVID.classes
    # At the masks' full size, void left out.
    assert metrics.label_pixels[[0, 3]].tolist() == [20 * 64, 24 * 64]
    assert metrics.label_pixels.sum() == 44 * 64
    assert str(metrics) in capsys.readouterr().out
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["options"]["crop_size"] == [16, 24]
    # Classes that are not there have no weight in the loss; sky and road have.
    weights = np.array(config["options"]["class_weights"])
    assert (weights[[0, 3]] > 0).all()


@pytest.mark.slow
def test_road_net_scores_at_stride_4(road_net):
    model = road_net(classes=5, size=(48, 64), width=4)
    assert model.predict(np.zeros((1, 48, 64, 3), np.float32), verbose=0).shape == (1, 12, 16, 5)
