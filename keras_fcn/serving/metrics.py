"""Counts and times of a server, as text for Prometheus."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence

__all__ = ["CONTENT_TYPE", "Metrics"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_IMAGES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)


class Histogram:
    """How many values lie at or below each of some bounds."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds, self._counts, self._sum = bounds, [0] * (len(bounds) + 1), 0.0

    def add(self, value: float) -> None:
        """Count a value."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def lines(self, name: str) -> Iterator[str]:
        """The lines of Prometheus' text format."""
        total = 0
        for bound, count in zip((*self._bounds, "+Inf"), self._counts, strict=True):
            total += count
            yield f'{name}_bucket{{le="{bound}"}} {total}'
        yield f"{name}_sum {self._sum:.6f}"
        yield f"{name}_count {total}"


class Metrics:
    """What a server counts; all threads may add."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: Counter[tuple[str, int]] = Counter()
        self._seconds, self._batches = Histogram(_SECONDS), Histogram(_IMAGES)

    def request(self, path: str, status: int, seconds: float) -> None:
        """Count an answered request."""
        with self._lock:
            self._requests[path, status] += 1
            self._seconds.add(seconds)

    def batch(self, images: int) -> None:
        """Count a pass of the network."""
        with self._lock:
            self._batches.add(images)

    def text(self, **gauges: float) -> str:
        """All of it; `gauges` are what is so just now."""
        with self._lock:
            return "\n".join([*self._lines(), *_gauges(gauges), ""])

    def _lines(self) -> Iterator[str]:
        yield from _head("keras_fcn_requests_total", "counter", "Answered requests.")
        for (path, status), count in sorted(self._requests.items()):
            yield f'keras_fcn_requests_total{{path="{path}",status="{status}"}} {count}'
        name = "keras_fcn_request_seconds"
        yield from _head(name, "histogram", "Seconds from a request's head to its answer.")
        yield from self._seconds.lines(name)
        name = "keras_fcn_batch_images"
        yield from _head(name, "histogram", "Images in a pass of the network.")
        yield from self._batches.lines(name)


def _gauges(values: dict[str, float]) -> Iterator[str]:
    for name, value in values.items():
        yield from _head(f"keras_fcn_{name}", "gauge", f"{name.replace('_', ' ').capitalize()}.")
        yield f"keras_fcn_{name} {value:g}"


def _head(name: str, kind: str, text: str) -> list[str]:
    return [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]
