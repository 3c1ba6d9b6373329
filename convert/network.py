"""A Caffe network as frozen Python objects: what it says, and nothing more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from convert import prototxt
from convert.caffemodel import CaffeModel, StoredBlob
from convert.errors import CaffeError, NetworkError, WeightsError
from convert.layers import LAYER_TYPES, KerasWeight, LayerParams, Shape, Shapes, UnknownLayer
from convert.layers.base import Array, product
from convert.layers.custom import python_layer
from convert.layers.data import DataLayer, Input
from convert.layers.shape import Split
from convert.names import keras_names
from convert.upgrade import upgrade
from convert.upgrade_v0 import is_padding

_PHASES = ("TRAIN", "TEST")
_AUTOMATIC = "(automatic)"  # Caffe's name for a top that the prototxt does not name


@dataclass(frozen=True, eq=False)
class Blob:
    """One version of a named blob: a layer that works in place makes a new one.

    Attributes:
        name: Caffe's name.
        shape: Caffe's axis order; None where a layer of unknown type made it.
        layer: name of the layer that made it.
        index: which of that layer's tops it is.
        maker: ``keras_name`` of that layer, which is unique.
    """

    name: str
    shape: Shape | None
    layer: str
    index: int
    maker: str

    @property
    def key(self) -> tuple[str, int]:
        """Who made the content: the same for blobs that share memory."""
        return self.maker, self.index


@dataclass(frozen=True)
class ParamSpec:
    """``ParamSpec``: how one parameter blob is shared and trained.

    Attributes:
        name: the blob is shared with all that have this name; ``""`` for none.
        lr_mult: factor of the learning rate; 0 freezes the blob.
        decay_mult: factor of the weight decay.
    """

    name: str = ""
    lr_mult: float = 1.0
    decay_mult: float = 1.0

    @classmethod
    def read(cls, message: Any) -> ParamSpec:
        """Take a ParamSpec message's set fields."""
        given = ("name", "lr_mult", "decay_mult")
        return cls(**{field: getattr(message, field) for field in given if message.HasField(field)})


@dataclass(frozen=True, eq=False)
class Layer:
    """One layer: name, type, typed parameters, blobs.

    Attributes:
        name: Caffe's name, unchanged.
        keras_name: the name of its Keras layer.
        type: Caffe's type, e.g. ``"InnerProduct"``.
        params: typed parameters.
        bottoms: blobs it reads.
        tops: blobs it makes, in-place ones included.
        aliases: blobs that share memory with an in-place top, and change with it.
        weight_shapes: shapes of its parameter blobs in Caffe's layout; None where
            the type is unknown.
        flattened: shape of the map whose elements, in C, H, W order, it reads as one
            vector an image; None where there is no map, or it is not known.
        param_specs: what the prototxt says of its parameter blobs, in their order; may
            be shorter than ``weight_shapes``.
        propagate_down: for each bottom whether the gradient passes; empty: wherever
            it is needed.
        line: where it starts in the prototxt, 0 where it has no line.
        path: the file that the network came from.
    """

    name: str
    keras_name: str
    type: str
    params: LayerParams
    bottoms: tuple[Blob, ...]
    tops: tuple[Blob, ...]
    aliases: tuple[Blob, ...]
    weight_shapes: Shapes | None
    flattened: Shape | None
    param_specs: tuple[ParamSpec, ...]
    propagate_down: tuple[bool, ...]
    line: int
    path: str

    @property
    def flattened_channels(self) -> int | None:
        """Channels of the map that the layer flattens, if any."""
        return None if self.flattened is None else self.flattened[1]

    def keras_weights(self, blobs: Sequence[Array]) -> list[KerasWeight]:
        """The layer's blobs as Keras holds them, without copying.

        Raises:
            WeightsError: the blobs are not those of such a layer.
        """
        try:
            return self.params.keras_weights(blobs, self.flattened_channels)
        except ValueError as error:
            raise WeightsError(
                f"layer {self.name!r} ({self.type}) cannot hold blobs of shapes "
                f"{[blob.shape for blob in blobs]}: {error}"
            ) from error


