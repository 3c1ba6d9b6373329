"""The published classifiers that add what they read, or normalize, as Caffe has them."""

from __future__ import annotations

from tests.keras_fcn.models.prototxt import Definition


def _residual(net: Definition, block: str, x: str, filters: int, stride: int | None) -> str:
    """``stride`` None: nothing is projected."""

    def branch(part: str, bottom: str, channels: int, size: int, step: int) -> str:
        name = f"{block}_branch{part}"
        options = {"pad": size // 2, "stride": step, "bias_term": False}
        y = net.conv(f"res{name}", bottom, channels, size, **options)
        return net.normalize(f"bn{name}", f"scale{name}", y, y)

    shortcut = x if stride is None else branch("1", x, 4 * filters, 1, stride)
    y = net.relu(f"res{block}_branch2a_relu", branch("2a", x, filters, 1, stride or 1))
    y = net.relu(f"res{block}_branch2b_relu", branch("2b", y, filters, 3, 1))
    y = net.add("Eltwise", f"res{block}", shortcut, branch("2c", y, 4 * filters, 1, 1))
    return net.relu(f"res{block}_relu", y)


def resnet(side: int, *stages: list[str]) -> str:
    """``stages``: what the names of the blocks of res2, res3, ... end with."""
    net = Definition(side, side)
    bias = {} if len(stages[2]) == 6 else {"bias_term": False}
    x = net.conv("conv1", "data", 64, 7, pad=3, stride=2, **bias)
    x = net.relu("conv1_relu", net.normalize("bn_conv1", "scale_conv1", x, x))
    x = net.pool("pool1", x, "MAX", 3, 2)
    for stage, blocks in enumerate(stages, 2):
        for index, block in enumerate(blocks):
            stride = None if index else (1 if stage == 2 else 2)
            x = _residual(net, f"{stage}{block}", x, 16 * 2**stage, stride)
    x = net.pool("pool5", x, "AVE", side // 32, 1)
    net.softmax(net.inner_product("fc1000", x, 1000))
    return net.text


def _mobile_conv(net: Definition, number: str, x: str, filters: int, size: int, **options) -> str:
    name = f"conv{number}"
    x = net.conv(name, x, filters, size, pad=size // 2, bias_term=False, **options)
    return net.normalize(f"{name}/bn", f"{name}/scale", x, f"{name}/bn")


def mobilenet(side: int) -> str:
    net = Definition(side, side)
    x, channels = net.relu("relu1", _mobile_conv(net, "1", "data", 32, 3, stride=2)), 32
    blocks = [
        "2_1",
        "2_2",
        "3_1",
        "3_2",
        "4_1",
        "4_2",
        "5_1",
        "5_2",
        "5_3",
        "5_4",
        "5_5",
        "5_6",
        "6",
    ]
    outputs = (64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024)
    for block, filters in zip(blocks, outputs, strict=True):
        stride = 2 if block in ("2_2", "3_2", "4_2", "5_6") else 1
        options = {"group": channels, "stride": stride}
        x = net.relu(f"relu{block}/dw", _mobile_conv(net, f"{block}/dw", x, channels, 3, **options))
        x = net.relu(f"relu{block}/sep", _mobile_conv(net, f"{block}/sep", x, filters, 1))
        channels = filters
    net.softmax(net.conv("fc7", net.global_pool("pool6", x), 1000, 1))
    return net.text


def mobilenet_v2(side: int) -> str:
    net = Definition(side, side)
    x, channels = net.relu("relu1", _mobile_conv(net, "1", "data", 32, 3, stride=2)), 32
    stages = {2: (16, 24), 3: (24, 32), 4: (32, 32, 64, 64, 64, 64, 96), 5: (96, 96, 160)}
    for stage, outputs in {**stages, 6: (160, 160, 320)}.items():
        for index, filters in enumerate(outputs, 1):
            block, wide = f"{stage}_{index}", channels * (1 if stage == 2 and index == 1 else 6)
            stride = 2 if stage < 6 and index == len(outputs) else 1
            y = net.relu(f"relu{block}/expand", _mobile_conv(net, f"{block}/expand", x, wide, 1))
            options = {"group": wide, "stride": stride}
            y = _mobile_conv(net, f"{block}/dwise", y, wide, 3, **options)
            y = net.relu(f"relu{block}/dwise", y)
            y = _mobile_conv(net, f"{block}/linear", y, filters, 1)
            added = stride == 1 and filters == channels
            x = net.add("Eltwise", f"block_{block}", x, y) if added else y
            channels = filters
    x = net.relu("relu6_4", _mobile_conv(net, "6_4", x, 1280, 1))
    net.softmax(net.conv("fc7", net.global_pool("pool6", x), 1000, 1))
    return net.text
