"""Convolution3D, Pooling3D and the decoders of CTC against plain loops."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import keras_fcn
from keras_fcn.builder import build_model
from keras_fcn.caffe.errors import CaffeError
from keras_fcn.caffe.layers.volumetric import Convolution3D
from keras_fcn.caffe.net.assembly import load_network
from tests.golden import assert_close
from tests.keras_fcn.builder.forks import assert_gradient, assert_survives, built, net
from tests.keras_fcn.layers.checks import assert_config_round_trip, normal

CLIP = (2, 3, 7, 8, 9)
CONVOLUTION = 'type: "Convolution3D" convolution3d_param'
POOLING = 'type: "Pooling3D" pooling3d_param'


def convolution3d(x, kernel, bias, strides, padding):
    x = np.pad(x, [(0, 0), (0, 0), *((pad, pad) for pad in padding)])
    windows = np.lib.stride_tricks.sliding_window_view(x, kernel.shape[2:], axis=(2, 3, 4))
    windows = windows[(slice(None), slice(None), *(slice(None, None, s) for s in strides))]
    return np.einsum("nclhwijk,ocijk->nolhw", windows, kernel) + bias[:, None, None, None]


def pooling3d(x, size, strides, padding, mean):
    lengths = x.shape[2:]
    along = list(zip(lengths, size, strides, padding, strict=True))
    counts = [-(-(n + 2 * p - k) // s) + 1 for n, k, s, p in along]
    top = np.zeros((*x.shape[:2], *counts), x.dtype)
    for place in np.ndindex(*counts):
        cells, number = [slice(None)] * 2, 1
        for index, (n, k, s, p) in zip(place, along, strict=True):
            start = index * s - p
            end = min(start + k, n + p)
            number *= end - start
            cells.append(slice(max(start, 0), min(end, n)))
        window = x[tuple(cells)]
        axes = (2, 3, 4)
        top[(..., *place)] = window.sum(axes) / number if mean else window.max(axes)
    return top


POOLINGS = {
    "max": (
        f"{POOLING} {{ pool: MAX kernel_size: 2 kernel_depth: 1 stride: 2 temporal_stride: 1 }}",
        lambda x: pooling3d(x, (1, 2, 2), (1, 2, 2), (0, 0, 0), mean=False),
    ),
    "max_hangs_over": (
        f"{POOLING} {{ kernel_size: 3 kernel_depth: 2 stride: 2 temporal_stride: 2 }}",
        lambda x: pooling3d(x, (2, 3, 3), (2, 2, 2), (0, 0, 0), mean=False),
    ),
    "ave": (
        f"{POOLING} {{ pool: AVE kernel_size: 3 kernel_depth: 2 stride: 2 temporal_stride: 3 }}",
        lambda x: pooling3d(x, (2, 3, 3), (3, 2, 2), (0, 0, 0), mean=True),
    ),
    "ave_padded": (
        f"{POOLING} {{ pool: AVE kernel_size: 3 kernel_depth: 3 stride: 2 pad: 1 }}",
        lambda x: pooling3d(x, (3, 3, 3), (1, 2, 2), (0, 1, 1), mean=True),
    ),
}


@pytest.mark.parametrize("case", POOLINGS)
@pytest.mark.parametrize("more", [0, 3])
def test_pooling3d(case, more, tmp_path):
    text, reference = POOLINGS[case]
    model = built(tmp_path, text, x=CLIP)
    x = normal(1 + more, 3, *(size + more for size in CLIP[2:]))
    assert_close(keras_fcn.blobs(model, {"x": x})["y"], reference(x))


@pytest.mark.parametrize("case", POOLINGS)
def test_pooling3d_gradient(case, tmp_path):
    text, reference = POOLINGS[case]
    model = built(tmp_path, text, x=CLIP)
    x = np.random.default_rng(0).permutation(np.prod(CLIP)).reshape(CLIP).astype("float32") / 100
    assert_gradient(model, reference, {"x": x}, ["x"])


SETTINGS = {
    "c3d": ("kernel_depth: 3 kernel_size: 3 pad: 1 temporal_pad: 1", (1, 1, 1), (1, 1, 1)),
    "strided": (
        "kernel_depth: 2 kernel_size: 3 stride: 2 temporal_stride: 3 pad: 1 group: 2",
        (3, 2, 2),
        (0, 1, 1),
    ),
}


def convolution(case, tmp_path):
    """The model, and its reference in Caffe's layout."""
    fields, strides, padding = SETTINGS[case]
    text = f"{CONVOLUTION} {{ num_output: 4 filter_group: 2 {fields} }}"
    network = load_network(net(tmp_path, text, x=CLIP))
    model = build_model(network)
    layer = network.layers[-1]
    blobs = [normal(*shape, seed=seed) for seed, shape in enumerate(layer.weight_shapes)]
    weights = [weight.array() for weight in layer.keras_weights(blobs)]
    model.get_layer("l").set_weights(weights)
    again = layer.params.caffe_blobs(weights, None)
    for blob, back in zip(blobs, again, strict=True):
        np.testing.assert_array_equal(blob, back)
    return model, lambda x: convolution3d(x, *blobs, strides, padding)


