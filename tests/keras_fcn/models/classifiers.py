"""The published classifiers as Caffe has them, for images of a given size."""

from __future__ import annotations

from tests.keras_fcn.models.prototxt import Definition


def _fully_connected(net: Definition, x: str) -> str:
    for number in (6, 7):
        x = net.relu(f"relu{number}", net.inner_product(f"fc{number}", x, 4096))
        net.dropout(f"drop{number}", x)
    net.softmax(net.inner_product("fc8", x, 1000))
    return net.text


def alexnet(side: int, *, pool_first: bool = False) -> str:
    net = Definition(side, side)
    return _fully_connected(net, _features(net, pool_first=pool_first))


def _features(net: Definition, *, pool_first: bool) -> str:
    x = "data"
    for n, filters, options in ((1, 96, {"stride": 4}), (2, 256, {"pad": 2, "group": 2})):
        x = net.conv_relu(f"conv{n}", f"relu{n}", x, filters, 11 if n == 1 else 5, **options)
        if pool_first:
            x = net.lrn(f"norm{n}", net.pool(f"pool{n}", x, "MAX", 3, 2))
        else:
            x = net.pool(f"pool{n}", net.lrn(f"norm{n}", x), "MAX", 3, 2)
    for n, filters, group in ((3, 384, 1), (4, 384, 2), (5, 256, 2)):
        x = net.conv_relu(f"conv{n}", f"relu{n}", x, filters, 3, pad=1, group=group)
    return net.pool("pool5", x, "MAX", 3, 2)


def vgg(side: int, *depths: int) -> str:
    net = Definition(side, side)
    x = "data"
    for n, (depth, filters) in enumerate(zip(depths, (64, 128, 256, 512, 512), strict=True), 1):
        for i in range(1, depth + 1):
            x = net.conv_relu(f"conv{n}_{i}", f"relu{n}_{i}", x, filters, 3, pad=1)
        x = net.pool(f"pool{n}", x, "MAX", 2, 2)
    return _fully_connected(net, x)


