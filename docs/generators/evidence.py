"""What the tests' nets say of each kind of layer: what Caffe ran of it, and what it becomes."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import keras_fcn
from keras_fcn.caffe.layers import DIALECTS, LAYER_TYPES, LayerParams
from keras_fcn.caffe.net.assembly import load_network
from keras_fcn.caffe.net.network import Network
from keras_fcn.layers.tied import Tied

from tests.golden import LAYERS, LayerCase
from tests.keras_fcn.builder.forks import net
from tests.keras_fcn.unbuilder.fork_cases import CASES

_TRAINED = ("training/*/net.prototxt", "training_files/*/train_val.prototxt")
_MAP_AXES = 4
_MOST_BUILT = 4  # of the nets with a kind


@dataclass
class Evidence:
    """What there is on one kind.

    Attributes:
        cases: nets with it whose blobs are compared with what Caffe gave.
        gradients: those of them whose gradients are, too.
        classes: Keras layers that it becomes.
        any_size: whether nets with it take maps of any size; both, where some do.
        built: of how many nets the classes were looked up.
    """

    cases: int = 0
    gradients: int = 0
    classes: list[type] = field(default_factory=list)
    any_size: set[bool] = field(default_factory=set)
    built: int = 0


def evidence() -> dict[type[LayerParams], Evidence]:
    """Kind -> what there is on it."""
    found: dict[type[LayerParams], Evidence] = {kind: Evidence() for kind in _kinds()}
    with warnings.catch_warnings(), tempfile.TemporaryDirectory() as folder:
        warnings.simplefilter("ignore")
        for case in _golden():
            network = load_network(case.prototxt, **case.state)
            for kind in _kinds_of(network):
                found[kind].cases += 1
                found[kind].gradients += case.has_gradients
            _note_size(found, network)
            _note_classes(found, network, (case.prototxt, case.weights), case.state)
        for prototxt in _trained():
            for kind in _kinds_of(load_network(prototxt, phase="TRAIN")):
                found[kind].cases += 1
        for text, inputs in CASES.values():
            prototxt = net(Path(folder), text, **inputs)
            network = load_network(prototxt)
            _note_size(found, network)
            _note_classes(found, network, (prototxt, None), {})
    return found


def _golden() -> Iterator[LayerCase]:
    for folder in sorted((*LAYERS.iterdir(), *(LAYERS.parent / "forks").iterdir())):
        yield LayerCase(folder)


def _trained() -> Iterator[Path]:
    for pattern in _TRAINED:
        yield from sorted(LAYERS.parent.glob(pattern))


@cache
def _kinds() -> set[type[LayerParams]]:
    return {
        *LAYER_TYPES.values(),
        *(kind for known in DIALECTS.values() for kind in known.values()),
    }


def _kinds_of(network: Network) -> set[type[LayerParams]]:
    return {_kind(layer.params) for layer in network.layers}


def _kind(params: LayerParams) -> type[LayerParams]:
    """The registered class, of which some settings are subclasses."""
    return next(cls for cls in type(params).__mro__ if cls in _kinds())


def _note_size(found: dict[type[LayerParams], Evidence], network: Network) -> None:
    """A net of any size shows it for all its layers, one of a fixed size for its only one."""
    if not any(len(blob.shape or ()) == _MAP_AXES for blob in network.inputs):
        return
    layers = [layer for layer in network.layers if not layer.is_source]
    if network.resizable or len(layers) == 1:
        for layer in layers:
            found[_kind(layer.params)].any_size.add(network.resizable)


def _note_classes(
    found: dict[type[LayerParams], Evidence],
    network: Network,
    files: tuple[Path, Path | None],
    state: dict[str, Any],
) -> None:
    wanted = [x for x in network.layers if found[_kind(x.params)].built < _MOST_BUILT]
    if not wanted:
        return
    made = {layer.name: layer for layer in keras_fcn.from_caffe(*files, **state).layers}
    for layer in wanted:
        evidence = found[_kind(layer.params)]
        evidence.built += 1
        ours = made.get(layer.keras_name)
        cls = type(ours.layer if isinstance(ours, Tied) else ours)
        if ours is not None and not layer.is_source and cls not in evidence.classes:
            evidence.classes.append(cls)
