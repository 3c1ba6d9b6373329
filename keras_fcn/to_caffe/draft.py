"""The Caffe network being written."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from convert import schema
from convert.errors import UnsupportedLayerError
from convert.layers import LAYER_TYPES, Shape

_NONE = ((0, 0), (0, 0))


@dataclass(frozen=True)
class Blob:
    """A blob, and how it stands to the Keras tensor that it is.

    Attributes:
        name: Caffe's name.
        shape: Caffe's shape.
        channels: of the map that was flattened, where the blob is a vector whose elements
            Keras has in (H, W, C) order; they are in (C, H, W) order here.
        margins: zeros around height and width that are still to be made.
        flatten: name of a Flatten that is still to be made; an inner product needs none.
    """

    name: str
    shape: tuple[int, ...]
    channels: int | None = None
    margins: tuple[tuple[int, int], tuple[int, int]] = _NONE
    flatten: str = ""

    @property
    def final_shape(self) -> tuple[int, ...]:
        """Caffe's shape once margins and Flatten are made."""
        shape = self.shape
        if self.margins != _NONE:
            sizes = zip(shape[2:], self.margins, strict=True)
            shape = (*shape[:2], *(size + sum(side) for size, side in sizes))
        return (shape[0], math.prod(shape[1:])) if self.flatten else shape


class Draft:
    """Layers and their parameter blobs, in order."""

    def __init__(self, name: str) -> None:
        self.message = schema.new("NetParameter")
        self.message.name = name
        self.blobs: dict[str, list[Any]] = {}
        self._shared: dict[int, str] = {}

    def add(
        self,
        type: str,  # noqa: A002
        name: str,
        *bottoms: Blob,
        blobs: Sequence[Any] = (),
        tops: int = 1,
        **fields: Any,
    ) -> tuple[Blob, ...]:
        """Append a layer; Caffe's own rules check it and give the tops' shapes.

        Args:
            type: Caffe's type.
            name: the layer's name, also that of its first top.
            *bottoms: what it reads.
            blobs: its parameters, in Caffe's layout.
            tops: how many tops it has.
            **fields: fields of its parameter message.
        """
        bottoms = tuple(self.made(bottom) for bottom in bottoms)
        entry = self.message.layer.add()
        entry.name, entry.type = self._free(name), type
        entry.bottom.extend(bottom.name for bottom in bottoms)
        entry.top.extend([entry.name, *(f"{entry.name}_{i}" for i in range(1, tops))])
        params_class = LAYER_TYPES[type]
        if fields:
            _fill(getattr(entry, str(params_class.message)), fields)
        if type == "BatchNorm":
            for _ in range(3):
                entry.param.add(lr_mult=0, decay_mult=0)
        params = params_class.read(entry)
        shapes = tuple(bottom.shape for bottom in bottoms)
        top_shapes: Sequence[Shape] = params.top_shapes(shapes, tops)
        if blobs:
            self.blobs[entry.name] = [np.asarray(blob, np.float32) for blob in blobs]
        return tuple(
            Blob(top, tuple(size or 0 for size in shape))
            for top, shape in zip(entry.top, top_shapes, strict=False)
        )

    def one(self, type: str, name: str, *bottoms: Blob, **options: Any) -> Blob:  # noqa: A002
        """Append a layer of one top."""
        return self.add(type, name, *bottoms, **options)[0]

    def share(self, layer: Any, blob: Blob) -> None:
        """Let all calls of a Keras layer have the same parameters."""
        entry = next(entry for entry in self.message.layer if entry.name == blob.name)
        owner = self._shared.setdefault(id(layer), entry.name)
        for index in range(len(self.blobs.get(entry.name, ()))):
            spec = entry.param[index] if index < len(entry.param) else entry.param.add()
            spec.name = f"{owner}_{index}"

    def made(self, blob: Blob) -> Blob:
        """The blob with its margins and its Flatten made, for layers that need them."""
        if blob.margins != _NONE:  # an identity per channel does it
            identity = np.ones((blob.shape[1], 1, 1, 1), np.float32)
            name = f"{blob.name}_pad"
            padded = convolved(self, name, blob, identity, blob.margins, group=True)
            blob = replace(blob, name=padded.name, shape=padded.shape, margins=_NONE)
        if not blob.flatten:
            return blob
        flat = self.one("Flatten", blob.flatten, replace(blob, flatten=""))
        return replace(flat, channels=blob.shape[1] if math.prod(blob.shape[2:]) > 1 else None)

    def _free(self, name: str) -> str:
        taken = {top for entry in self.message.layer for top in (entry.name, *entry.top)}
        if name not in taken:
            return name
        return next(f"{name}_{i}" for i in range(2, len(taken) + 3) if f"{name}_{i}" not in taken)


