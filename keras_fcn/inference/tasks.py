"""The task of a network, told by the layers that it ends in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from keras_fcn.cards.card import card_of
from keras_fcn.engines.file_structure import FileStructure
from keras_fcn.engines.structure import NetworkStructure
from keras_fcn.inference.optimized import structure_of
from keras_fcn.inference.structure import OPAQUE, calls_of
from keras_fcn.kept import kept
from keras_fcn.preprocessing.input_arrays import holds_boxes

if TYPE_CHECKING:
    import keras

    from keras_fcn.graph.calls import Call

__all__ = [
    "Task",
    "classifies_at",
    "find_task",
    "function_of",
    "gives_rows",
    "kind_of",
    "scorer",
    "wrong_task",
]

# Classes of layers, by name: those of Keras and of `keras_fcn.layers`.
_BOXES = frozenset(
    {
        "ClusterDetections",
        "DetectionOutput",
        "PriorBox",
        "Proposal",
        "PSROIPooling",
        "Region",
        "ROIAlign",
        "ROIAlignGrid",
        "ROIPooling",
        "TextProposal",
        "YoloDetectionOutput",
    }
)
_SOFTMAX = frozenset({"PixelwiseSoftmax", "Softmax"})
_LABELS = frozenset({"ArgMax"})
# Scores pass these as they are.
_THROUGH = frozenset(
    {"CaffeReshape", "Dropout", "Flatten", "Identity", "Permute", "CaffePermute", "Reshape"}
)
_POOLINGS = (
    "AveragePooling2D",
    "CaffeAveragePooling2D",
    "CaffeMaxPooling2D",
    "GlobalAveragePooling2D",
    "GlobalMaxPooling2D",
    "MaxPooling2D",
    "Reduction",
)
# Channels of OpenPose's outputs: a heat map for each part and the background, two a limb.
_POSES = frozenset({44, 57, 78})
_NONLINEAR = frozenset({"relu", "relu6", "elu", "leaky_relu"})
_JOINS = frozenset({"Add", "Concat", "Concatenate", "Eltwise"})
# A network that ends in one of these gives features, not scores.
_FEATURES: Mapping[str, str] = {
    "BatchNorm": "normalized features",
    "BatchNormalization": "normalized features",
    "Concat": "several maps side by side",
    "Concatenate": "several maps side by side",
    "LocalResponseNormalization": "features",
    "CaffeMaxPooling2D": "features",
    "LSTM": "a sequence",
    "MaxPooling2D": "features",
    "Normalize": "features of unit length",
    "PReLU": "features",
    "ReLU": "features",
    "UnitNormalization": "features of unit length",
}


_ONE_VALUE = "its output is one value"
_FUNCTIONS: Mapping[str, tuple[str, str]] = {
    "classes": ("classify", "a score for each class"),
    "map": ("segment", "a map of classes (rows, columns, classes)"),
    "detections": ("detect", "boxes"),
    "boxes": ("detect", "boxes"),
    "keypoints": ("keypoints", "heat maps of parts"),
    "other": ("embed", "features"),
}


class Task(NamedTuple):
    """Task of a network.

    Attributes:
        kind: `"classes"` of a whole image, a `"map"` of classes, `"detections"`, rows of
            SSD's DetectionOutput, `"boxes"` in another form, `"keypoints"`, heat maps of
            parts, or `"other"`.
        why: what tells, for messages.
        scored: whether a softmax, a sigmoid or an ArgMax says that the values are of classes.
    """

    kind: str
    why: str
    scored: bool = False


def find_task(model: keras.Model) -> Task:
    """Task of a network, told by its card, or else by its layers."""
    told = card_of(model).task
    return Task(told, "its card says so", True) if told else _told_by_layers(structure_of(model))


@kept
def _told_by_layers(model: keras.Model) -> Task:
    """Task told by the last layers, or by the output's axes where the network is no graph.

    A network that scores the positions of a map is for a map of classes. One that gives a
    vector, or one position at any size of its images, is for classes.
    """
    try:
        made = {id(x): call for call in calls_of(model) for x in call.outputs}
    except ValueError:
        made = {}
    kinds = {kind_of(call) for call in made.values()}
    output, *others = model.outputs
    last = made.get(id(output))
    if gives_rows(model):
        return Task("detections", "its output is rows of detections")
    if kinds & _BOXES:
        return Task("boxes", f"it has a layer {min(kinds & _BOXES)}, as detectors do")
    if others:
        return Task("other", f"a model must have one output, this one has {1 + len(others)}")
    if last is not None and _is_pose(last):
        return Task("keypoints", f"it ends in {output.shape[-1]} heat maps and limbs of a pose")
    rank = len(output.shape)
    is_map = rank == 4 and tuple(output.shape[1:3]) != (1, 1)
    if rank not in (2, 4):
        return Task("other", f"its output is {tuple(output.shape)}")
    kind = "map" if is_map else "classes"
    call, scored = scorer(last, made)
    if last is None or call is None or kind_of(last) in OPAQUE:
        if output.shape[-1] == 1:
            return Task("other", _ONE_VALUE + (" a cell" if is_map else ""))
        return Task(kind, "its layers do not tell more", True)
    if hasattr(call.operation, "outputs"):  # a model in the model
        inner = find_task(call.operation)
        return inner._replace(scored=inner.scored or scored)
    if output.shape[-1] == 1 and kind_of(call) not in _LABELS:
        return Task("other", _ONE_VALUE + (" a cell" if is_map else ""))
    if scored:
        return Task(kind, f"it ends in {kind_of(last)}", True)
    return _unscored(kind, call, made)


def function_of(task: Task) -> str:
    """Name of the function, and of the command, that is for a task."""
    return _FUNCTIONS[task.kind][0]


def gives_rows(model: keras.Model) -> bool:
    """Whether a model gives rows of detections as DetectionOutput: (1, rows, 7 or 10, 1)."""
    output, *others = model.outputs
    return not others and holds_boxes(output)


def wrong_task(wanted: str, task: Task, model: keras.Model) -> ValueError:
    """The error of a function that is for other networks.

    Args:
        wanted: the kind of task that it is for.
        task: the network's.
        model: the network.
    """
    function, gives = _FUNCTIONS[wanted]
    use = "" if function_of(task) == function else f", so {function_of(task)} is for it"
    if task.kind == "other":
        use = "; embed gives the values of any layer"
    return ValueError(
        f"{function} is for networks that give {gives}; {task.why}{use}. Received: {model.name!r}"
    )


def _is_pose(last: Call) -> bool:
    """Whether a network ends as OpenPose's do: in what two convolutions give, side by side."""
    joined = last.outputs[0].shape
    return kind_of(last) in ("Concat", "Concatenate") and len(joined) == 4 and joined[-1] in _POSES


