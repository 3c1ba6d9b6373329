"""Shapes of inputs that the prototxt does not tell, but the weights or the readers do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from keras_fcn.caffe.errors import NetworkError
from keras_fcn.caffe.layers.base import LayerParams, Shape, Shapes, product
from keras_fcn.caffe.layers.data import DataLayer
from keras_fcn.caffe.layers.dialects import StoredShapes
from keras_fcn.caffe.net.input_shapes import Sizes, check_declared, with_sizes
from keras_fcn.caffe.net.layer import Blob
from keras_fcn.caffe.words import argument, either


class ShapeLearnt(Exception):  # noqa: N818  it is no error
    """A layer tells the shape of an input: the walk over the layers begins again with it."""

    def __init__(self, name: str, shape: Shape) -> None:
        super().__init__(name)
        self.name, self.shape = name, shape


class InputShapes:
    """Knowledge of the inputs' shapes as it grows from layer to layer.

    Args:
        given: input -> the sizes that the user gives.
        learnt: input -> its whole shape, as earlier walks found it.
        stored: layer -> shapes of its blobs in the weights file, if there is one.
    """

    def __init__(
        self,
        given: Mapping[str, Sizes] | None = None,
        learnt: Mapping[str, Shape] | None = None,
        stored: Mapping[str, StoredShapes] | None = None,
    ) -> None:
        self.given = given or {}
        self.learnt = learnt or {}
        self.stored = stored or {}
        self.open: set[Blob] = set()
        """Tops of data layers of whose shapes nothing is known but what their readers tell."""
        self.untold: set[Blob] = set()
        """The open inputs, and the ones of which a reader has told something."""
        self.watched: set[Blob] = set()
        """Tops of data layers of which a reader may tell something."""
        self.channels_of: dict[Blob, Blob] = {}
        """Blob -> the input that has as many channels, which the weights are to tell."""

    def of_layer(self, params: LayerParams, names: Sequence[str], shapes: Shapes) -> Shapes:
        """Shapes of an input's tops: learnt ones, else given ones, else what its layer says."""
        if not isinstance(params, DataLayer):
            return shapes
        return tuple(
            self.learnt.get(name) or self._declared(params, name, declared)
            for name, declared in zip(names, shapes, strict=True)
        )

    def _declared(self, params: DataLayer, name: str, declared: Shape) -> Shape:
        if name not in self.given:
            return declared
        shape = with_sizes(name, declared, self.given[name], params.open_axes)
        if not params.open_axes:
            check_declared(name, declared, shape)
        return shape

    def watch(self, params: LayerParams, tops: Sequence[Blob]) -> None:
        """Mark the inputs of which later layers may tell more."""
        is_data = isinstance(params, DataLayer)
        for blob in tops:
            shape, name = blob.shape or (), blob.name
            if isinstance(params, DataLayer) and params.open_axes and name not in self.given:
                self.untold.add(blob)
                if name not in self.learnt:
                    self.open.add(blob)
            if blob in self.open or (is_data and None in shape[1:]):
                self.watched.add(blob)
            if len(shape) > 1 and (shape[1] is None or name in self.given):
                self.channels_of[blob] = blob

    def learn_from_reader(self, params: LayerParams, bottoms: Sequence[Blob]) -> None:
        """Take what the first reader of an input tells of its axes, or of unknown sizes.

        Raises:
            ShapeLearnt: this layer tells something.
        """
        if not self.watched.intersection(bottoms):
            return
        known = tuple(blob.shape for blob in bottoms if blob.shape is not None)
        if len(known) < len(bottoms):
            return
        for index, (blob, own) in enumerate(zip(bottoms, known, strict=True)):
            told = params.bottom_shape(index, known) if blob in self.watched else None
            if told is None:
                continue
            if len(told) == len(own):
                told = tuple(a if a is not None else b for a, b in zip(own, told, strict=True))
            elif blob not in self.open:
                continue
            if told != own:
                raise ShapeLearnt(blob.name, told)

    def learn_channels(
        self, name: str, params: LayerParams, bottoms: Sequence[Blob], tops: Sequence[Blob]
    ) -> None:
        """Take an input's channels from the weights of the first layer that has some for them.

        Raises:
            ShapeLearnt: this layer tells them.
            NetworkError: the user gives others.
        """
        source = self.channels_of.get(bottoms[0]) if bottoms and self.stored else None
        if source is None or source.shape is None:
            return
        shapes = tuple(blob.shape for blob in bottoms if blob.shape is not None)
        stored = self.stored.get(name)
        channels = stored_channels(params, shapes, stored) if stored else None
        if channels is None:
            if keeps_channels(params, shapes, len(tops)):
                self.channels_of.update(dict.fromkeys(tops, source))
        elif source.shape[1] is None:
            raise ShapeLearnt(source.name, (source.shape[0], channels, *source.shape[2:]))
        elif source.shape[1] != channels:
            raise NetworkError(
                f"{argument('input_shapes')}: {source.name!r} has {source.shape[1]} channels, but "
                f"the stored weights of this layer are for {channels}"
            )

    def advice(self, bottoms: Iterable[Blob]) -> str:
        """Advice for an error where only the data tell the shapes of inputs."""
        unsure = any(blob.shape is None or None in blob.shape[1:] for blob in bottoms)
        names = sorted(blob.name for blob in self.untold)
        if not names or not (unsure or self.untold.intersection(bottoms)):
            return ""
        given = either(
            f'input_shapes={{"{names[0]}": (sizes without the batch)}}', f"--input {names[0]}=SIZES"
        )
        return (
            f"; the prototxt does not tell the shape of {', '.join(map(repr, names))}: {given} does"
        )


