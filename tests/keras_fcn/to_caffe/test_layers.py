"""Keras layers, each alone in a model."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from keras_fcn.caffe.errors import UnsupportedLayerError
from keras_fcn.to_caffe import to_caffe
from tests.keras_fcn.to_caffe.trips import assert_same, functional, round_trip

L = keras.layers
MAP, LINE, VOLUME = (6, 5, 4), (9, 4), (4, 5, 6, 2)


def dense(x):
    return L.Dense(2)(x)


LAYERS = {
    "separable": (
        lambda x: L.SeparableConv2D(5, 3, padding="same", depth_multiplier=2, activation="relu")(x),
        MAP,
    ),
    "separable with strides": (
        lambda x: L.SeparableConv2D(5, 3, strides=2, padding="same", use_bias=False)(x),
        MAP,
    ),
    "separable behind padding": (
        lambda x: L.SeparableConv2D(3, 3)(L.ZeroPadding2D(((0, 1), (2, 0)))(x)),
        MAP,
    ),
    "Conv1D": (lambda x: L.Conv1D(3, 3, strides=2, padding="same")(x), LINE),
    "causal": (lambda x: L.Conv1D(3, 3, padding="causal", dilation_rate=2)(x), LINE),
    "Conv3D": (lambda x: L.Conv3D(3, (3, 2, 2), padding="same")(x), VOLUME),
    "padding and cropping in 1-D": (lambda x: L.Cropping1D((1, 2))(L.ZeroPadding1D(2)(x)), LINE),
    "UpSampling3D": (lambda x: L.UpSampling3D((1, 2, 3))(x), VOLUME),
    "a kernel shorter than its stride": (lambda x: L.Conv2DTranspose(3, 2, strides=3)(x), MAP),
    "pooling of all in 1-D": (lambda x: dense(L.GlobalAveragePooling1D()(x)), LINE),
    "normalization": (
        lambda x: L.Normalization(mean=[1, 2, 3, 4.0], variance=[0.1, 2, 3, 0])(x),
        MAP,
    ),
    "a mean far from 0": (lambda x: L.Normalization(axis=None, mean=1e4, variance=1e-3)(x), MAP),
    "normalization undone": (
        lambda x: L.Normalization(mean=[1, 2, 3, 4.0], variance=[0.1, 2, 3, 0], invert=True)(x),
        MAP,
    ),
    "normalization of rows": (
        lambda x: L.Normalization(axis=1, mean=np.arange(6.0), variance=np.ones(6))(x),
        MAP,
    ),
    "rescaling by arrays of one": (lambda x: L.Rescaling([0.5], np.array([[1.0]]))(x), MAP),
    "rescaling of one channel": (lambda x: L.Rescaling([0.5], [1.0])(x), (5, 5, 1)),
    "rescaling of channels": (lambda x: L.Rescaling(0.5, [1.0, 2, 3, 4])(x), MAP),
    "centre": (lambda x: L.CenterCrop(3, 2)(x), MAP),
    "a size that is there": (lambda x: L.Resizing(6, 5)(L.RandomCrop(6, 5)(x)), MAP),
    "dropped paths": (lambda x: L.Dropout(0.3, noise_shape=(None, 1, 1, 1))(x), MAP),
    "softmax of rows": (lambda x: L.Softmax(axis=1)(x), MAP),
    "softmax of columns": (lambda x: L.Softmax(axis=2)(x), MAP),
    "flattened by -1": (lambda x: dense(L.Reshape((-1,))(x)), MAP),
    "flattened and back": (lambda x: L.Conv2D(2, 1)(L.Reshape(MAP)(L.Flatten()(x))), MAP),
    "positions": (lambda x: L.Softmax()(L.Reshape((30, 4))(x)), MAP),
    "positions and channels": (lambda x: L.Softmax()(L.Reshape((-1, 2))(x)), MAP),
    "sizes that do not fit": (lambda x: L.Reshape((8, 15))(x), MAP),
    "permuted": (lambda x: L.Conv2D(2, 1)(L.Permute((3, 1, 2))(x)), MAP),
    "permuted twice": (lambda x: L.Permute((2, 1, 3))(L.Permute((2, 1, 3))(x)), MAP),
    "permuted and flattened": (lambda x: dense(L.Flatten()(L.Permute((3, 2, 1))(x))), MAP),
    "permuted volume": (lambda x: L.Permute((4, 1, 3, 2))(x), VOLUME),
    "a map of a vector": (
        lambda x: L.Conv2D(2, 1)(L.Reshape((2, 3, 2))(L.Dense(12)(L.Flatten()(x)))),
        MAP,
    ),
    "repeated vector": (lambda x: L.RepeatVector(3)(dense(L.Flatten()(x))), MAP),
    "flattened, normalized": (lambda x: dense(L.BatchNormalization()(L.Flatten()(x))), MAP),
    "flattened, slopes": (lambda x: dense(L.PReLU()(L.Flatten()(x))), MAP),
    "flattened, softmax": (lambda x: dense(L.Softmax()(L.Flatten()(x))), MAP),
    "flattened, rescaled": (lambda x: dense(L.Rescaling(np.arange(120.0))(L.Flatten()(x))), MAP),
    "flattened and joined": (
        lambda x: dense(L.Concatenate()([L.Flatten()(x), dense(L.Flatten()(x)), L.Flatten()(x)])),
        MAP,
    ),
    "flattened and joined, as an output": (
        lambda x: L.Concatenate()([L.Flatten()(x), L.GlobalMaxPooling2D()(x), L.Flatten()(x)]),
        MAP,
    ),
    "flattened plus a vector": (
        lambda x: L.Add()([L.Flatten()(x), L.Dense(120)(L.Flatten()(x))]),
        MAP,
    ),
}


@pytest.mark.sweep(3)
@pytest.mark.parametrize("name", LAYERS)
def test_layers(name, tmp_path):
    function, shape = LAYERS[name]
    model = functional(function, shape)
    assert_same(model, round_trip(model, tmp_path))


def test_embedding(tmp_path):
    model = functional(lambda x: L.Conv1D(2, 2)(L.Embedding(5, 3)(x)), (4,))
    x = np.array([[0, 4, 2, 1]], np.float32)
    assert_same(model, round_trip(model, tmp_path), values=[x])


@pytest.mark.sweep(2)
@pytest.mark.parametrize("kind", [L.MaxPooling2D, L.AveragePooling2D])
@pytest.mark.parametrize("padding", ["same", "valid"])
def test_pooling(kind, padding, tmp_path):
    """Many windows in one net, on maps on which they fit and on which they do not."""
    windows = [(2, 1), (2, 2), (2, 3), (3, 1), (3, 2), (4, 1), (5, 2), ((3, 2), (1, 2))]
    shapes = (5, 6, 2), (7, 8, 2), (6, 9, 2)
    model = functional(
        lambda *xs: [kind(size, step, padding=padding)(x) for x in xs for size, step in windows],
        *shapes,
    )
    assert_same(model, round_trip(model, tmp_path))


RANDOM = {
    "ActivityRegularization": (0.1,),
    "AlphaDropout": (0.3,),
    "GaussianDropout": (0.3,),
    "GaussianNoise": (0.3,),
    "RandomBrightness": (0.3,),
    "RandomContrast": (0.3,),
    "RandomErasing": (),
    "RandomFlip": (),
    "RandomGrayscale": (),
    "RandomHue": (0.3,),
    "RandomInvert": (),
    "RandomRotation": (0.3,),
    "RandomTranslation": (0.1, 0.1),
    "RandomZoom": (0.3,),
    "SpatialDropout2D": (0.3,),
}


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_what_is_random_while_training_is_nothing_in_inference(tmp_path):
    made = [getattr(L, name)(*given) for name, given in RANDOM.items() if hasattr(L, name)]
    model = functional(lambda x: [L.ReLU()(layer(x)) for layer in made], (8, 8, 3))
    assert_same(model, round_trip(model, tmp_path))
    text = (tmp_path / "net.prototxt").read_text()
    assert text.count("layer {") == 1 + len(made)


@pytest.mark.parametrize(
    ("layer", "why"),
    [
        (L.MaxPooling1D(), "along height and width only"),
        (L.RandomCrop(3, 3), "resizes"),
        (L.CenterCrop(9, 9), "resizes the map of 6 x 5"),
        (L.Resizing(3, 3), "resizes a map of 6 x 5 to 3 x 3"),
        (L.Softmax(axis=(1, 2)), "one axis"),
        (L.Conv2DTranspose(2, 3, strides=2, output_padding=1), "output_padding"),
        (L.PReLU(), "share height and width"),
    ],
)
def test_what_caffe_cannot_is_refused(layer, why):
    shape = LINE if isinstance(layer, L.MaxPooling1D) else MAP
    with pytest.raises(UnsupportedLayerError, match=rf"{type(layer).__name__}\): .*{why}"):
        to_caffe(functional(layer, shape))