@pytest.mark.parametrize("case", SETTINGS)
@pytest.mark.parametrize("more", [0, 2])
def test_convolution3d(case, more, tmp_path):
    model, reference = convolution(case, tmp_path)
    x = normal(1 + more, 3, *(size + more for size in CLIP[2:]))
    assert_close(keras_fcn.blobs(model, {"x": x})["y"], reference(x))


@pytest.mark.parametrize("case", SETTINGS)
def test_convolution3d_gradient(case, tmp_path):
    model, reference = convolution(case, tmp_path)
    assert_gradient(model, reference, {"x": normal(*CLIP)}, ["x"])


def test_convolution3d_is_known_by_its_blobs():
    params = Convolution3D.from_blobs([(64, 3, 2, 3, 3), (1, 1, 1, 1, 64)])
    assert (params.num_output, params.kernel, params.bias_term) == (64, (2, 3, 3), True)
    assert Convolution3D.from_blobs([(64, 3, 3, 3)]) is None


@pytest.mark.slow
def test_clips_survive_saving_and_export(tmp_path):
    model, _ = convolution("strided", tmp_path)
    assert_survives(model, {"x": normal(*CLIP)}, tmp_path)
    model = built(tmp_path, POOLINGS["ave_padded"][0], x=CLIP)
    assert_config_round_trip(model.get_layer("l"))
    assert_survives(model, {"x": normal(*CLIP)}, tmp_path)


# ---- decoders -------------------------------------------------------------------------

STEPS = {"x": (7, 3, 5), "going_on": (7, 3)}


def decoded(scores, going_on, blank=-1, merge=True, collapse=True):
    """Labels (N, T) and minus the sums of the best scores (N,)."""
    steps, images, labels = scores.shape
    found, sums = -np.ones((images, steps)), np.zeros(images)
    for n in range(images):
        before, place = -1, itertools.count()
        for t in range(steps):
            if t and going_on[t, n] == 0:
                break
            best = scores[t, n].argmax()
            sums[n] -= scores[t, n].max()
            counts = best != blank % labels and not (merge and best == before)
            if counts or not collapse:
                found[n, next(place)] = best
            before = best
    return found, sums


def sequences(seed=0, steps=7):
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 3, (steps, 3, 5)) + rng.uniform(0, 0.1, (steps, 3, 5))
    scores[2:4] = scores[1]  # repeats
    going_on = np.ones((steps, 3))
    going_on[0] = 0
    going_on[4:, 1] = 0
    return {"x": scores.astype("float32"), "going_on": going_on.astype("float32")}


