"""What the registry says of a published network is what its constructor builds."""

from __future__ import annotations

import numpy as np
import pytest

from keras_fcn import models
from keras_fcn.inference.prediction import model_preprocessing, model_tiles
from keras_fcn.preprocessing.classes import Classes
from keras_fcn.preprocessing.data_sets import data_sets
from keras_fcn.published import data_set, published

SMALL = {
    "bvlc_googlenet",
    "enet_cityscapes",
    "mobilenet",
    "mobilenet_v2",
    "nin_imagenet",
    "segnet_basic_camvid",
    "squeezenet_v1.0",
    "squeezenet_v1.1",
}
NAMES = [
    pytest.param(name, marks=() if name in SMALL else pytest.mark.slow)
    for name, entry in published().items()
    if entry.constructor
]
SEGMENTS = set(data_sets()) - {"imagenet"}


@pytest.mark.sweep(2)
@pytest.mark.parametrize("name", NAMES)
def test_constructor(name):
    entry = published()[name]
    model = getattr(models, entry.constructor)(**entry.options)
    own = model_preprocessing(model)
    known = entry.preprocessing(own)
    assert own.channels == 3
    assert (own.channel_order, own.input_scale) == (known.channel_order, known.input_scale)
    if own.mean is None or known.mean is None:
        assert own.mean is known.mean
    else:
        np.testing.assert_allclose(own.mean_at((1, 1)), known.mean_at((1, 1)), atol=1e-3)
    if entry.dataset:
        classes = len(data_set(entry.dataset).classes)
        assert [output.shape[-1] for output in model.outputs] == [classes]
    if entry.dataset in SEGMENTS:
        assert model.card.classes == Classes.of(entry.dataset)
        tiles = model_tiles(model)
        assert (tiles is None) == (entry.tiles is None)
        assert tiles is None or tiles.size == entry.input
