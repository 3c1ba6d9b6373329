"""`caffe.io` and `Transformer`: pycaffe's formulas."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

import keras_fcn as caffe
from keras_fcn.pycaffe.proto import caffe_pb2
from tests.keras_fcn.pycaffe.nets import CLASSIFIER, net_of, numbers

IMAGE = np.random.default_rng(0).random((5, 7, 3)).astype(np.float32)


def transformer(size=(5, 7)):
    made = caffe.io.Transformer({"data": (10, 3, *size)})
    made.set_transpose("data", (2, 0, 1))
    made.set_channel_swap("data", (2, 1, 0))
    made.set_raw_scale("data", 255)
    made.set_mean("data", np.array([104, 117, 123]))
    made.set_input_scale("data", 0.017)
    return made


def test_the_steps_in_pycaffes_order():
    image = IMAGE.copy()
    prepared = transformer().preprocess("data", image)
    expected = (IMAGE[..., ::-1] * 255 - [104, 117, 123]) * 0.017
    np.testing.assert_allclose(prepared, expected.transpose(2, 0, 1), rtol=1e-5, atol=1e-6)
    assert prepared.dtype == np.float32
    np.testing.assert_array_equal(image, IMAGE)
    for data in (prepared, prepared[np.newaxis]):
        np.testing.assert_allclose(transformer().deprocess("data", data), IMAGE, atol=1e-6)


def test_the_way_back_of_any_order():
    made = caffe.Transformer({"data": (1, 3, 5, 7)})
    made.set_transpose("data", (2, 0, 1))
    made.set_channel_swap("data", (1, 2, 0))
    prepared = made.preprocess("data", IMAGE)
    np.testing.assert_array_equal(prepared[0], IMAGE[..., 1])
    np.testing.assert_array_equal(made.deprocess("data", prepared), IMAGE)


def test_images_are_resized_to_the_blob():
    prepared = caffe.Transformer({"data": (1, 3, 10, 14)}).preprocess("data", IMAGE)
    np.testing.assert_array_equal(prepared, caffe.io.resize_image(IMAGE, (10, 14)))
    four = np.concatenate([IMAGE, IMAGE[..., :1]], axis=-1)
    corners = caffe.io.resize_image(four, (9, 13))  # from corner to corner: every second is there
    np.testing.assert_allclose(corners[::2, ::2], four, rtol=1e-6)
    inside = caffe.io.resize_image(IMAGE, (10, 14))[1:3, 1, 0]
    middle = 0.75 * IMAGE[:2, 0, 0] + 0.25 * IMAGE[[1, 0], 0, 0]
    other = 0.75 * IMAGE[:2, 1, 0] + 0.25 * IMAGE[[1, 0], 1, 0]
    np.testing.assert_allclose(inside, 0.75 * middle + 0.25 * other, rtol=1e-5)
    with pytest.raises(ValueError, match="interp_order"):
        caffe.io.resize_image(IMAGE, (3, 3), interp_order=3)


def test_means_of_every_form():
    made = caffe.Transformer({"data": (1, 3, 5, 7)})
    image = numbers(3, 5, 7)
    made.set_transpose("data", (2, 0, 1))
    made.set_mean("data", image)
    np.testing.assert_array_equal(made.preprocess("data", np.zeros((5, 7, 3))), -image)
    made.set_mean("data", np.full((3, 9, 9), 2.0))
    np.testing.assert_allclose(made.preprocess("data", np.zeros((5, 7, 3))), -2)
    for wrong in (np.zeros(2), np.zeros((2, 5, 7)), np.zeros((5, 7)), np.float32(3)):
        with pytest.raises(ValueError, match="the mean of 'data' must be"):
            made.set_mean("data", wrong)


def test_wrong_steps_are_refused():
    made = caffe.Transformer({"data": (1, 3, 5, 7)})
    with pytest.raises(ValueError, match="Received: 'image'"):
        made.preprocess("image", IMAGE)
    with pytest.raises(ValueError, match="an order of 3 axes"):
        made.set_transpose("data", (2, 0))
    with pytest.raises(ValueError, match="an order of 3 channels"):
        made.set_channel_swap("data", (2, 1, 1))
    assert repr(made) == "<Transformer {'data': (1, 3, 5, 7)}>"


def test_images_are_floats(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (4, 6, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "x.png")
    image = caffe.io.load_image(tmp_path / "x.png")
    np.testing.assert_allclose(image, pixels / 255, rtol=1e-6)
    grey = caffe.io.load_image(str(tmp_path / "x.png"), color=False)
    np.testing.assert_allclose(grey[..., 0], pixels / 255 @ [0.2125, 0.7154, 0.0721], rtol=1e-5)
    assert (image.dtype, grey.dtype, grey.shape) == (np.float32, np.float32, (4, 6, 1))


def test_ten_crops():
    crops = caffe.io.oversample([IMAGE, IMAGE + 1], (3, 4))
    assert crops.shape == (20, 3, 4, 3)
    np.testing.assert_array_equal(crops[4], IMAGE[1:4, 1:5])
    np.testing.assert_array_equal(crops[13], (IMAGE + 1)[2:, 3:])
    np.testing.assert_array_equal(crops[6], IMAGE[:3, 3:][:, ::-1])


def test_messages():
    mean = numbers(1, 3, 4, 5)
    blob = caffe_pb2.BlobProto()
    blob.ParseFromString(caffe.io.array_to_blobproto(mean, mean + 1).SerializeToString())
    np.testing.assert_array_equal(caffe.io.blobproto_to_array(blob), mean)
    np.testing.assert_array_equal(caffe.io.blobproto_to_array(blob, return_diff=True), mean + 1)
    old = caffe.io.caffe_pb2.BlobProto(num=1, channels=2, height=1, width=3, data=range(6))
    assert caffe.io.blobproto_to_array(old).shape == (1, 2, 1, 3)
    for values in (np.arange(24, dtype=np.uint8).reshape(2, 3, 4), numbers(2, 3, 4)):
        datum = caffe.io.array_to_datum(values, 7)
        assert datum.label == 7
        np.testing.assert_array_equal(caffe.io.datum_to_array(datum), values)
    with pytest.raises(ValueError, match="channels, height, width"):
        caffe.io.array_to_datum(np.zeros(3))
    with pytest.raises(ValueError, match="an image file"):
        caffe.io.datum_to_array(caffe_pb2.Datum(encoded=True, data=b"x"))
    with pytest.raises(AttributeError, match="no message 'Nonsense'"):
        _ = caffe_pb2.Nonsense
    assert caffe.proto.caffe_pb2 is caffe_pb2


def test_names_that_scripts_import():
    import keras_fcn.io
    from keras_fcn.proto import caffe_pb2 as messages

    assert keras_fcn.io is caffe.io
    assert messages.NetParameter is caffe_pb2.NetParameter


def test_grey_images_come_back():
    grey = caffe.io.Transformer({"data": (1, 1, 4, 5)})
    grey.set_transpose("data", (2, 0, 1))
    grey.set_raw_scale("data", 255)
    image = np.random.default_rng(2).random((4, 5, 1), np.float32)
    prepared = grey.preprocess("data", image)
    for data in (prepared, prepared[np.newaxis]):
        np.testing.assert_allclose(grey.deprocess("data", data), image, rtol=1e-6)


def test_a_classifier(tmp_path):
    net = net_of(CLASSIFIER, tmp_path)
    net.save(tmp_path / "net.caffemodel")
    classifier = caffe.Classifier(
        str(tmp_path / "net.prototxt"),
        str(tmp_path / "net.caffemodel"),
        image_dims=(10, 12),
        mean=np.array([1.0, 2.0, 3.0]),
        raw_scale=10,
        channel_swap=(2, 1, 0),
    )
    images = [IMAGE, np.random.default_rng(1).random((20, 20, 3))]
    found = classifier.predict(images)
    centre = classifier.predict(images, oversample=False)
    assert found.shape == centre.shape == (2, 4)
    for index, image in enumerate(images):
        resized = caffe.io.resize_image(image, (10, 12))
        crops = caffe.io.oversample([resized], (8, 8))
        data = (crops[..., ::-1] * 10 - [1, 2, 3]).transpose(0, 3, 1, 2)
        net.blobs["data"].reshape(10, 3, 8, 8)
        scores = net.forward(data=data)["prob"]
        np.testing.assert_allclose(found[index], scores.mean(axis=0), rtol=1e-4)
        np.testing.assert_allclose(centre[index], scores[4], rtol=1e-4)
