"""The configuration of a layer follows from its constructor."""

from __future__ import annotations

from typing import Any

import keras
import pytest

from keras_fcn import layers
from keras_fcn.layers._base import CaffeLayer

ZEROS = {"module": "keras.initializers", "class_name": "Zeros", "config": {}}
ONES = {**ZEROS, "class_name": "Ones"}
POLICY = {"module": "keras", "class_name": "DTypePolicy", "config": {"name": "float32"}}
KERAS = {"name": "x", "trainable": True, "dtype": {**POLICY, "registered_name": None}}


class Windows(CaffeLayer):
    def __init__(self, size: Any, *, filler: Any = "zeros", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.size = (size, size)
        self.filler = keras.initializers.get(filler)


class Sum(Windows):
    def __init__(self, size: Any, axis: int = 1, **kwargs: Any) -> None:
        super().__init__(size, **kwargs)
        self.axis = axis


class Named(Sum):
    """Has no constructor of its own."""


class Scaled(Sum):
    """Keeps its argument under another name, and gives it itself."""

    def __init__(self, scale: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._factor = scale

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "scale": self._factor}


@pytest.mark.parametrize("kind", [Sum, Named])
def test_arguments_of_the_base_class_come_first(kind):
    config = kind(3, axis=2, name="x").get_config()
    own = {"size": (3, 3), "filler": {**ZEROS, "registered_name": None}, "axis": 2}
    assert list(config.items()) == list((KERAS | own).items())


def test_a_class_may_give_its_arguments_itself():
    config = Scaled(0.5, size=2, filler="ones", name="x").get_config()
    own = {"size": (2, 2), "filler": {**ONES, "registered_name": None}, "axis": 1}
    assert config == KERAS | own | {"scale": 0.5}


@pytest.mark.parametrize(
    ("kind", "own"),
    [
        ("Axpy", {"activity_regularizer": None, "autocast": True}),
        ("ClippedLSTM", {"units": 3, "clipping_threshold": 0.5, "streams": None}),
        ("CaffeStochasticPooling2D", {"pool_size": [2, 2], "strides": [2, 2], "seed": 3}),
        ("Constant", {"value": [[1.0, 2.0]], "value_dtype": "float32"}),
        (
            "Deconvolution",
            {"kernel_size": [4], "strides": [2], "padding": [1], "dilation_rate": [1], "axis": 1}
            | {"filters": 4, "groups": 4, "use_bias": True, "may_be_empty": False}
            | {"kernel_initializer": ZEROS, "bias_initializer": ONES},
        ),
        ("Insanity", {"lb": 5.0, "ub": 10.0, "seed": 3}),
        ("Scale", {"shape": [4], "axis": 1, "use_bias": True, "scale_initializer": ONES}),
        (
            "SoftmaxWithLoss",
            {"ignore_label": 0, "normalization": "valid", "pre_fixed_normalizer": 1.0}
            | {"axis": 1, "class_weighting": [], "outputs": 3},
        ),
    ],
)
def test_configs_of_earlier_files_are_read(kind, own):
    layer = getattr(layers, kind).from_config(KERAS | own)
    again = layer.get_config()
    assert layer.name == "x"
    for name in own.keys() - {"activity_regularizer", "autocast"}:
        old, new = own[name], again[name]
        if isinstance(old, dict):
            assert new["class_name"] == old["class_name"]
        else:
            assert (list(new) if isinstance(old, list) and kind != "Constant" else new) == old
