"""The networks that are measured, a layer a line, as whoever writes them by hand would."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.benchmarks.nets import NETS, Row

_VGG = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))


def _convolutions(stage: int, filters: int, depth: int, more: str = "pad: 1") -> list[str]:
    rows = []
    for index in range(1, depth + 1):
        name = f"{stage}_{index}"
        rows += [
            f"conv{name} Convolution num_output: {filters} kernel_size: 3 {more}",
            f"relu{name} ReLU",
        ]
    return rows


def _classifier(size: int, dilation: int = 1) -> list[str]:
    return [
        f"fc6 Convolution num_output: 4096 kernel_size: {size} dilation: {dilation}",
        "relu6 ReLU",
        "fc7 Convolution num_output: 4096 kernel_size: 1",
        "relu7 ReLU",
    ]


def _pool(name: str) -> str:
    return f"{name} Pooling kernel_size: 2 stride: 2"


def _fcn8s() -> list[str]:
    rows = []
    for stage, (filters, depth) in enumerate(_VGG, 1):
        rows += [*_convolutions(stage, filters, depth), _pool(f"pool{stage}")]
    rows[0] = rows[0].replace("pad: 1", "pad: 100")
    return [
        *rows,
        *_classifier(7),
        "score_fr Convolution num_output: 21 kernel_size: 1",
        "upscore2 Deconvolution num_output: 21 kernel_size: 4 stride: 2",
        "score_pool4 Convolution of: pool4 num_output: 21 kernel_size: 1",
        "score_pool4c Crop of: score_pool4,upscore2 offset: 5",
        "fuse_pool4 Eltwise of: upscore2,score_pool4c",
        "upscore_pool4 Deconvolution num_output: 21 kernel_size: 4 stride: 2",
        "score_pool3 Convolution of: pool3 num_output: 21 kernel_size: 1",
        "score_pool3c Crop of: score_pool3,upscore_pool4 offset: 9",
        "fuse_pool3 Eltwise of: upscore_pool4,score_pool3c",
        "upscore8 Deconvolution num_output: 21 kernel_size: 16 stride: 8",
        "score Crop of: upscore8,data offset: 31",
    ]


def _dilated() -> list[str]:
    rows = []
    for stage, (filters, depth) in enumerate(_VGG, 1):
        rows += _convolutions(stage, filters, depth, "dilation: 2" if stage == 5 else "")
        rows += [_pool(f"pool{stage}")] if stage < 4 else []
    rows += [*_classifier(7, 4), "fc-final Convolution num_output: 21 kernel_size: 1"]
    context = [("conv1_1", 2, 1, 33), ("conv1_2", 2, 1, 0)]
    context += [(f"conv{level}_1", 2**level, 2 ** (level - 1), 0) for level in range(2, 6)]
    for name, width, dilation, pad in [*context, ("fc1", 32, 1, 0)]:
        fields = f"num_output: {21 * width} kernel_size: 3 dilation: {dilation} pad: {pad}"
        rows += [f"ct_{name} Convolution {fields}", f"ct_relu{name} ReLU"]
    return [*rows, "ct_final Convolution num_output: 21 kernel_size: 1"]


def _segnet() -> list[str]:
    rows = []
    for stage, (filters, depth) in enumerate(_VGG, 1):
        for conv, relu in _pairs(_convolutions(stage, filters, depth)):
            rows += [conv, f"{conv.split()[0]}_bn BN", relu]
        rows.append(f"pool{stage} PoolingMask kernel_size: 2 stride: 2")
    for stage, (filters, depth) in reversed([*enumerate(_VGG, 1)]):
        rows.append(f"upsample{stage} Unpooling mask: pool{stage}")
        for index in range(depth, 0, -1):
            last = (stage, index) == (1, 1)
            below = _VGG[stage - 2][0] if index == 1 and not last else filters
            name = f"{stage}_{index}_D"
            outputs = 11 if last else below
            rows.append(f"conv{name} Convolution num_output: {outputs} kernel_size: 3 pad: 1")
            rows += [] if last else [f"conv{name}_bn BN", f"relu{name} ReLU"]
    return rows


def _pairs(rows: list[str]) -> list[tuple[str, str]]:
    return list(zip(rows[::2], rows[1::2], strict=True))


def _logits(name: str) -> list[str]:
    return [row for row in NETS[name].table.splitlines() if row and not row.startswith("prob ")]


@dataclass(frozen=True)
class Measured:
    """A network, and on what it is measured.

    Attributes:
        constructor: its name in keras_fcn.
        size: height and width of the images in pixels.
        batches: images at once.
        lines: the layers up to the logits.
        options: of the constructor.
    """

    constructor: str
    size: tuple[int, int]
    batches: tuple[int, ...]
    lines: list[str] = field(repr=False)

    @property
    def rows(self) -> list[Row]:
        """The layers."""
        return [Row.parse(line) for line in self.lines]


_CAFFENET_FCN = _logits("caffenet_fcn")

MEASURED = {
    "CaffeNet": Measured("CaffeNet", (227, 227), (1, 64, 256), _logits("caffenet")),
    "CaffeNetFCN 451": Measured("CaffeNetFCN", (451, 451), (1, 16), _CAFFENET_FCN),
    "CaffeNetFCN 1000": Measured("CaffeNetFCN", (1000, 1000), (1, 4), _CAFFENET_FCN),
    "VGG16": Measured("VGG16", (224, 224), (1, 32, 128), _logits("vgg16")),
    "FCN-8s 500": Measured("FCN8s", (500, 500), (1, 4), _fcn8s()),
    "DilatedNet 900": Measured("DilatedNetPascalVOC", (900, 900), (1, 2), _dilated()),
    "SegNet 352x480": Measured("SegNet", (352, 480), (1, 8), _segnet()),
}
SMALL = {
    "CaffeNetFCN 259": Measured("CaffeNetFCN", (259, 259), (1,), _CAFFENET_FCN),
    "SegNet 32x64": Measured("SegNet", (32, 64), (1, 2), _segnet()),
    "FCN-8s 32": Measured("FCN8s", (32, 32), (1,), _fcn8s()),
}
"""For a machine without a GPU."""