def convolved(
    draft: Draft,
    name: str,
    bottom: Blob,
    kernel: Any,
    margins: Sequence[tuple[int, int]],
    bias: Any = None,
    *,
    strides: Sequence[int] = (1, 1),
    dilation: Sequence[int] = (1, 1),
    group: bool | int = 1,
) -> Blob:
    """A convolution with zeros around its bottom, which may differ from side to side.

    Caffe pads both sides alike. Where they differ, the kernel gets zeros on the side
    with less padding, and the larger padding serves both.

    Args:
        draft: the network.
        name: the layer's name.
        bottom: a map.
        kernel: (outputs, inputs / groups, height, width).
        margins: zeros (before, after) along height and width.
        bias: (outputs,), or None.
        strides: along height and width.
        dilation: along height and width.
        group: number of groups; True: one a channel.

    Raises:
        UnsupportedLayerError: the difference is no multiple of the dilation.
    """
    groups = bottom.shape[1] if group is True else int(group)
    more = [(0, 0), (0, 0)]
    for (before, after), step in zip(margins, dilation, strict=True):
        missing = max(before, after) - before, max(before, after) - after
        if any(cells % step for cells in missing):
            raise UnsupportedLayerError(
                f"layer {name!r}: padding {tuple(margins)} with dilation {tuple(dilation)} has no "
                "equivalent in Caffe, which pads both sides alike"
            )
        more.append((missing[0] // step, missing[1] // step))
    kernel = np.pad(kernel, more)
    fields: dict[str, Any] = {"num_output": kernel.shape[0], "bias_term": bias is not None}
    fields |= _sizes("kernel", "kernel_size", kernel.shape[2:])
    fields |= _sizes("pad", "pad", [max(side) for side in margins], 0)
    fields |= _sizes("stride", "stride", strides, 1)
    if set(dilation) != {1}:
        fields["dilation"] = sorted(set(dilation)) if len(set(dilation)) == 1 else list(dilation)
    if groups > 1:
        fields["group"] = groups
    blobs = [kernel] if bias is None else [kernel, bias]
    plain = Blob(bottom.name, bottom.shape)
    return draft.one("Convolution", name, plain, blobs=blobs, **fields)


def _sizes(
    side: str, field: str, sizes: Sequence[int], default: int | None = None
) -> dict[str, Any]:
    """Caffe's fields for a size along height and width."""
    height, width = map(int, sizes)
    if height != width:
        return {f"{side}_h": height, f"{side}_w": width}
    return {} if height == default else {field: [height]}


def window_fields(
    kernel: Sequence[int], stride: Sequence[int], pad: Sequence[int]
) -> dict[str, Any]:
    """The fields of a pooling window, whose sizes are not repeated ones."""
    fields: dict[str, Any] = _sizes("kernel", "kernel_size", kernel)
    fields |= _sizes("stride", "stride", stride, 1) | _sizes("pad", "pad", pad, 0)
    return {name: value[0] if isinstance(value, list) else value for name, value in fields.items()}


def _fill(message: Any, fields: dict[str, Any]) -> None:
    for name, value in fields.items():
        field = message.DESCRIPTOR.fields_by_name[name]
        if field.message_type is not None:  # a BlobShape
            getattr(message, name).dim.extend(value)
        elif isinstance(value, list | tuple):
            getattr(message, name).extend(value)
        elif field.enum_type is not None:
            setattr(message, name, field.enum_type.values_by_name[value].number)
        else:
            setattr(message, name, value)
