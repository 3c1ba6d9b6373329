"""Whole reference nets: the network, its weights and input, and how to compare with Caffe."""

from __future__ import annotations

import functools
import importlib.util
import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tests.golden import golden_folder, net_folder

STORED = {
    "bvlc_alexnet": 14,
    "bvlc_caffenet_full_conv": 14,
    "bvlc_googlenet": 84,
    "bvlc_reference_caffenet": 14,
    "dilation8_pascal_voc": 28,
    "fcn8s": 31,
    "lenet": 7,
    "lenet_full_conv": 7,
    "mobilenet_ssd": 84,
    "segnet_basic": 23,
}
"""Network -> how many of its blobs are stored."""


@functools.cache
def golden_tool(name: str) -> Any:
    """A module of the reference data's tools; skips the test where it is absent."""
    path = golden_folder() / "tools" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@dataclass(frozen=True)
class ReferenceNet:
    """A published network that real Caffe ran; see golden/nets/README.md."""

    folder: Path

    @property
    def prototxt(self) -> Path:
        return self.folder / "net.prototxt"

    @functools.cached_property
    def case(self) -> dict[str, Any]:
        return json.loads((self.folder / "case.json").read_text())

    @functools.cached_property
    def arrays(self) -> dict[str, np.ndarray]:
        with np.load(self.folder / "out.npz") as arrays:
            return dict(arrays)

    @property
    def inputs(self) -> dict[str, np.ndarray]:
        return {
            name: self.arrays[f"in/{name}"]
            if recipe["recipe"] == "stored"
            else golden_tool("fill").from_recipe(recipe)
            for name, recipe in self.case["input"].items()
        }

    def write_weights(self, folder: Path) -> Path:
        """The caffemodel of this net, stored or written from its recipe."""
        if "file" in self.case["weights"]:
            return self.folder / self.case["weights"]["file"]
        tool = golden_tool("write_caffemodel")
        path = folder / f"{self.folder.name}.caffemodel"
        net = tool.parse_prototxt(self.prototxt.read_text())
        shapes = json.loads((self.folder / "shapes.json").read_text())
        factor = self.case["weights"].get("bn_factor", 1.0)
        tool.write(path, tool.net_layers(net, shapes, factor))
        return path

    def assert_blobs(self, blobs: dict[str, np.ndarray], skip: Collection[str] = ()) -> None:
        """Compare every stored blob: 1e-3 of its std at most, or 1e-4 rms."""
        compared = set()
        for key, expected in self.arrays.items():
            kind, _, name = key.partition("/")
            if name in skip:
                continue
            if kind == "shape":
                assert blobs[name].shape == tuple(expected), name
            if kind not in ("out", "sub"):
                continue
            actual = blobs[name]
            if kind == "sub":
                actual = actual.reshape(-1)[:: int(self.arrays[f"step/{name}"])]
            std = float(self.arrays[f"stat/{name}"][1])
            difference = np.abs(actual - expected)
            worst = float(difference.max()) / std
            rms = float(np.sqrt(np.mean(difference.astype(np.float64) ** 2))) / std
            assert worst <= 1e-3 or rms <= 1e-4, (
                f"{name}: largest {worst:.1e}, rms {rms:.1e} of std"
            )
            compared.add(name)
        assert len(compared) == STORED[self.folder.name] - len(set(skip))

    def fractions_off(self, blobs: dict[str, np.ndarray], tolerance: float) -> dict[str, float]:
        """The share of each stored blob's entries off by over ``tolerance`` * the largest."""
        shares = {}
        for key, expected in self.arrays.items():
            kind, _, name = key.partition("/")
            if kind not in ("out", "sub"):
                continue
            actual = blobs[name]
            if kind == "sub":
                actual = actual.reshape(-1)[:: int(self.arrays[f"step/{name}"])]
            allowed = tolerance * float(np.abs(self.arrays[f"stat/{name}"][2:]).max())
            shares[name] = float(np.mean(np.abs(actual - expected) > allowed))
        return shares


def reference_net(name: str) -> ReferenceNet:
    """The reference net of this name; skips the test where it is absent."""
    return ReferenceNet(net_folder(name))
