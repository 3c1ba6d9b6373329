"""Layer types that a user registers."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Self

from keras_fcn.caffe.definition import Fields, LayerDefinition
from keras_fcn.caffe.errors import NetworkError
from keras_fcn.caffe.layers.base import (
    DIALECTS,
    LAYER_TYPES,
    Array,
    KerasWeight,
    LayerParams,
    Shapes,
    caffe_layer,
)
from keras_fcn.caffe.layers.data import DataLayer
from keras_fcn.caffe.layers.spatial import Spatial, nowhere
from keras_fcn.caffe.layers.values import LAYER, dictionary, held
from keras_fcn.caffe.records import dataclass

ShapeRule = Callable[[Any, Shapes], Shapes]
WeightRule = Callable[[Any, Sequence[Array]], Sequence[Array]]


@dataclass(frozen=True)
class CustomLayer(LayerParams):
    """A registered type; `fields` holds what its layer says in the prototxt.

    `layer.params.fields["python_param"]["param_str"]`, for example, or
    `layer.params.fields["my_param"]["sigma"]`: messages are dictionaries, be they Caffe's
    or the type's own.
    """

    bottom_count: ClassVar[tuple[int, int | None]] = (0, None)
    top_count: ClassVar[tuple[int, int | None]] = (0, None)
    python: ClassVar[bool] = True
    tells_weights: ClassVar[bool] = False
    rule: ClassVar[ShapeRule | None] = None
    weight_rule: ClassVar[WeightRule | None] = None
    source: ClassVar[type[CustomSource]]
    """Its parameters where it has no bottoms: it then feeds the network."""
    places: ClassVar[Spatial | None] = nowhere("of a registered type")

    fields: Mapping[str, Any]

    @classmethod
    def read(cls, layer: LayerDefinition) -> Self:
        """Take every parameter that is set."""
        return cls(dictionary(layer.fields, LAYER))

    def write(self) -> Fields:
        return Fields(held(self.fields, LAYER))

    def top_shapes(self, bottoms: Shapes, tops: int) -> Shapes:
        """The registered rule's shapes, else the first bottom's for every top."""
        rule = type(self).rule
        return bottoms[:1] * tops if rule is None else _told(rule(self, bottoms), tops)

    def keras_weights(self, blobs: Sequence[Array], channels: int | None) -> list[KerasWeight]:
        rule = type(self).weight_rule
        arrays = blobs if rule is None else rule(self, blobs)
        return [KerasWeight(f"blob{i}", array.shape, array) for i, array in enumerate(arrays)]

    def caffe_blobs(self, weights: Sequence[Array], channels: int | None) -> list[Array]:
        if type(self).weight_rule is not None:
            raise NetworkError(
                "the type is registered with weights=, which only goes from Caffe to Keras; its "
                "weights cannot be written for Caffe"
            )
        return list(weights)


class CustomSource(DataLayer):
    """A registered type in a layer without bottoms: its tops are inputs of the network."""

    open_axes: ClassVar[bool] = True
    rule: ClassVar[ShapeRule | None] = None
    batches: ClassVar[Any] = None
    """What feeds a training, see `makes_batches`; None where a builder makes the tensors."""

    @classmethod
    def read(cls, layer: LayerDefinition) -> Self:
        return cls(fields=dictionary(layer.fields, LAYER))

    def top_shapes(self, bottoms: Shapes, tops: int) -> Shapes:
        """The registered rule's shapes, else images of any size and what goes with them."""
        rule = type(self).rule
        if rule is None:
            return super().top_shapes(bottoms, tops)
        return _told(rule(self, bottoms), tops)


def _told(shapes: Any, tops: int) -> Shapes:
    """Result of a shape rule, checked to be a shape for each top."""
    told = tuple(shapes)
    if len(told) < tops or not all(
        isinstance(shape, tuple | list) and all(x is None or int(x) == x for x in shape)
        for shape in told
    ):
        raise NetworkError(
            f"top_shapes must give a shape for each of {tops} tops, such as ((1, 3, 32, 32),); it "
            f"gives {shapes!r}"
        )
    return tuple(tuple(shape) for shape in told)


def define(
    name: str, rule: ShapeRule | None = None, weights: WeightRule | None = None
) -> type[CustomLayer]:
    """Make a type of this name known.

    Args:
        name: the type.
        rule: `rule(params, bottoms)` gives its top shapes.
        weights: `weights(params, blobs)` gives its Keras weights.

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
    rules: dict[str, Any] = {"rule": rule and staticmethod(rule)}
    source = type(f"Custom{name}Source", (CustomSource,), {**rules, "open_axes": rule is None})
    attributes = {**rules, "weight_rule": weights and staticmethod(weights), "source": source}
    return caffe_layer(name)(type(f"Custom{name}", (CustomLayer,), attributes))


def python_layer(layer: LayerDefinition) -> type[LayerParams] | None:
    """The class of a `Python` layer: by its module's last name and `layer:`, or `layer:`."""
    given = layer.fields.message("python_param")
    name, module = given.get("layer", ""), given.get("module", "").rpartition(".")[2]
    found = (LAYER_TYPES.get(key) for key in (f"{module}.{name}", name))
    return next((cls for cls in found if cls is not None and cls.python), None)


def makes_batches(given: Any) -> bool:
    """Whether what is registered is a generator function, or a class of pycaffe's layers."""
    is_layer = inspect.isclass(given) and all(
        hasattr(given, name) for name in ("setup", "reshape", "forward")
    )
    return is_layer or inspect.isgeneratorfunction(given)