@dataclass(frozen=True)
class NetState:
    """The state a network is loaded for; ``phase`` None keeps every layer."""

    phase: str | None = "TEST"
    level: int = 0
    stages: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.phase not in (*_PHASES, None):
            raise ValueError(f"phase must be one of {_PHASES}. Received: phase={self.phase!r}")

    def keeps(self, layer: Any) -> bool:
        """Whether a layer's include and exclude rules let it in."""
        if self.phase is None:
            return True
        if layer.include and layer.exclude:
            raise NetworkError("give either 'include' or 'exclude' rules, not both")
        if layer.include:
            return any(self._meets(rule) for rule in layer.include)
        return not any(self._meets(rule) for rule in layer.exclude)

    def _meets(self, rule: Any) -> bool:
        return (
            (not rule.HasField("phase") or _PHASES[rule.phase] == self.phase)
            and (not rule.HasField("min_level") or self.level >= rule.min_level)
            and (not rule.HasField("max_level") or self.level <= rule.max_level)
            and all(stage in self.stages for stage in rule.stage)
            and not any(stage in self.stages for stage in rule.not_stage)
        )


@dataclass(frozen=True, eq=False)
class Network:
    """A Caffe network in the state (phase, level, stages) it was loaded for.

    Attributes:
        name: the network's name.
        layers: in Caffe's order, which is topological.
        inputs: blobs fed from outside.
        outputs: blobs nobody consumes.
        path: the file it came from, for messages.
        text: the prototxt, as read.
        message: the NetParameter in the current form, without blobs.
        state: the state it was loaded for.
    """

    name: str
    layers: tuple[Layer, ...]
    inputs: tuple[Blob, ...]
    outputs: tuple[Blob, ...]
    path: str
    text: str = field(repr=False)
    message: Any = field(repr=False)
    state: NetState = field(repr=False)

    @property
    def blobs(self) -> dict[str, Blob]:
        """Blob name -> its final version, in the order Caffe makes them."""
        return {b.name: b for layer in self.layers for b in (*layer.tops, *layer.aliases)}

    @cached_property
    def resizable(self) -> bool:
        """Whether the inputs may have any height and width: no weight depends on them."""
        try:
            free = _Builder(self.path, self.state, free_sizes=True).build(
                self.message, [0] * len(self.message.layer)
            )
        except NetworkError:
            return False
        return all(
            None not in shape for layer in free.layers for shape in layer.weight_shapes or ()
        )

    @property
    def unnamed(self) -> tuple[Blob, ...]:
        """Tops that Caffe adds to losses by itself; it does not count them as outputs."""
        return tuple(top for layer in self.layers for top in layer.tops if top.name == _AUTOMATIC)

    def place(self, layer: Layer) -> str:
        """Where a layer stands, for messages: ``net.prototxt:12: layer 'fc6' (InnerProduct)``."""
        return _place(self.path, layer.line, layer.name, layer.type)

    def layer(self, name: str) -> Layer:
        """The layer with a Caffe name.

        Raises:
            KeyError: there is none.
        """
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise KeyError(name)


def load_network(
    path: str | Path, phase: str = "TEST", level: int = 0, stages: Sequence[str] = ()
) -> Network:
    """Read a prototxt as the network Caffe would build in a state.

    Args:
        path: a prototxt file, current or V1 form.
        phase: ``"TEST"`` or ``"TRAIN"``.
        level: the state's level.
        stages: the state's stages.

    Raises:
        CaffeError: the file or the network is wrong; the message names the file,
            line, layer and field.
    """
    parsed = prototxt.read_net(path)
    return build_network(
        parsed.message,
        path=parsed.path,
        lines=parsed.layer_lines,
        state=NetState(phase, level, tuple(stages)),
    )


def network_of(model: CaffeModel) -> Network:
    """The network that a ``.caffemodel`` carries beside its weights.

    It serves to lay out the weights, not to run: the layers are often those of
    training, and some writers leave out their parameters, so what the blobs tell is
    believed, and sizes of images stay open.

    Raises:
        NetworkError: the file holds weights only.
    """
    if not model.net.layer and not model.net.layers:
        raise NetworkError(f"{model.path} holds weights only; give the prototxt as well")
    return build_network(model.net, path=model.path, state=NetState(phase=None), stored=model)


