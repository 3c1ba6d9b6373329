"""The networks of `keras_fcn.models` by name."""

from __future__ import annotations

import re
from collections.abc import Mapping

from keras_fcn import models

_NEXT_WORD = re.compile(
    r"((?<=[a-z\d])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z]))"
    r"(?!Net|Le|Vid)"  # ResNet, GoogLeNet, CamVid are one word each
)

CONSTRUCTORS: Mapping[str, str] = {
    _NEXT_WORD.sub("_", function).lower(): function for function in vars(models)["__all__"]
}
"""Name on the command line, `fcn8s_at_once`, -> function of `keras_fcn.models`, `FCN8sAtOnce`."""

_FILES = (
    "a .keras file, a SavedModel folder, a prototxt, or a .caffemodel or .h5 that carries its "
    "network"
)
KINDS = f"{', '.join(CONSTRUCTORS)}, the name of a published model (keras-fcn models), {_FILES}"
OTHER_KINDS = f"a name that `keras-fcn models` lists, {_FILES}"
"""What a model is, for messages on files that are none."""
