"""Messages in the current form <-> definitions, and the prototxt of these."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from keras_fcn.caffe.definition import (
    Fields,
    LayerDefinition,
    NetDefinition,
    ParamSpec,
    StateRule,
    Word,
)
from keras_fcn.caffe.errors import NetworkError
from keras_fcn.caffe.limits import MAX_LAYERS
from keras_fcn.caffe.proto import schema
from keras_fcn.caffe.proto.fields import descriptor, fields_of, fill, text_of
from keras_fcn.caffe.proto.upgrade import upgrade
from keras_fcn.caffe.proto.upgrade_v0 import is_padding
from keras_fcn.caffe.records import dataclass

_PHASES = ("TRAIN", "TEST")
# Fields of LayerParameter that have an attribute of their own, and blobs, which have none.
_OWN = ("name", "type", "bottom", "top", "param", "loss_weight", "propagate_down", "phase")
_LAYER = frozenset((*_OWN, "include", "exclude", "blobs"))
_NET = frozenset(("name", "layer", "state", "force_backward", "debug_info"))
_OLD = ("layers", "input", "input_dim", "input_shape")


Beyond = tuple[tuple[tuple[str, int], ...], str, Any]
"""A value of a field that the schema lacks: place, name and value, see `Fields.added`."""


def current_definition(
    message: Any,
    lines: Sequence[int] = (),
    path: str = "<net>",
    beyond: Mapping[int, Sequence[Beyond]] = {},
) -> NetDefinition:
    """Definition of a NetParameter of any form, brought up to the current form.

    Args:
        message: the message, V0, V1 or current.
        lines: where its layers start, as far as that is known.
        path: the file, for messages.
        beyond: layer's index in the message -> values of fields that the schema lacks.

    Raises:
        NetworkError: its forms are mixed, or its inputs do not go together.
    """
    old = message.layers or message.layer
    if len(old) > MAX_LAYERS:
        raise NetworkError(f"{path} has {len(old)} layers; at most {MAX_LAYERS} are allowed")
    try:
        current = upgrade(message)
    except NetworkError as error:
        raise NetworkError(f"{path}: {error}") from error
    places = (*lines, *(0,) * (len(old) - len(lines)))
    kept = [index for index, layer in enumerate(old) if not is_padding(layer)]
    added = len(current.layer) - len(kept)  # an Input layer, first
    return net_definition(
        current,
        [0] * added + [places[index] for index in kept],
        {added + new: beyond[index] for new, index in enumerate(kept) if index in beyond},
    )


def net_definition(
    message: Any, lines: Sequence[int] = (), beyond: Mapping[int, Sequence[Beyond]] = {}
) -> NetDefinition:
    """Definition of a NetParameter in the current form; blobs are left out.

    Args:
        message: the message, see `keras_fcn.caffe.proto.upgrade.upgrade`.
        lines: where its layers start, as far as that is known.
        beyond: layer's index -> values of fields that the schema lacks.

    Raises:
        ValueError: it has fields of an older form.
    """
    if any(getattr(message, name) for name in _OLD):
        raise ValueError("the net must be in the current form")
    places = (*lines, *(0,) * (len(message.layer) - len(lines)))
    layers = [
        layer_definition(layer, line, beyond.get(index, ()))
        for index, (layer, line) in enumerate(zip(message.layer, places, strict=True))
    ]
    return NetDefinition(
        name=message.name,
        layers=tuple(layers),
        phase=_phase(message.state),
        level=message.state.level,
        stages=tuple(message.state.stage),
        force_backward=message.force_backward,
        debug_info=message.debug_info,
        others=fields_of(message, _NET),
    )


def layer_definition(message: Any, line: int = 0, beyond: Sequence[Beyond] = ()) -> LayerDefinition:
    """Definition of a LayerParameter; blobs are left out.

    Args:
        message: the message.
        line: where it starts.
        beyond: values of fields that the schema lacks.
    """
    fields, specs = fields_of(message, _LAYER), list(map(param_spec, message.param))
    for place, name, value in beyond:
        owner, index = place[0] if place else ("", 0)
        if owner == "param":
            others = specs[index].others.added(place[1:], name, value)
            specs[index] = replace(specs[index], others=others)
        elif owner not in _LAYER:
            fields = fields.added(place, name, value)
    return LayerDefinition(
        name=message.name,
        type=message.type,
        bottoms=tuple(message.bottom),
        tops=tuple(message.top),
        param_specs=tuple(specs),
        loss_weights=tuple(message.loss_weight),
        propagate_down=tuple(message.propagate_down),
        phase=_phase(message),
        include=tuple(map(state_rule, message.include)),
        exclude=tuple(map(state_rule, message.exclude)),
        fields=fields,
        line=line,
    )


def param_spec(message: Any) -> ParamSpec:
    """Content of a ParamSpec; without a share_mode it is strict, and the factors are 1."""
    given = dict(fields_of(message))
    own = {name: given.pop(name) for name in _SPEC if name in given}
    factors = frozenset(own).intersection(("lr_mult", "decay_mult"))
    return ParamSpec(**own, others=Fields(given), given=factors)


_SPEC = ("name", "lr_mult", "decay_mult", "share_mode")


def state_rule(message: Any) -> StateRule:
    """Content of a NetStateRule."""
    bounds = {
        name: getattr(message, name) if message.HasField(name) else None
        for name in ("min_level", "max_level")
    }
    stages, not_stages = tuple(message.stage), tuple(message.not_stage)
    return StateRule(_phase(message), **bounds, stages=stages, not_stages=not_stages)


@dataclass(frozen=True)
class Rules:
    """The states that a layer is for.

    Attributes:
        include: rules of which a state must meet one.
        exclude: rules of which a state must meet none.
    """

    include: tuple[StateRule, ...]
    exclude: tuple[StateRule, ...]


def rules_of(message: Any) -> Rules:
    """The rules of a layer's message, be it of the current form or of V1."""
    return Rules(tuple(map(state_rule, message.include)), tuple(map(state_rule, message.exclude)))


