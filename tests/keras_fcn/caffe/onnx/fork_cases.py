"""Layers to write as ONNX, each a net of its own."""

from __future__ import annotations

from dataclasses import dataclass

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Case:
    """A layer, the shapes that the prototxt declares of its inputs, and another map to run with.

    Attributes:
        layer: what the prototxt says of it.
        declared: input -> shape, in Caffe's axis order.
        other: height and width of the first input, those of others growing alike; None: the
            network, or its ONNX form, is for the declared ones.
    """

    layer: str
    declared: dict[str, Shape]
    other: tuple[int, int] | None = None

    def more_images(self) -> dict[str, Shape]:
        """Shapes with another batch."""
        return {name: (shape[0] + 1, *shape[1:]) for name, shape in self.declared.items()}

    def other_maps(self) -> dict[str, Shape]:
        """Shapes with another batch, height and width."""
        pairs = zip(self.other or (), next(iter(self.declared.values()))[2:], strict=True)
        rows, columns = (new - old for new, old in pairs)
        return {
            name: (images, channels, height + rows, width + columns)
            for name, (images, channels, height, width) in self.more_images().items()
        }

    def twice_as_long(self) -> dict[str, Shape]:
        """Shapes with twice the first axis of the first input, wherever it is."""
        first = next(iter(self.declared.values()))[0]
        return {
            name: (2 * shape[0], *shape[1:]) if shape[0] == first > 1 else shape
            for name, shape in self.declared.items()
        }


def case(
    kind: str, params: str = "", other: tuple[int, int] | None = None, **declared: Shape
) -> Case:
    return Case(f'type: "{kind}" {params}', declared, other)
