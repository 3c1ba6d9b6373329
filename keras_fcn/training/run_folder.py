"""The files of a run."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras

from keras_fcn.caffe.errors import CaffeError
from keras_fcn.caffe.io.files import atomic_write
from keras_fcn.caffe.words import argument
from keras_fcn.exporting.exporting import export
from keras_fcn.exporting.formats import FILES
from keras_fcn.training.asked import MAY_CHANGE, differences
from keras_fcn.training.class_results import Result

__all__ = ["RunFolder"]

_CONFIG = "config.json"
_SECTIONS = ("model", "data", "options")
_BACKENDS = "backends"
_OF_OPTIONS = ("options", "preprocessing")
_LAST = "last.keras"
_WRITTEN = (
    *("history.csv", "metrics.txt", "metrics.json", "confusion.csv"),
    *("checkpoints", "samples", "tensorboard"),
    *(_LAST, "model.prototxt", "model.caffemodel"),
    *(file for name, file in FILES.items() if name != "caffe"),
    _CONFIG,
)
"""What a run leaves in its folder; what tells that it is one comes last."""


class RunFolder:
    """Folder of a run, in which nothing is made or changed before `begin`.

    Args:
        path: the folder, whether it is there or not.
        overwrite: whether a run that is in it is given up, and its files are removed.

    Raises:
        ValueError: the path is a file, the folder has files of something else where those of a
            run would lie, or a run whose checkpoints are gone.
        CaffeError: it must not be written.

    Attributes:
        goes_on: whether a run is in it that goes on.
        epochs: those that this run was asked for before; 0 for a new one.
    """

    def __init__(self, path: str | Path, *, overwrite: bool = False) -> None:
        self.path = Path(path)
        self.last = self.path / "checkpoints" / "last.npz"
        self.best = self.path / "checkpoints" / "best.npz"
        self.tensorboard = self.path / "tensorboard"
        self.samples = self.path / "samples"
        self._require_a_place()
        self._old = self._require_ours(overwrite)
        self._overwrite = overwrite and bool(self._old)
        self.goes_on = not overwrite and bool(self._old) and self.last.exists()
        if self._old and not (overwrite or self.goes_on) and (self.path / "history.csv").exists():
            raise ValueError(
                f"{self.path} holds a run whose checkpoints are gone, so it cannot go on; take "
                f"another folder, or {argument('overwrite')} it"
            )
        self.epochs = int(self._old["options"].get("epochs", 0)) if self.goes_on else 0
        self._config: dict[str, Any] = {}
        self._begun = False

    def _require_a_place(self) -> None:
        place = next(p for p in (self.path, *self.path.absolute().parents) if p.exists())
        if not place.is_dir():
            raise ValueError(f"{place} is a file; a run needs a folder. Received: {self.path}")
        if not os.access(place, os.W_OK | os.X_OK):
            raise CaffeError(f"cannot write the run folder {self.path}: no permission for {place}")

    def _require_ours(self, overwrite: bool) -> dict[str, Any]:
        """The configuration of the run in the folder; an empty one where there is none."""
        held = _read_json(self.path / _CONFIG)
        if isinstance(held, dict) and all(isinstance(held.get(name), dict) for name in _SECTIONS):
            return held
        in_the_way = [name for name in _WRITTEN if _holds_something(self.path / name)]
        if overwrite and not in_the_way:
            in_the_way = [path.name for path in self.path.glob("*")]
        if in_the_way:
            raise ValueError(
                f"{self.path} is not the folder of a run, and has {in_the_way[0]}, so nothing in "
                "it is overwritten; take another folder"
            )
        return {}

    def ask(self, **sections: Any) -> None:
        """Compare what the run is asked for with what it was asked for when it began.

        Args:
            **sections: of `config.json`; it gets all of them.

        Raises:
            ValueError: a run that is to go on was asked for something else.
        """
        self._config |= json.loads(json.dumps(sections, default=repr))
        if not self.goes_on:
            return
        changed = [
            f"{_called(name)} {new!r} (was {old!r})"
            for section in sections
            if section in self._old  # else it is not known
            for name, new, old in differences(section, self._config[section], self._old[section])
        ]
        if changed:
            raise ValueError(
                f"{self.path} holds a run with other options: take another folder, the same "
                f"options to go on with it, or {argument('overwrite')} it. More epochs extend "
                f"it, and {', '.join(map(argument, sorted(MAY_CHANGE)))} may change. "
                f"Received: {', '.join(changed)}"
            )

    def note_backend(self, name: str) -> str | None:
        """Take note of the backend that the run is on, after those that it was on.

        Returns:
            The last one, where it was another.
        """
        known = list(self._old.get(_BACKENDS, ["tensorflow"])) if self.goes_on else []
        before = known[-1] if known else name
        self._config[_BACKENDS] = known if before == name and known else [*known, name]
        return None if before == name else before

    def begin(self) -> None:
        """Make the folder, or remove the old run from it, and keep what the run is asked for.

        Only the first call does anything.

        Raises:
            CaffeError: the folder cannot be made or written.
        """
        if self._begun:
            return
        try:
            if self._overwrite:
                self._remove()
            self.last.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CaffeError(f"cannot make the run folder {self.path}: {error.strerror}") from error
        # What another version of this package wrote stays.
        kept = self._old if self.goes_on else {}
        self._write(self.path / _CONFIG, json.dumps(kept | self._config, indent=2) + "\n")
        self._begun = True

    def _remove(self) -> None:
        for path in (self.path / name for name in _WRITTEN):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)

    def clean(self) -> None:
        """Remove what a killed process was writing."""
        for file in self.last.parent.glob(".*.part"):
            file.unlink(missing_ok=True)

    def write_history(self, history: Sequence[Mapping[str, Any]]) -> None:
        """`history.csv`: a row an epoch."""
        columns = list(dict.fromkeys(name for row in history for name in row))
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(history)
        self._write(self.path / "history.csv", text.getvalue())

    def write_metrics(self, metrics: Result, epoch: int) -> None:
        """`metrics.txt` and `metrics.json`: the table of the classes; and files of their own."""
        for name, text in {"metrics.txt": f"{metrics}\n", **metrics.files()}.items():
            self._write(self.path / name, text)
        values = {"epoch": epoch, **metrics.to_dict()}
        self._write(self.path / "metrics.json", json.dumps(values, indent=2) + "\n")

    def export_last(self, model: keras.Model, formats: Sequence[str]) -> None:
        """`last.keras`: the model of the last epoch, beside that of the best."""
        if "keras" in self._to_export(formats):
            export(model, self.path / _LAST, "keras")

    def export(
        self, model: keras.Model, formats: Sequence[str], options: Mapping[str, Any]
    ) -> None:
        """The model in the formats of `keras_fcn.export`.

        Args:
            model: the model.
            formats: names of them; the forms that are there from before are written anew.
            options: format -> the export's options.
        """
        for name in self._to_export(formats):
            export(model, self.path / FILES[name], name, **options.get(name, {}))

    def _to_export(self, formats: Sequence[str]) -> list[str]:
        files = FILES | {"caffe": "model.prototxt"}
        there = [name for name, file in files.items() if (self.path / file).exists()]
        return list(dict.fromkeys([*formats, *there]))

    def _write(self, path: Path, text: str) -> None:
        with atomic_write(path) as file:
            file.write(text.encode())


def _called(name: str) -> str:
    """`options.crop_size`, or the option that sets it."""
    section, _, rest = name.partition(".")
    key, dot, deeper = rest.partition(".")
    told = argument(key)
    return name if section not in _OF_OPTIONS or told == key else f"{told}{dot}{deeper}"


def _read_json(file: Path) -> Any:
    """What a file holds, or None."""
    try:
        return json.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        return None


def _holds_something(path: Path) -> bool:
    return any(path.iterdir()) if path.is_dir() else path.exists()
