"""The files of a run."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras

from keras_fcn.caffe.errors import CaffeError
from keras_fcn.caffe.io.files import atomic_write
from keras_fcn.exporting.exporting import export
from keras_fcn.training.metrics import SegmentationResult

__all__ = ["RunFolder"]

_EXPORTED = {"caffe": "model", "keras": "model.keras", "onnx": "model.onnx"}


class RunFolder:
    """Folder of a run.

    Args:
        path: the folder, made if it is not there.

    Raises:
        CaffeError: it cannot be made.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.last = self.path / "checkpoints" / "last.npz"
        self.best = self.path / "checkpoints" / "best.npz"
        self.tensorboard = self.path / "tensorboard"
        self.samples = self.path / "samples"
        try:
            self.last.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CaffeError(f"cannot make the run folder {self.path}: {error.strerror}") from error

    def clean(self) -> None:
        """Removes what a killed process was writing."""
        for file in self.last.parent.glob(".*.part"):
            file.unlink(missing_ok=True)

    def write_config(self, config: Mapping[str, Any], write: bool = True) -> None:
        """Keeps what the run was asked for; with `write` False compares it only.

        Raises:
            ValueError: the folder has a checkpoint of a run that was asked for something else.
        """
        path = self.path / "config.json"
        text = json.dumps(config, indent=2) + "\n"
        if self.last.exists() and path.exists():
            old, new = _flat(json.loads(path.read_text())), _flat(json.loads(text))
            changed = sorted(name for name in old | new if old.get(name) != new.get(name))
            if changed:
                shown = [f"{name} {new.get(name)!r} (was {old.get(name)!r})" for name in changed]
                raise ValueError(
                    f"{self.path} holds a run with other options: take another folder, or the "
                    f"same options to go on with it. Received: {', '.join(shown)}"
                )
        if write:
            self._write(path, text)

    def write_history(self, history: Sequence[Mapping[str, Any]]) -> None:
        """`history.csv`: a row an epoch."""
        columns = list(dict.fromkeys(name for row in history for name in row))
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(history)
        self._write(self.path / "history.csv", text.getvalue())

    def write_metrics(self, metrics: SegmentationResult, epoch: int) -> None:
        """`metrics.txt` and `metrics.json`: the table of the classes."""
        self._write(self.path / "metrics.txt", f"{metrics}\n")
        values = {"epoch": epoch, **metrics.to_dict()}
        self._write(self.path / "metrics.json", json.dumps(values, indent=2) + "\n")

    def export(self, model: keras.Model, formats: Sequence[str]) -> None:
        """The model in the formats of `keras_fcn.export`."""
        for name in formats:
            export(model, self.path / _EXPORTED.get(name, name), name)

    def _write(self, path: Path, text: str) -> None:
        with atomic_write(path) as file:
            file.write(text.encode())


def _flat(values: Any, name: str = "") -> dict[str, Any]:
    if not isinstance(values, dict):
        return {name: values}
    parts = (_flat(value, f"{name}.{key}" if name else key) for key, value in values.items())
    return {key: value for part in parts for key, value in part.items()} or {name: {}}
