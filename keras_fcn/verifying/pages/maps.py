"""Blobs as pictures that lie in the page: maps side by side, vectors as curves."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence

import numpy as np
from PIL import Image

from keras_fcn.verifying.pages.markup import number, shown
from keras_fcn.verifying.report import Array
from keras_fcn.visualize.colours import heat_map, label_map, voc_palette

_SIDE = 128
"""Height and width of a map that is drawn; of a larger one every n-th position."""
_CHANNELS = 9
"""Channels that are drawn, those that differ most."""
_POINTS = 256
"""Points of a curve."""
_CLASSES = 24
"""Classes that a legend names."""
_ODD = (255, 0, 255)
"""Colour of what is not finite."""
_GAP = 2


def maps(ours: Array, theirs: Array | None) -> str:
    """A blob's first image, ours and theirs and how far they are apart, as HTML."""
    one, other = _first(ours), None if theirs is None else _first(theirs)
    if one.ndim != 3 or min(one.shape[1:]) < 2:
        return _curves(one.reshape(-1), None if other is None else other.reshape(-1))
    if other is None or other.shape != one.shape:
        figures = [_figure(_mosaic(one), "ours")]
        if other is not None and other.ndim == 3:
            figures.append(_figure(_mosaic(other), "the reference"))
        return _beside(figures)
    apart = np.abs(one - other)
    worst = np.nan_to_num(apart, nan=np.inf).reshape(len(apart), -1).max(1)
    chosen = np.sort(np.argsort(-worst, kind="stable")[:_CHANNELS])
    limits = _limits(other[chosen])
    largest = _limits(apart[chosen])[1]
    told = f"channels {_listed(chosen)}" if len(one) > 1 else "the one channel"
    return f"<p class=soft>The first image, {told}.</p>" + _beside(
        [
            _figure(_mosaic(one[chosen], limits), "ours"),
            _figure(_mosaic(other[chosen], limits), "the reference"),
            _figure(_mosaic(apart[chosen], (0, largest)), f"difference, up to {number(largest)}"),
        ]
    )


def class_maps(ours: Array, theirs: Array, classes: Sequence[str]) -> str:
    """The first image's best classes, ours and theirs and where they differ, as HTML."""
    one, other = (_every(_first(x)).argmax(0) for x in (ours, theirs))
    palette = voc_palette()
    apart = np.where(one != other, 255, 40).astype(np.uint8)
    share = float(np.mean(one != other))
    figures = [
        _figure(label_map(x % len(palette), palette, ignore=None), f"classes, {who}")
        for x, who in ((one, "ours"), (other, "the reference"))
    ]
    figures.append(_figure(np.stack([apart] * 3, -1), f"other class in {share:.2%} of pixels"))
    present = np.unique(np.concatenate([one.ravel(), other.ravel()]))
    entries = "".join(
        f'<li><i style="background:rgb({",".join(map(str, palette[x % len(palette)]))})"></i>'
        f"{shown(classes[x] if x < len(classes) else f'class {x}')}</li>"
        for x in present[:_CLASSES]
    )
    more = f"<li>and {len(present) - _CLASSES} more</li>" if len(present) > _CLASSES else ""
    return f"{_beside(figures)}<ul class=legend>{entries}{more}</ul>"


def best_classes(ours: Array, theirs: Array, classes: Sequence[str], count: int = 5) -> str:
    """The classes with the largest scores of the first image, ours and theirs, as HTML."""
    scores = [_first(x).reshape(-1) for x in (ours, theirs)]
    rows = []
    for rank in range(min(count, len(scores[0]))):
        cells = [f"<td>{rank + 1}</td>"]
        for values in scores:
            index = int(np.argsort(-np.nan_to_num(values, nan=-np.inf), kind="stable")[rank])
            name = classes[index] if index < len(classes) else f"class {index}"
            cells.append(f"<td>{shown(name)} <span class=soft>{values[index]:.4g}</span></td>")
        rows.append(f"<tr>{''.join(cells)}</tr>")
    head = "<tr><th></th><th>ours</th><th>the reference</th></tr>"
    return f"<table>{head}{''.join(rows)}</table>"


