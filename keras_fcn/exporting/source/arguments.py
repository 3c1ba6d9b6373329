"""The arguments that make an object again, as few and short as do."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from keras_fcn.caffe.errors import UnsupportedLayerError
from keras_fcn.errors import plain_reason

Arguments = dict[str, Any]
"""Names and values of a call's arguments, in order."""

_ALWAYS = ("pool_size",)  # a default that readers would have to look up


def positional(cls: Any, arguments: Arguments) -> int:
    """How many arguments stand without names: those that a class asks for, which come first."""
    required = _required(cls)
    count = 0
    for name, wanted in zip(arguments, required, strict=False):
        if name != wanted:
            break
        count += 1
    return count


def _required(cls: Any) -> list[str]:
    parameters = inspect.signature(cls).parameters.values()
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [p.name for p in parameters if p.kind in kinds and p.default is p.empty]


def fewest_arguments(cls: Any, config: Arguments, place: str) -> Arguments:
    """The arguments without which the object would be another one, in their shortest form.

    Zeros that weights begin with are left out: the weights come from a file, and a network
    that is trained without one needs others.
    """
    wanted = {name: value for name, value in config.items() if not _is_zeros(value)}
    refused = ""

    def same(arguments: Arguments) -> bool:
        nonlocal refused
        try:
            made = cls(**{name: live_object(value, place) for name, value in arguments.items()})
            config = made.get_config()
        except (TypeError, ValueError, AttributeError, NotImplementedError) as error:
            refused = plain_reason(error)
            return False
        return all(_plain(config.get(name)) == _plain(value) for name, value in wanted.items())

    required = [name for name in _required(cls) if name in wanted]
    found = {name: wanted[name] for name in (*required, *wanted)}
    if not same(found):
        why = f": {refused}" if refused else ""
        raise UnsupportedLayerError(f"{place}: its configuration does not make it again{why}")
    for name in [*found]:
        fewer = {other: value for other, value in found.items() if other != name}
        if name not in (*required, *_ALWAYS) and same(fewer):
            found = fewer
    for name, value in found.items():
        shorter = {**found, name: _short(value)}
        if shorter != found and same(shorter):
            found = shorter
    return found


def _short(value: Any) -> Any:
    """One number for several equal ones."""
    if isinstance(value, list | tuple) and len(value) > 1:
        parts = [_short(part) for part in value]
        if isinstance(parts[0], int) and all(part == parts[0] for part in parts):
            return parts[0]
    return value


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {name: _plain(part) for name, part in value.items() if name != "build_config"}
    return [_plain(part) for part in value] if isinstance(value, list | tuple) else value


def live_object(value: Any, place: str) -> Any:
    """The object that a configuration describes; plain data as they are."""
    if not (isinstance(value, Mapping) and {"class_name", "config"} <= value.keys()):
        return value
    if value["class_name"] == "DTypePolicy":
        return value["config"]["name"]
    try:
        return keras.saving.deserialize_keras_object(dict(value))
    except (TypeError, ValueError) as error:
        raise UnsupportedLayerError(f"{place}: {plain_reason(error)}") from error


def _is_zeros(value: Any) -> bool:
    return isinstance(value, Mapping) and value.get("class_name") == "Zeros"
