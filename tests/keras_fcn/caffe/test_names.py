"""Caffe names become names that Keras and HDF5 accept, each different."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_fcn.caffe.names import keras_name, keras_names

SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("conv1", "conv1"),
        ("fc6-conv", "fc6-conv"),
        ("res2.1_bn", "res2.1_bn"),
        ("inception_3a/1x1", "inception_3a_1x1"),
        ("cat:0", "cat_0"),
        ("my conv", "my_conv"),
        ("2", "2"),
        ("_hidden", "layer_hidden"),
        ("größe", "gr__e"),
        ("", "layer"),
        ("/", "layer_"),
        (".", "layer."),
        ("-", "layer-"),
    ],
)
def test_one_name(name, safe):
    assert keras_name(name) == safe


@pytest.mark.parametrize(
    ("names", "safe"),
    [
        (["a", "b"], ["a", "b"]),
        (["a/b", "a_b"], ["a_b_2", "a_b"]),
        (["a_b", "a/b", "a:b"], ["a_b", "a_b_2", "a_b_3"]),
        (["a/b", "a_b", "a_b_2"], ["a_b_3", "a_b", "a_b_2"]),
        (["relu", "relu", "relu"], ["relu", "relu_2", "relu_3"]),
        (["relu", "relu", "relu_2"], ["relu", "relu_3", "relu_2"]),
        (["", ""], ["layer", "layer_2"]),
    ],
)
def test_names_that_would_become_one(names, safe):
    assert keras_names(names) == safe


@given(st.lists(st.text(alphabet="a/_2. ", max_size=4), max_size=8))
def test_names_of_a_network(names):
    safe = keras_names(names)
    assert len(set(safe)) == len(names)
    assert all(SAFE.fullmatch(name) for name in safe)
    for name, result in zip(names, safe, strict=True):
        if names.count(name) == 1 and keras_name(name) == name:
            assert result == name