def picture(pixels: Array, caption: str) -> str:
    """A picture, RGB in 0..255, as HTML."""
    values = np.clip(np.nan_to_num(_every(pixels, axes=(0, 1), side=2 * _SIDE)), 0, 255)
    return _beside([_figure(values.astype(np.uint8), caption)])


def _first(array: Array) -> Array:
    """The first image of a batch."""
    return np.asarray(array[0] if array.ndim > 1 else array, np.float64)


def _every(array: Array, axes: tuple[int, int] = (1, 2), side: int = _SIDE) -> Array:
    """Every n-th position of a map, so that it is not larger than what is drawn."""
    for axis in axes:
        step = math.ceil(array.shape[axis] / side)
        array = array.take(np.arange(0, array.shape[axis], step), axis)
    return array


def _limits(values: Array) -> tuple[float, float]:
    finite = values[np.isfinite(values)]
    return (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)


def _mosaic(channels: Array, limits: tuple[float, float] | None = None) -> Array:
    """Channels beside and below each other, each a map in colours."""
    channels = _every(channels[:_CHANNELS])
    limits = limits or _limits(channels)
    columns = math.ceil(math.sqrt(len(channels)))
    rows = math.ceil(len(channels) / columns)
    height, width = (size + _GAP for size in channels.shape[1:])
    whole = np.full((rows * height - _GAP, columns * width - _GAP, 3), 128, np.uint8)
    for index, channel in enumerate(channels):
        top, left = index // columns * height, index % columns * width
        coloured = heat_map(np.nan_to_num(channel, nan=0, posinf=0, neginf=0), limits=limits)
        coloured[~np.isfinite(channel)] = _ODD
        whole[top : top + height - _GAP, left : left + width - _GAP] = coloured
    return whole


def _figure(pixels: Array, caption: str) -> str:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format="PNG")
    data = base64.b64encode(file.getvalue()).decode()
    return (
        f'<figure><img alt="{caption}" src="data:image/png;base64,{data}">'
        f"<figcaption>{caption}</figcaption></figure>"
    )


def _beside(figures: Sequence[str]) -> str:
    return f"<div class=maps>{''.join(figures)}</div>"


def _listed(numbers: Array) -> str:
    return ", ".join(map(str, numbers))


def _curves(ours: Array, theirs: Array | None) -> str:
    """Vectors as curves, one over the other."""
    lines = {"ours": ours}
    if theirs is not None and theirs.shape == ours.shape:
        lines["theirs"] = theirs
    if len(ours) < 2:
        each = (f"{who} {', '.join(f'{x:.6g}' for x in values)}" for who, values in lines.items())
        return f"<p>{'; '.join(each)}</p>"
    low, high = _limits(np.concatenate(list(lines.values())))
    paths = "".join(  # ours over the reference's, which is broader
        f'<polyline class={who} points="{_points(values, low, high)}"/>'
        for who, values in reversed(lines.items())
    )
    told = f"{len(ours)} values from {low:.4g} to {high:.4g}; ours blue"
    told += ", the reference yellow" if len(lines) > 1 else ""
    return (
        f'<figure class=wide><svg viewBox="0 0 800 120" role="img" aria-label="{told}">{paths}'
        f"</svg><figcaption>{told}</figcaption></figure>"
    )


def _points(values: Array, low: float, high: float) -> str:
    """Lowest and highest of each part of a vector, so that no peak is lost."""
    parts = np.array_split(
        np.nan_to_num(values, nan=low, posinf=high, neginf=low), min(len(values), _POINTS)
    )
    by = 112 / ((high - low) or 1.0)
    step = 800 / max(len(parts) - 1, 1)
    found = []
    for index, part in enumerate(parts):
        ends = (part.min(), part.max()) if len(part) > 1 else (part[0],)
        found += [f"{index * step:.1f},{116 - (value - low) * by:.1f}" for value in ends]
    return " ".join(found)
