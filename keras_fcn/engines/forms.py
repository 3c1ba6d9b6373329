"""A network as an engine runs it, made anew for sizes of inputs that one form cannot take."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from keras_fcn.caffe.errors import CaffeError
from keras_fcn.caffe.records import dataclass
from keras_fcn.caffe.surgery.editing import resize
from keras_fcn.caffe.surgery.net import TrainedNet

__all__ = ["Form", "Forms", "Runs"]

Array = npt.NDArray[Any]
Sizes = Sequence[int | str | None]

_KEPT = 4
"""Sizes of inputs whose forms are kept, where the network has one for each."""


class HasInputs(Protocol):
    """What a network is made into.

    Attributes:
        inputs: input -> its shape in Caffe's axis order; a free size is a name or None.
    """

    @property
    def inputs(self) -> Mapping[str, Sizes]: ...


Runs = Callable[[Mapping[str, Array]], dict[str, Array]]
"""Inputs by name -> outputs by name, in Caffe's axis order."""
F = TypeVar("F", bound=HasInputs)


@dataclass(frozen=True)
class Form:
    """A network that an engine runs.

    Attributes:
        inputs: input -> its shape in Caffe's axis order; a free size is a name or None.
        outputs: output -> its shape; None where it is not known.
        run: runs it.
        metadata: what its file tells beside.
    """

    inputs: Mapping[str, Sizes]
    outputs: Mapping[str, Sizes | None]
    run: Runs
    metadata: Mapping[str, str] | None = None


class Forms(Generic[F]):
    """What an engine makes of a network, for any sizes of its inputs.

    Args:
        net: the network.
        make: what makes one form; sizes that the network leaves open stay free in it, where the
            engine allows it.

    Raises:
        CaffeError: a layer has no such form.
    """

    def __init__(self, net: TrainedNet, make: Callable[[TrainedNet], F]) -> None:
        self._net, self._make = net, make
        self._first: F | None = make(net)
        self._fixed: dict[Any, F] = {}

    @property
    def first(self) -> F:
        """The form for as many sizes as there can be."""
        if self._first is None:
            self._first = self._make(self._net)
        return self._first

    def forget(self) -> None:
        """Make all forms anew, when they are asked for: the network has other weights."""
        self._first = None
        self._fixed.clear()

    def of(self, fed: Mapping[str, Array]) -> F:
        """The form for some inputs; of those for one size the last few are kept.

        Raises:
            CaffeError: the network cannot take these sizes.
        """
        if not fed or _takes(self.first.inputs, fed):
            return self.first
        key = tuple((name, array.shape) for name, array in fed.items())
        form = self._fixed.pop(key, None)
        if form is None:
            try:
                net = resize(self._net, {name: array.shape for name, array in fed.items()})
            except (CaffeError, ValueError) as error:  # a data layer has the size that it has
                raise CaffeError(f"the network cannot take {dict(key)}: {error}") from error
            form = self._make(net)
        self._fixed[key] = form
        if len(self._fixed) > _KEPT:
            del self._fixed[next(iter(self._fixed))]
        return form


def _takes(inputs: Mapping[str, Sizes], fed: Mapping[str, Array]) -> bool:
    """Whether arrays have the sizes that are not free."""
    return all(
        not isinstance(size, int) or size == length
        for name, array in fed.items()
        for size, length in zip(inputs[name], np.shape(array), strict=True)
    )