class OpenInputs(InputShapes):
    """Inputs of which sizes are left open on purpose: nobody tells more of them.

    Args:
        shapes: input -> its shape, None where it is open.
    """

    def __init__(self, shapes: Mapping[str, Shape]) -> None:
        super().__init__()
        self._shapes = shapes

    def of_layer(self, params: LayerParams, names: Sequence[str], shapes: Shapes) -> Shapes:
        """Shapes of an input's tops, as far as they are not open."""
        told = super().of_layer(params, names, shapes)
        return tuple(map(self._shapes.get, names, told))

    def watch(self, params: LayerParams, tops: Sequence[Blob]) -> None:
        """Watch nothing."""


def stored_channels(
    params: LayerParams, bottoms: Shapes, stored: Sequence[Sequence[int]]
) -> int | None:
    """The channels of the first bottom for which a layer has weights of the stored shapes.

    None where the weights do not tell.
    """
    if any(shape is None for shape in stored):  # a blob that another layer holds
        return None
    sizes = {size for shape in stored for size in shape}
    groups, area = getattr(params, "group", 1), product(bottoms[0][2:])
    candidates = {size * groups for size in sizes} | sizes
    if area:
        candidates |= {size // area for size in sizes if size % area == 0}
    unlike = max(candidates, default=0) * groups + groups  # any number of channels would do
    fitting = [
        channels
        for channels in (unlike, *sorted(candidates - {0}))
        if _would_fit(params, _with_channels(bottoms, channels), stored)
    ]
    return fitting[0] if len(fitting) == 1 and fitting[0] != unlike else None


def keeps_channels(params: LayerParams, bottoms: Shapes, tops: int) -> bool:
    """Whether a layer's tops have as many channels as its first bottom, whatever their number."""
    for channels in (840, 1680):  # which most groups and factors divide
        try:
            shapes = params.top_shapes(_with_channels(bottoms, channels), tops)
        except NetworkError:
            return False
        if any(len(shape) < 2 or shape[1] != channels for shape in shapes):
            return False
    return True


def _with_channels(bottoms: Shapes, channels: int) -> Shapes:
    first, *rest = bottoms
    return ((*first[:1], channels, *first[2:]), *rest)


def _would_fit(params: LayerParams, bottoms: Shapes, stored: Sequence[Sequence[int]]) -> bool:
    try:
        wanted = params.weight_shapes(bottoms)
    except NetworkError:
        return False
    return len(wanted) == len(stored) and all(
        set(shape[: len(shape) - len(want)]) <= {1}  # legacy shapes lead with ones
        and all(w in (None, s) for w, s in zip(reversed(want), reversed(shape), strict=False))
        and len(shape) >= len(want)
        for want, shape in zip(wanted, stored, strict=True)
    )