def _inception(net: Definition, name: str, x: str, channels: tuple[int, ...]) -> str:
    one, reduce3, three, reduce5, five, projected = channels

    def conv(part: str, bottom: str, filters: int, size: int) -> str:
        names = f"{name}/{part}", f"{name}/relu_{part}"
        return net.conv_relu(*names, bottom, filters, size, pad=size // 2)

    ways = [
        conv("1x1", x, one, 1),
        conv("3x3", conv("3x3_reduce", x, reduce3, 1), three, 3),
        conv("5x5", conv("5x5_reduce", x, reduce5, 1), five, 5),
        conv("pool_proj", net.pool(f"{name}/pool", x, "MAX", 3, 1, 1), projected, 1),
    ]
    return net.add("Concat", f"{name}/output", *ways)


def googlenet(side: int) -> str:
    net = Definition(side, side)
    x = net.conv_relu("conv1/7x7_s2", "conv1/relu_7x7", "data", 64, 7, stride=2, pad=3)
    x = net.lrn("pool1/norm1", net.pool("pool1/3x3_s2", x, "MAX", 3, 2))
    x = net.conv_relu("conv2/3x3_reduce", "conv2/relu_3x3_reduce", x, 64, 1)
    x = net.lrn("conv2/norm2", net.conv_relu("conv2/3x3", "conv2/relu_3x3", x, 192, 3, pad=1))
    stages = {
        2: (),
        3: ((64, 96, 128, 16, 32, 32), (128, 128, 192, 32, 96, 64)),
        4: (
            (192, 96, 208, 16, 48, 64),
            (160, 112, 224, 24, 64, 64),
            (128, 128, 256, 24, 64, 64),
            (112, 144, 288, 32, 64, 64),
            (256, 160, 320, 32, 128, 128),
        ),
        5: ((256, 160, 320, 32, 128, 128), (384, 192, 384, 48, 128, 128)),
    }
    for stage, modules in stages.items():
        for letter, channels in zip("abcde", modules, strict=False):
            x = _inception(net, f"inception_{stage}{letter}", x, channels)
        if stage < 5:
            x = net.pool(f"pool{stage}/3x3_s2", x, "MAX", 3, 2)
    x = net.dropout("pool5/drop_7x7_s1", net.pool("pool5/7x7_s1", x, "AVE", side // 32, 1), 0.4)
    net.softmax(net.inner_product("loss3/classifier", x, 1000))
    return net.text


def squeezenet(side: int, filters: int, size: int, pooled: tuple[int, ...], last_pad: int) -> str:
    net = Definition(side, side)
    x = net.conv_relu("conv1", "relu_conv1", "data", filters, size, stride=2)
    x = net.pool("pool1", x, "MAX", 3, 2)
    for number, few in enumerate((16, 16, 32, 32, 48, 48, 64, 64), 2):
        fire = f"fire{number}"
        x = net.conv_relu(f"{fire}/squeeze1x1", f"{fire}/relu_squeeze1x1", x, few, 1)
        parts = [
            net.conv_relu(
                f"{fire}/expand{i}x{i}", f"{fire}/relu_expand{i}x{i}", x, 4 * few, i, pad=i // 2
            )
            for i in (1, 3)
        ]
        x = net.add("Concat", f"{fire}/concat", *parts)
        if number in pooled:
            x = net.pool(f"pool{number}", x, "MAX", 3, 2)
    net.dropout("drop9", x)
    x = net.conv_relu("conv10", "relu_conv10", x, 1000, 1, pad=last_pad)
    net.softmax(net.global_pool("pool10", x))
    return net.text


def nin(side: int, last_window: int) -> str:
    net = Definition(side, side)
    x = net.conv_relu("conv1", "relu0", "data", 96, 11, stride=4)
    x = net.conv_relu("cccp1", "relu1", x, 96, 1)
    x = net.conv_relu("cccp2", "relu2", x, 96, 1)
    x = net.conv_relu("conv2", "relu3", net.pool("pool0", x, "MAX", 3, 2), 256, 5, pad=2)
    x = net.conv_relu("cccp3", "relu5", x, 256, 1)
    x = net.conv_relu("cccp4", "relu6", x, 256, 1)
    x = net.conv_relu("conv3", "relu7", net.pool("pool2", x, "MAX", 3, 2), 384, 3, pad=1)
    x = net.conv_relu("cccp5", "relu8", x, 384, 1)
    x = net.conv_relu("cccp6", "relu9", x, 384, 1)
    x = net.dropout("drop", net.pool("pool3", x, "MAX", 3, 2))
    x = net.conv_relu("conv4-1024", "relu10", x, 1024, 3, pad=1, top="conv4")
    x = net.conv_relu("cccp7-1024", "relu11", x, 1024, 1, top="cccp7")
    x = net.conv_relu("cccp8-1024", "relu12", x, 1000, 1, top="cccp8")
    net.softmax(net.pool("pool4", x, "AVE", last_window, 1))
    return net.text


def lenet(side: int, *, cast: bool = False) -> str:
    net = Definition(side, side, channels=1)
    x = net.pool("pool1", net.conv("conv1", "data", 20, 5), "MAX", 2, 2)
    x = net.pool("pool2", net.conv("conv2", x, 50, 5), "MAX", 2, 2)
    if cast:
        x = net.conv("ip2-conv", net.conv_relu("ip1-conv", "relu1", x, 500, 4), 10, 1)
    else:
        x = net.inner_product("ip2", net.relu("relu1", net.inner_product("ip1", x, 500)), 10)
    net.softmax(x)
    return net.text


def caffenet_fcn(side: int) -> str:
    net = Definition(side, side)
    x = _features(net, pool_first=True)
    for number, size in ((6, 6), (7, 1)):
        x = net.conv_relu(f"fc{number}-conv", f"relu{number}", x, 4096, size)
        net.dropout(f"drop{number}", x)
    net.softmax(net.conv("fc8-conv", x, 1000, 1))
    return net.text
