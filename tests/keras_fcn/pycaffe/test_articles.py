"""The code of Caffe's examples (net surgery, feature maps), with its import changed."""

from __future__ import annotations

import re

import numpy as np
import pytest
from PIL import Image

import keras_fcn as caffe
from tests.keras_fcn.models.classifiers import alexnet, caffenet_fcn
from tests.keras_fcn.pycaffe.nets import (
    CLASSIFIER,
    CONV,
    FULLY_CONVOLUTIONAL,
    net_of,
    numbers,
)


def vis_square(data: np.ndarray) -> np.ndarray:
    """The article's picture of filters or maps: a square of them, a white line between."""
    data = (data - data.min()) / (data.max() - data.min())
    n = int(np.ceil(np.sqrt(data.shape[0])))
    padding = ((0, n**2 - data.shape[0]), (0, 1), (0, 1)) + ((0, 0),) * (data.ndim - 3)
    data = np.pad(data, padding, mode="constant", constant_values=1)
    data = data.reshape((n, n, *data.shape[1:])).swapaxes(1, 2)
    return data.reshape((n * data.shape[1], n * data.shape[3], *data.shape[4:]))


def correlated(image: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    windows = np.lib.stride_tricks.sliding_window_view(image, kernel.shape)
    return np.einsum("yxij,ij->yx", windows, kernel)


def test_designer_filters(tmp_path):
    net = net_of(CONV, tmp_path, caffe.TEST)
    assert list(net.blobs) == ["data", "conv"]
    assert list(net.params) == ["conv"]
    assert [(name, blob.data.shape) for name, blob in net.blobs.items()] == [
        ("data", (1, 1, 100, 100)),
        ("conv", (1, 3, 96, 96)),
    ]
    im = np.random.default_rng(0).random((36, 48)).astype(np.float32)
    im_input = im[np.newaxis, np.newaxis, :, :]
    net.blobs["data"].reshape(*im_input.shape)
    net.blobs["data"].data[...] = im_input
    net.forward()
    assert net.blobs["conv"].data.shape == (1, 3, 32, 44)

    conv0 = net.blobs["conv"].data[0, 0]
    mean = conv0.mean()
    net.params["conv"][1].data[0] = 1.0
    net.forward()
    np.testing.assert_allclose(conv0.mean() - mean, 1.0, rtol=1e-5)  # the array is the blob's own

    ksize = net.params["conv"][0].data.shape[2:]
    sigma = 1.0
    y, x = np.mgrid[-ksize[0] // 2 + 1 : ksize[0] // 2 + 1, -ksize[1] // 2 + 1 : ksize[1] // 2 + 1]
    g = np.exp(-((x**2 + y**2) / (2.0 * sigma**2)))
    gaussian = (g / g.sum()).astype(np.float32)
    net.params["conv"][0].data[0] = gaussian
    net.params["conv"][0].data[1:] = 0.0
    sobel = np.array((-1, -2, -1, 0, 0, 0, 1, 2, 1), dtype=np.float32).reshape((3, 3))
    net.params["conv"][0].data[1, 0, 1:-1, 1:-1] = sobel
    net.params["conv"][0].data[2, 0, 1:-1, 1:-1] = sobel.T
    net.forward()
    expected = [correlated(im, gaussian) + 1, correlated(im, sobel)[1:-1, 1:-1]]
    expected.append(correlated(im, sobel.T)[1:-1, 1:-1])
    np.testing.assert_allclose(net.blobs["conv"].data[0], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.filterwarnings("ignore:.*has no weights for:convert.CaffeWarning")
def test_casting_a_classifier(tmp_path):
    for name in ("classifier", "cast"):
        (tmp_path / name).mkdir()
    net = net_of(CLASSIFIER, tmp_path / "classifier", caffe.TEST)
    net.save(tmp_path / "classifier.caffemodel")
    params = ["fc6", "fc7"]
    fc_params = {pr: (net.params[pr][0].data, net.params[pr][1].data) for pr in params}

    net_full_conv = net_of(
        FULLY_CONVOLUTIONAL, tmp_path / "cast", tmp_path / "classifier.caffemodel", caffe.TEST
    )
    params_full_conv = ["full6", "full7"]
    conv_params = {
        pr: (net_full_conv.params[pr][0].data, net_full_conv.params[pr][1].data)
        for pr in params_full_conv
    }
    assert conv_params["full6"][0].shape == (5, 4, 3, 3)
    assert not conv_params["full6"][0].any()
    for pr, pr_conv in zip(params, params_full_conv, strict=True):
        conv_params[pr_conv][0].flat = fc_params[pr][0].flat
        conv_params[pr_conv][1][...] = fc_params[pr][1]
    net_full_conv.save(tmp_path / "full_conv.caffemodel")

    again = caffe.Net(
        str(tmp_path / "cast" / "net.prototxt"), str(tmp_path / "full_conv.caffemodel"), caffe.TEST
    )
    image = numbers(3, 12, 14)
    maps = again.forward_all(data=np.asarray([image]))["prob"]
    assert maps.shape == (1, 4, 3, 4)
    net.blobs["data"].reshape(12, 3, 8, 8)
    windows = [image[:, y : y + 8, x : x + 8] for y in (0, 2, 4) for x in (0, 2, 4, 6)]
    net.blobs["data"].data[...] = windows
    scores = net.forward()["prob"]
    np.testing.assert_allclose(maps[0].reshape(4, 12).T, scores, rtol=1e-4)
    assert (maps[0].argmax(axis=0).ravel() == scores.argmax(axis=1)).all()


def test_classes_and_feature_maps(tmp_path):
    net = net_of(CLASSIFIER, tmp_path, caffe.TEST)
    caffe.set_mode_cpu()
    mu = np.load(_mean(tmp_path)).mean(1).mean(1)
    transformer = caffe.io.Transformer({"data": net.blobs["data"].data.shape})
    transformer.set_transpose("data", (2, 0, 1))
    transformer.set_mean("data", mu)
    transformer.set_raw_scale("data", 255)
    transformer.set_channel_swap("data", (2, 1, 0))
    net.blobs["data"].reshape(5, 3, 8, 8)
    image = np.random.default_rng(0).random((9, 11, 3)).astype(np.float32)
    transformed_image = transformer.preprocess("data", image)
    net.blobs["data"].data[...] = transformed_image
    output = net.forward()
    output_prob = output["prob"][0]
    assert output_prob.shape == (4,)
    np.testing.assert_allclose(output["prob"], np.tile(output_prob, (5, 1)), rtol=1e-5)
    top_inds = output_prob.argsort()[::-1][:3]
    assert output_prob.argmax() == top_inds[0]

    labels_file = tmp_path / "synset_words.txt"
    labels_file.write_text("n01 tench, Tinca\nn02 goldfish\nn03 white shark\nn04 tiger shark\n")
    labels = np.loadtxt(labels_file, str, delimiter="\t")
    named = list(zip(output_prob[top_inds], labels[top_inds], strict=True))
    assert named[0] == (output_prob.max(), labels[output_prob.argmax()])

    for layer_name, blob in net.blobs.items():
        assert blob.data.shape[0] == 5, layer_name
    assert [layer.type for layer in net.layers] == [
        net.layer_dict[x].type for x in net._layer_names
    ]
    assert [len(layer.blobs) for layer in net.layers] == [0, 2, 0, 0, 2, 0, 2, 0]
    for param in net.params.values():
        assert param[0].data.shape[0] == param[1].data.shape[0]
    filters = net.params["conv1"][0].data
    grid = vis_square(filters.transpose(0, 2, 3, 1))
    assert grid.shape == (8, 8, 3)
    spread = filters.max() - filters.min()
    expected = (filters[1].transpose(1, 2, 0) - filters.min()) / spread
    np.testing.assert_allclose(grid[:3, 4:7], expected, rtol=1e-5)
    assert vis_square(net.blobs["conv1"].data[0, :36]).shape == (14, 14)
    fc6 = net.blobs["fc6"].data[0]
    counts, _ = np.histogram(fc6.flat[fc6.flat > 0], bins=100)
    assert fc6.min() >= 0
    assert counts.sum() == np.count_nonzero(fc6)
    feat = net.blobs["conv1"].data[0, :36]
    expected = sum(correlated(transformed_image[c], filters[1, c]) for c in range(3))
    np.testing.assert_allclose(feat[1], np.maximum(expected, 0), rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(
        transformer.deprocess("data", net.blobs["data"].data[0]),
        caffe.io.resize_image(image, (8, 8)),
        atol=1e-5,
    )


def thin(prototxt: str) -> str:
    """The network with few channels: the article's sizes in a quick test."""
    return re.sub(r"num_output: \d+", "num_output: 8", prototxt)


@pytest.mark.filterwarnings("ignore:.*of their other form:convert.CaffeWarning")
def test_the_article_s_map_of_a_whole_photo(tmp_path):
    """CaffeNet's layers on 451x451 pixels: 8x8 positions, each by the inner products."""
    for name in ("net", "full_conv"):
        (tmp_path / name).mkdir()
    net = net_of(thin(alexnet(227, pool_first=True)), tmp_path / "net", caffe.TEST)
    net.save(tmp_path / "net.caffemodel")
    weights = tmp_path / "net.caffemodel"
    full = net_of(thin(caffenet_fcn(451)), tmp_path / "full_conv", weights, caffe.TEST)
    for pr, pr_conv in (("fc6", "fc6-conv"), ("fc7", "fc7-conv"), ("fc8", "fc8-conv")):
        full.params[pr_conv][0].data.flat = net.params[pr][0].data.flat
        full.params[pr_conv][1].data[...] = net.params[pr][1].data
    pixels = np.random.default_rng(0).integers(0, 256, (300, 400, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "cat.png")
    im = caffe.io.load_image(tmp_path / "cat.png")
    transformer = caffe.io.Transformer({"data": full.blobs["data"].data.shape})
    transformer.set_mean("data", np.array([104.0, 117, 123]))
    transformer.set_transpose("data", (2, 0, 1))
    transformer.set_channel_swap("data", (2, 1, 0))
    transformer.set_raw_scale("data", 255.0)
    image = transformer.preprocess("data", im)
    out = full.forward_all(data=np.asarray([image]))
    assert out["prob"][0].argmax(axis=0).shape == (8, 8)
    shown = transformer.deprocess("data", full.blobs["data"].data[0])
    np.testing.assert_allclose(shown, caffe.io.resize_image(im, (451, 451)), atol=1e-5)
    pool5 = full.blobs["pool5"].data[0]
    for row, column in ((0, 0), (3, 5), (7, 7)):
        x = pool5[:, row : row + 6, column : column + 6].ravel()
        for name in ("fc6", "fc7", "fc8"):
            x = np.maximum(x, 0) if name != "fc6" else x
            x = net.params[name][0].data @ x + net.params[name][1].data
        scores = np.exp(x - x.max()) / np.exp(x - x.max()).sum()
        np.testing.assert_allclose(out["prob"][0, :, row, column], scores, rtol=1e-4)


def _mean(folder):
    path = folder / "mean.npy"
    np.save(path, np.arange(3 * 4 * 4, dtype=np.float32).reshape(3, 4, 4))
    return path
