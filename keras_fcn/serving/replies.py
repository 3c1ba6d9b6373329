"""Forms of requests and answers, for the OpenAPI page."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response
from typing_extensions import TypedDict

__all__ = [
    "ERRORS",
    "IMAGE_BODY",
    "OF_MAPS",
    "PNG",
    "Classified",
    "Description",
    "Health",
    "Segmented",
]


class Health(TypedDict):
    """State of the server."""

    status: str


class Class(TypedDict):
    """A class of the network; its colour is #rrggbb."""

    label: str
    index: int
    colour: str


class Score(TypedDict):
    """A class and its score."""

    label: str
    index: int
    score: float


class Share(Class):
    """A class and its share of an image's pixels."""

    share: float


class Description(TypedDict):
    """A network, and what is taken."""

    name: str
    task: str
    engine: str
    classes: list[Class]
    max_bytes: int
    max_pixels: int


class Classified(TypedDict):
    """Best classes of an image, best first."""

    width: int
    height: int
    classes: list[Score]


class Segmented(TypedDict):
    """Classes of an image's pixels, largest share first; the PNG of the labels is in base64."""

    width: int
    height: int
    classes: list[Share]
    top: list[Score]
    labels_png: str | None


class ErrorFacts(TypedDict):
    """An error: HTTP's status, a name for programs, a line for people."""

    status: int
    code: str
    message: str


class ErrorReply(TypedDict):
    """The one form of all errors."""

    error: ErrorFacts


_BYTES = {"schema": {"type": "string", "format": "binary"}}
_BASE64 = {
    "schema": {
        "type": "object",
        "required": ["b64"],
        "properties": {"b64": {"type": "string", "format": "byte"}},
    }
}
IMAGE_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "An image's file, or its base64 in JSON.",
        "content": {
            "image/*": _BYTES,
            "application/octet-stream": _BYTES,
            "application/json": _BASE64,
        },
    }
}
PNG: dict[str, Any] = {
    "response_class": Response,
    "responses": {200: {"description": "A PNG.", "content": {"image/png": {}}}},
}
_TOLD = {
    413: "Too many bytes, or pixels.",
    415: "Not an image, or another Content-Type.",
    422: "A broken image, one that the network cannot take, or a wrong query.",
    429: "Too many requests at once.",
    504: "No answer in time.",
}
ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"description": text, "model": ErrorReply} for status, text in _TOLD.items()
}

OF_MAPS: dict[str, Any] = {
    "status_code": 404,
    "response_model": ErrorReply,
    "response_description": "no_map: this network is a classifier; ask /v1/classify.",
    "summary": "Of networks that label pixels, which this one is not",
}
