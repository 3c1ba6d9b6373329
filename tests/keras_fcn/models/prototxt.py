"""Caffe network definitions, put together layer by layer."""

from __future__ import annotations

from typing import Any


def _field(name: str, value: Any) -> str:
    if isinstance(value, dict):
        return f"{name} {{ {' '.join(_field(*item) for item in value.items())} }}"
    if isinstance(value, bool):
        return f"{name}: {str(value).lower()}"
    if isinstance(value, list):
        return " ".join(_field(name, each) for each in value)
    return f"{name}: {value}"


class Definition:
    """The text of a prototxt; each method adds a layer and gives its top."""

    def __init__(self, height: int, width: int, channels: int = 3) -> None:
        shape = {"shape": {"dim": [1, channels, height, width]}}
        self._layers = [
            f'layer {{ name: "data" type: "Input" top: "data" {_field("input_param", shape)} }}'
        ]

    @property
    def text(self) -> str:
        return "\n".join(self._layers) + "\n"

    def add(self, kind: str, name: str, *bottoms: str, top: str = "", **parameters: Any) -> str:
        """One layer; ``top`` may name several, with spaces between."""
        tops = top or name
        fields = [f'name: "{name}"', f'type: "{kind}"']
        fields += [f'bottom: "{bottom}"' for bottom in bottoms]
        fields += [f'top: "{each}"' for each in tops.split()]
        fields += [_field(*item) for item in parameters.items()]
        self._layers.append(f"layer {{ {' '.join(fields)} }}")
        return tops

    def conv(
        self, name: str, bottom: str, filters: int, size: int, *, top: str = "", **options: Any
    ) -> str:
        param = {"num_output": filters, "kernel_size": size, **options}
        return self.add("Convolution", name, bottom, top=top, convolution_param=param)

    def deconv(self, name: str, bottom: str, filters: int, size: int, **options: Any) -> str:
        param = {"num_output": filters, "kernel_size": size, **options}
        frozen = {"lr_mult": 0}
        return self.add("Deconvolution", name, bottom, param=frozen, convolution_param=param)

    def pool(self, name: str, bottom: str, kind: str, size: int, stride: int, pad: int = 0) -> str:
        param = {"pool": kind, "kernel_size": size, "stride": stride, "pad": pad}
        return self.add("Pooling", name, bottom, pooling_param=param)

    def global_pool(self, name: str, bottom: str) -> str:
        return self.add(
            "Pooling", name, bottom, pooling_param={"pool": "AVE", "global_pooling": True}
        )

    def relu(self, name: str, blob: str) -> str:
        return self.add("ReLU", name, blob, top=blob)

    def dropout(self, name: str, blob: str, ratio: float = 0.5) -> str:
        return self.add("Dropout", name, blob, top=blob, dropout_param={"dropout_ratio": ratio})

    def lrn(self, name: str, bottom: str) -> str:
        param = {"local_size": 5, "alpha": 0.0001, "beta": 0.75}
        return self.add("LRN", name, bottom, lrn_param=param)

    def inner_product(self, name: str, bottom: str, outputs: int) -> str:
        return self.add("InnerProduct", name, bottom, inner_product_param={"num_output": outputs})

    def conv_relu(
        self, name: str, relu: str, bottom: str, filters: int, size: int, **options: Any
    ) -> str:
        return self.relu(relu, self.conv(name, bottom, filters, size, **options))

    def normalize(self, bn: str, scale: str, bottom: str, top: str) -> str:
        """BatchNorm and Scale, in place where ``top`` is ``bottom``."""
        param = {"use_global_stats": True}
        self.add("BatchNorm", bn, bottom, top=top, batch_norm_param=param)
        return self.add("Scale", scale, top, top=top, scale_param={"bias_term": True})

    def crop(self, name: str, bottom: str, reference: str, offset: int) -> str:
        param = {"axis": 2, "offset": offset}
        return self.add("Crop", name, bottom, reference, crop_param=param)

    def softmax(self, bottom: str) -> str:
        return self.add("Softmax", "prob", bottom)
