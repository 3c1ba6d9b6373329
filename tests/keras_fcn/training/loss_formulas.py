"""The losses by the formulas of their papers, in NumPy and float64, written pixel by pixel.

Labels are `(N, H, W)` with void 255, logits `(N, H, W, classes)`.
"""

from __future__ import annotations

import math

import numpy as np

VOID = 255


def probabilities(logits):
    shifted = np.exp(logits - logits.max(-1, keepdims=True))
    return shifted / shifted.sum(-1, keepdims=True)


def known(labels, logits):
    """Label and probabilities of each pixel that counts."""
    said = probabilities(np.asarray(logits, np.float64))
    return [
        (labels[place], said[place]) for place in np.ndindex(labels.shape) if labels[place] != VOID
    ]


def cross_entropy(labels, logits, weights):
    pixels = known(labels, logits)
    return sum(-weights[y] * math.log(p[y]) for y, p in pixels) / max(len(pixels), 1)


def focal(labels, logits, weights, gamma=2.0):
    """Lin et al. 2017, equation 5: -alpha (1 - p_t)^gamma log(p_t)."""
    pixels = known(labels, logits)
    terms = (-weights[y] * (1 - p[y]) ** gamma * math.log(p[y]) for y, p in pixels)
    return sum(terms) / max(len(pixels), 1)


def ohem(labels, logits, weights, threshold=0.7, min_kept=None):
    """Of each image the pixels below the threshold, or the hardest ones."""
    kept = []
    for one, scores in zip(labels, logits, strict=True):
        pixels = sorted(known(one, scores), key=lambda pixel: pixel[1][pixel[0]])
        least = one.size // 16 if min_kept is None else min_kept
        hard = sum(p[y] < threshold for y, p in pixels)
        kept += pixels[: max(hard, least, 1)]
    return sum(-weights[y] * math.log(p[y]) for y, p in kept) / max(len(kept), 1)


def dice(labels, logits, weights, smoothing=0.0):
    """Milletari et al. 2016, section 3, of each image and each class that it has."""
    images = []
    for one, scores in zip(labels, logits, strict=True):
        pixels = known(one, scores)
        losses = []
        for c in {y for y, _ in pixels}:
            overlap = sum(p[c] * (y == c) for y, p in pixels)
            squares = sum(p[c] ** 2 + (y == c) ** 2 for y, p in pixels)
            losses.append(weights[c] * (1 - (2 * overlap + smoothing) / (squares + smoothing)))
        if losses:
            images.append(np.mean(losses))
    return np.mean(images) if images else 0.0


def jaccard_loss(wrong, there):
    """Berman et al. 2018, equation 6: of a set of mispredicted pixels."""
    union = there | wrong
    return len(wrong) / len(union) if union else 0.0


def lovasz(labels, logits, weights, per_image=False):
    """Berman et al. 2018, equation 8 with definition 1: the extension of a set function."""
    groups = zip(labels, logits, strict=True) if per_image else [(labels, logits)]
    found = []
    for group, scores in groups:
        pixels = known(group, scores)
        losses = []
        for c in {y for y, _ in pixels}:
            errors = [1 - p[c] if y == c else p[c] for y, p in pixels]
            there = {i for i, (y, _) in enumerate(pixels) if y == c}
            total, wrong = 0.0, set()
            for i in np.argsort(errors)[::-1]:
                before = jaccard_loss(wrong, there)
                wrong = wrong | {i}
                total += errors[i] * (jaccard_loss(wrong, there) - before)
            losses.append(weights[c] * total)
        if losses:
            found.append(np.mean(losses))
    return np.mean(found) if found else 0.0