@pytest.mark.parametrize("steps", [7, 4])
@pytest.mark.parametrize(
    ("fields", "settings"),
    [
        ("", {}),
        ("blank_index: 0", {"blank": 0}),
        ("decode: IN_PLACE", {"collapse": False}),
    ],
)
def test_ctc_decoder(steps, fields, settings, tmp_path):
    model = built(tmp_path, f'type: "CTCDecoder" ctc_param {{ {fields} }}', **STEPS)
    fed = sequences(steps=steps)
    labels, _ = decoded(*fed.values(), **settings)
    assert_close(keras_fcn.blobs(model, fed)["y"], labels[:, :, None, None])


@pytest.mark.parametrize(("axes", "fields"), [((0, 1), ""), ((1, 3), "nct_axis: 1 nct_axis: 3")])
def test_ctc_decoder_of_a_map(axes, fields, tmp_path):
    fed = sequences()
    order = {axes[0]: 1, axes[1]: 2}
    rest = iter([0, None])
    places = [order[axis] if axis in order else next(rest) for axis in range(4)]
    scores = fed["x"][..., None].transpose([3 if place is None else place for place in places])
    model = built(tmp_path, f'type: "CTCDecoder" ctc_param {{ {fields} }}', x=scores.shape)
    labels, _ = decoded(fed["x"], np.ones((7, 3)))
    assert_close(keras_fcn.blobs(model, {"x": scores})["y"], labels[:, :, None, None])


@pytest.mark.parametrize("merge", [True, False])
@pytest.mark.parametrize("dialect", [None, "chwick"])
def test_ctc_greedy_decoder(merge, dialect, tmp_path):
    fields = f"ctc_merge_repeated: {str(merge).lower()}"
    text = f'type: "CTCGreedyDecoder" top: "y" top: "sums" ctc_decoder_param {{ {fields} }}'
    model = keras_fcn.from_caffe(net(tmp_path, text, **STEPS), dialect=dialect)
    fed = sequences()
    found = keras_fcn.blobs(model, fed)
    labels, sums = decoded(*fed.values(), merge=merge)
    assert_close(found["y"], (labels if dialect is None else labels.T)[:, :, None, None])
    assert_close(found["sums"], sums[:, None, None, None])


@pytest.mark.slow
def test_decoders_survive_saving_and_export(tmp_path):
    text = 'type: "CTCGreedyDecoder" top: "y" top: "sums"'
    model = built(tmp_path, text, **STEPS)
    assert_config_round_trip(model.get_layer("l"))
    assert_survives(model, sequences(), tmp_path)


@pytest.mark.parametrize(
    ("text", "shapes", "message"),
    [
        (f"{CONVOLUTION} {{ num_output: 1 kernel_size: 3 }}", {"x": CLIP}, "kernel_depth"),
        (
            f"{CONVOLUTION} {{ num_output: 1 kernel_size: 3 kernel_depth: 1 }}",
            {"x": CLIP[:4]},
            "5 axes",
        ),
        (f"{POOLING} {{ kernel_size: 3 kernel_depth: 1 pad: 1 }}", {"x": CLIP}, "pad: 1"),
        (
            f"{POOLING} {{ pool: STOCHASTIC kernel_size: 3 kernel_depth: 1 }}",
            {"x": CLIP},
            "STOCHASTIC",
        ),
        ('type: "CTCDecoder" ctc_param { decode: BEAM_SEARCH }', STEPS, "BEAM_SEARCH"),
        ('type: "CTCDecoder" ctc_param { blank_index: 5 }', STEPS, "blank_index: 5"),
        ('type: "CTCDecoder" ctc_param { nct_axis: 1 }', {"x": (2, 3, 4)}, "nct_axis"),
        ('type: "CTCDecoder"', {"x": (2, 3, 4, 4)}, "one axis of steps"),
    ],
)
def test_bad_settings_are_refused(text, shapes, message, tmp_path):
    with pytest.raises(CaffeError, match=message):
        built(tmp_path, text, **shapes)
