"""Losses and Accuracy beyond the reference cases."""

from __future__ import annotations

import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf

import convert
import keras_fcn
from keras_fcn import layers
from tests.golden import layer_case, to_channels_last
from tests.keras_fcn.layers.checks import normal

FLT_MIN = np.finfo(np.float32).tiny
MODES = ("full", "valid", "batch_size", "none")


def net(*shapes, layer):
    """A prototxt of inputs in0, in1, ... and a layer that reads them."""
    inputs = [
        f'layer {{ name: "in{i}" type: "Input" top: "in{i}" input_param {{ shape {{ '
        f"{' '.join(f'dim: {size}' for size in shape)} }} }} }}"
        for i, shape in enumerate(shapes)
    ]
    bottoms = " ".join(f'bottom: "in{i}"' for i in range(len(shapes)))
    return "\n".join([*inputs, f'layer {{ name: "l" {bottoms} {layer} }}'])


def load(folder, text):
    (folder / "net.prototxt").write_text(text)
    return convert.load_network(folder / "net.prototxt")


def log_softmax(x, axis):
    x = x.astype("float64")
    x = x - x.max(axis, keepdims=True)
    return x - np.log(np.exp(x).sum(axis, keepdims=True))


def softmax_loss(scores, labels, axis, ignore_label, normalization):
    """Position by position in Caffe's order, as Caffe's own loops go."""
    classes = scores.shape[axis]
    logs = np.moveaxis(log_softmax(scores, axis), axis, -1).reshape(-1, classes)
    labels = labels.astype(int).ravel()
    costs = [
        min(-logs[i, label], -np.log(FLT_MIN))
        for i, label in enumerate(labels)
        if label != ignore_label
    ]
    outer = int(np.prod(scores.shape[:axis]))
    divisor = {"full": len(labels), "valid": len(costs), "batch_size": outer, "none": 1}
    return sum(costs) / max(1, divisor[normalization])


def gradients(layer, inputs, *, graph=False):
    tensors = [tf.constant(to_channels_last(np.float32(x))) for x in inputs]

    def run(*tensors):
        with tf.GradientTape() as tape:
            tape.watch(tensors)
            outputs = layer(list(tensors))
            loss = outputs[0] if isinstance(outputs, list | tuple) else outputs
        return loss, tape.gradient(loss, tensors)

    if graph:
        specs = [tf.TensorSpec([None] * (x.ndim - 1) + [x.shape[-1]]) for x in tensors_of(inputs)]
        run = tf.function(run, input_signature=specs)
    return run(*tensors)


def tensors_of(inputs):
    return [to_channels_last(np.float32(x)) for x in inputs]


# Shapes that no reference case has; sizes are unknown when the graph is built.


@pytest.mark.sweep(3)
@pytest.mark.parametrize("normalization", MODES)
@pytest.mark.parametrize("ignore_label", [None, 2])
@pytest.mark.parametrize(
    ("shape", "labels", "axis"),
    [
        ((3, 4, 5, 2), (3, 5, 2), 1),
        ((3, 4, 5, 2), (3, 4, 2), 2),
        ((3, 4, 5, 2), (3, 4, 5), 3),
        ((3, 4, 5), (3, 1, 5), 1),
        ((2, 3, 2, 5, 4), (2, 2, 5, 4), 1),
    ],
)
def test_softmax_with_loss(shape, labels, axis, ignore_label, normalization):
    scores = normal(*shape)
    labels = np.random.default_rng(1).integers(0, shape[axis], labels)
    layer = layers.SoftmaxWithLoss(
        axis=axis, ignore_label=ignore_label, normalization=normalization
    )
    expected = softmax_loss(scores, labels, axis, ignore_label, normalization)
    for graph in (False, True):
        loss, (gradient, nothing) = gradients(layer, (scores, labels), graph=graph)
        np.testing.assert_allclose(loss, expected, rtol=1e-5)
        assert gradient.shape == to_channels_last(scores).shape
        assert nothing is None


@pytest.mark.parametrize("per_class", [False, True])
def test_accuracy_of_any_size(per_class):
    scores, labels = normal(3, 4, 5, 2), np.random.default_rng(1).integers(0, 4, (3, 5, 2))
    layer = layers.Accuracy(top_k=2, ignore_label=1, per_class=per_class)
    specs = [tf.TensorSpec([None, None, None, 4]), tf.TensorSpec([None, None, None])]
    function = tf.function(lambda x, y: layer([x, y]), input_signature=specs)
    result = function(*tensors_of((scores, labels)))
    ranks = (scores >= np.take_along_axis(scores, labels[:, None], 1)).sum(1)
    right = (ranks <= 2)[labels != 1].mean()
    np.testing.assert_allclose(result[0] if per_class else result, right, rtol=1e-6)
    if per_class:
        each = [(ranks <= 2)[labels == c].mean() if c != 1 else 0 for c in range(4)]
        np.testing.assert_allclose(result[1], each, rtol=1e-6)


