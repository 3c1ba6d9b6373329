"""Reference data computed by BVLC Caffe 1.0: single layers, and whole nets.

Arrays are as Caffe holds them, (N, C, H, W) for images. The layer cases lie in
tests/data/golden; the nets outside the repository, in the folder that
KERAS_FCN_GOLDEN names or in ../shared/golden beside the repository root.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
LAYERS = REPOSITORY / "tests" / "data" / "golden" / "layers"
REJECTS = REPOSITORY / "tests" / "data" / "golden" / "rejects"
TAKEN = {"prelu_5d"}
"""What BVLC Caffe refuses and forks do not: a PReLU over clips is read."""

# Caffe's -FLT_MAX stands for an empty window: compared exactly, and no measure of scale.
_HUGE = 1e38


@dataclass(frozen=True)
class LayerCase:
    """One folder of layer cases: a small net, what it was fed and what came out."""

    folder: Path

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def prototxt(self) -> Path:
        return self.folder / "net.prototxt"

    @property
    def weights(self) -> Path | None:
        path = self.folder / "weights.caffemodel"
        return path if path.exists() else None

    @cached_property
    def case(self) -> dict[str, Any]:
        return json.loads((self.folder / "case.json").read_text())

    @property
    def state(self) -> dict[str, Any]:
        """phase, level and stages that the case is for."""
        return {key: self.case[key] for key in ("phase", "level", "stages") if key in self.case}

    @property
    def kinds(self) -> frozenset[str]:
        return frozenset(self.case["layers"])

    @property
    def has_gradients(self) -> bool:
        return (self.folder / "grads.npz").exists()

    @cached_property
    def inputs(self) -> dict[str, np.ndarray]:
        """What was fed, by blob."""
        return self._arrays("in/")

    @cached_property
    def outputs(self) -> dict[str, np.ndarray]:
        """Every other blob after the forward pass."""
        return self._arrays("out/")

    @cached_property
    def second_outputs(self) -> dict[str, np.ndarray]:
        """Blobs after a second forward pass with the same inputs; empty if not recorded."""
        return self._arrays("out2/")

    @cached_property
    def grads(self) -> dict[str, np.ndarray]:
        """``top/<blob>``, ``in/<blob>`` and ``param/<layer>/<i>``; empty if not recorded."""
        path = self.folder / "grads.npz"
        if not path.exists():
            return {}
        with np.load(path) as arrays:
            return dict(arrays)

    def _arrays(self, prefix: str) -> dict[str, np.ndarray]:
        with np.load(self.folder / "blobs.npz") as arrays:
            return {
                key.removeprefix(prefix): arrays[key] for key in arrays if key.startswith(prefix)
            }


def layer_case(name: str) -> LayerCase:
    """The layer case of this name."""
    folder = LAYERS / name
    if not folder.is_dir():
        raise ValueError(f"no layer case {name!r} in {LAYERS}")
    return LayerCase(folder)


def layer_case_names(pattern: str) -> list[str]:
    """Names of the layer cases that match a glob pattern, sorted; at least one."""
    names = sorted(folder.name for folder in LAYERS.glob(pattern) if folder.is_dir())
    if not names:
        raise ValueError(f"no layer case matches {pattern!r} in {LAYERS}")
    return names


def each_case(cases: Iterable[LayerCase]) -> pytest.MarkDecorator:
    """Run a test of the fixture `built_case` for each of these; those of a case run together."""
    given = {"indirect": True, "ids": lambda case: case.name, "scope": "session"}
    return pytest.mark.parametrize("_built_case", list(cases), **given)


def golden_folder() -> Path:
    """The reference data outside the repository; skips the test where it is absent."""
    folder = Path(os.environ.get("KERAS_FCN_GOLDEN", REPOSITORY.parent / "shared" / "golden"))
    if not folder.is_dir():
        pytest.skip(f"no reference nets: {folder} is absent (KERAS_FCN_GOLDEN names the folder)")
    return folder


def net_folder(name: str) -> Path:
    """The folder of a reference net; skips the test where it is absent."""
    folder = golden_folder() / "nets" / name
    if not folder.is_dir():
        pytest.skip(f"no reference net {name!r}: {folder} is absent")
    return folder


def to_channels_last(array: np.ndarray) -> np.ndarray:
    """(N, C, ...) -> (N, ..., C)."""
    return np.moveaxis(array, 1, -1) if array.ndim > 2 else array


def to_caffe_order(array: Any) -> np.ndarray:
    """(N, ..., C) -> (N, C, ...)."""
    array = np.asarray(array)
    return np.moveaxis(array, -1, 1) if array.ndim > 2 else array


def assert_close(actual: Any, expected: Any, tolerance: float = 1e-5) -> None:
    """Fail if shapes differ or a value is off by over tolerance * largest |expected|.

    NaN, infinities and magnitudes from 1e38 on must agree exactly and do not count
    as the largest.
    """
    actual, expected = np.asarray(actual, "float64"), np.asarray(expected, "float64")
    assert actual.shape == expected.shape, f"shape {actual.shape}, expected {expected.shape}"
    special = ~(np.abs(expected) < _HUGE)
    same = (actual == expected) | (np.isnan(actual) & np.isnan(expected))
    allowed = tolerance * np.max(np.abs(expected), initial=0.0, where=~special)
    with np.errstate(invalid="ignore"):
        difference = np.abs(actual - expected)
        wrong = ~np.where(special, same, difference <= allowed)
    if wrong.any():
        difference[~wrong] = -1.0
        difference[np.isnan(difference)] = np.inf
        place = tuple(map(int, np.unravel_index(np.argmax(difference), difference.shape)))
        raise AssertionError(
            f"{wrong.sum()} of {wrong.size} values differ by more than {allowed:.3g} "
            f"({tolerance:g} of the largest); worst at {place}: "
            f"{actual[place]:.9g}, expected {expected[place]:.9g}"
        )
