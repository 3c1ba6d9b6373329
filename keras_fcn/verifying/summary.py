"""Several comparisons on one page: of more references than one, or of a folder of networks."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keras_fcn.caffe.io.files import atomic_write
from keras_fcn.caffe.names import keras_name
from keras_fcn.text_tables import html_table, text_table
from keras_fcn.verifying.report import ParityReport

_TITLES = ("network", "reference", "blobs", "largest", "verdict")
_COULD_NOT = 2


@dataclass(frozen=True)
class Entry:
    """One comparison, or why there is none.

    Attributes:
        name: of the network's files.
        reference: what it was compared with.
        report: the comparison.
        error: what kept it from being made.
    """

    name: str
    reference: str
    report: ParityReport | None = None
    error: str = ""

    @property
    def exit_code(self) -> int:
        """See `ParityReport.exit_code`."""
        return _COULD_NOT if self.report is None else self.report.exit_code

    @property
    def row(self) -> tuple[str, ...]:
        """Its line of the table."""
        if self.report is None:
            return (self.name, self.reference, "", "", f"not compared: {self.error}")
        largest = max((x.largest for x in self.report.compared), default=0.0)
        count = str(len(self.report.compared))
        return (self.name, self.reference, count, f"{largest:.1e}", self.report.verdict)


@dataclass(frozen=True)
class Summary:
    """Several comparisons.

    Attributes:
        entries: the comparisons.
    """

    entries: tuple[Entry, ...]

    @property
    def passed(self) -> bool:
        """Whether all were made, and passed."""
        return self.exit_code == 0

    @property
    def exit_code(self) -> int:
        """0: all passed; 1: one differs; 2: none differs, but one is not proven."""
        codes = {x.exit_code for x in self.entries} or {_COULD_NOT}
        return 1 if 1 in codes else max(codes)

    @property
    def verdict(self) -> str:
        """The result in one line."""
        codes = [x.exit_code for x in self.entries]
        parts = [(0, "the same"), (1, "differ"), (2, "not proven")]
        told = [f"{codes.count(code)} {text}" for code, text in parts if code in codes]
        return f"{len(codes)} comparisons: {', '.join(told)}"

    def __str__(self) -> str:
        rows = [_TITLES, *(x.row for x in self.entries)]
        return f"{text_table(rows, right=(2, 3))}\n\n{self.verdict}"

    def _repr_html_(self) -> str:
        return html_table([x.row for x in self.entries], _TITLES, caption=self.verdict)

    def to_json(self) -> dict[str, Any]:
        """What it holds, as values that JSON knows."""
        return {
            "passed": self.passed,
            "exit_code": self.exit_code,
            "entries": [
                {
                    "name": x.name,
                    "reference": x.reference,
                    "error": x.error,
                    "report": None if x.report is None else x.report.to_json(),
                }
                for x in self.entries
            ],
        }


def write_report(report: ParityReport, folder: Path) -> list[Path]:
    """Write `report.json` and `report.html` into a folder.

    Raises:
        OSError: they cannot be written.
    """
    from keras_fcn.verifying.pages import write_page

    folder.mkdir(parents=True, exist_ok=True)
    _write_json(report.to_json(), folder / "report.json")
    write_page(report, folder / "report.html")
    return [folder / "report.json", folder / "report.html"]


def write_summary(summary: Summary, folder: Path) -> list[Path]:
    """Write `summary.json`, `summary.html` and a folder for each comparison.

    Raises:
        OSError: they cannot be written.
    """
    from keras_fcn.verifying import pages

    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for entry, name in zip(summary.entries, _folders(summary.entries), strict=True):
        if entry.report is not None:
            write_report(entry.report, folder / name)
        page = None if entry.report is None else f"{name}/report.html"
        title = f"{entry.name} against {entry.reference}"
        rows.append(pages.Entry(title, entry.report, entry.error, page))
    _write_json(summary.to_json(), folder / "summary.json")
    pages.write_summary(rows, folder / "summary.html", "keras-fcn verify")
    return [folder / "summary.json", folder / "summary.html"]


def _folders(entries: Sequence[Entry]) -> Iterator[str]:
    """A folder's name for each comparison, each different."""
    given: set[str] = set()
    for number, entry in enumerate(entries, 1):
        words = [entry.name, Path(entry.reference).name]
        name = "-".join(keras_name(word) for word in words if word)[:80]
        name = f"{name}-{number}" if name in given else name
        given.add(name)
        yield name


def _write_json(values: Any, path: Path) -> None:
    with atomic_write(path) as file:
        file.write(json.dumps(values, indent=1, allow_nan=False).encode())
