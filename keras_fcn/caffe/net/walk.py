"""One walk over the layers of a NetParameter that makes a Network."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from keras_fcn.caffe import limits
from keras_fcn.caffe.blobs.caffemodel import CaffeModel
from keras_fcn.caffe.definition import LayerDefinition
from keras_fcn.caffe.errors import CaffeError, NetworkError
from keras_fcn.caffe.layers import LayerParams, Shape, Shapes, UnknownLayer, dialects
from keras_fcn.caffe.layers.custom import CustomLayer, python_layer
from keras_fcn.caffe.layers.data import DataLayer, Input, UnknownSource
from keras_fcn.caffe.layers.dialects import StoredShapes
from keras_fcn.caffe.names import keras_names
from keras_fcn.caffe.net import input_shapes as given_shapes
from keras_fcn.caffe.net import pruning, rules, states
from keras_fcn.caffe.net.aliases import Aliases
from keras_fcn.caffe.net.input_shapes import Sizes
from keras_fcn.caffe.net.learning import InputShapes
from keras_fcn.caffe.net.network import (
    AUTOMATIC,
    Blob,
    Layer,
    NetState,
    Network,
    Sharer,
    place,
)
from keras_fcn.caffe.proto import prototxt
from keras_fcn.caffe.proto.definitions import layer_definition, param_spec
from keras_fcn.caffe.proto.upgrade_forks import Notes, upgrade_forks

_UNKNOWN_MAP: Shape = (None,) * 4


class Walk:
    """Goes through the layers once, in order, resolving blobs and shapes."""

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
        self.memory = Aliases()
        self.losses: set[Blob] = set()
        """Tops with a ``loss_weight``."""
        self.rows: set[Blob] = set()
        """Blobs whose batch is gathered while the network runs."""
        self.top_count = 0
        self.shared: dict[str, tuple[str, Shape]] = {}
        """Name of a shared parameter -> its first layer, and the shape there."""
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
            rules.check_names(layers)
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
            layer = layer_definition(message)
            fillers = self.params_class(layer)[0].read(layer).fillers()
        except NetworkError:  # where it is needed, building it says the same
            fillers = ()
        return Sharer(message.name, tuple(map(param_spec, message.param)), fillers)

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
        return issubclass(self.params_class(layer_definition(message))[0], Input | DataLayer)

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
        params = self.params(layer_definition(message))
        complete = self.is_complete(message, params)
        bottoms = tuple(self.bottom(name) for name in message.bottom)
        names = tuple(message.top) or (AUTOMATIC,) * params.auto_top
        if not self.free_sizes:  # else sizes are left open on purpose
            self.inputs.learn_from_reader(params, bottoms, [blob.shape for blob in bottoms])
        top_shapes, weight_shapes = self.shapes_of(params, bottoms, names, complete)
        if self.stored is None:
            if weight_shapes is not None:
                rules.check_params(message, weight_shapes, self.shared)
            rules.check_tops(message, params, self.current, self.readers)
        known = (None,) * len(names) if top_shapes is None else top_shapes
        tops = tuple(
            Blob(name, known[index], message.name, index, keras_name)
            for index, name in enumerate(names)
        )
        if isinstance(params, Input | DataLayer):
            if not self.free_sizes:  # all is known of them then
                self.inputs.watch(params, tops)
        elif top_shapes is not None:
            self.inputs.learn_channels(message.name, params, bottoms, tops)
        overwritten = self.overwritten(params, bottoms, tops)
        aliases = tuple(
            replace(old, layer=message.name, index=len(tops) + index, maker=keras_name)
            for index, old in enumerate(overwritten)
        )
        rows = params.gathers_rows or not self.rows.isdisjoint(bottoms)
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
            param_specs=tuple(map(param_spec, message.param)),
            propagate_down=tuple(message.propagate_down),
            line=line,
            path=self.path,
        )
        self.note_blobs(message, layer)
        return layer

    def shapes_of(
        self, params: LayerParams, bottoms: Sequence[Blob], names: Sequence[str], complete: bool
    ) -> tuple[Shapes | None, Shapes | None]:
        """Shapes of a layer's tops and of its parameter blobs; None where they are not known."""
        shapes = tuple(blob.shape for blob in bottoms if blob.shape is not None)
        known = complete and len(shapes) == len(bottoms) and not isinstance(params, UnknownLayer)
        if not known:
            return None, None
        is_input = isinstance(params, Input | DataLayer)
        try:
            tops = params.top_shapes(shapes, len(names))
            weights = params.weight_shapes(shapes) if params.tells_weights else None
            if is_input:
                tops = self.inputs.of_layer(params, names, tops)
            for shape in {*tops, *(weights or ())}:
                limits.check_blob(shape)
        except NetworkError:
            if self.stored is None:
                raise
            return None, None  # it is not run, its weights are still read
        if self.stored is not None or (self.free_sizes and is_input):
            tops = tuple(_any_size(shape) for shape in tops)
        if self.stored is not None and weights is not None:
            weights = tuple((None,) * len(shape) for shape in weights)
        return tops, weights

    def overwritten(
        self, params: LayerParams, bottoms: Sequence[Blob], tops: Sequence[Blob]
    ) -> tuple[Blob, ...]:
        """The blobs of other names whose memory an in-place layer changes."""
        shapes = tuple(blob.shape for blob in bottoms if blob.shape is not None)
        if params.shares_memory(shapes, len(tops)):
            self.memory.share((*bottoms, *tops))
            return ()
        return tuple(self.current[name] for name in self.memory.overwritten(bottoms, tops))

    def note_blobs(self, message: Any, layer: Layer) -> None:
        """Keep what later layers need to know of the blobs that a layer makes."""
        made = (*layer.tops, *layer.aliases)
        self.top_count += len(made)
        if self.top_count > limits.MAX_TOPS:
            raise NetworkError(f"the layers up to here make more than {limits.MAX_TOPS} tops")
        for old, new in zip(layer.overwritten, layer.aliases, strict=True):
            if self.readers[old]:
                self.readers[new] = self.readers[old]
            self.origins[new] = self.origins.get(old, old)
        if message.top:
            self.current.update({blob.name: blob for blob in made})
        weights = zip(layer.tops, message.loss_weight, strict=False)
        self.losses.update(top for top, weight in weights if weight)
        if layer.rows:
            self.rows.update(made)
        self.makers.update(dict.fromkeys(made, layer))
        if layer.params.elementwise and layer.bottoms:
            origin = self.origins.get(layer.bottoms[0], layer.bottoms[0])
            self.origins.update(dict.fromkeys(layer.tops, origin))

    def params_class(self, layer: LayerDefinition) -> tuple[type[LayerParams], str]:
        """The class that reads a layer's parameters, and what to tell of the choice."""
        shapes = None if self.shapes is None else self.shapes.get(layer.name, ())
        choice = dialects.choose(layer, shapes, self.dialect)
        cls = choice.params
        if layer.type == "Python":
            cls = python_layer(layer) or cls
        if layer.tops and not layer.bottoms and not shapes and self.stored is None:
            if cls is UnknownLayer:
                cls = UnknownSource
            elif issubclass(cls, CustomLayer):
                cls = cls.source
        return cls, choice.note

    def params(self, layer: LayerDefinition) -> LayerParams:
        cls, note = self.params_class(layer)
        if note:
            self.choices.setdefault((layer.type, note), []).append(layer.name)
        stored = self.shapes.get(layer.name, ()) if self.shapes else ()
        try:
            return cls.read(layer).with_stored(stored)
        except NetworkError:
            if self.stored is None:
                raise
            return cls.from_blobs(stored) or UnknownLayer()

    def is_complete(self, message: Any, params: LayerParams) -> bool:
        """Whether a layer has as many bottoms and tops as its type needs."""
        try:
            rules.check_counts(message, params)
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


def _names_in(net: Any) -> Iterator[str]:
    yield net.name
    for layer in net.layer:
        yield from (layer.name, layer.type, *layer.bottom, *layer.top)


def _any_size(shape: Shape) -> Shape:
    """A shape with batch and sizes left open; the channels stay."""
    return (None, *shape[1:2], *(None,) * len(shape[2:]))
