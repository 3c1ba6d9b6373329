"""The pass that finds the kind of each layer: its typed parameters, and a name in Keras."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from keras_fcn.caffe.definition import LayerDefinition
from keras_fcn.caffe.errors import CaffeError, NetworkError
from keras_fcn.caffe.layers import LayerParams, dialects
from keras_fcn.caffe.layers.base import Filler
from keras_fcn.caffe.layers.custom import python_layer
from keras_fcn.caffe.layers.data import DataLayer, Input
from keras_fcn.caffe.names import keras_names, place
from keras_fcn.caffe.net.layer import Layer, Sharer
from keras_fcn.caffe.net.reading import Reading

Definitions = Sequence[LayerDefinition]


def typed(definitions: Definitions, reading: Reading, path: str) -> tuple[Layer, ...]:
    """The layers with their parameters and names; they know of no blobs yet.

    Raises:
        NetworkError: a layer's fields are wrong for its type; it is named.
    """
    layers = []
    for definition, name in zip(definitions, _names(definitions, reading), strict=True):
        try:
            params = _params(definition, reading)
        except CaffeError as error:
            raise NetworkError(f"{place(path, definition)}: {error}") from error
        layers.append(
            Layer(
                definition.name,
                name,
                definition.type,
                params,
                param_specs=definition.param_specs,
                propagate_down=definition.propagate_down,
                loss_weights=definition.loss_weights,
                definition=definition,
                path=path,
            )
        )
    return tuple(layers)


def _params(definition: LayerDefinition, reading: Reading) -> LayerParams:
    if not definition.type:
        raise NetworkError("field 'type' is missing")
    stored = reading.stored(definition.name) or ()
    cls = params_class(definition, reading)
    try:
        return cls.read(definition).with_stored(stored)
    except NetworkError as error:
        return reading.policy.unread(cls, stored, error)


def params_class(definition: LayerDefinition, reading: Reading) -> type[LayerParams]:
    """The class that reads a layer's parameters."""
    stored = reading.stored(definition.name)
    cls = dialects.choose(definition, stored, reading.dialect).params
    if definition.type == "Python":
        cls = python_layer(definition) or cls
    feeds = definition.tops and not definition.bottoms and not stored
    return reading.policy.source(cls) if feeds else cls.variant(definition)


def is_source(definition: LayerDefinition, reading: Reading) -> bool:
    """Whether a layer feeds the network from outside."""
    if definition.bottoms or not definition.tops:
        return False
    return issubclass(params_class(definition, reading), Input | DataLayer)


def _names(definitions: Definitions, reading: Reading) -> list[str]:
    """A name for each layer; those of the input blobs, which Keras has too, come first."""
    pairs = [(definition, is_source(definition, reading)) for definition in definitions]
    inputs = [name for x, is_input in pairs if is_input for name in x.tops]
    named = [x.name or x.type for x, is_input in pairs if not is_input or len(x.tops) > 1]
    names = keras_names([*inputs, *named])
    of_inputs, of_layers = iter(names[: len(inputs)]), iter(names[len(inputs) :])
    result = []
    for definition, is_input in pairs:
        own = [next(of_inputs) for _ in definition.tops] if is_input else []
        result.append(own[0] if len(own) == 1 else next(of_layers))
    return result


def sharers(definitions: Definitions, reading: Reading) -> tuple[Sharer, ...]:
    """The layers that name parameters."""
    return tuple(
        Sharer(definition.name, definition.param_specs, _fillers(definition, reading))
        for definition in definitions
        if any(spec.name for spec in definition.param_specs)
    )


def _fillers(definition: LayerDefinition, reading: Reading) -> tuple[Filler, ...]:
    try:
        return params_class(definition, reading).read(definition).fillers()
    except NetworkError:  # where the layer is needed, reading it says the same
        return ()


def notes(definitions: Definitions, reading: Reading) -> Iterator[str]:
    """Notes on types that several forks define, one line for each type."""
    choices: dict[tuple[str, str], list[str]] = {}
    for x in definitions:
        note = dialects.choose(x, reading.stored(x.name), reading.dialect).note
        if note:
            choices.setdefault((x.type, note), []).append(x.name)
    for (kind, note), (first, *others) in choices.items():
        more = f" and {len(others)} more" if others else ""
        yield f"layer {first!r}{more} ({kind}): {note}"
