"""The reports of a set of networks on one page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from keras_fcn.verifying.pages.markup import number, plain, shown, write_document
from keras_fcn.verifying.pages.page import TONES, verdict
from keras_fcn.verifying.report import ParityReport


@dataclass(frozen=True)
class Entry:
    """One network of a set.

    Attributes:
        name: what it is called, such as its file.
        report: what was found; None where it could not be compared.
        error: why it could not be.
        page: its own page, relative to the summary; None: it has none.
    """

    name: str
    report: ParityReport | None = None
    error: str = ""
    page: str | None = None

    @property
    def tone(self) -> str:
        """The class of its row."""
        return TONES[2 if self.report is None else self.report.exit_code]


def write_summary(entries: Sequence[Entry], path: str | Path, title: str = "Networks") -> None:
    """Write the results of several networks as one HTML file, which needs no network.

    Args:
        entries: the networks, in the order of their rows.
        path: the file; an older one is replaced.
        title: the page's title.

    Raises:
        CaffeError: the file cannot be written.
    """
    tones = [entry.tone for entry in entries]
    counts = [(tones.count(tone), said) for tone, said in _RESULTS.items()]
    worst = next((x for x in ("differs", "missing", "same") if x in tones), "missing")
    told = ", ".join(f"{count} {said}" for count, said in counts if count) or "none was found"
    rows = "\n".join(map(_row, entries))
    head = "".join(f"<th scope=col>{x}</th>" for x in ("network", "result", "largest", "why"))
    body = (
        f"<h1>{shown(title)}</h1>\n"
        f'<div class="banner {worst}"><p><strong>{told}</strong></p></div>\n'
        f"<table class=all>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody></table>\n"
    )
    write_document(path, title, body)


_RESULTS = {"same": "the same", "differs": "different", "missing": "not proven"}


def _row(entry: Entry) -> str:
    name = shown(entry.name)
    if entry.page is not None:
        name = f'<a href="{quote(entry.page, errors="replace")}">{name}</a>'
    report = entry.report
    largest = max((x.largest for x in report.compared), default=0.0) if report else None
    cells = [
        name,
        f"<span class=tone>{_RESULTS[entry.tone]}</span>",
        "" if largest is None else number(largest),
        plain(entry.error) if report is None else verdict(report),
    ]
    return f"<tr class={entry.tone}>{''.join(f'<td>{x}</td>' for x in cells)}</tr>"
