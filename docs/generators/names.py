"""A page for each package of public names, made from its `__all__` and docstrings."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import Any

PACKAGES: dict[str, str] = {
    "keras_fcn": "What most programs need.",
    "convert": "The converter: Caffe's files as plain Python and NumPy, without TensorFlow.",
    "keras_fcn.caffe.surgery": "Edits of Caffe networks with their weights, without TensorFlow.",
    "keras_fcn.models": "Ready-made networks.",
    "keras_fcn.layers": "Keras layers that Caffe has and Keras lacks.",
    "keras_fcn.preprocessing": "Images in and out.",
    "keras_fcn.datasets": "Images with masks or classes, to train on.",
    "keras_fcn.datasets.shapes": "Drawn images with masks, to try training on.",
    "keras_fcn.batch": "Many pictures in processes of Ray and Spark.",
    "keras_fcn.training": "Fine-tuning and evaluation.",
    "keras_fcn.solver": "Caffe's training from Caffe's own files.",
    "keras_fcn.verifying": "Proof that two networks are the same.",
    "keras_fcn.visualize": "Pictures of maps, classes, filters and findings.",
    "keras_fcn.pycaffe": "pycaffe's names.",
    "keras_fcn.pycaffe.io": "The names of `caffe.io`, which are `keras_fcn.io` too.",
    "keras_fcn.dnn": "OpenCV's `cv2.dnn` for Caffe networks.",
    "keras_fcn.to_caffe": "Keras models as Caffe networks.",
    "keras_fcn.samples": "A small network and a picture to try things on.",
}


def pages() -> dict[str, Callable[[], str]]:
    """Path of each page -> what makes it."""
    made = {_path(package): functools.partial(package_page, package) for package in PACKAGES}
    return {"reference/index.md": index_page, **made}


def index_page() -> str:
    """The packages, each with its names."""
    lines = ["# Python", "", "Every public name, by the package that it is imported from.", ""]
    for package, summary in PACKAGES.items():
        names = ", ".join(
            f"[`{name}`]({_file(package)}#{_anchor(package, name)})" for name in public(package)
        )
        lines += [f"## [`{package}`]({_file(package)})", "", summary, "", names, ""]
    return "\n".join(lines)


def package_page(package: str) -> str:
    """The names of a package, with their signatures and docstrings.

    Raises:
        ValueError: a name has no docstring.
    """
    lines = [f"# `{package}`", "", PACKAGES[package], ""]
    for name in public(package):
        lines += [*_entry(package, name), ""]
    return "\n".join(lines)


def public(package: str) -> list[str]:
    """Names that a package hands out itself: no submodules, nothing that another page has."""
    module = import_module(package)
    names = [name for name in getattr(module, "__all__", vars(module)) if name[:1] != "_"]
    names = [name for name in names if not isinstance(getattr(module, name), ModuleType)]
    if package == "keras_fcn":
        models = set(import_module("keras_fcn.models").__all__)
        names = [name for name in names if name not in models]
    return sorted(names, key=str.lower)


def _entry(package: str, name: str) -> list[str]:
    value = getattr(import_module(package), name)
    if not (inspect.isclass(value) or inspect.isroutine(value)):
        heading = f"## `{name}` {{ #{_anchor(package, name)} }}"
        return [heading, "", f"A value, `{_shortened(value)}`."]
    if not (inspect.getdoc(value) or "").strip():
        raise ValueError(f"{package}.{name} has no docstring")
    return [f"::: {_anchor(package, name)}"]


def _shortened(value: Any, most: int = 60) -> str:
    text = repr(value)
    return text if len(text) <= most else f"{text[: most - 3]}..."


def _path(package: str) -> str:
    return f"reference/{_file(package)}"


def _file(package: str) -> str:
    return f"{package}.md"


def _anchor(package: str, name: str) -> str:
    return f"{package}.{name}"
