"""What a server takes, and how it says no."""

from __future__ import annotations

from dataclasses import dataclass, replace

from keras_fcn.caffe.words import quoted

__all__ = ["Limits", "Refused"]

_PIXELS = {"map": 4_000_000, "classes": 40_000_000}


@dataclass(frozen=True)
class Limits:
    """Bounds on what clients may ask for.

    Attributes:
        max_bytes: of a request's body.
        max_pixels: of an image, told by its header before it is decoded; None for what suits
            the task, see `of_task`.
        queue: requests at once, from the first byte of the body to the answer.
        batch: images in one pass of the network.
        window: seconds that an image waits for others of its size.
        timeout: seconds to send a body, and to wait for the network.
    """

    max_bytes: int = 20 << 20
    max_pixels: int | None = None
    queue: int = 64
    batch: int = 8
    window: float = 0.004
    timeout: float = 30.0

    def __post_init__(self) -> None:
        for name in ("max_bytes", "max_pixels", "queue", "batch", "timeout"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"{quoted(name)} must be above 0. Received: {value}")

    @property
    def pixels(self) -> int:
        """Pixels of an image, of limits that know their task."""
        assert self.max_pixels is not None
        return self.max_pixels

    def of_task(self, task: str) -> Limits:
        """The limits with a number of pixels: a classifier's images are resized first."""
        return replace(self, max_pixels=self.max_pixels or _PIXELS[task])


class Refused(Exception):  # noqa: N818
    """A request that gets an error.

    Attributes:
        status: of HTTP.
        code: the error's name, for programs.
        message: one line for people.
    """

    def __init__(self, status: int, code: str, message: object) -> None:
        self.status, self.code = status, code
        self.message = " ".join(str(message).split())
        super().__init__(self.message)

    @property
    def headers(self) -> dict[str, str]:
        """Headers that belong to the status."""
        return {"Retry-After": "1"} if self.status in (429, 503) else {}

    def body(self) -> dict[str, dict[str, str | int]]:
        """The one form of all errors."""
        return {"error": {"status": self.status, "code": self.code, "message": self.message}}
