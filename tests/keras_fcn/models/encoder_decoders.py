"""SegNet's and ENet's networks as Caffe has them, for images of a given size."""

from __future__ import annotations

from tests.keras_fcn.models.prototxt import Definition

_BLOCKS = ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))


def _bn(net: Definition, name: str, bottom: str, top: str = "") -> str:
    return net.add("BN", name, bottom, top=top, bn_param={"bn_mode": "INFERENCE"})


def _pool(net: Definition, name: str, bottom: str) -> str:
    param = {"pool": "MAX", "kernel_size": 2, "stride": 2}
    return net.add("Pooling", name, bottom, top=f"{name} {name}_mask", pooling_param=param)


def _conv_bn(net: Definition, name: str, x: str, filters: int, size: int) -> str:
    x = net.conv(name, x, filters, size, pad=size // 2)
    return _bn(net, f"{name}_bn", x, x)


def _upsample(net: Definition, level: int, x: str, size: tuple[int, int], top: str) -> str:
    """``size``: of the map that was pooled; where it is odd it is given in numbers."""
    param = {"scale": 2}
    if size[0] % 2 or size[1] % 2:
        param |= {"upsample_h": size[0], "upsample_w": size[1]}
    names = f"upsample{level}", x, f"pool{level}_mask"
    return net.add("Upsample", *names, top=top, upsample_param=param)


def _sizes(height: int, width: int) -> list[tuple[int, int]]:
    sizes = [(height, width)]
    for _ in range(5):
        height, width = -(-height // 2), -(-width // 2)
        sizes.append((height, width))
    return sizes


def segnet(height: int, width: int, *, bayesian: bool = False) -> str:
    net = Definition(height, width)
    sizes, x = _sizes(height, width), "data"
    for n, (depth, filters) in enumerate(_BLOCKS, 1):
        for i in range(1, depth + 1):
            x = net.relu(f"relu{n}_{i}", _conv_bn(net, f"conv{n}_{i}", x, filters, 3))
        x = _pool(net, f"pool{n}", x).split()[0]
        if bayesian and n > 2:
            net.dropout(f"encdrop{n}", x)
    filters = {5: (512, 512, 512), 4: (256, 512, 512), 3: (128, 256, 256), 2: (64, 128), 1: (0, 64)}
    for n, channels in filters.items():
        x = _upsample(net, n, x, sizes[n - 1], f"pool{n}_D")
        for i in range(len(channels), 0, -1):
            if channels[i - 1]:
                name = f"conv{n}_{i}_D"
                x = net.relu(f"relu{n}_{i}_D", _conv_bn(net, name, x, channels[i - 1], 3))
        if bayesian and n > 2:
            net.dropout(f"decdrop{n}", x)
    net.softmax(net.conv("conv1_1_D", x, 11, 3, pad=1))
    return net.text


def segnet_basic(height: int, width: int, *, bayesian: bool = False) -> str:
    net = Definition(height, width)
    sizes, x = _sizes(height, width), net.lrn("norm", "data")
    for n in (1, 2, 3, 4):
        x = net.relu(f"relu{n}", _conv_bn(net, f"conv{n}", x, 64, 7))
        x = _pool(net, f"pool{n}", x).split()[0]
        if bayesian and n > 2:
            net.dropout(f"encdrop{n}", x)
    for n in (4, 3, 2, 1):
        x = _upsample(net, n, x, sizes[n - 1], f"upsample{n}")
        x = _conv_bn(net, f"conv_decode{n}", x, 64, 7)
        if bayesian and n > 2:
            net.dropout(f"decdrop{n}", x)
    net.softmax(net.conv("dense_softmax_inner_prod" if bayesian else "conv_classifier", x, 11, 1))
    return net.text


def enet(height: int, width: int, *, merged: bool = False) -> str:
    net = Definition(height, width)
    x = net.conv("conv0_1", "data", 13, 3, pad=1, stride=2)
    x = net.add("Concat", "concat0_1", x, net.pool("pool0_1", "data", "MAX", 2, 2))
    x = net.add("PReLU", "prelu0_1", _bn(net, "bn0_1", x))
    stages = {1: "down" + " regular" * 4, 2: "down", 3: "", 4: "up regular regular"}
    context = " regular 2 asymmetric 4 regular 8 asymmetric 16"
    for stage, kinds in {**stages, 5: "up regular"}.items():
        kinds += context if stage in (2, 3) else ""
        filters = {1: 64, 2: 128, 3: 128, 4: 64, 5: 16}[stage]
        for number, kind in enumerate(kinds.split(), 1 if stage == 3 else 0):
            x = _bottleneck(net, x, (stage, number), filters, kind, merged)
    net.add(
        "Deconvolution",
        "deconv6_0_0",
        x,
        convolution_param={"num_output": 19, "kernel_size": 2, "stride": 2},
    )
    return net.text


def _bottleneck(
    net: Definition, x: str, place: tuple[int, int], filters: int, kind: str, merged: bool
) -> str:
    """``kind``: regular, asymmetric, down, up, or the dilation."""
    stage, few = place[0], filters // 4
    at = f"{place[0]}_{place[1]}"
    activation = "PReLU" if stage < 4 else "ReLU"

    def normalized(part: int, y: str) -> str:
        return y if merged else _bn(net, f"bn{at}_{part}", y)

    def conv(part: int, bottom: str, channels: int, size: int, **options) -> str:
        """Without a bias, but in the merged form."""
        y = net.conv(f"conv{at}_{part}", bottom, channels, size, bias_term=merged, **options)
        return normalized(part, y)

    down = 2 if kind == "down" else 1
    y = net.add(activation, f"prelu{at}_0", conv(0, x, few, down, stride=down))
    if kind == "up":
        param = {"num_output": few, "kernel_size": 2, "stride": 2}
        y = net.add("Deconvolution", f"deconv{at}_1", y, convolution_param=param)
        y = _bn(net, f"bn{at}_1", y)
    elif kind == "asymmetric":
        tall = {"num_output": few, "kernel_h": 5, "kernel_w": 1, "pad": 1, "bias_term": merged}
        wide = {"num_output": few, "kernel_h": 1, "kernel_w": 5, "pad": 1}
        y = net.add("Convolution", f"conv{at}_1_a", y, convolution_param=tall)
        y = normalized(1, net.add("Convolution", f"conv{at}_1", y, convolution_param=wide))
    else:
        step = int(kind) if kind.isdigit() else 1
        y = normalized(1, net.conv(f"conv{at}_1", y, few, 3, pad=step, dilation=step))
    y = conv(2, net.add(activation, f"prelu{at}_1", y), filters, 1)
    if not merged:
        text = f"{{'phase': 'TEST', 'p': '{0.01 if stage == 1 else 0.1}'}}"
        names = {"module": '"spatial_dropout"', "layer": '"SpatialDropoutLayer"'}
        param = {**names, "param_str": f'"{text}"'}
        y = net.add("Python", f"drop{at}_3", y, python_param=param)
    past = x
    if kind == "down":
        past = conv(4, _pool(net, f"pool{at}_4", x).split()[0], filters, 1)
    elif kind == "up":
        mask = f"pool{6 - stage}_0_4_mask"
        past = net.add(
            "Upsample", f"upsample{at}_4", conv(4, x, filters, 1), mask, upsample_param={"scale": 2}
        )
    return net.add(activation, f"prelu{at}_4", net.add("Eltwise", f"eltwise{at}_4", y, past))