def test_accuracy_has_no_gradient():
    _, found = gradients(layers.Accuracy(), (normal(3, 4), np.zeros(3)))
    assert found == (None, None)


# Limits, and gradients that pass over them


def test_a_probability_below_the_smallest_number():
    scores = np.float32([[0, 200], [-np.inf, 0], [0, -np.inf]])
    loss, (gradient, _) = gradients(
        layers.SoftmaxWithLoss(normalization="none"), (scores, np.zeros(3))
    )
    np.testing.assert_allclose(loss, -2 * np.log(FLT_MIN), rtol=1e-6)
    np.testing.assert_allclose(gradient, [[-1, 1], [-1, 1], [0, 0]], atol=1e-6)


def test_a_probability_below_the_threshold():
    probabilities = np.float32([[1e-30, 1], [0.5, 0.5]])
    layer = layers.MultinomialLogisticLoss()
    loss, (gradient, _) = gradients(layer, (probabilities, np.zeros(2)))
    np.testing.assert_allclose(loss, -(np.log(1e-20) + np.log(0.5)) / 2, rtol=1e-6)
    np.testing.assert_allclose(gradient, [[-1e20 / 2, 0], [-1, 0]], rtol=1e-6)


def test_infogain_logarithms_are_limited_but_not_their_gradients():
    scores, matrix = np.float32([[0, 100, 0]]), np.float32([[2, 0, 1], [0, 1, 0], [0, 0, 1]])
    loss, (gradient, *_) = gradients(layers.InfogainLoss(), (scores, [0], matrix))
    np.testing.assert_allclose(loss, -3 * np.log(1e-20), rtol=1e-6)
    np.testing.assert_allclose(gradient, [[-2, 3, -1]], atol=1e-6)


def test_infogain_of_the_identity_is_the_softmax_loss():
    scores, labels = normal(2, 4, 3, 5), np.random.default_rng(2).integers(0, 4, (2, 3, 5))
    one = layers.InfogainLoss(np.eye(4).tolist(), ignore_label=3, with_probabilities=True)
    other = layers.SoftmaxWithLoss(ignore_label=3)
    loss, (gradient, _) = gradients(one, (scores, labels), graph=True)
    expected, (wanted, _) = gradients(other, (scores, labels))
    np.testing.assert_allclose(loss, expected, rtol=1e-5)
    np.testing.assert_allclose(gradient, wanted, atol=1e-6)


def test_a_pair_without_distance_has_no_gradient():
    pair = np.float32([[1, 2, 3]])
    loss, (first, second, nothing) = gradients(layers.ContrastiveLoss(), (pair, pair, [0]))
    assert loss == 0.5
    np.testing.assert_array_equal(first, np.zeros((1, 3)))
    np.testing.assert_array_equal(second, np.zeros((1, 3)))
    assert nothing is None


def test_gradient_of_a_near_pair_divides_by_a_little_more_than_the_distance():
    first, second = np.float32([[1e-4, 0]]), np.float32([[0, 0]])
    _, (gradient, *_) = gradients(layers.ContrastiveLoss(margin=1), (first, second, [0]))
    np.testing.assert_allclose(gradient, [[-(1 - 1e-4) * 1e-4 / 2e-4, 0]], rtol=1e-5)


def test_sigmoid_loss_of_any_score():
    scores, targets = np.float32([[0, -90, 90, 1000]]), np.float32([[0.3, 1, 0, 1]])
    layer = layers.SigmoidCrossEntropyLoss()
    loss, (gradient, nothing) = gradients(layer, (scores, targets), graph=True)
    np.testing.assert_allclose(loss, np.log(2) + 90 + 90, rtol=1e-6)
    np.testing.assert_allclose(gradient, [[0.2, -1, 1, 0]], atol=1e-6)
    assert nothing is None


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("graph", [False, True])
def test_contrastive_loss(legacy, graph):
    first, second, similar = normal(6, 5), normal(6, 5, seed=1), np.arange(6) % 2
    margin = 10.0 if legacy else 4.0
    layer = layers.ContrastiveLoss(margin, legacy)
    loss, _ = gradients(layer, (first, second, similar), graph=graph)
    squares = ((first - second) ** 2).sum(1)
    apart = margin - squares if legacy else (margin - np.sqrt(squares)).clip(0) ** 2
    expected = np.where(similar, squares, apart.clip(0)).sum() / 12
    np.testing.assert_allclose(loss, expected, rtol=1e-5)


