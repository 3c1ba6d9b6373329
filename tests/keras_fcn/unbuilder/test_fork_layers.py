"""Layers of forks -> Keras -> parameters: those that the network has."""

from __future__ import annotations

import keras  # noqa: F401  before keras_fcn.layers
import pytest

import convert
import keras_fcn
from keras_fcn.caffe.errors import UnsupportedLayerError
from keras_fcn.unbuilder import unbuild
from tests.keras_fcn.builder.forks import net
from tests.keras_fcn.unbuilder.fork_cases import CASES
from tests.keras_fcn.unbuilder.test_reference_cases import assert_unbuilt


@pytest.mark.sweep(3)
@pytest.mark.parametrize("name", CASES)
def test_a_layer_is_unbuilt_to_the_parameters_it_was_built_from(name, tmp_path):
    text, inputs = CASES[name]
    path = net(tmp_path, text, **inputs)
    assert assert_unbuilt(keras_fcn.from_caffe(path), convert.load_network(path)) == 1


def test_sizes_of_images_are_in_a_file_that_the_layer_does_not_know(tmp_path):
    (tmp_path / "sizes.txt").write_text("a 30 40\n")
    text = (
        'type: "DetectionEvaluate" detection_evaluate_param { num_classes: 3 name_size_file: "%s" }'
    )
    path = net(tmp_path, text % (tmp_path / "sizes.txt"), x=(1, 1, 4, 7), truth=(1, 1, 2, 8))
    model = keras_fcn.from_caffe(path)
    with pytest.raises(UnsupportedLayerError, match=r"layer 'l' .*sizes: 1 sizes of images"):
        unbuild(model.get_layer("l"))
