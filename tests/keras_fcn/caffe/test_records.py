"""Frozen dataclasses, against those of the standard decorator."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
from collections.abc import Mapping
from dataclasses import field
from typing import ClassVar

import pytest

from keras_fcn.caffe.records import dataclass


def _classes(frozen):
    @frozen(frozen=True)
    class Base:
        """A base."""

        unit: ClassVar[str] = "px"
        size: int
        name: str = field(default="a", compare=False)
        hidden: Mapping[str, int] = field(default_factory=dict, repr=False, compare=False)

    @frozen(frozen=True, kw_only=True)
    class Derived(Base):
        """What is derived."""

        size: int = 3
        step: float = 0.5
        unset: int = field(default=0, init=False)

        def __post_init__(self):
            object.__setattr__(self, "unset", self.size + 1)

    return Base, Derived


_OURS, _STANDARD = _classes(dataclass), _classes(dataclasses.dataclass)


@dataclass(frozen=True)
class _Kept:
    """One that can be pickled."""

    value: int


def _outcome(call):
    try:
        return call()
    except (TypeError, AttributeError) as error:
        return type(error), str(error)


@pytest.mark.parametrize(
    "call",
    [
        lambda base, _: repr(base(1)),
        lambda _, derived: repr(derived(size=1, name="b")),
        lambda _, derived: derived().unset,
        lambda base, _: base(1, "b") == base(1, "c"),
        lambda base, _: base(1) == base(2),
        lambda base, derived: base(3) == derived(),
        lambda base, _: base(1) == 1,
        lambda base, _: len({base(1), base(1, "b"), base(2)}),
        lambda base, derived: (base.unit, derived.step, base.name, hasattr(base, "hidden")),
        lambda base, derived: (base.__match_args__, derived.__match_args__),
        lambda _, derived: [(x.name, x.type, x.kw_only) for x in dataclasses.fields(derived)],
        lambda base, _: dataclasses.replace(base(1), size=2).size,
        lambda _, derived: dataclasses.asdict(derived(hidden={"x": 1})),
        lambda base, _: base(1).hidden is base(1).hidden,
        lambda base, _: copy.deepcopy(base(1, hidden={"x": 1})).hidden,
        lambda base, _: setattr(base(1), "size", 2),
        lambda base, _: setattr(base(1), "other", 2),
        lambda base, _: delattr(base(1), "size"),
        lambda _, derived: (
            inspect.signature(derived.__init__).parameters.keys() if derived() else None
        ),
    ],
)
def test_as_the_standard_ones(call):
    assert _outcome(lambda: call(*_OURS)) == _outcome(lambda: call(*_STANDARD))


@pytest.mark.parametrize("given", [{}, {"other": 1}, {"size": 1, "step": 1, "nothing": 2}])
def test_arguments_that_do_not_fit(given):
    for cls in _OURS[: 1 + ("step" in given)]:
        with pytest.raises(TypeError, match="argument"):
            cls(**given)


@pytest.mark.parametrize(
    ("outer", "inner"),
    [(dataclass, dataclasses.dataclass), (dataclasses.dataclass, dataclass)],
)
def test_standard_ones_inherit_and_are_inherited(outer, inner):
    @outer(frozen=True)
    class Base:
        """A base."""

        size: int = 1

    @inner(frozen=True)
    class Derived(Base):
        """What is derived."""

        step: int = 2

    assert repr(Derived(5)).endswith("Derived(size=5, step=2)")
    with pytest.raises(dataclasses.FrozenInstanceError):
        Derived().size = 2


def test_a_class_that_can_change_is_no_base():
    @dataclasses.dataclass
    class Base:
        """A base."""

    with pytest.raises(TypeError, match="frozen"):

        @dataclass(frozen=True)
        class _Derived(Base):
            """What is derived."""


def test_pickled():
    assert pickle.loads(pickle.dumps(_Kept(3))) == _Kept(3)


def test_methods_of_the_class_stand():
    @dataclass(frozen=True)
    class Own:
        """Methods of its own."""

        size: int

        def __repr__(self):
            return "mine"

        def __hash__(self):
            return 5

    assert (repr(Own(1)), hash(Own(1))) == ("mine", 5)
