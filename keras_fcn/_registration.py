"""Make Keras know our layers without making `import keras_fcn` import Keras.

`keras.models.load_model` finds a custom class only when it is registered, and
registering needs Keras. Commands that answer without TensorFlow (`keras-fcn
inspect`) need the opposite. So registration follows Keras: at once when Keras is
loaded already, else right after it is.

Where a module of a room is what loads Keras first, the room stands half imported while all
is registered. So `layers`, `core` and `graph` load Keras before their modules, and what is
registered imports from modules, never from these rooms themselves.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import TYPE_CHECKING

from keras_fcn.startup import quiet_tensorflow

if TYPE_CHECKING:
    from importlib.abc import Loader, MetaPathFinder  # which loads tempfile and more
else:
    Loader = MetaPathFinder = object

BACKENDS = ("tensorflow", "jax", "torch")
"""Keras' backends that the layers run on."""
_MODULES = (
    "keras_fcn.layers",
    "keras_fcn.layers.initializers",
    "keras_fcn.layers.tied",
    "keras_fcn.core.model",
    "keras_fcn.training.caffe_optimizer",
    "keras_fcn.training.losses",
    "keras_fcn.training.region_losses",
    "keras_fcn.training.schedules",
)


def register() -> None:
    """Import every module that registers classes with Keras."""
    for module in _MODULES:
        importlib.import_module(module)


def follow_keras() -> None:
    """Register now if Keras is loaded, else when it is."""
    if "keras" in sys.modules:
        register()
    elif not any(isinstance(finder, _KerasFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _KerasFinder())


class _KerasFinder(MetaPathFinder):
    """Finds Keras as everybody else would, and registers after it has loaded."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != "keras":
            return None
        sys.meta_path.remove(self)
        try:
            spec = find_spec("keras")
        finally:
            sys.meta_path.insert(0, self)  # others, TensorFlow say, only look Keras up
        if spec is not None and spec.loader is not None:
            spec.loader = _RegisteringLoader(spec.loader, self)
        return spec


class _RegisteringLoader(Loader):
    def __init__(self, loader: Loader, finder: MetaPathFinder) -> None:
        self.loader = loader
        self.finder = finder

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self.loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        if module.__spec__ is not None:
            module.__spec__.loader = self.loader
        if self.finder in sys.meta_path:
            sys.meta_path.remove(self.finder)
        try:
            with quiet_tensorflow():  # which Keras loads
                self.loader.exec_module(module)
        except ModuleNotFoundError as error:
            if error.name in BACKENDS:
                error.msg = _without(error.name)
            raise
        register()


def _without(backend: str) -> str:
    """What to do where Keras' backend is not installed."""
    others = [name for name in BACKENDS if name != backend and find_spec(name)]
    instead = f", or set KERAS_BACKEND to {' or '.join(others)}" if others else ""
    return (
        f"Keras computes with {backend}, which is not installed: pip install {backend}{instead} "
        "(KERAS_BACKEND, or the `backend` of ~/.keras/keras.json, names it)"
    )
