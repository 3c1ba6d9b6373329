"""What networks are for, told by their layers, and the size that they are given images at."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers

import keras_fcn
from keras_fcn.inference.prediction import model_size
from keras_fcn.inference.segmentation import segment
from keras_fcn.inference.tasks import classifies_at, find_task
from keras_fcn.layers import ArgMax, CaffeAveragePooling2D, PixelwiseSoftmax
from keras_fcn.preprocessing import Preprocessing


def chain(*stack, shape=(None, None, 3)):
    return keras.Sequential([keras.Input(shape), *stack])


def conv(channels=4, size=1, **options):
    return layers.Conv2D(channels, size, **options)


def pooled(**options):
    return layers.GlobalAveragePooling2D(**options)


@pytest.mark.parametrize(
    ("stack", "kind", "scored"),
    [
        ([conv()], "map", False),
        ([conv(), PixelwiseSoftmax()], "map", True),
        ([conv(activation="softmax")], "map", True),
        ([conv(), ArgMax(axis=1)], "map", True),
        ([conv(), layers.Conv2DTranspose(4, 4)], "map", False),
        ([conv(), layers.Dropout(0.5)], "map", False),
        ([conv(), pooled(), layers.Softmax()], "classes", True),
        ([conv(), pooled()], "classes", True),
        ([conv(), layers.ReLU(), pooled(keepdims=True)], "classes", True),
        ([pooled(), layers.Dense(4), PixelwiseSoftmax()], "classes", True),
        ([pooled(), layers.Dense(4, activation="sigmoid")], "classes", True),
        ([pooled(), layers.Dense(4)], "classes", False),
        # No classes: one value, features, values made of probabilities.
        ([conv(1)], "other", False),
        ([conv(1, activation="sigmoid")], "other", False),
        ([pooled(), layers.Dense(1)], "other", False),
        ([conv(), layers.ReLU()], "other", False),
        ([conv(activation="relu")], "other", False),
        ([conv(), layers.MaxPooling2D()], "other", False),
        ([pooled(), layers.Dense(4), layers.BatchNormalization()], "other", False),
        ([pooled(), layers.Dense(4), layers.UnitNormalization()], "other", False),
        ([conv(), PixelwiseSoftmax(), conv(2)], "other", False),
    ],
)
def test_tasks(stack, kind, scored):
    task = find_task(chain(*stack))
    assert (task.kind, task.scored) == (kind, scored), task


def test_maps_side_by_side_are_no_classes():
    """As the heat maps and limbs of pose networks."""
    image = keras.Input((None, None, 3))
    joined = layers.Concatenate()([conv()(image), conv()(image)])
    assert find_task(keras.Model(image, joined)).why == (
        "it ends in Concatenate: several maps side by side"
    )
    scored = PixelwiseSoftmax()(joined)
    assert find_task(keras.Model(image, scored)).kind == "map"
    features = pooled()(layers.Add()([conv()(image), conv()(image)]))
    assert find_task(keras.Model(image, features)).kind == "other"
    several = find_task(keras.Model(image, [joined, features]))
    assert several == ("other", "a model must have one output, this one has 2", False)


def test_models_within_models():
    image = keras.Input((None, None, 3))
    inner = chain(conv(), PixelwiseSoftmax())
    assert find_task(keras.Model(image, inner(image))) == find_task(inner)
    assert find_task(chain(inner, pooled(), layers.Softmax())).kind == "classes"


@pytest.mark.parametrize(
    ("stack", "classifies"),
    [
        ([conv(), pooled()], True),
        # NIN: a window that is the whole map at the size declared.
        ([conv(), CaffeAveragePooling2D(8), PixelwiseSoftmax()], True),
        ([CaffeAveragePooling2D(8), conv(), PixelwiseSoftmax()], True),
        ([CaffeAveragePooling2D(4), conv(), PixelwiseSoftmax()], False),
        # A classifier that was cast to convolutions.
        ([conv(4, 8), conv(), PixelwiseSoftmax()], False),
        ([conv(), layers.ReLU(), pooled(), layers.Dense(4), layers.ReLU()], False),
    ],
)
def test_classifiers_of_any_size(stack, classifies):
    assert classifies_at(chain(*stack), (8, 8)) == classifies


INPUT = """
name: "net"
layer { name: "data" type: "Input" top: "data"
  input_param { shape { dim: 1 dim: 3 dim: 6 dim: 10 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 4 kernel_size: 3 weight_filler { type: "xavier" } } }
"""
POOL = """
layer { name: "pool" type: "Pooling" bottom: "conv" top: "pool"
  pooling_param { pool: AVE global_pooling: true } }
"""
SOFTMAX = 'layer { name: "prob" type: "Softmax" bottom: "%s" top: "prob" }'
SSD = """
layer { name: "loc" type: "Convolution" bottom: "conv" top: "loc"
  convolution_param { num_output: 4 kernel_size: 1 weight_filler { type: "xavier" } } }
layer { name: "conf" type: "Convolution" bottom: "conv" top: "conf"
  convolution_param { num_output: 2 kernel_size: 1 weight_filler { type: "xavier" } } }
layer { name: "loc_p" type: "Permute" bottom: "loc" top: "loc_p"
  permute_param { order: 0 order: 2 order: 3 order: 1 } }
layer { name: "conf_p" type: "Permute" bottom: "conf" top: "conf_p"
  permute_param { order: 0 order: 2 order: 3 order: 1 } }
layer { name: "loc_f" type: "Flatten" bottom: "loc_p" top: "loc_f" }
layer { name: "conf_r" type: "Reshape" bottom: "conf_p" top: "conf_r"
  reshape_param { shape { dim: 0 dim: -1 dim: 2 } } }
layer { name: "conf_s" type: "Softmax" bottom: "conf_r" top: "conf_s" softmax_param { axis: 2 } }
layer { name: "conf_f" type: "Flatten" bottom: "conf_s" top: "conf_f" }
layer { name: "prior" type: "PriorBox" bottom: "conv" bottom: "data" top: "prior"
  prior_box_param { min_size: 4 variance: 0.1 variance: 0.1 variance: 0.2 variance: 0.2 } }
"""
DETECTIONS = """
layer { name: "found" type: "DetectionOutput" bottom: "loc_f" bottom: "conf_f" bottom: "prior"
  top: "found" detection_output_param { num_classes: 2 keep_top_k: 5
    confidence_threshold: 0.01 nms_param { nms_threshold: 0.45 top_k: 10 } } }
"""
KINDS = {
    "classifier": INPUT + POOL + SOFTMAX % "pool",
    "detector": INPUT + SSD + DETECTIONS,
    "none found": INPUT + SSD + DETECTIONS.replace("0.01", "2"),
    "boxes": INPUT + SSD,
    "map": INPUT + SOFTMAX % "conv",
}


def from_text(tmp_path, kind):
    (tmp_path / "net.prototxt").write_text(KINDS[kind])
    return keras_fcn.from_caffe(tmp_path / "net.prototxt", seed=0)


@pytest.mark.parametrize(
    ("kind", "size"),
    [("classifier", (6, 10)), ("detector", (6, 10)), ("boxes", (6, 10)), ("map", None)],
)
def test_the_declared_size(tmp_path, kind, size):
    model = from_text(tmp_path, kind)
    assert model.inputs[0].shape == (None, None, None, 3)
    assert model.card.size == (6, 10)
    assert model_size(model) == size
    model.save(tmp_path / "net.keras")
    loaded = keras.models.load_model(tmp_path / "net.keras")
    assert loaded.card.size == (6, 10)
    assert model_size(loaded) == size


IMAGE = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
PLAIN = Preprocessing(mean=None, raw_scale=1)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["classifier", "detector"])
def test_images_are_resized_to_it(tmp_path, kind):
    model = from_text(tmp_path, kind)
    resized = keras_fcn.predict(model, IMAGE, preprocessing=PLAIN)
    by_hand = Preprocessing(mean=None, raw_scale=1, size=(6, 10))
    np.testing.assert_array_equal(resized, keras_fcn.predict(model, IMAGE, preprocessing=by_hand))
    free = keras_fcn.predict(model, IMAGE, preprocessing=PLAIN, size=None)
    whole = model.predict(PLAIN(IMAGE)[np.newaxis], verbose=0)
    if kind == "classifier":
        np.testing.assert_array_equal(free, whole[0])
    else:
        assert free.shape[1] == 7
        np.testing.assert_array_equal(free, np.reshape(whole, (-1, 7)))
    other = keras_fcn.predict(model, IMAGE, preprocessing=by_hand, size=(8, 9))
    by_hand = Preprocessing(mean=None, raw_scale=1, size=(8, 9))
    np.testing.assert_array_equal(other, keras_fcn.predict(model, IMAGE, preprocessing=by_hand))
    assert resized.shape[-1] != free.shape[-1] or not np.array_equal(resized, free)


def test_maps_are_of_the_whole_image(tmp_path):
    model = from_text(tmp_path, "map")
    assert keras_fcn.predict(model, IMAGE, preprocessing=PLAIN).shape == (18, 28, 4)
    assert segment(model, IMAGE, preprocessing=PLAIN).shape == (20, 30)


@pytest.mark.parametrize("kind", ["detector", "boxes"])
def test_boxes_are_not_segmented(tmp_path, kind):
    with pytest.raises(ValueError, match=r"a map of classes.*; it(s output| has).*'net'"):
        segment(from_text(tmp_path, kind), IMAGE, preprocessing=PLAIN)


@pytest.mark.slow
def test_nothing_found_is_no_row(tmp_path):
    """Caffe's row of an image without detections has class -1."""
    model = from_text(tmp_path, "none found")
    assert np.ravel(model.predict(PLAIN(IMAGE)[np.newaxis], verbose=0))[1] == -1
    assert keras_fcn.predict(model, IMAGE, preprocessing=PLAIN).shape == (0, 7)


def test_models_of_several_inputs_are_named():
    image, info = keras.Input((None, None, 3), name="data"), keras.Input((3,), name="im_info")
    model = keras.Model([image, info], layers.Concatenate()([pooled()(image), info]))
    with pytest.raises(ValueError, match=r"take one image.*\['data', 'im_info'\]"):
        keras_fcn.predict(model, IMAGE, preprocessing=PLAIN)


def test_a_new_head_keeps_the_size(tmp_path):
    model = keras_fcn.replace_head(from_text(tmp_path, "classifier"), 7)
    assert model.card.size == (6, 10)


@pytest.mark.parametrize("task", ["classify", "segment"])
def test_scores_that_are_no_numbers_name_no_class(task):
    image = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(4, 1)(image)
    x = keras.layers.GlobalAveragePooling2D()(x) if task == "classify" else x
    model = keras_fcn.with_card(
        keras.Model(image, x), preprocessing=keras_fcn.Preprocessing(mean=None)
    )
    model.set_weights([np.full_like(weight, np.nan) for weight in model.get_weights()])
    with pytest.raises(ValueError, match="gives NaN"):
        getattr(keras_fcn, task)(model, np.zeros((4, 5, 3), np.uint8))
