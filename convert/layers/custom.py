"""Layer types that a user registers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from convert.layers.base import (
    DIALECTS,
    LAYER_TYPES,
    LayerParams,
    Shapes,
    caffe_layer,
    parameter_messages,
)

ShapeRule = Callable[[Any, Shapes], Shapes]


@dataclass(frozen=True)
class CustomLayer(LayerParams):
    """A registered type; ``fields`` holds what its parameter messages say.

    ``layer.params.fields["python_param"]["param_str"]``, for example.
    """

    bottom_count: ClassVar[tuple[int, int | None]] = (0, None)
    top_count: ClassVar[tuple[int, int | None]] = (0, None)
    python: ClassVar[bool] = True
    rule: ClassVar[ShapeRule | None] = None

    fields: Mapping[str, Mapping[str, Any]]

    @classmethod
    def read(cls, layer: Any) -> Self:
        """Take every parameter message that is set."""
        return cls(parameter_messages(layer))

    def top_shapes(self, bottoms: Shapes, tops: int) -> Shapes:
        """The registered rule's shapes, else the first bottom's for every top."""
        rule = type(self).rule
        return bottoms[:1] * tops if rule is None else rule(self, bottoms)


def define(name: str, rule: ShapeRule | None = None) -> type[CustomLayer]:
    """Make a type of this name known; ``rule(params, bottoms)`` gives its top shapes.

    Raises:
        ValueError: the type is known already, or has no name.
    """
    if not name:
        raise ValueError(f"a layer type needs a name. Received: name={name!r}")
    if name in LAYER_TYPES or name in DIALECTS:
        forks = DIALECTS.get(name)
        choice = f", one for each dialect of {list(forks)}" if forks else ""
        raise ValueError(
            f"the type has a builder already{choice}; change the type in the prototxt, and "
            f"register that. Received: name={name!r}"
        )
    attributes = {"rule": None if rule is None else staticmethod(rule)}
    return caffe_layer(name)(type(f"Custom{name}", (CustomLayer,), attributes))


def python_layer(message: Any) -> type[LayerParams] | None:
    """The class of a ``Python`` layer: by its module's last name and ``layer:``, or ``layer:``."""
    name = message.python_param.layer
    module = message.python_param.module.rpartition(".")[2]
    found = (LAYER_TYPES.get(key) for key in (f"{module}.{name}", name))
    return next((cls for cls in found if cls is not None and cls.python), None)