def build_network(
    message: Any,
    *,
    path: str = "<net>",
    lines: Sequence[int] = (),
    state: NetState | None = None,
    stored: CaffeModel | None = None,
) -> Network:
    """Build a Network from a NetParameter; see :func:`load_network`, :func:`network_of`."""
    try:
        net = upgrade(message)
    except NetworkError as error:
        raise NetworkError(f"{path}: {error}") from error
    state = state or NetState()
    state = replace(state, stages=(*message.state.stage, *state.stages))
    old = message.layers or message.layer
    kept = [line for line, layer in zip(lines, old, strict=False) if not is_padding(layer)]
    lines = [0] * (len(net.layer) - len(kept)) + kept  # first comes an Input that was added
    return _Builder(path, state, stored=stored).build(net, lines)


class _Builder:
    """Walks the layers once, in order, resolving blobs and shapes."""

    def __init__(
        self,
        path: str,
        state: NetState,
        free_sizes: bool = False,
        stored: CaffeModel | None = None,
    ) -> None:
        self.path = path
        self.state = state
        self.free_sizes = free_sizes
        self.stored = stored
        self.current: dict[str, Blob] = {}
        self.readers: Counter[Blob] = Counter()
        self.makers: dict[Blob, Layer] = {}
        self.memory: dict[str, set[str]] = {}
        self.shared: dict[str, tuple[str, Shape]] = {}

    def build(self, net: Any, lines: Sequence[int]) -> Network:
        kept = []
        for name in _names_in(net):
            if not isinstance(name, str) or "\0" in name:
                raise NetworkError(f"{self.path}: the name {name!r} is not plain text")
        for layer, line in zip(net.layer, lines, strict=True):
            try:
                if self.state.keeps(layer):
                    kept.append((layer, line))
            except NetworkError as error:
                raise self.located(error, layer, line) from error
        if not kept:
            raise NetworkError(
                f"{self.path}: no layers for phase {self.state.phase}, level {self.state.level}, "
                f"stages {list(self.state.stages)}"
            )
        names = keras_names(layer.name or layer.type for layer, _ in kept)
        layers = []
        for (layer, line), name in zip(kept, names, strict=True):
            try:
                layers.append(self.layer(layer, line, name))
            except CaffeError as error:
                raise self.located(error, layer, line) from error
        inputs = tuple(
            blob
            for layer in layers
            if isinstance(layer.params, Input | DataLayer)
            for blob in layer.tops
        )
        outputs = tuple(blob for blob in self.current.values() if blob not in self.readers)
        return Network(
            net.name,
            tuple(layers),
            inputs,
            outputs,
            self.path,
            prototxt.to_text(net),
            net,
            self.state,
        )

    def located(self, error: CaffeError, layer: Any, line: int) -> NetworkError:
        return NetworkError(f"{_place(self.path, line, layer.name, layer.type)}: {error}")

    def layer(self, message: Any, line: int, keras_name: str) -> Layer:
        if not message.type:
            raise NetworkError("field 'type' is missing")
        params = self.params(message)
        _check_count("bottom", len(message.bottom), params.bottom_count)
        if message.top or not params.auto_top:
            _check_count("top", len(message.top), params.top_count)
        bottoms = tuple(self.bottom(name) for name in message.bottom)
        shapes = tuple(blob.shape for blob in bottoms if blob.shape is not None)
        known = len(shapes) == len(bottoms) and not isinstance(params, UnknownLayer)
        names = tuple(message.top) or (_AUTOMATIC,) * params.auto_top
        try:
            top_shapes = params.top_shapes(shapes, len(names)) if known else None
            weight_shapes = params.weight_shapes(shapes) if known else None
        except NetworkError:
            if self.stored is None:
                raise
            top_shapes = weight_shapes = None  # it is not run, its weights are still read
        if top_shapes and (self.stored is not None or (self.free_sizes and not bottoms)):
            top_shapes = tuple(_any_size(shape) for shape in top_shapes)
        if weight_shapes and self.stored is not None:
            weight_shapes = tuple((None,) * len(shape) for shape in weight_shapes)
        if weight_shapes is not None and self.stored is None:
            self.check_params(message, weight_shapes)
        if self.stored is None:
            for index in range(len(message.top)):
                self.check_top(message, index, params)
        tops = tuple(
            Blob(
                name,
                None if top_shapes is None else top_shapes[index],
                message.name,
                index,
                keras_name,
            )
            for index, name in enumerate(names)
        )
        aliases = self.aliases(params, bottoms, tops)
        self.readers.update({a: n for a in aliases if (n := self.readers[self.current[a.name]])})
        if message.top:
            self.current.update({blob.name: blob for blob in (*tops, *aliases)})
        layer = Layer(
            name=message.name,
            keras_name=keras_name,
            type=message.type,
            params=params,
            bottoms=bottoms,
            tops=tops,
            aliases=aliases,
            weight_shapes=weight_shapes,
            flattened=self.flattened(params, bottoms),
            param_specs=tuple(ParamSpec.read(spec) for spec in message.param),
            propagate_down=tuple(message.propagate_down),
            line=line,
            path=self.path,
        )
        self.makers.update(dict.fromkeys((*tops, *aliases), layer))
        return layer

    def aliases(
        self, params: LayerParams, bottoms: Sequence[Blob], tops: Sequence[Blob]
    ) -> tuple[Blob, ...]:
        """A Split's blobs share memory: what changes one in place changes all."""
        if isinstance(params, Split):
            names = {blob.name for blob in (*bottoms, *tops)}
            names |= {name for known in names for name in self.memory.get(known, ())}
            self.memory.update(dict.fromkeys(names, names))
            return ()
        return tuple(
            replace(top, name=name)
            for top, bottom in zip(tops, bottoms, strict=False)
            if top.name == bottom.name
            for name in sorted(self.memory.get(top.name, ()))
            if name != top.name
        )

    def params(self, message: Any) -> LayerParams:
        cls = LAYER_TYPES.get(message.type, UnknownLayer)
        if message.type == "Python":
            cls = python_layer(message) or cls
        if self.stored is None:
            return cls.read(message)
        try:
            return cls.read(message)
        except NetworkError:
            layer = self.stored.layers.get(message.name)
            shapes = [blob.shape for blob in layer.blobs] if layer else []
            return cls.from_blobs(shapes) or UnknownLayer()

    def bottom(self, name: str) -> Blob:
        if name not in self.current:
            raise NetworkError(
                f"bottom {name!r} is made by no layer before it; blobs so far: "
                f"{', '.join(self.current) or 'none'}"
            )
        blob = self.current[name]
        self.readers[blob] += 1
        return blob

    def check_top(self, message: Any, index: int, params: LayerParams) -> None:
        """Caffe's rules for tops: made once, or in place on a blob that nobody else reads."""
        name = message.top[index]
        if name in message.top[:index]:
            raise NetworkError(f"top {name!r} is given twice")
        made = self.current.get(name)
        if made is None:
            return
        if index >= len(message.bottom) or message.bottom[index] != name:
            raise NetworkError(f"top {name!r} is already made by layer {made.layer!r}")
        if not params.in_place:
            raise NetworkError(f"top {name!r} is its bottom, but this type cannot work in place")
        if self.readers[made] > 1:
            raise NetworkError(
                f"top {name!r}: works in place on a blob that is read elsewhere too; give the top "
                "another name"
            )

    def check_params(self, message: Any, shapes: Shapes) -> None:
        """Caffe's rules for ``param``: one a blob at most, shared blobs alike."""
        if len(message.param) > len(shapes):
            raise NetworkError(f"{len(message.param)} 'param' for {len(shapes)} parameter blobs")
        for spec, shape in zip(message.param, shapes, strict=False):
            owner, owned = self.shared.setdefault(spec.name, (message.name, shape))
            if not spec.name or None in (*shape, *owned):
                continue
            sizes = (product(shape), product(owned)) if spec.share_mode else (shape, owned)
            if sizes[0] != sizes[1]:
                raise NetworkError(
                    f"param {spec.name!r} is shared with layer {owner!r}, whose blob has shape "
                    f"{owned}; here it needs {shape}"
                )

    def flattened(self, params: LayerParams, bottoms: Sequence[Blob]) -> Shape | None:
        if not params.flattens:
            return None
        blob = bottoms[0]
        while blob in self.makers and self.makers[blob].params.elementwise:
            blob = self.makers[blob].bottoms[0]
        maker = self.makers.get(blob)
        if maker is not None and maker.params.flattens and len(maker.tops[0].shape or ()) == 2:
            if maker.weight_shapes:
                return None
            return maker.flattened
        return blob.shape if blob.shape is not None and len(blob.shape) > 2 else None