@pytest.mark.parametrize("norm", ["l1", "l2"])
def test_hinge_loss_reads_a_map_as_one_vector(norm):
    scores, labels = normal(3, 2, 2, 2), np.array([7, 0, 5])
    loss, _ = gradients(layers.HingeLoss(norm), (scores, labels), graph=True)
    margins = scores.reshape(3, 8).copy()
    margins[range(3), labels] *= -1
    margins = (1 + margins).clip(0)
    np.testing.assert_allclose(loss, (margins ** int(norm[1])).sum() / 3, rtol=1e-5)


# Labels


def test_labels_of_many_classes_survive_mixed_precision():
    with_policy = layers.SoftmaxWithLoss(dtype=keras.DTypePolicy("mixed_bfloat16"))
    labels, scores = np.float32([999, 3001]), normal(2, 4000)
    expected = softmax_loss(scores, labels, 1, None, "valid")
    np.testing.assert_allclose(with_policy([scores, labels]), expected, rtol=1e-5)


def test_fractions_of_labels_are_cut_off():
    scores = normal(2, 4)
    one, other = (layers.SoftmaxWithLoss()([scores, np.float32(y)]) for y in ([1.9, 3.2], [1, 3]))
    assert one == other


# Serialization


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: layers.SoftmaxWithLoss(normalization="sum"), "one of .*Received: 'sum'"),
        (lambda: layers.HingeLoss("l3"), "'l1' or 'l2'. Received: 'l3'"),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()


# From prototxt


def test_parameters_and_their_older_forms(tmp_path):
    def read(layer):
        params = load(tmp_path, net((2, 3), (2,), layer=layer)).layers[-1].params
        return params.normalization, params.ignore_label, params.axis

    softmax = 'type: "SoftmaxWithLoss" top: "t"'
    assert read(softmax) == ("VALID", None, 1)
    assert read(f"{softmax} loss_param {{ normalize: true }}") == ("VALID", None, 1)
    assert read(f"{softmax} loss_param {{ normalize: false }}") == ("BATCH_SIZE", None, 1)
    both = "loss_param { normalize: false normalization: FULL ignore_label: 0 }"
    assert read(f"{softmax} {both} softmax_param {{ axis: -1 engine: CAFFE }}") == ("FULL", 0, -1)


def test_losses_without_a_named_top(tmp_path):
    text = (
        net((2, 3), (2,), layer='type: "SoftmaxWithLoss"')
        + """
        layer { name: "m" type: "EuclideanLoss" bottom: "in0" bottom: "in0" }
        layer { name: "a" type: "Accuracy" bottom: "in0" bottom: "in1" top: "a" }"""
    )
    network = load(tmp_path, text)
    assert [blob.name for blob in network.outputs] == ["a"]
    assert [blob.layer for blob in network.unnamed] == ["l", "m"]
    model = keras_fcn.from_caffe(tmp_path / "net.prototxt")
    scores, labels = normal(5, 3), np.zeros(5, np.float32)
    accuracy, softmax, euclidean = model([scores, labels])
    assert softmax > 0
    assert euclidean == 0
    blobs = keras_fcn.blobs(model, {"in0": scores, "in1": labels})
    assert blobs["(automatic)"] == 0, "the last one, as in Caffe"
    assert blobs["a"] == accuracy


def test_gradients_reach_weights_through_fit_like_loops():
    case = layer_case("grad_two_losses")
    model = keras_fcn.from_caffe(case.prototxt, case.weights)
    inputs = [tf.constant(to_channels_last(case.inputs[name])) for name in case.inputs]

    def step():
        with tf.GradientTape() as tape:
            first, second = model(inputs, training=True)
            loss = 0.3 * first + 2 * second
        return tape.gradient(loss, [v.value for v in model.trainable_variables])

    for eager, traced in zip(step(), tf.function(step)(), strict=True):
        np.testing.assert_allclose(traced, eager, rtol=1e-4, atol=1e-6)


def test_infogain_file_is_found_as_caffe_does_or_beside_the_net(tmp_path, monkeypatch):
    case = layer_case("infogain_source_file")
    folder, elsewhere = tmp_path / "net", tmp_path / "here"
    shutil.copytree(case.folder, folder)
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    beside = keras_fcn.from_caffe(folder / "net.prototxt").get_layer("layer").infogain
    head = keras_fcn.caffe.proto.schema.new("BlobProto")
    head.shape.dim.extend((5, 5))
    head.data.extend(range(25))
    (elsewhere / "H.binaryproto").write_bytes(head.SerializeToString())
    here = keras_fcn.from_caffe(folder / "net.prototxt").get_layer("layer").infogain
    np.testing.assert_array_equal(here, np.arange(25).reshape(5, 5))
    assert np.shape(beside) == (5, 5)
    assert not np.array_equal(beside, here)
    head.shape.dim[:] = [24]
    head.data.pop()
    (elsewhere / "H.binaryproto").write_bytes(head.SerializeToString())
    with pytest.raises(convert.CaffeError, match=r"layer 'layer'.*\(24,\) must have 5 x 5 numbers"):
        keras_fcn.from_caffe(folder / "net.prototxt")
    (elsewhere / "H.binaryproto").unlink()
    (folder / "H.binaryproto").unlink()
    with pytest.raises(convert.CaffeError, match=r"layer 'layer'.*H\.binaryproto: No such file"):
        keras_fcn.from_caffe(folder / "net.prototxt")


