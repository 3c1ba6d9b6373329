"""Layers and their arguments as code: constructors with what is not the default."""

from __future__ import annotations

import keyword
import re
import sys
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from keras_fcn import layers as ours
from keras_fcn.caffe.errors import UnsupportedLayerError
from keras_fcn.exporting.source.arguments import (
    Arguments,
    fewest_arguments,
    live_object,
    positional,
)
from keras_fcn.exporting.source.layout import Bracketed, Code, Verbatim, quoted

# What the code calls the modules of public classes.
_HOMES: Mapping[str, Any] = {
    "layers": keras.layers,
    "keras.initializers": keras.initializers,
    "keras.regularizers": keras.regularizers,
    "keras.constraints": keras.constraints,
    "keras_fcn.layers": ours,
}


class Expressions:
    """Turns objects into code, and gathers what the code has to import.

    Attributes:
        roots: what the code's names begin with: `keras`, `layers`, `ops`, `keras_fcn`.
        modules: modules of classes that are neither Keras' nor of this package.
    """

    def __init__(self) -> None:
        self.roots: set[str] = set()
        self.modules: set[str] = set()
        self._fewest: dict[str, Arguments] = {}

    def constructor(self, made: Any, place: str) -> tuple[str, Arguments]:
        """The class of a layer, an initializer or the like, and its arguments, fewest that do.

        Args:
            made: the object.
            place: how messages name it, or the layer that has it.

        Raises:
            UnsupportedLayerError: the code cannot name the class, or its configuration does
                not make it again.
        """
        path = self._path(type(made), place)
        try:
            config = dict(made.get_config())
        except NotImplementedError as error:
            raise UnsupportedLayerError(
                f"{place}: its class has no get_config, so its arguments are not known"
            ) from error
        name = {"name": config.pop("name")} if "name" in config else {}
        config = {key: x.tolist() if isinstance(x, np.ndarray) else x for key, x in config.items()}
        key = f"{type(made)} {config!r}"
        if key not in self._fewest:
            self._fewest[key] = fewest_arguments(type(made), config, place)
        return path, {**self._fewest[key], **name}

    def call(self, path: str, arguments: Arguments, positional: int, place: str) -> Bracketed:
        """A call as code; the first arguments stand without their names."""
        parts = []
        for index, (name, value) in enumerate(arguments.items()):
            code = self.value(value, place)
            parts.append(code if index < positional else _after(f"{name}=", code))
        return Bracketed(f"{path}(", parts)

    def value(self, value: Any, place: str) -> Code:
        """A value of a configuration as code.

        Raises:
            UnsupportedLayerError: it is neither plain data nor an object with a configuration.
        """
        if isinstance(value, Verbatim):
            return value.code
        if isinstance(value, np.ndarray | np.generic):
            value = value.tolist()
        if value is None or isinstance(value, bool | int):
            return repr(value)
        if isinstance(value, str):
            return quoted(value)
        if isinstance(value, float):
            return _decimal(value) if np.isfinite(value) else f'float("{value}")'
        if isinstance(value, list | tuple):
            opening, closing = "[]" if isinstance(value, list) else "()"
            return Bracketed(opening, [self.value(x, place) for x in value], closing, literal=True)
        if isinstance(value, Mapping) and {"class_name", "config"} <= value.keys():
            return self._object(value, place)
        if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
            parts = [_after(f"{quoted(k)}: ", self.value(x, place)) for k, x in value.items()]
            return Bracketed("{", parts, "}", literal=True)
        raise UnsupportedLayerError(
            f"{place}: a {type(value).__name__} among its arguments cannot be written as code"
        )

    def _object(self, config: Mapping[str, Any], place: str) -> Code:
        if config["class_name"] == "DTypePolicy":
            return quoted(config["config"]["name"])
        made = live_object(config, place)
        if not hasattr(made, "get_config"):
            raise UnsupportedLayerError(
                f"{place}: the {config['class_name']} {config['config']!r} among its arguments "
                "cannot be written as code"
            )
        path, arguments = self.constructor(made, place)
        home, _, name = path.rpartition(".")
        if home == "keras.initializers" and not arguments and name.istitle():
            return quoted(name.lower())  # `"ones"`
        return self.call(path, arguments, positional(type(made), arguments), place)

    def _path(self, cls: type, place: str) -> str:
        home = next((x for x, held in _HOMES.items() if getattr(held, cls.__name__, 0) is cls), "")
        root = (home or cls.__module__).split(".")[0]
        if not home and (root in ("keras", "tensorflow", "__main__") or not _importable(cls)):
            raise UnsupportedLayerError(
                f"{place}: no module holds its class under the name that it has, so the code "
                "cannot import it"
            )
        if home or root == "keras_fcn":
            self.roots.add(root)
        else:
            self.modules.add(cls.__module__)
        return f"{home or cls.__module__}.{cls.__qualname__}"


def _decimal(value: float) -> str:
    """What one would write, `1e-5` and `3e38`; for a number of Caffe's, a float32, no longer."""
    with np.errstate(over="ignore"):
        stored = np.float32(value)
    decimal = repr(float(str(stored)) if float(stored) == value else value)
    return re.sub(r"e(-?)\+?0?", r"e\1", decimal)


def _after(before: str, code: Code) -> Code:
    return before + code if isinstance(code, str) else code.prefixed(before)


def _importable(cls: type) -> bool:
    """Whether `import module` gives the class under its own name."""
    names = [*cls.__module__.split("."), *cls.__qualname__.split(".")]
    if not all(name.isidentifier() and not keyword.iskeyword(name) for name in names):
        return False
    found: Any = sys.modules.get(cls.__module__)
    for name in cls.__qualname__.split("."):
        found = getattr(found, name, None)
    return found is cls
