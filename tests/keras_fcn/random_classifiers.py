"""Random classifiers, in Keras' own layers and as prototxts, to cast."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

Random = np.random.Generator
SIZE = (12, 10)


def randomized(model: keras.Model, seed: int) -> keras.Model:
    """The model with positive weights, so that no statistic is negative."""
    rng = np.random.default_rng(seed)
    model.set_weights([rng.uniform(0.2, 1, w.shape) - 0.3 * (w.ndim > 1) for w in model.weights])
    return model


def stock_classifier(seed: int) -> keras.Model:
    """A body, a way from the map to vectors, and some layers behind, of Keras' own layers."""
    rng, layers = np.random.default_rng(seed), keras.layers
    image = x = keras.Input((*SIZE, 2), name="data")
    for _ in range(rng.integers(1, 4)):
        x = _pick(rng, _BODY)(x)
    heads = [
        _pick(rng, _BEHIND)(_pick(rng, _TO_VECTORS)(x), rng) for _ in range(rng.integers(1, 3))
    ]
    x = heads[0]
    if len(heads) > 1:
        if all(len(head.shape) == 2 for head in heads):
            x = layers.Concatenate(int(rng.choice([-1, 1])))(heads)
        else:
            x = heads
    if isinstance(x, list):
        return randomized(keras.Model(image, x, name="random"), seed)
    for _ in range(rng.integers(1, 4)):
        x = _pick(rng, _BEHIND)(x, rng)
    return randomized(keras.Model(image, x, name="random"), seed)


def _pick(rng: Random, choices: Any) -> Any:
    return choices[rng.integers(len(choices))]


_L = keras.layers
_BODY = (
    lambda x: _L.Conv2D(4, 3, activation="relu")(x),
    lambda x: _L.Conv2D(3, 3, padding="same")(x),
    lambda x: _L.MaxPooling2D(2)(x) if min(x.shape[1:3]) > 3 else x,
    lambda x: _L.AveragePooling2D(2)(x) if min(x.shape[1:3]) > 3 else x,
    lambda x: _L.BatchNormalization()(x),
    lambda x: _L.DepthwiseConv2D(3, padding="same")(x),
    lambda x: _L.Add()([x, _L.Conv2D(x.shape[-1], 1)(x)]),
    lambda x: _L.ReLU()(x) * 0.5,
)
_TO_VECTORS = (
    lambda x: _L.Flatten()(x),
    lambda x: _L.Reshape((-1,))(x),
    lambda x: _L.Flatten()(_L.Permute((3, 1, 2))(x)),
    lambda x: _L.Dropout(0.5)(_L.Flatten()(_L.Activation("relu")(x))),
    lambda x: _L.GlobalAveragePooling2D()(x),
    lambda x: _L.GlobalMaxPooling2D(keepdims=True)(x),
    lambda x: keras.ops.mean(x, axis=(1, 2)),
    lambda x: _L.AveragePooling2D(x.shape[1:3])(x),
    lambda x: _L.Reshape((-1, x.shape[-1]))(x),
)
_BEHIND = (
    lambda x, rng: _L.Dense(int(rng.integers(2, 6)))(x),
    lambda x, rng: _L.Dense(3, activation="softmax")(_L.Flatten()(x)),
    lambda x, rng: _L.Softmax(axis=int(rng.choice([-1, 1])))(x),
    lambda x, rng: _L.BatchNormalization(axis=int(rng.choice([-1, 1])))(x),
    lambda x, rng: _L.LayerNormalization()(x),
    lambda x, rng: _L.UnitNormalization(axis=1)(x),
    lambda x, rng: _L.PReLU()(x),
    lambda x, rng: _L.Activation(str(rng.choice(["relu", "softmax", "tanh", "log_softmax"])))(x),
    lambda x, rng: _L.Multiply()([x, x]),
    lambda x, rng: _L.Concatenate(axis=1)([x, _L.ReLU()(x)]),
    lambda x, rng: _L.Flatten()(x),
    lambda x, rng: keras.ops.softmax(x, axis=1),
    lambda x, rng: 2.0 - x,
    lambda x, rng: _L.Conv2D(3, 1)(x) if len(x.shape) == 4 else x,
    lambda x, rng: _L.Conv2D(3, 3, padding="same")(x) if len(x.shape) == 4 else x,
    lambda x, rng: _L.GlobalMaxPooling2D()(x) if len(x.shape) == 4 else x,
    lambda x, rng: _L.Reshape((1, 1, x.shape[-1]))(x) if len(x.shape) == 2 else x,
    lambda x, rng: _L.Permute((2, 1))(x) if len(x.shape) == 3 else x,
    lambda x, rng: _L.GroupNormalization(1)(x),
    lambda x, rng: _L.Rescaling(0.5, 1.0)(x),
)

