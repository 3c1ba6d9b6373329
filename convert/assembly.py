"""Prototxt messages -> a Network: one walk over the layers, resolving blobs and shapes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from convert import limits, prototxt
from convert.caffemodel import CaffeModel
from convert.errors import CaffeError, NetworkError
from convert.layers import LayerParams, Shape, Shapes, UnknownLayer, dialects
from convert.layers.base import product
from convert.layers.custom import python_layer
from convert.layers.data import DataLayer, Input
from convert.layers.dialects import StoredShapes
from convert.names import keras_names
from convert.network import AUTOMATIC, Blob, Layer, NetState, Network, ParamSpec, place
from convert.upgrade import upgrade
from convert.upgrade_v0 import is_padding

_UNKNOWN_MAP: Shape = (None,) * 4


def load_network(
    path: str | Path,
    phase: str = "TEST",
    level: int = 0,
    stages: Sequence[str] = (),
    *,
    dialect: str | None = None,
    shapes: Mapping[str, StoredShapes] | None = None,
    max_bytes: int | None = limits.MAX_BYTES,
) -> Network:
    """Read a prototxt as the network Caffe would build in a state.

    Args:
        path: a prototxt file, current or V1 form.
        phase: ``"TEST"`` or ``"TRAIN"``.
        level: the state's level.
        stages: the state's stages.
        dialect: the fork of Caffe that the network is for, such as ``"segnet"``. Without
            it, types that forks define differently are told apart by their parameters
            and blobs; ``Network.notes`` says how they were taken.
        shapes: layer name -> shapes of its blobs in the weights file, see
            :func:`convert.fitting.stored_shapes`; they help to tell forks apart.
        max_bytes: refuse a network whose weights and blobs for one image would take more
            memory, as float32; None: none is refused.

    Raises:
        CaffeError: the file or the network is wrong; the message names the file,
            line, layer and field.
        ValueError: no such dialect or phase.
    """
    dialects.check(dialect)
    state = NetState(phase, level, tuple(stages))
    parsed = prototxt.read_net(path, state.keeps)
    network = build_network(
        parsed.message,
        path=parsed.path,
        lines=parsed.layer_lines,
        state=state,
        dialect=dialect,
        shapes=shapes,
    )
    limits.check_memory(network, max_bytes)
    return replace(network, notes=(*parsed.notes, *network.notes))


def network_of(model: CaffeModel, dialect: str | None = None) -> Network:
    """The network that a ``.caffemodel`` carries beside its weights.

    It serves to lay out the weights, not to run: the layers are often those of
    training, and some writers leave out their parameters, so what the blobs tell is
    believed, and sizes of images stay open.

    Raises:
        NetworkError: the file holds weights only.
    """
    if not model.net.layer and not model.net.layers:
        raise NetworkError(f"{model.path} holds weights only; give the prototxt as well")
    dialects.check(dialect)
    network = build_network(
        model.net, path=model.path, state=NetState(phase=None), stored=model, dialect=dialect
    )
    return replace(network, notes=(*model.notes, *network.notes))


def build_network(
    message: Any,
    *,
    path: str = "<net>",
    lines: Sequence[int] = (),
    state: NetState | None = None,
    stored: CaffeModel | None = None,
    dialect: str | None = None,
    shapes: Mapping[str, StoredShapes] | None = None,
) -> Network:
    """Build a Network from a NetParameter; see :func:`load_network`, :func:`network_of`."""
    count = len(message.layer) + len(message.layers)
    if count > limits.MAX_LAYERS:
        raise NetworkError(f"{path} has {count} layers; at most {limits.MAX_LAYERS} are allowed")
    if stored is not None and not (message.input_shape or message.input_dim):
        message = _without_inputs(message)  # old writers kept their names alone
    try:
        net = upgrade(message)
    except NetworkError as error:
        raise NetworkError(f"{path}: {error}") from error
    state = state or NetState()
    state = replace(state, stages=(*message.state.stage, *state.stages))
    old = message.layers or message.layer
    kept = [line for line, layer in zip(lines, old, strict=False) if not is_padding(layer)]
    lines = [0] * (len(net.layer) - len(kept)) + kept  # first comes an Input that was added
    if stored is not None:
        shapes = {
            name: [blob.shape for blob in layer.blobs] for name, layer in stored.layers.items()
        }
    assembly = Assembly(path, state, stored=stored, dialect=dialect, shapes=shapes)
    return assembly.build(net, lines)


class Assembly:
    """Walks the layers once, in order, resolving blobs and shapes."""

    def __init__(
        self,
        path: str,
        state: NetState,
        free_sizes: bool = False,
        stored: CaffeModel | None = None,
        dialect: str | None = None,
        shapes: Mapping[str, StoredShapes] | None = None,
    ) -> None:
        self.path = path
        self.state = state
        self.free_sizes = free_sizes
        self.stored = stored
        self.dialect = dialect
        self.shapes = shapes
        self.choices: dict[tuple[str, str], list[str]] = {}
        self.current: dict[str, Blob] = {}
        self.readers: Counter[Blob] = Counter()
        self.makers: dict[Blob, Layer] = {}
        self.origins: dict[Blob, Blob] = {}
        """Blob -> the one whose elements it has in the same places, before elementwise layers."""
        self.memory: dict[str, set[str]] = {}
        self.top_count = 0
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
            tuple(self.notes()),
            self.dialect,
            self.shapes,
        )

    def notes(self) -> Iterator[str]:
        """How types that several forks define were read, one line a type and fork."""
        for (kind, note), (first, *others) in self.choices.items():
            more = f" and {len(others)} more" if others else ""
            yield f"layer {first!r}{more} ({kind}): {note}"

    def located(self, error: CaffeError, layer: Any, line: int) -> NetworkError:
        return NetworkError(f"{place(self.path, line, layer.name, layer.type)}: {error}")

    def layer(self, message: Any, line: int, keras_name: str) -> Layer:
        if not message.type:
            raise NetworkError("field 'type' is missing")
        params = self.params(message)
        complete = self.check_counts(message, params)
        bottoms = tuple(self.bottom(name) for name in message.bottom)
        shapes = tuple(blob.shape for blob in bottoms if blob.shape is not None)
        known = complete and len(shapes) == len(bottoms) and not isinstance(params, UnknownLayer)
        names = tuple(message.top) or (AUTOMATIC,) * params.auto_top
        try:
            top_shapes = params.top_shapes(shapes, len(names)) if known else None
            weight_shapes = params.weight_shapes(shapes) if known else None
            for shape in {*(top_shapes or ()), *(weight_shapes or ())}:
                limits.check_blob(shape)
        except NetworkError:
            if self.stored is None:
                raise
            top_shapes = weight_shapes = None  # it is not run, its weights are still read
        is_input = isinstance(params, Input | DataLayer)
        if top_shapes and (self.stored is not None or (self.free_sizes and is_input)):
            top_shapes = tuple(_any_size(shape) for shape in top_shapes)
        if weight_shapes and self.stored is not None:
            weight_shapes = tuple((None,) * len(shape) for shape in weight_shapes)
        if weight_shapes is not None and self.stored is None:
            self.check_params(message, weight_shapes)
        if self.stored is None:
            repeated = [name for name, count in Counter(names).items() if count > 1]
            if repeated and message.top:
                raise NetworkError(f"top {repeated[0]!r} is given twice")
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
        if not params.shares_memory(shapes, len(tops)):
            overwritten = self.overwritten(bottoms, tops)
        else:
            overwritten = ()
            self.share_memory((*bottoms, *tops))
        aliases = tuple(
            replace(old, layer=message.name, index=len(tops) + index, maker=keras_name)
            for index, old in enumerate(overwritten)
        )
        self.top_count += len(tops) + len(aliases)
        if self.top_count > limits.MAX_TOPS:
            raise NetworkError(f"the layers up to here make more than {limits.MAX_TOPS} tops")
        for old, new in zip(overwritten, aliases, strict=True):
            if self.readers[old]:
                self.readers[new] = self.readers[old]
            self.origins[new] = self.origins.get(old, old)
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
            overwritten=overwritten,
            weight_shapes=weight_shapes,
            flattened=self.flattened(params, bottoms),
            param_specs=tuple(ParamSpec.read(spec) for spec in message.param),
            propagate_down=tuple(message.propagate_down),
            line=line,
            path=self.path,
        )
        self.makers.update(dict.fromkeys((*tops, *aliases), layer))
        if params.elementwise and bottoms:
            origin = self.origins.get(bottoms[0], bottoms[0])
            self.origins.update(dict.fromkeys(tops, origin))
        return layer

    def share_memory(self, blobs: Sequence[Blob]) -> None:
        """Note that blobs share memory: what changes one in place changes all."""
        group: set[str] = set()
        for blob in blobs:
            other = self.memory.get(blob.name, {blob.name})
            if other is not group:
                small, group = sorted((group, other), key=len)
                group |= small
                self.memory.update(dict.fromkeys(small, group))
        self.memory.update((blob.name, group) for blob in blobs)

    def overwritten(self, bottoms: Sequence[Blob], tops: Sequence[Blob]) -> tuple[Blob, ...]:
        """The blobs of other names whose memory an in-place layer changes."""
        return tuple(
            self.current[name]
            for top, bottom in zip(tops[:1], bottoms, strict=False)
            if top.name == bottom.name
            for name in sorted(self.memory.get(top.name, ()))
            if name != top.name
        )

    def params(self, message: Any) -> LayerParams:
        shapes = None if self.shapes is None else self.shapes.get(message.name, ())
        choice = dialects.choose(message, shapes, self.dialect)
        if choice.note:
            self.choices.setdefault((message.type, choice.note), []).append(message.name)
        cls = choice.params
        if message.type == "Python":
            cls = python_layer(message) or cls
        if self.stored is None:
            return cls.read(message)
        try:
            return cls.read(message)
        except NetworkError:
            return cls.from_blobs(shapes or ()) or UnknownLayer()

    def check_counts(self, message: Any, params: LayerParams) -> bool:
        """Whether a layer has as many bottoms and tops as its type needs."""
        try:
            _check_count("bottom", len(message.bottom), params.bottom_count)
            if message.top or not params.auto_top:
                _check_count("top", len(message.top), params.top_count)
        except NetworkError:
            if self.stored is None:
                raise
            return False  # some writers leave them out
        return True

    def bottom(self, name: str) -> Blob:
        if name not in self.current and self.stored is not None:
            self.current[name] = Blob(name, _UNKNOWN_MAP, layer="", index=0, maker="")
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
        if not params.flattens or not bottoms:
            return None
        blob = self.origins.get(bottoms[0], bottoms[0])
        maker = self.makers.get(blob)
        if maker is not None and maker.params.flattens and len(maker.tops[0].shape or ()) == 2:
            if maker.weight_shapes:
                return None
            return maker.flattened
        return blob.shape if blob.shape is not None and len(blob.shape) > 2 else None


def _without_inputs(net: Any) -> Any:
    result = type(net)()
    result.CopyFrom(net)
    result.ClearField("input")
    return result


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
