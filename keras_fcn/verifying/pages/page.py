"""A parity report as a page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from keras_fcn.verifying.pages import maps
from keras_fcn.verifying.pages.markup import (
    attribute,
    number,
    plain,
    shape,
    shown,
    write_document,
)
from keras_fcn.verifying.report import BlobResult, ParityReport

_DRAWN = 48
"""Blobs that are drawn: those that depart first, outputs, then others evenly over the depth."""
_MOST_BYTES = 12 << 20
"""What the pictures of a page may take together."""
_MOST_ROWS = 3000
_MOST_NOTES = 50
_HEIGHT, _WIDTH, _LEFT, _TOP = 150, 800, 46, 8
_LOWEST, _HIGHEST = -8, 1  # powers of ten
_TOLERANCE = 1e-5
_NUMBERS = ("largest", "rms", "cosine", "within")
_COLUMNS = ("blob", "layer", "shape", *_NUMBERS, "verdict")


def write_page(report: ParityReport, path: str | Path) -> None:
    """Write a report as one HTML file, which needs no network.

    It has the result, the differences over the depth of the network, and a row for each blob,
    which opens to maps where the report keeps the blob's numbers.

    Args:
        report: the report.
        path: the file; an older one is replaced.

    Raises:
        CaffeError: the file cannot be written.
    """
    drawn = _drawn(report)
    rows = [_row(report, x, drawn.get(x.blob)) for x in report.results[:_MOST_ROWS]]
    ends = f"<p class=soft>Maps of {len(drawn)} of {len(report.results)} blobs are drawn.</p>"
    if len(report.results) > _MOST_ROWS:
        ends += f"<p>{len(report.results) - _MOST_ROWS} more blobs are not listed.</p>"
    titles = "".join(
        f"<span{' class=number' if name in _NUMBERS else ''}>{name}</span>" for name in _COLUMNS
    )
    parts = [
        _head(report),
        _curve(report.results),
        "<h2>Blobs, in Caffe's order</h2>",
        f'<div class=head aria-hidden="true"><span></span>{titles}</div>',
        *rows,
        ends,
    ]
    body = "".join(f"{part}\n" for part in parts)
    write_document(path, f"{report.network or 'network'} against {report.reference}", body)


def _head(report: ParityReport) -> str:
    tone = TONES[report.exit_code]
    said = _UNPROVEN if report.compared and tone == "missing" else _RESULTS[tone]
    result = f"<p><strong>{said}</strong></p><p>{verdict(report)}</p>{_cause(report)}"
    lines = [
        f"<h1>{shown(report.network or 'The network')}</h1>",
        f"<p class=soft>against {plain(report.reference)}</p>",
        f'<div class="banner {tone}">{result}</div>',
    ]
    counts = [(x, sum(r.verdict == x for r in report.results)) for x in _VERDICTS]
    told = ", ".join(f"{count} {_VERDICTS[name]}" for name, count in counts if count)
    facts = [("blobs", told or "none")]
    facts += [("fed", plain(x)) for x in report.inputs[:_MOST_NOTES]]
    if report.versions:
        versions = (f"{name} {version}" for name, version in report.versions.items())
        facts.append(("versions", plain(", ".join(versions))))
    if report.float64:
        facts.append(("float64", plain(report.float64)))
    facts += [("note", plain(x)) for x in report.notes[:_MOST_NOTES]]
    lines.append(f"<dl>{''.join(f'<dt>{a}</dt><dd>{b}</dd>' for a, b in facts)}</dl>")
    if report.picture is not None:
        lines.append(maps.picture(report.picture, "what was fed"))
    return "\n".join(lines)


TONES = ("same", "differs", "missing")
"""Classes of results, by exit code."""
_UNPROVEN = "Not proven"
_RESULTS = {
    "same": "The same network",
    "differs": "Not the same network",
    "missing": "Nothing was compared",
}
_VERDICTS = {
    "same": "the same",
    "rounding": "apart by rounding",
    "ties": "apart at ties",
    "noise": "apart by rounding or noise",
    "differs": "different",
    "shape": "of another shape",
    "missing": "not in the reference",
}


def verdict(report: ParityReport) -> str:
    """The result in one line of HTML; long names are cut."""
    first = report.first_departure
    if first is None:
        return plain(report.verdict)
    place = f"at blob {shown(first.blob)} of layer {shown(first.layer)} ({shown(first.type)})"
    if first.unseen:
        place = plain(first.place)
    why = report.cause.sentence if report.cause else first.note or "no cause was found"
    return f"It departs from the reference {place}: {plain(why)}"


def _cause(report: ParityReport) -> str:
    if report.cause is None:
        return ""
    before, after = map(number, (report.cause.before, report.cause.after))
    return (
        f"<p><strong>Cause: {shown(report.cause.name)}</strong> <span class=soft>with it undone "
        f"the rms difference falls from {before} to {after}</span></p>"
    )


def _row(report: ParityReport, result: BlobResult, inside: str | None) -> str:
    values = [""] * len(_NUMBERS)
    if result.verdict not in ("missing", "shape"):
        values = [number(result.largest), number(result.rms)]
        values += [f"{result.cosine:.6f}", f"{result.within:.2%}"]
    sizes = shape(result.shape)
    if result.verdict == "shape":
        sizes += f" <span class=kind>theirs {shape(result.their_shape)}</span>"
    said = result.verdict + (f" {result.ties:.2%}" if result.ties else "")
    kind = f"<span class=kind>{shown(result.type)}</span>"
    cells = [
        "<span class=mark></span>",
        f"<span class=name>{shown(result.blob)}</span>",
        f"<span class=maker>{shown(result.layer)} {kind}</span>",
        f"<span class=sizes>{sizes}</span>",
        *(
            f'<span class="number{"" if text else " none"}" data-label={name}>{text}</span>'
            for name, text in zip(_NUMBERS, values, strict=True)
        ),
        f'<span class="verdict tone">{said}</span>',
    ]
    note = "".join(f"<p>{plain(x)}</p>" for x in (result.note, _rounding(result)) if x)
    line = "".join(cells)
    if not inside and not note:
        return f'<div class="blob {result.verdict}"><div class=row>{line}</div></div>'
    first = report.first_departure
    is_open = " open" if first is not None and first.blob == result.blob else ""
    return (
        f'<details class="blob {result.verdict}"{is_open}><summary class=row>{line}</summary>'
        f"<div class=inside>{note}{inside or ''}</div></details>"
    )


def _rounding(result: BlobResult) -> str:
    """How far both are from float64, of a blob that is apart."""
    if result.double is None or result.their_double is None or result.verdict == "same":
        return ""
    ours, theirs = number(result.double), number(result.their_double)
    return f"From the network in float64 ours is {ours} away, and the reference {theirs}."


def _drawn(report: ParityReport) -> dict[str, str]:
    """Blob -> its maps as HTML, of as many blobs as a page may hold."""
    first = report.first_departure
    kept = [x for x in report.results[:_MOST_ROWS] if x.ours is not None]
    step = math.ceil(len(kept) / _DRAWN) or 1
    wanted = [x for x in kept if first is not None and x.blob == first.blob]
    wanted += [x for x in kept if x.blob in report.outputs]
    wanted += [x for x in kept if x.failed][: _DRAWN // 2]
    wanted += kept[::step] + kept
    found: dict[str, str] = {}
    total = 0
    for result in wanted:
        if result.blob in found or len(found) >= _DRAWN or total > _MOST_BYTES:
            continue
        found[result.blob] = _inside(report, result)
        total += len(found[result.blob])
    return found


def _inside(report: ParityReport, result: BlobResult) -> str:
    """What a row opens to."""
    ours, theirs = result.ours, result.theirs
    if ours is None or not ours.size:
        return ""
    parts = []
    is_output = result.blob in report.outputs
    if theirs is not None and theirs.shape == ours.shape and is_output:
        if ours.ndim == 4 and ours.shape[1] > 1 and min(ours.shape[2:]) > 1:
            parts.append(maps.class_maps(ours, theirs, report.classes))
        elif ours.ndim == 2 and ours.shape[1] > 1:
            parts.append(maps.best_classes(ours, theirs, report.classes))
    parts.append(maps.maps(ours, theirs))
    return "".join(parts)


def _curve(results: Sequence[BlobResult]) -> str:
    """The largest differences over the depth of the network, on a logarithmic scale."""
    compared = [x for x in results if x.verdict not in ("missing", "shape")]
    if not compared:
        return ""
    step = (_WIDTH - _LEFT - 8) / max(len(compared) - 1, 1)
    places = [(_LEFT + i * step, _level(x.largest)) for i, x in enumerate(compared)]
    lines = []
    for power in range(_LOWEST, _HIGHEST + 1, 3):
        y = _level(10.0**power)
        lines.append(f'<line class=grid x1="{_LEFT}" x2="{_WIDTH}" y1="{y:.1f}" y2="{y:.1f}"/>')
        lines.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">1e{power}</text>')
    y = _level(_TOLERANCE)
    lines.append(f'<line class=limit x1="{_LEFT}" x2="{_WIDTH}" y1="{y:.1f}" y2="{y:.1f}"/>')
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    lines.append(f'<polyline class=curve points="{points}"/>')
    radius = 3.5 if len(compared) < 150 else 2
    for result, (x, y) in zip(compared, places, strict=True):
        lines.append(
            f'<circle class={result.verdict} cx="{x:.1f}" cy="{y:.1f}" r="{radius}"><title>'
            f"{attribute(result.blob)}: {number(result.largest)}</title></circle>"
        )
    told = "Largest difference of each blob, as a share of its largest value, from input to output"
    return (
        f"<h2>Differences over the depth</h2>\n<figure class=wide>"
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT + 2 * _TOP}" role="img" aria-label="{told}">'
        f"{''.join(lines)}</svg><figcaption>{told}; the dashed line is {_TOLERANCE:g}.</figcaption>"
        "</figure>"
    )


def _level(value: float) -> float:
    """The height of a difference in the drawing."""
    power = _LOWEST if value <= 0 else math.log10(value) if math.isfinite(value) else _HIGHEST
    share = (min(max(power, _LOWEST), _HIGHEST) - _LOWEST) / (_HIGHEST - _LOWEST)
    return _TOP + _HEIGHT * (1 - share)