def classifies_at(model: keras.Model, size: tuple[int, int]) -> bool:
    """Whether a network classifies images of one size, though it takes any.

    That is where its output is a vector, or a map whose one position, at that size, is made by a
    pooling over all that is left of the image. A classifier that was cast to convolutions has such
    a position too, made by a convolution: its map is what it is cast for.
    """
    kind = find_task(model).kind
    if kind != "map" or card_of(model).task:
        return kind == "classes"
    return _pools_to_one(structure_of(model), size)


@kept
def _pools_to_one(model: keras.Model, size: tuple[int, int]) -> bool:
    """Whether a pooling over all of an image of one size makes a map's only position."""
    chain = [model.outputs[0]]
    made = {id(x): call for call in calls_of(model) for x in call.outputs}
    kinds = ["output"]
    while (call := made.get(id(chain[-1]))) is not None and call.inputs:
        kinds.append(kind_of(call))
        chain.append(call.inputs[0])
    shapes = _shapes_at(model, chain, size)
    for kind, after, before in zip(kinds[1:], shapes, shapes[1:], strict=False):
        if tuple(after[1:3]) != (1, 1):
            return False
        if len(before) == 4 and tuple(before[1:3]) != (1, 1):
            return kind in _POOLINGS
    return False


def _shapes_at(model: Any, tensors: Sequence[Any], size: tuple[int, int]) -> Sequence[Any]:
    """The shapes of some tensors for an image of a size."""
    if isinstance(model, FileStructure):
        return [tensor.shape for tensor in tensors]
    if isinstance(model, NetworkStructure):
        known = model.shapes_at(size) or {}
        return [known.get(id(tensor), tensor.shape) for tensor in tensors]
    import keras

    shape = (1, *size, model.inputs[0].shape[-1])
    found: Sequence[Any] = keras.Model(model.inputs, list(tensors)).compute_output_shape(shape)
    return found


def scorer(last: Call | None, made: Mapping[int, Call]) -> tuple[Call | None, bool]:
    """The call that makes the scores, and whether they are known for scores of classes."""
    call, scored = last, False
    while call is not None and call.inputs:
        kind, activation = kind_of(call), _activation(call)
        scored = scored or kind in _SOFTMAX | _LABELS or activation in ("softmax", "sigmoid")
        if scored or not (kind in _THROUGH or (kind == "Activation" and activation == "linear")):
            break
        call = made.get(id(call.inputs[0]))
    return call, scored


def _unscored(kind: str, call: Call, made: Mapping[int, Call]) -> Task:
    """The task of a network that ends in no softmax."""
    name = kind_of(call)
    if name in _FEATURES or _activation(call) in _NONLINEAR:
        return Task("other", f"it ends in {name}: {_FEATURES.get(name, 'features')}")
    before = made.get(id(call.inputs[0])) if call.inputs else None
    if (
        before is not None
        and kind_of(before) in _SOFTMAX
        and getattr(call.operation, "weights", None)
    ):
        return Task("other", f"{name} computes values from probabilities")
    if kind == "map":
        return Task(kind, f"it ends in {name}")
    if name in _POOLINGS:
        if _pools_features(call, made):
            return Task("other", f"it ends in {name} of features")
        return Task(kind, f"it ends in {name} of scores", True)
    return Task("classes", f"it ends in {name}, with no softmax")


def _pools_features(call: Call, made: Mapping[int, Call]) -> bool:
    """Whether a pooling reads sums or several maps side by side, which no layer scores."""
    before = made.get(id(call.inputs[0]))
    while before is not None and kind_of(before) in ("Activation", "ReLU") and before.inputs:
        before = made.get(id(before.inputs[0]))
    return before is not None and kind_of(before) in _JOINS


def kind_of(call: Call) -> str:
    """The class of a call's layer, as Keras has it."""
    operation = call.operation
    own = type(operation).__name__
    if own == "Tied":
        return type(operation.layer).__name__
    return str(getattr(operation, "kind", own)) if own == "Operation" else own


def _activation(call: Call) -> str | None:
    activation: Any = getattr(call.operation, "activation", None)
    return getattr(activation, "__name__", None)
