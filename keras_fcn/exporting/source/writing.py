"""A whole module of Keras source from a model."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras

from keras_fcn.caffe.io.files import atomic_write
from keras_fcn.caffe.names import keras_name
from keras_fcn.core.card import card_of
from keras_fcn.exporting.source.blocks import structured
from keras_fcn.exporting.source.body import Body
from keras_fcn.exporting.source.expressions import Expressions
from keras_fcn.exporting.source.names import TAKEN, Variables, identifier
from keras_fcn.exporting.source.patterns import Helper, HelperCall, Loop, Part
from keras_fcn.exporting.source.reading import steps_of
from keras_fcn.exporting.stock.rebuilding import with_stock_layers
from keras_fcn.layers._axes import channels_last_shape

_LONGEST = 60
_MODULE = '''"""{title} in Keras, written by keras-fcn."""

{imports}


{helpers}def {function}(weights=None):
    """Build {title}.

    Args:
        weights: an `.h5` of `keras-fcn convert`, loaded by the names of the layers; None for
            weights as they are before training.

    Returns:
        A `keras.Model`; images are (batch, height, width, channels).
    """
{body}
    if weights is not None:
        {load}
    return model
'''


def to_code(
    model: keras.Model, *, input_shapes: Mapping[str, Sequence[int | None]] | None = None
) -> str:
    """Readable Keras source of a network.

    The module has one function, named after the network, which builds the model and loads
    the converter's `.h5` by name: `net(weights="net.h5")` gives the numbers of the model.
    A chain is a `keras.Sequential`, another network a functional model; parts that are
    repeated become loops and helper functions. Layers are Keras' own where these do the
    same; only for others, and for what the `.h5` holds in another form than Keras' own
    layer, the source imports keras_fcn. Random weights begin as Keras' layers do by
    default where they began with zeros. Single weights of a layer that are frozen are not:
    a layer is frozen as a whole, or trains.

    Args:
        model: a functional or sequential model, of Caffe or not.
        input_shapes: input name -> its sizes in Caffe's axis order without the batch, such
            as `{"data": (3, 227, 227)}`, in place of those that the model leaves open: some
            poolings are Keras' own for a known size alone.

    Returns:
        The module's text, in ASCII, formatted and clean by ruff.

    Raises:
        UnsupportedLayerError: a layer, which is named, cannot be written as code, as its class
            has no configuration or cannot be imported.
        ValueError: the model has no input of that name, or is neither functional nor sequential.
    """
    shapes = {
        name: channels_last_shape((None, *shape)) for name, shape in (input_shapes or {}).items()
    }
    rebuilt = with_stock_layers(model, shapes, by_name=True)
    card = card_of(model)
    expressions = Expressions()
    found = steps_of(rebuilt, card.names, expressions)
    parts = structured(found)
    helpers = _helpers(parts)
    parameters = [x for part in parts if isinstance(part, Loop) for x in part.pattern.parameters]
    title = keras_name(card.network or rebuilt.name)
    function = _function_name(title, helpers)
    title = title if len(title) <= _LONGEST else "the network"
    body = Body(expressions, Variables([function, *helpers, *parameters]), found.named)
    is_chain = isinstance(rebuilt, keras.Sequential) and not found.named
    written = (body.chain if is_chain else body.functional)(found, parts, rebuilt.name)
    functions = [_helper(helper, expressions, [function, *helpers]) for helper in helpers.values()]
    ours = "keras_fcn" in expressions.roots
    load = "keras_fcn.load_weights(model, weights)"
    return _MODULE.format(
        title=title,
        imports=_imports(expressions),
        helpers="".join(f"{text}\n\n\n" for text in functions),
        function=function,
        body="\n".join(written),
        load=load if ours else "model.load_weights(weights, by_name=True)",
    )


def write_code(model: keras.Model, path: str | Path, **options: Any) -> None:
    """Write `to_code`'s text to a file, which appears whole or not at all."""
    text = to_code(model, **options)
    with atomic_write(path) as file:
        file.write(text.encode("ascii"))


def _helpers(parts: Iterable[Part]) -> dict[str, Helper]:
    """The helper functions that parts call, loops' own among them, by name."""
    items = [
        x for part in parts for x in (part.pattern.steps if isinstance(part, Loop) else [part])
    ]
    return {item.helper.name: item.helper for item in items if isinstance(item, HelperCall)}


def _helper(helper: Helper, expressions: Expressions, taken: Iterable[str]) -> str:
    variables = Variables([*taken, *helper.pattern.parameters])
    return "\n".join(Body(expressions, variables).helper(helper))


def _function_name(title: str, taken: Container[str]) -> str:
    """The network's name as a function's."""
    name = identifier(title, "net")[:_LONGEST].rstrip("_")
    if name[0].isdigit() or len(name) == 1 or name in TAKEN or name in taken:
        name = f"net_{name}"
    return name


def _imports(expressions: Expressions) -> str:
    names = sorted(expressions.roots & {"layers", "ops"})
    stock = ["import keras", *([f"from keras import {', '.join(names)}"] if names else [])]
    # Whether these are first- or third-party, for those who sort imports, is not known here.
    others = {*expressions.modules, *(expressions.roots & {"keras_fcn"})}
    rest = [f"import {name}  # isort: skip" for name in sorted(others)]
    return "\n".join([*stock, *([""] if rest else []), *rest])
