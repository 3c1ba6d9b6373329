"""The published segmentation networks as Caffe has them, for images of a given size."""

from __future__ import annotations

from tests.keras_fcn.models.prototxt import Definition


def _vgg16(net: Definition, *, dilated: bool) -> str:
    x = "data"
    blocks = enumerate(((2, 64), (2, 128), (3, 256), (3, 512), (3, 512)), 1)
    for n, (depth, filters) in blocks:
        for i in range(1, depth + 1):
            if dilated:
                options = {"dilation": 2 if n == 5 else 1}
            else:
                options = {"pad": 100 if (n, i) == (1, 1) else 1}
            x = net.conv_relu(f"conv{n}_{i}", f"relu{n}_{i}", x, filters, 3, **options)
        if n < 4 or not dilated:
            x = net.pool(f"pool{n}", x, "MAX", 2, 2)
    return x


def _fully_connected(net: Definition, x: str, size: int, **options) -> str:
    x = net.dropout("drop6", net.conv_relu("fc6", "relu6", x, 4096, size, **options))
    return net.dropout("drop7", net.conv_relu("fc7", "relu7", x, 4096, 1))


def _upscore(net: Definition, name: str, x: str, stride: int, size: int = 0) -> str:
    return net.deconv(name, x, 21, size or 2 * stride, stride=stride, bias_term=False)


def fcn(height: int, width: int, variant: str) -> str:
    """``variant``: 32s, 16s, 8s or 8s-atonce."""
    net = Definition(height, width)
    x = net.conv("score_fr", _fully_connected(net, _vgg16(net, dilated=False), 7), 21, 1)
    if variant == "32s":
        net.crop("score", _upscore(net, "upscore", x, 32), "data", 19)
        return net.text
    x = _skip(net, _upscore(net, "upscore2", x, 2), "pool4", 5, 0.01 if "at" in variant else 0)
    if variant == "16s":
        net.crop("score", _upscore(net, "upscore16", x, 16), "data", 27)
        return net.text
    x = _upscore(net, "upscore_pool4", x, 2)
    x = _skip(net, x, "pool3", 9, 0.0001 if "at" in variant else 0)
    net.crop("score", _upscore(net, "upscore8", x, 8), "data", 31)
    return net.text


def _skip(net: Definition, x: str, pool: str, offset: int, factor: float) -> str:
    source = pool
    if factor:
        param = {"filler": {"value": factor}}
        source = net.add("Scale", f"scale_{pool}", pool, param={"lr_mult": 0}, scale_param=param)
    score = net.conv(f"score_{pool}", source, 21, 1)
    cropped = net.crop(f"score_{pool}c", score, x, offset)
    return net.add("Eltwise", f"fuse_{pool}", x, cropped, eltwise_param={"operation": "SUM"})


def fcn_alexnet(height: int, width: int) -> str:
    net = Definition(height, width)
    x = net.conv_relu("conv1", "relu1", "data", 96, 11, pad=100, stride=4)
    x = net.lrn("norm1", net.pool("pool1", x, "MAX", 3, 2))
    x = net.conv_relu("conv2", "relu2", x, 256, 5, pad=2, group=2)
    x = net.lrn("norm2", net.pool("pool2", x, "MAX", 3, 2))
    x = net.conv_relu("conv3", "relu3", x, 384, 3, pad=1)
    x = net.conv_relu("conv4", "relu4", x, 384, 3, pad=1, group=2)
    x = net.conv_relu("conv5", "relu5", x, 256, 3, pad=1, group=2)
    x = _fully_connected(net, net.pool("pool5", x, "MAX", 3, 2), 6)
    x = _upscore(net, "upscore", net.conv("score_fr", x, 21, 1), 32, 63)
    net.crop("score", x, "data", 18)
    return net.text


def dilated(
    height: int, width: int, final: str, classes: int, dilations: tuple[int, ...] = ()
) -> str:
    """``dilations``: those of ctx_conv2_1, ctx_conv3_1, ...; none without a context module."""
    net = Definition(height, width)
    x = _fully_connected(net, _vgg16(net, dilated=True), 7, dilation=4)
    x = net.conv(final, x, classes, 1)
    if final == "final":
        x = _basic_context(net, x, classes, dilations)
    elif dilations:
        x = _large_context(net, x, classes, dilations)
    if len(dilations) == 6:
        options = {"stride": 8, "pad": 4, "group": classes, "bias_term": False}
        x = net.deconv("ctx_upsample", x, classes, 16, **options)
    net.softmax(x)
    return net.text


def _basic_context(net: Definition, x: str, classes: int, dilations: tuple[int, ...]) -> str:
    levels = [("1_1", 1), ("1_2", 1), *((f"{n}_1", d) for n, d in enumerate(dilations, 2))]
    for level, dilation in levels:
        options = {"pad": dilation, "dilation": dilation}
        x = net.conv_relu(f"ctx_conv{level}", f"ctx_relu{level}", x, classes, 3, **options)
    x = net.conv_relu("ctx_fc1", "ctx_fc1_relu", x, classes, 3, pad=1)
    return net.conv("ctx_final", x, classes, 1)


def _large_context(net: Definition, x: str, classes: int, dilations: tuple[int, ...]) -> str:
    x = net.conv_relu("ct_conv1_1", "ct_relu1_1", x, 2 * classes, 3, pad=33)
    x = net.conv_relu("ct_conv1_2", "ct_relu1_2", x, 2 * classes, 3)
    for n, dilation in enumerate(dilations, 2):
        options = {"dilation": dilation}
        x = net.conv_relu(f"ct_conv{n}_1", f"ct_relu{n}_1", x, 2**n * classes, 3, **options)
    x = net.conv_relu("ct_fc1", "ct_fc1_relu", x, 32 * classes, 3)
    return net.conv("ct_final", x, classes, 1)