_CAFFE_BODY = (
    ("Convolution", "convolution_param { num_output: 4 kernel_size: 3 }"),
    ("Convolution", "convolution_param { num_output: 4 kernel_size: 3 pad: 1 group: 2 }"),
    ("Pooling", "pooling_param { kernel_size: 2 stride: 2 }"),
    ("Pooling", "pooling_param { kernel_size: 3 stride: 2 pool: AVE pad: 1 }"),
    ("LRN", "lrn_param { local_size: 3 }"),
    ("ReLU", ""),
    ("BatchNorm", ""),
    ("Scale", "scale_param { bias_term: true }"),
)
_CAFFE_TO_VECTORS = (
    ("InnerProduct", "inner_product_param { num_output: 5 }"),
    ("InnerProduct", "inner_product_param { num_output: 5 axis: -3 transpose: true }"),
    ("Flatten", ""),
    ("Flatten", "flatten_param { axis: -3 end_axis: -1 }"),
    ("Flatten", "flatten_param { axis: 2 }"),
    ("Reshape", "reshape_param { shape { dim: 0 dim: -1 } }"),
    ("Reshape", "reshape_param { shape { dim: 0 dim: 0 dim: -1 } }"),
    ("Permute", "permute_param { order: 0 order: 2 order: 3 order: 1 }"),
    ("Pooling", "pooling_param { pool: AVE global_pooling: true }"),
    ("Pooling", "pooling_param { pool: MAX global_pooling: true }"),
)
_CAFFE_BEHIND = (
    ("InnerProduct", "inner_product_param { num_output: 4 }"),
    ("InnerProduct", "inner_product_param { num_output: 4 axis: -1 }"),
    ("Softmax", ""),
    ("Softmax", "softmax_param { axis: -1 }"),
    ("Concat", "concat_param { axis: 1 }"),
    ("Concat", "concat_param { axis: -1 }"),
    ("Eltwise", "eltwise_param { operation: PROD }"),
    ("Tile", "tile_param { axis: -1 tiles: 2 }"),
    ("Slice", "slice_param { axis: 1 slice_point: 2 }"),
    ("ArgMax", ""),
    ("ArgMax", "argmax_param { axis: 1 top_k: 2 }"),
    ("Reduction", "reduction_param { axis: 1 }"),
    ("Scale", "scale_param { axis: -1 }"),
    ("Bias", ""),
    ("BatchNorm", ""),
    ("PReLU", ""),
    ("ReLU", ""),
    ("Dropout", ""),
    ("Flatten", ""),
    ("Reshape", "reshape_param { shape { dim: 0 dim: -1 dim: 1 dim: 1 } }"),
    ("Convolution", "convolution_param { num_output: 3 kernel_size: 1 }"),
    ("Convolution", "convolution_param { num_output: 3 kernel_size: 3 pad: 1 }"),
    ("MVN", ""),
)


def prototxt_classifier(seed: int) -> str:
    """The same as a prototxt; whether its shapes fit is left to whoever reads it."""
    rng = np.random.default_rng(seed)
    kinds = [_pick(rng, _CAFFE_BODY) for _ in range(rng.integers(1, 4))]
    kinds += [_pick(rng, _CAFFE_TO_VECTORS) for _ in range(rng.integers(1, 3))]
    kinds += [_pick(rng, _CAFFE_BEHIND) for _ in range(rng.integers(1, 5))]
    text = (
        'name: "random" layer { name: "data" type: "Input" top: "data" input_param '
        f"{{ shape {{ dim: 2 dim: 2 dim: {SIZE[0]} dim: {SIZE[1]} }} }} }}\n"
    )
    bottom = before = "data"
    for index, (kind, parameters) in enumerate(kinds):
        top = f"b{index}"
        bottoms = [bottom, bottom] if kind in ("Concat", "Eltwise") else [bottom]
        tops = [top, f"{top}x"] if kind == "Slice" else [top]
        if kind == "Eltwise" and rng.integers(2):
            bottoms = [bottom, before]
        text += (
            f'layer {{ name: "{top}" type: "{kind}" '
            + " ".join([f'bottom: "{x}"' for x in bottoms] + [f'top: "{x}"' for x in tops])
            + f" {parameters} }}\n"
        )
        before, bottom = bottom, top
    return text
