"""Prototxt messages -> a Network: one walk over the layers, resolving blobs and shapes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from convert import input_shapes as given_shapes
from convert import limits, prototxt, pruning, states
from convert.caffemodel import CaffeModel
from convert.errors import CaffeError, NetworkError
from convert.input_shapes import Sizes
from convert.layers import LayerParams, Shape, Shapes, UnknownLayer, dialects
from convert.layers.base import product
from convert.layers.custom import CustomLayer, python_layer
from convert.layers.data import DataLayer, Input, UnknownSource
from convert.layers.dialects import StoredShapes
from convert.learning import InputShapes, ShapeLearnt
from convert.names import keras_names
from convert.network import AUTOMATIC, Blob, Layer, NetState, Network, ParamSpec, Sharer, place
from convert.upgrade import upgrade
from convert.upgrade_forks import Notes, upgrade_forks
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
    input_shapes: Mapping[str, Sequence[int | None]] | None = None,
    outputs: Sequence[str] | None = None,
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
            :func:`convert.fitting.stored_shapes`; they help to tell forks apart, and tell
            the channels of data layers' blobs.
        input_shapes: input blob -> its sizes in Caffe's axis order without the batch, such
            as ``{"data": (3, 227, 227), "label": (1,)}``; None for a size that stays open.
            For the tops of data layers, whose shapes only their data tell, and to give an
            Input another shape than it declares. Sizes that begin with the batch are
            understood where the number of axes is known.
        outputs: blobs to be the outputs, in this order; what they do not need is left out.
            Without it, they are the blobs that no layer reads, or else those that only
            Silence layers read.
        max_bytes: refuse a network whose weights and blobs for one image would take more
            memory, as float32; None: none is refused.

    Raises:
        CaffeError: the file or the network is wrong; the message names the file,
            line, layer and field.
        ValueError: no such dialect or phase; ``input_shapes`` or ``outputs`` of another form.
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
        input_shapes=input_shapes,
        outputs=outputs,
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
    input_shapes: Mapping[str, Sequence[int | None]] | None = None,
    outputs: Sequence[str] | None = None,
    known: Mapping[str, Shape] | None = None,
) -> Network:
    """Build a Network from a NetParameter; see :func:`load_network`, :func:`network_of`.

    ``known`` holds whole shapes of data layers' tops, as a network built before has them.
    """
    given = given_shapes.check_input_shapes(input_shapes)
    outputs = pruning.check_outputs(outputs)
    count = len(message.layer) + len(message.layers)
    if count > limits.MAX_LAYERS:
        raise NetworkError(f"{path} has {count} layers; at most {limits.MAX_LAYERS} are allowed")
    if stored is not None and not (message.input_shape or message.input_dim):
        message = _without_inputs(message)  # old writers kept their names alone
    state = state or NetState()
    state = replace(state, stages=(*message.state.stage, *state.stages))
    try:
        net = upgrade(message)
        given_shapes.declare(net, given, state.keeps)
    except NetworkError as error:
        raise NetworkError(f"{path}: {error}") from error
    old = message.layers or message.layer
    kept = [line for line, layer in zip(lines, old, strict=False) if not is_padding(layer)]
    lines = [0] * (len(net.layer) - len(kept)) + kept  # first comes an Input that was added
    if stored is not None:
        shapes = {
            name: [blob.shape for blob in layer.blobs] for name, layer in stored.layers.items()
        }
    learnt = dict(known or {})
    for _ in range(limits.MAX_LEARNT):
        assembly = Assembly(
            path,
            state,
            stored=stored,
            dialect=dialect,
            shapes=shapes,
            given=given,
            learnt=learnt,
            outputs=outputs,
        )
        copy = type(net)()
        copy.CopyFrom(net)  # a walk changes it
        try:
            return assembly.build(copy, lines)
        except ShapeLearnt as found:
            learnt[found.name] = found.shape
    raise NetworkError(
        f"{path}: the shapes of too many inputs are not told; give them with input_shapes"
    )


def with_outputs(network: Network, outputs: Sequence[str]) -> Network:
    """The part of a network that leads to some blobs, which become its outputs.

    Raises:
        NetworkError: there is no such blob.
        ValueError: ``outputs`` is no list of different names.
    """
    places = iter(network.layers)
    following = next(places, None)
    lines = []
    for message in network.message.layer:
        line = 0
        if following is not None and network.state.keeps(message):
            line, following = following.line, next(places, None)
        lines.append(line)
    part = build_network(
        network.message,
        path=network.path,
        lines=lines,
        state=network.state,
        dialect=network.dialect,
        shapes=network.shapes,
        outputs=outputs,
        known=network.input_shapes,
    )
    return replace(part, notes=network.notes, sharers=network.sharers)


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
        given: Mapping[str, Sizes] | None = None,
        learnt: Mapping[str, Shape] | None = None,
        outputs: tuple[str, ...] | None = None,
    ) -> None:
        self.path = path
        self.state = state
        self.free_sizes = free_sizes
        self.stored = stored
        self.dialect = dialect
        self.shapes = shapes
        self.inputs = InputShapes(given, learnt, shapes if stored is None else None)
        self.outputs = outputs
        self.left_out: list[tuple[Any, int]] = []
        self.choices: dict[tuple[str, str], list[str]] = {}
        self.passed: Notes = {}
        self.current: dict[str, Blob] = {}
        self.readers: Counter[Blob] = Counter()
        self.makers: dict[Blob, Layer] = {}
        self.origins: dict[Blob, Blob] = {}
        """Blob -> the one whose elements it has in the same places, before elementwise layers."""
        self.memory: dict[str, set[str]] = {}
        self.losses: set[Blob] = set()
        """Tops with a ``loss_weight``."""
        self.rows: set[Blob] = set()
        """Blobs whose batch is gathered while the network runs."""
        self.top_count = 0
        self.shared: dict[str, tuple[str, Shape]] = {}
        self.sharers: list[Sharer] = []

    def build(self, net: Any, lines: Sequence[int]) -> Network:
        for name in _names_in(net):
            if not isinstance(name, str) or "\0" in name:
                raise NetworkError(f"{self.path}: the name {name!r} is not plain text")
        kept = self.kept(net, lines)
        names = self.keras_names([layer for layer, _ in kept])
        layers = []
        for (layer, line), name in zip(kept, names, strict=True):
            try:
                layers.append(self.layer(layer, line, name))
            except CaffeError as error:
                raise self.located(error, layer, line) from error
        if self.stored is None and self.state.phase is not None:
            self.check_names(layers)
        inputs = tuple(blob for x in layers if x.is_source for blob in x.tops)
        outputs = self.chosen_outputs(layers)
        if self.outputs is not None:
            net = _of_layers(net, [layer for layer, _ in kept])
            inputs = tuple(blob for blob in inputs if blob in {*self.readers, *outputs})
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
            self.outputs,
            tuple(self.inputs.given),
            tuple(self.sharers),
        )

    def kept(self, net: Any, lines: Sequence[int]) -> list[tuple[Any, int]]:
        """The layers that are in: those of the state, or what the asked outputs need of them."""
        kept: list[tuple[Any, int]] = []
        for layer, line in self.modern(net, lines):
            try:
                is_in = self.state.keeps(layer)
            except NetworkError as error:
                raise self.located(error, layer, line) from error
            (kept if is_in else self.left_out).append((layer, line))
        if not kept:
            hint = states.where_kept(self.left_out, self.state)
            raise NetworkError(
                f"{self.path}: no layers for phase {self.state.phase}, level {self.state.level}, "
                f"stages {list(self.state.stages)}{hint and f'; {hint}'}"
            )
        try:
            inputs = [name for layer, _ in kept if self.is_source(layer) for name in layer.top]
            given_shapes.check_names(
                self.inputs.given,
                inputs,
                lambda name: states.where_made(name, self.left_out, self.state),
            )
            named = [layer for layer, _ in kept if any(spec.name for spec in layer.param)]
            if self.outputs is not None:
                kept = pruning.needed(kept, self.outputs)
            self.sharers = [self.sharer(layer) for layer in named]
        except NetworkError as error:
            raise NetworkError(f"{self.path}: {error}") from error
        return kept

    def sharer(self, message: Any) -> Sharer:
        """A layer that names parameters."""
        try:
            fillers = self.params_class(message)[0].read(message).fillers()
        except NetworkError:  # where it is needed, building it says the same
            fillers = ()
        return Sharer(message.name, tuple(map(ParamSpec.read, message.param)), fillers)

    def keras_names(self, layers: Sequence[Any]) -> list[str]:
        """A name for each layer; those of the input blobs, which Keras has too, come first."""
        sources = [self.is_source(layer) for layer in layers]
        pairs = list(zip(layers, sources, strict=True))
        inputs = [name for layer, is_source in pairs if is_source for name in layer.top]
        named = [x.name or x.type for x, is_source in pairs if not is_source or len(x.top) > 1]
        names = keras_names([*inputs, *named])
        of_inputs, of_layers = iter(names[: len(inputs)]), iter(names[len(inputs) :])
        result = []
        for layer, is_source in pairs:
            own = [next(of_inputs) for _ in layer.top] if is_source else []
            result.append(own[0] if len(own) == 1 else next(of_layers))
        return result

    def is_source(self, message: Any) -> bool:
        """Whether a layer feeds the network from outside."""
        if message.bottom or not message.top:
            return False
        return issubclass(self.params_class(message)[0], Input | DataLayer)

    def chosen_outputs(self, layers: Sequence[Layer]) -> tuple[Blob, ...]:
        """The asked blobs, else those nobody reads, else those that sinks (Silence) alone read.

        A loss with a weight is an output though layers read it: Caffe splits it.
        """
        if self.outputs is not None:
            return tuple(self.current[name] for name in self.outputs)
        read = self.readers.keys() - self.losses
        unread = tuple(blob for blob in self.current.values() if blob not in read)
        if unread or any(top.name == AUTOMATIC for layer in layers for top in layer.tops):
            return unread
        others = {blob for x in layers if x.tops for blob in x.bottoms}
        others.update(blob for x in layers if x.is_source for blob in x.tops)
        return tuple(blob for blob in self.current.values() if blob not in others)

    def modern(self, net: Any, lines: Sequence[int]) -> list[tuple[Any, int]]:
        """The layers and their lines, forks' fields of those that the state keeps brought up."""
        if self.stored is not None:  # it is not run, and its fields may be any fork's
            return list(zip(net.layer, lines, strict=True))
        layers: list[tuple[Any, int]] = []
        for layer, line in zip(net.layer, lines, strict=True):
            try:
                new = upgrade_forks(layer, self.passed) if self.state.keeps(layer) else [layer]
            except NetworkError as error:
                raise self.located(error, layer, line) from error
            layers.extend((each, line) for each in new)
        if len(layers) > len(net.layer):
            copies = [type(layer).FromString(layer.SerializeToString()) for layer, _ in layers]
            del net.layer[:]
            net.layer.extend(copies)
        return [(layer, line) for layer, (_, line) in zip(net.layer, layers, strict=True)]

    def check_names(self, layers: Sequence[Layer]) -> None:
        """Weights are found by their layer's name, which must be one layer's."""
        owners: dict[str, Layer] = {}
        for layer in layers:
            if not layer.weight_shapes:
                continue
            first = owners.setdefault(layer.name, layer)
            if first is not layer:
                where = f" on line {first.line}" if first.line else ""
                raise NetworkError(
                    f"{place(self.path, layer.line, layer.name, layer.type)}: another layer with "
                    f"weights has this name{where}, and a weights file finds them by name; give "
                    "one of the two another name"
                )

    def notes(self) -> Iterator[str]:
        """What was passed over, and how types that several forks define were read."""
        for note, (first, *others) in self.passed.items():
            more = f" and {len(others)} more" if others else ""
            yield f"layer {first!r}{more}: {note}"
        for (kind, note), (first, *others) in self.choices.items():
            more = f" and {len(others)} more" if others else ""
            yield f"layer {first!r}{more} ({kind}): {note}"

    def located(self, error: CaffeError, layer: Any, line: int) -> NetworkError:
        bottoms = [self.current[name] for name in layer.bottom if name in self.current]
        advice = self.inputs.advice(bottoms) if bottoms else ""
        return NetworkError(f"{place(self.path, line, layer.name, layer.type)}: {error}{advice}")

    def layer(self, message: Any, line: int, keras_name: str) -> Layer:
        if not message.type:
            raise NetworkError("field 'type' is missing")
        params = self.params(message)
        complete = self.check_counts(message, params)
        bottoms = tuple(self.bottom(name) for name in message.bottom)
        shapes = tuple(blob.shape for blob in bottoms if blob.shape is not None)
        if not self.free_sizes:  # else sizes are left open on purpose
            self.inputs.learn_from_reader(params, bottoms, [blob.shape for blob in bottoms])
        known = complete and len(shapes) == len(bottoms) and not isinstance(params, UnknownLayer)
        names = tuple(message.top) or (AUTOMATIC,) * params.auto_top
        is_input = isinstance(params, Input | DataLayer)
        try:
            top_shapes = params.top_shapes(shapes, len(names)) if known else None
            told = known and params.tells_weights
            weight_shapes = params.weight_shapes(shapes) if told else None
            if is_input and top_shapes is not None:
                top_shapes = self.inputs.of_layer(params, names, top_shapes)
            for shape in {*(top_shapes or ()), *(weight_shapes or ())}:
                limits.check_blob(shape)
        except NetworkError:
            if self.stored is None:
                raise
            top_shapes = weight_shapes = None  # it is not run, its weights are still read
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
        if is_input:
            if not self.free_sizes:  # all is known of them then
                self.inputs.watch(params, tops)
        elif top_shapes is not None:
            self.inputs.learn_channels(message.name, params, bottoms, tops)
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
        weights = zip(tops, message.loss_weight, strict=False)
        self.losses.update(top for top, weight in weights if weight)
        rows = params.gathers_rows or not self.rows.isdisjoint(bottoms)
        if rows:
            self.rows.update((*tops, *aliases))
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
            rows=rows,
            flattened=self.flattened(params, bottoms),
            param_specs=tuple(map(ParamSpec.read, message.param)),
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

    def params_class(self, message: Any) -> tuple[type[LayerParams], str]:
        """The class that reads a layer's parameters, and what to tell of the choice."""
        shapes = None if self.shapes is None else self.shapes.get(message.name, ())
        choice = dialects.choose(message, shapes, self.dialect)
        cls = choice.params
        if message.type == "Python":
            cls = python_layer(message) or cls
        if message.top and not message.bottom and not shapes and self.stored is None:
            if cls is UnknownLayer:
                cls = UnknownSource
            elif issubclass(cls, CustomLayer):
                cls = cls.source
        return cls, choice.note

    def params(self, message: Any) -> LayerParams:
        cls, note = self.params_class(message)
        if note:
            self.choices.setdefault((message.type, note), []).append(message.name)
        if self.stored is None:
            stored = self.shapes.get(message.name, ()) if self.shapes else ()
            return cls.read(message).with_stored(stored)
        shapes = self.shapes and self.shapes.get(message.name)
        try:
            return cls.read(message).with_stored(shapes or ())
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
            hint = states.where_made(name, self.left_out, self.state)
            problem = f"bottom {name!r} is made by no layer before it"
            if hint:
                raise NetworkError(f"{problem} in phase {self.state.phase}; {hint}")
            raise NetworkError(
                f"{problem}, and is no input (input_shapes or --input would make it one); "
                f"blobs so far: {', '.join(self.current) or 'none'}"
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


def _of_layers(net: Any, layers: Sequence[Any]) -> Any:
    """A copy of a NetParameter that has some of its layers only."""
    result = type(net)()
    copies = [type(layer).FromString(layer.SerializeToString()) for layer in layers]
    result.CopyFrom(net)
    result.ClearField("layer")
    result.layer.extend(copies)
    return result


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