def _phase(message: Any) -> str | None:
    return _PHASES[message.phase] if message.HasField("phase") else None


def net_message(definition: NetDefinition) -> Any:
    """The NetParameter of a definition; fields that the schema lacks are left out.

    Raises:
        NetworkError: a field cannot hold its value.
    """
    message = schema.new("NetParameter")
    fill(message, _net_fields(definition))
    for layer in definition.layers:
        fill(message.layer.add(), _layer_fields(layer))
    return message


def layer_message(definition: LayerDefinition) -> Any:
    """The LayerParameter of a definition, as in `net_message`."""
    message = schema.new("LayerParameter")
    fill(message, _layer_fields(definition))
    return message


def to_text(definition: NetDefinition) -> str:
    """The prototxt of a definition, UTF-8 left readable."""
    layer = descriptor("LayerParameter")
    lines = [*text_of(_net_fields(definition), descriptor("NetParameter"))]
    for each in definition.layers:
        lines += ["layer {", *text_of(_layer_fields(each), layer, "  "), "}"]
    return "".join(f"{line}\n" for line in lines)


def _net_fields(definition: NetDefinition) -> Fields:
    state = _set(phase=definition.phase, level=definition.level, stage=definition.stages)
    return _set(
        name=definition.name,
        force_backward=definition.force_backward,
        debug_info=definition.debug_info,
        state=state,
        **definition.others,
    )


def _layer_fields(definition: LayerDefinition) -> Fields:
    own = _set(
        name=definition.name,
        type=definition.type,
        bottom=definition.bottoms,
        top=definition.tops,
        loss_weight=definition.loss_weights,
        param=tuple(map(_spec_fields, definition.param_specs)),
        include=tuple(map(_rule_fields, definition.include)),
        exclude=tuple(map(_rule_fields, definition.exclude)),
        propagate_down=definition.propagate_down,
        phase=definition.phase,
    )
    return own.merged(definition.fields)


def _spec_fields(spec: ParamSpec) -> Fields:
    given = {**spec.others, **_set(name=spec.name)}
    if spec.share_mode != ParamSpec.share_mode:
        given["share_mode"] = Word(spec.share_mode)
    if not given or (spec.lr_mult, spec.decay_mult) != (1, 1):
        given |= {"lr_mult": spec.lr_mult, "decay_mult": spec.decay_mult}
    return Fields(given)


def _rule_fields(rule: StateRule) -> Fields:
    bounds = {"min_level": rule.min_level, "max_level": rule.max_level}
    set_bounds = {name: bound for name, bound in bounds.items() if bound is not None}
    return Fields(
        set_bounds, **_set(phase=rule.phase, stage=rule.stages, not_stage=rule.not_stages)
    )


def _set(**values: Any) -> Fields:
    """Fields without those that are empty, zero, false or None; phases are labels."""
    given = {name: value for name, value in values.items() if value}
    if "phase" in given:
        given["phase"] = Word(given["phase"])
    return Fields(given)
