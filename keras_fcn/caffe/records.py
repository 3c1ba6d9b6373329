"""Frozen dataclasses that cost little to define.

The standard decorator compiles six methods for every class that it is given, which was half of
the time that importing Caffe's layer types took. This one compiles `__init__` alone, when the
first instance is made; the other methods are the same functions for all classes.
"""

from __future__ import annotations

import dataclasses
import inspect
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataclasses import dataclass
else:
    from collections.abc import Callable
    from functools import cache
    from reprlib import recursive_repr

    _NO_SIGNATURE = "-"  # a class without a docstring gets one, which takes most of the time

    def dataclass(*, frozen: bool, kw_only: bool = False) -> Callable[[type], type]:
        """`dataclasses.dataclass(frozen=True)`; its classes and these may inherit each other.

        Args:
            frozen: True; what can be changed is the standard decorator's.
            kw_only: as there.
        """
        if not frozen:
            raise TypeError("classes that are not frozen are dataclasses.dataclass' own")

        def decorate(cls: type) -> type:
            fields = {}
            for base in cls.__mro__[:0:-1]:
                if (known := vars(base).get("__dataclass_fields__")) is not None:
                    if not base.__dataclass_params__.frozen:
                        raise TypeError("cannot inherit frozen dataclass from a non-frozen one")
                    fields |= known
            cls.__dataclass_fields__ = fields | _own_fields(cls, kw_only)
            cls.__dataclass_params__ = _Empty.__dataclass_params__
            positional = (x.name for x in dataclasses.fields(cls) if x.init and not x.kw_only)
            for name, value in {"__match_args__": (*positional,), **_METHODS}.items():
                if name not in vars(cls):
                    setattr(cls, name, value)
            if "__init__" not in vars(cls):
                cls.__init__ = _first_init(cls)
            return cls

        return decorate

    @dataclasses.dataclass(frozen=True)
    class _Empty:
        """It has the flags that all have."""

    def _own_fields(cls, kw_only):
        """The fields that a class body lists; their defaults are left in the class."""
        listed = inspect.get_annotations(cls)
        given = {name: vars(cls)[name] for name in listed if name in vars(cls)}
        told = {"__module__": cls.__module__, "__doc__": _NO_SIGNATURE}
        body = {**told, "__annotations__": listed, **given}
        twin = dataclasses.dataclass(init=False, repr=False, eq=False, kw_only=kw_only)(
            type(cls.__name__, (), body)
        )
        for name, value in given.items():
            if isinstance(value, dataclasses.Field):
                if name in vars(twin):
                    setattr(cls, name, vars(twin)[name])
                else:
                    delattr(cls, name)
        return twin.__dataclass_fields__

    def _first_init(cls):
        def __init__(self, /, *args, **kwargs):  # noqa: N807
            cls.__init__ = _init(cls)
            cls.__init__(self, *args, **kwargs)

        return __init__

    def _init(cls):
        """The standard decorator's `__init__`."""
        after = {"__post_init__": None} if hasattr(cls, "__post_init__") else {}
        after["__doc__"] = _NO_SIGNATURE
        fields = [(field.name, field.type, field) for field in dataclasses.fields(cls)]
        return dataclasses.make_dataclass(
            cls.__qualname__.rpartition(".")[2],
            fields,
            namespace=after,
            frozen=True,
            repr=False,
            eq=False,
        ).__init__

    @cache
    def _names(cls, attribute):
        return tuple(x.name for x in dataclasses.fields(cls) if getattr(x, attribute))

    def _values(self):
        return tuple(getattr(self, name) for name in _names(type(self), "compare"))

    def _eq(self, other):
        return _values(self) == _values(other) if type(other) is type(self) else NotImplemented

    def _hash(self):
        return hash(_values(self))

    @recursive_repr()
    def _repr(self):
        shown = (f"{name}={getattr(self, name)!r}" for name in _names(type(self), "repr"))
        return f"{type(self).__qualname__}({', '.join(shown)})"

    def _is_fixed(self, name):
        cls = type(self)
        return "__dataclass_fields__" in vars(cls) or name in cls.__dataclass_fields__

    def _setattr(self, name, value):
        if _is_fixed(self, name):
            raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")
        object.__setattr__(self, name, value)

    def _delattr(self, name):
        if _is_fixed(self, name):
            raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")
        object.__delattr__(self, name)

    _METHODS = {
        "__eq__": _eq,
        "__hash__": _hash,
        "__repr__": _repr,
        "__setattr__": _setattr,
        "__delattr__": _delattr,
    }

__all__ = ["dataclass"]
