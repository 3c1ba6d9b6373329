from __future__ import annotations

import keras
import numpy as np
import pytest

import keras_fcn
from keras_fcn.cli.flags import flag
from keras_fcn.inference.assumed_names import assumed_names
from keras_fcn.inference.classification import names_of
from keras_fcn.inference.preparation import describe_all
from keras_fcn.inference.segmentation import label_classes

PREPARED = keras_fcn.Preprocessing(mean=None)
NAME = "tabby, tabby cat"


def classifier(name, count=1000, **card):
    layers = [keras.Input((2, 2, 3)), keras.layers.Flatten()]
    layers.append(keras.layers.Dense(count, activation="softmax"))
    named = keras.Sequential(layers, name=name)
    return keras_fcn.with_card(named, preprocessing=PREPARED, **card)


def notes(model, **options):
    return describe_all(model, PREPARED, {}, option=flag, **options)[0]


@pytest.mark.parametrize(
    "name", ["CaffeNet", "ResNet-50", "VGG_ILSVRC_16_layers", "MOBILENET", "nin_imagenet"]
)
def test_networks_known_by_their_names_have_imagenets_and_say_so(name):
    model = classifier(name)
    assert names_of(model, 1000, None, str)[281] == NAME
    assert label_classes(model, np.array([281]))[281] == NAME
    assert notes(model).endswith(
        "; assumed, as nothing says else: ImageNet's names of the classes (--labels)"
    )
    assert "ImageNet" not in notes(model, names=False)


def test_others_have_numbers():
    birds = classifier("birds")
    assert names_of(birds, 1000, None, str)[281] == "class 281"
    assert label_classes(birds, np.array([281]))[281] == "class 281"
    assert "assumed" not in notes(birds)
    assert keras_fcn.classify(birds, np.zeros((2, 2, 3), np.uint8))[0]["label"].startswith("class ")
    assert assumed_names(classifier("CaffeNet", 20), 20) is None


def test_what_the_card_says_goes_before():
    own = classifier("CaffeNet", classes=[f"bird {index}" for index in range(1000)])
    assert names_of(own, 1000, None, str)[281] == "bird 281"
    assert "ImageNet" not in notes(own)