SOFTMAX, INFOGAIN = 'type: "SoftmaxWithLoss" top: "t"', 'type: "InfogainLoss" top: "t"'


@pytest.mark.parametrize(
    ("shapes", "layer", "message"),
    [
        ([(4, 3), (2,)], SOFTMAX, "4 and 2 images; their shapes are \\(4, 3\\), \\(2,\\)"),
        ([(4, 3, 2), (4,)], SOFTMAX, "axis: 1: .*\\(4, 3, 2\\) needs 8 labels.* has 4"),
        ([(4, 3), (4,)], f"{SOFTMAX} softmax_param {{ axis: 2 }}", "axis: 2 is outside"),
        (
            [(4, 3), (4,)],
            f"{SOFTMAX} loss_weight: 1 loss_weight: 2",
            "loss_weight: .* 1 tops, has 2",
        ),
        ([(4, 3), (4,)], f'{SOFTMAX} top: "u"', "loss_weight: needs one for each of 2 tops, has 1"),
        ([(4, 3), (4,)], f'{SOFTMAX} top: "u" loss_weight: 1 loss_weight: 1', "1 top blobs, has 2"),
        ([(), (4,)], SOFTMAX, "0 is outside a blob with 0 axes"),
        ([(4, 3), (4,)], INFOGAIN, "'source' is missing"),
        ([(4, 3), (4,), (3, 2)], INFOGAIN, "H of shape \\(3, 2\\) must have 3 x 3 numbers"),
        (
            [(4, 3), (4,), (3, 3)],
            f"{INFOGAIN} loss_param {{ normalize: true }}",
            "normalize: is not allowed",
        ),
        ([(4, 3), (4, 2)], 'type: "SigmoidCrossEntropyLoss" top: "t"', "12 and 8 elements"),
        ([(4, 3), (4, 4)], 'type: "EuclideanLoss" top: "t"', "3 and 4 elements an image"),
        ([(4, 3, 1, 1, 1, 1), (4, 3)], 'type: "EuclideanLoss" top: "t"', "1 to 5 axes"),
        ([(4, 3), (4, 2)], 'type: "HingeLoss" top: "t"', "one label an image, .*\\(4, 2\\)"),
        ([(4, 3), (4, 2)], 'type: "MultinomialLogisticLoss" top: "t"', "one label an image"),
        ([(4, 3), (4, 2), (4,)], 'type: "ContrastiveLoss" top: "t"', "3 and 2 channels"),
        ([(4, 3, 2), (4, 3, 2), (4,)], 'type: "ContrastiveLoss" top: "t"', "one vector an image"),
        ([(4, 3), (4, 3), (2,)], 'type: "ContrastiveLoss" top: "t"', "4 and 2 pairs"),
        ([(4, 3), (5,)], 'type: "Accuracy" top: "t"', "needs 4 labels"),
        ([(4, 3), (4,)], 'type: "Accuracy" top: "t" accuracy_param { top_k: 4 }', "top_k: 4 must"),
        ([(4, 3), (4,)], 'type: "Accuracy"', "needs 1 to 2 top blobs, has 0"),
        ([(4, 3), (4,)], 'type: "SoftmaxWithLoss" top: "in0"', "cannot work in place"),
    ],
)
def test_refused(shapes, layer, message, tmp_path):
    with pytest.raises(convert.CaffeError, match=f"net.prototxt:.*layer 'l' .*{message}"):
        load(tmp_path, net(*shapes, layer=layer))


@pytest.mark.parametrize("kind", ["loss", "acc"])
@pytest.mark.parametrize("size", [(2, 4), (3, 7)])
def test_other_sizes_through_one_model(kind, size, tmp_path):
    layer = {"loss": SOFTMAX, "acc": 'type: "Accuracy" top: "t"'}[kind]
    load(tmp_path, net((1, 4, 5, 6), (1, 1, 5, 6), layer=layer))
    model = keras_fcn.from_caffe(tmp_path / "net.prototxt")
    scores, labels = normal(3, 4, *size), np.random.default_rng(0).integers(0, 4, (3, *size))
    result = keras_fcn.blobs(model, {"in0": scores, "in1": labels[:, None]})["t"]
    right = (scores.argmax(1) == labels).mean()
    expected = softmax_loss(scores, labels, 1, None, "valid") if kind == "loss" else right
    np.testing.assert_allclose(result, expected, rtol=1e-5)