def _place(path: str, line: int, name: str, kind: str) -> str:
    return f"{path}:{line}: layer {name!r} ({kind})" if line else f"{path}: layer {name!r} ({kind})"


def _names_in(net: Any) -> Iterator[str]:
    yield net.name
    for layer in net.layer:
        yield from (layer.name, layer.type, *layer.bottom, *layer.top)


def _any_size(shape: Shape) -> Shape:
    """A shape with batch and sizes left open; the channels stay."""
    return (None, *shape[1:2], *(None,) * len(shape[2:]))


def _check_count(side: str, count: int, limits: tuple[int, int | None]) -> None:
    fewest, most = limits
    if count < fewest or (most is not None and count > most):
        wanted = (
            f"{fewest}"
            if fewest == most
            else f"{fewest} to {'any number' if most is None else most}"
        )
        raise NetworkError(f"needs {wanted} {side} blobs, has {count}")


def fit_weights(network: Network, model: Mapping[str, list[Array]]) -> dict[str, list[Array]]:
    """The blobs of a weights file, checked against a network and in its shapes.

    Args:
        network: the network the weights are for.
        model: Caffe layer name -> blobs, e.g. a CaffeModel.

    Returns:
        Layer name -> blobs, for the layers that both have.

    Raises:
        WeightsError: the file belongs to another network; the first layer that
            does not fit is named with both shapes.
    """
    fitted = {}
    source = getattr(model, "path", "the weights")
    for layer in network.layers:
        if layer.name not in model:
            continue
        shapes = _stored_shapes(model, layer.name)
        wanted = layer.weight_shapes
        if wanted is None:
            wanted = _open_shapes(shapes, layer.params.weight_ranks)
        where = f"{source}: layer {layer.name!r} ({layer.type})"
        if len(shapes) != len(wanted):
            raise WeightsError(
                f"{where} holds {len(shapes)} blobs, the network needs {len(wanted)}; "
                "the weights belong to another network"
            )
        for index, (shape, want) in enumerate(zip(shapes, wanted, strict=True)):
            if not _fits(shape, want):
                raise WeightsError(
                    f"{where} holds blob {index} of shape {shape}, the network needs {want}; "
                    "the weights belong to another network"
                )
        fitted[layer.name] = [
            blob.reshape(blob.shape[blob.ndim - len(want) :])
            for blob, want in zip(model[layer.name], wanted, strict=True)
        ]
    with_weights = [layer.name for layer in network.layers if layer.weight_shapes]
    if with_weights and not fitted:
        raise WeightsError(
            f"{source}: none of its layers ({', '.join(list(model)[:5])}, ...) is a layer with "
            f"weights of {network.path} ({', '.join(with_weights[:5])}, ...)"
        )
    return fitted


def _stored_shapes(model: Mapping[str, list[Array]], name: str) -> list[tuple[int, ...]]:
    if isinstance(model, CaffeModel):
        blobs: Sequence[StoredBlob | Array] = model.layers[name].blobs
    else:
        blobs = model[name]
    return [tuple(blob.shape) for blob in blobs]


def _open_shapes(
    shapes: Sequence[tuple[int, ...]], ranks: Sequence[int | None]
) -> tuple[Shape, ...]:
    """Shapes to fit into where only the number of axes is known, or not even that (None)."""
    ranks = (*ranks, *(None,) * (len(shapes) - len(ranks)))
    return tuple(
        (None,) * (len(shape) if rank is None else rank)
        for shape, rank in zip(shapes, ranks, strict=False)
    )


def _fits(shape: tuple[int, ...], want: Shape) -> bool:
    """Whether a stored shape is the wanted one; legacy shapes lead with ones."""
    extra = len(shape) - len(want)
    if extra < 0:
        return False
    return all(size == 1 for size in shape[:extra]) and all(
        w is None or size == w for size, w in zip(shape[extra:], want, strict=True)
    )
