"""Options as the `caffe` tool spells them: `-solver S`, `--model=M`, `-gpu 0`.

Source: the flags of `tools/caffe.cpp` of BVLC Caffe 1.0; gflags takes one dash or two for each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

__all__ = ["UnlikeCaffeError", "translated"]


class UnlikeCaffeError(ValueError):
    """An option of `caffe` that means nothing, or something else, here."""


@dataclass(frozen=True)
class _Grammar:
    """The flags of a command of `caffe`, in ours.

    Attributes:
        first: the flag whose value is our first argument.
        last: the flag whose value is our last argument.
        renamed: flag -> our option of the same meaning.
        refused: flag -> why it is not taken, and what is.
    """

    first: str
    last: str = ""
    renamed: Mapping[str, str] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)

    def knows(self, name: str) -> bool:
        """Whether it is a flag of this command."""
        return bool(name) and name in (self.first, self.last, "gpu", *self.renamed, *self.refused)


_STATE = {"level": "--level", "stage": "--stage"}
_PASSES = {**_STATE, "iterations": "--iterations"}
_NO_SIGNALS = "only `caffe train` heeds it; leave it out"
_GRAMMARS: Mapping[str, _Grammar] = {
    "solve": _Grammar(
        "solver",
        renamed={
            **_STATE,
            "gpu": "--gpu",
            "weights": "--weights",
            "snapshot": "--snapshot",
            "sigint_effect": "--sigint-effect",
            "sighup_effect": "--sighup-effect",
        },
        refused={
            "iterations": "`caffe train` pays it no heed, max_iter counts; here --iterations N "
            "makes N updates",
            "model": "`caffe train` takes the net from the solver; give the solver alone",
            "phase": "`caffe train` pays it no heed; the solver's train_state says the phase",
        },
    ),
    "test": _Grammar(
        "model",
        "weights",
        _PASSES,
        {
            "phase": "`caffe test` pays it no heed, the phase is TEST; leave it out",
            "sigint_effect": _NO_SIGNALS,
            "sighup_effect": _NO_SIGNALS,
            "snapshot": "give the weights of the snapshot, its .caffemodel",
            "solver": "give the net and its weights",
        },
    ),
    "time": _Grammar(
        "model",
        renamed={**_PASSES, "phase": "--phase", "weights": "--weights"},
        refused={
            "sigint_effect": _NO_SIGNALS,
            "sighup_effect": _NO_SIGNALS,
            "snapshot": "give the net alone, or --weights",
            "solver": "give the net",
        },
    ),
    "train": _Grammar(
        "", refused={"solver": "`caffe train` is `keras-fcn solve`, as in: keras-fcn solve SOLVER"}
    ),
}


def translated(arguments: Sequence[str]) -> list[str]:
    """A command line, those flags of `caffe` in it that mean the same here in our words.

    What is spelled as ours stays as it is.

    Raises:
        UnlikeCaffeError: a flag means something else here, or has no value.
    """
    command, *rest = arguments or ("",)
    grammar = _GRAMMARS.get(command)
    if grammar is None:
        return list(arguments)
    first, kept, last = [], [], []
    words = iter(rest)
    for word in words:
        name, given, value = word.lstrip("-").partition("=")
        dashes = len(word) - len(word.lstrip("-"))
        ours = dashes == 2 and f"--{name}" in (*grammar.renamed.values(), "--iterations")
        if dashes not in (1, 2) or ours or not grammar.knows(name):
            kept.append(word)
            continue
        flag = f"{'-' * dashes}{name}"
        if name in grammar.refused:
            raise UnlikeCaffeError(f"{flag}: {grammar.refused[name]}")
        if not given:
            value = next(words, "")
            if not value:
                raise UnlikeCaffeError(f"{flag} takes a value")
        if name == grammar.first:
            first = [value]
        elif name == grammar.last:
            last = [value]
        elif name in grammar.renamed:
            kept.append(f"{grammar.renamed[name]}={value}")
        else:
            _require_first_device(command, flag, value)
    return [command, *first, *kept, *last]


def _require_first_device(command: str, flag: str, value: str) -> None:
    """Take the device that is used anyway, or none."""
    if value in ("", "0"):
        return
    if value.isdecimal():
        way = f"CUDA_VISIBLE_DEVICES={value} in the environment is how a backend of Keras takes it"
    else:
        way = f"`caffe {command}` takes the first of them alone, {value.partition(',')[0]}"
    raise UnlikeCaffeError(f"{flag} {value}: {way}; leave {flag} out")
