"""The HTTP application: a JSON API, PNGs, health, metrics and one web page."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import FastAPI, Query
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, PlainTextResponse, Response
from starlette.exceptions import HTTPException
from starlette.requests import Request

from keras_fcn.serving.guarding import Guard, error_response
from keras_fcn.serving.limits import Limits, Refused
from keras_fcn.serving.metrics import CONTENT_TYPE, Metrics
from keras_fcn.serving.network import Seen, ServedNetwork
from keras_fcn.serving.replies import (
    ERRORS,
    IMAGE_BODY,
    OF_MAPS,
    PNG,
    Classified,
    Description,
    Health,
    Segmented,
)
from keras_fcn.serving.work import Work
from keras_fcn.version import __version__

__all__ = ["application"]

_PAGE = Path(__file__).parent / "page"
_FILES = {
    "/": ("page.html", "text/html"),
    "/docs": ("docs.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
    "/docs.js": ("docs.js", "text/javascript"),
}
Labels = Literal["none", "classes", "colours"]
Top = Annotated[int, Query(ge=1, le=1000, description="how many classes")]


def application(network: ServedNetwork, limits: Limits | None = None, *, local: bool = True) -> Any:
    """The application of a network, for any ASGI server.

    Args:
        network: what answers.
        limits: what clients may ask for.
        local: whether only requests to a loopback address are answered.
    """
    limits = (limits or Limits()).of_task(network.task)
    metrics = Metrics()
    work = Work(network, limits, metrics)

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        yield
        work.close()

    app = FastAPI(
        title=f"keras-fcn: {network.name}",
        version=__version__,
        docs_url=None,  # its page comes from the network; ours is below
        redoc_url=None,
        redirect_slashes=False,  # to a host that the client names
        lifespan=life,
        responses=ERRORS,
    )
    app.add_middleware(Guard, metrics=metrics, max_bytes=limits.max_bytes, local=local)
    _add_errors(app)
    _add_state(app, work)
    _add_classify(app, work)
    if network.task == "map":
        _add_segment(app, work)
    else:
        _add_refusals(app)
    for path, (name, kind) in _FILES.items():
        file = FileResponse(_PAGE / name, media_type=kind)
        app.add_api_route(path, lambda file=file: file, include_in_schema=False)
    return app


def _add_errors(app: FastAPI) -> None:
    @app.exception_handler(Refused)
    async def refused(_: Request, error: Refused) -> Response:
        return error_response(error)

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        told = Refused(error.status_code, "http", f"{error.detail}: {request.url.path}")
        response = error_response(told)
        response.headers.update(error.headers or {})
        return response

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        return error_response(Refused(422, "query", f"{first['loc'][-1]}: {first['msg']}"))


def _add_state(app: FastAPI, work: Work) -> None:
    @app.get("/healthz", tags=["state"])
    async def health() -> Health:
        """Whether the server is there."""
        return {"status": "ok"}

    @app.get("/metrics", tags=["state"], response_class=PlainTextResponse)
    async def metrics() -> Response:
        """Counts and times in Prometheus' text format."""
        text = work.metrics.text(requests_in_progress=work.admitted, images_waiting=work.waiting)
        return Response(text, media_type=CONTENT_TYPE)

    @app.get("/v1/model", tags=["network"])
    async def model() -> Description:
        """What the network is for, its classes, and what is taken."""
        limits = work.limits
        told: Any = {"max_bytes": limits.max_bytes, "max_pixels": limits.pixels}
        return work.network.described() | told  # type: ignore[no-any-return]


def _add_classify(app: FastAPI, work: Work) -> None:
    @app.post("/v1/classify", tags=["network"], openapi_extra=IMAGE_BODY)
    async def classify(request: Request, top: Top = 5) -> Classified:
        """The best classes of an image; of a map those that score highest anywhere."""

        def made(seen: Seen) -> Classified:
            height, width = seen.pixels
            return {"width": width, "height": height, "classes": work.network.classes(seen, top)}

        return await work.answer(request, made)


def _add_segment(app: FastAPI, work: Work) -> None:
    network = work.network

    @app.post("/v1/segment", tags=["network"], openapi_extra=IMAGE_BODY)
    async def segment(request: Request, top: Top = 5, labels: Labels = "none") -> Segmented:
        """The share of an image's pixels of each class, the best classes, and the labels."""

        def made(seen: Seen) -> Segmented:
            height, width = seen.pixels
            found = network.labels(seen)
            png = None
            if labels != "none":
                png = base64.b64encode(network.labels_png(found, labels == "colours")).decode()
            return {
                "width": width,
                "height": height,
                "classes": network.shares(found),
                "top": network.classes(seen, top),
                "labels_png": png,
            }

        return await work.answer(request, made)

    @app.post("/v1/labels", tags=["network"], openapi_extra=IMAGE_BODY, **PNG)
    async def labels(request: Request, colours: bool = False) -> Response:
        """A PNG whose pixels are the classes, 8 bits with a palette or 16 bits; or colours."""
        png = await work.answer(
            request, lambda seen: network.labels_png(network.labels(seen), colours)
        )
        return Response(png, media_type="image/png")

    @app.post("/v1/heat-map", tags=["network"], openapi_extra=IMAGE_BODY, **PNG)
    async def heat(
        request: Request,
        wanted: Annotated[str, Query(alias="class", description="its name or number")],
    ) -> Response:
        """A PNG of where a class scores; the headers `X-Low` and `X-High` are the scale's ends."""
        network.find(wanted)  # before the network runs
        png, (low, high) = await work.answer(request, lambda seen: network.heat_png(seen, wanted))
        headers = {"X-Low": f"{low:.9g}", "X-High": f"{high:.9g}"}
        return Response(png, media_type="image/png", headers=headers)


def _add_refusals(app: FastAPI) -> None:
    """What a classifier answers where maps are asked for."""

    async def refuse() -> None:
        raise Refused(404, "no_map", "this network is a classifier; ask /v1/classify")

    for name in ("segment", "labels", "heat-map"):
        app.add_api_route(f"/v1/{name}", refuse, methods=["POST"], tags=["network"], **OF_MAPS)
