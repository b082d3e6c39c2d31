"""The application: routes, page, health and metrics, with what every request passes through around them."""

import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.staticfiles import StaticFiles

from ai_detect import __version__
from ai_detect.errors import AiDetectError
from ai_detect.server import job_routes, problems, telemetry
from ai_detect.server.limits import Bounds
from ai_detect.server.models import ServedModel
from ai_detect.server.routes import PREFIX, router, texts
from ai_detect.server.security import Access
from ai_detect.server.service import Service
from ai_detect.server.settings import Settings
from ai_detect.server.trace import Trace

STATIC = Path(__file__).with_name("static")

logger = logging.getLogger(__name__)


def create_app(settings: Settings, model: ServedModel) -> FastAPI:
    """Build the application around a model that is loaded.

    Args:
        settings: of the service.
        model: the first one; others follow when they are published.
    """
    service = Service.start(settings, model)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with service.running():
            app.state.is_ready = True
            yield
            app.state.is_ready = False

    app = FastAPI(
        title="ai_detect",
        version=__version__,
        summary="Tells essays written by language models from essays written by people.",
        openapi_url=f"{PREFIX}/openapi.json",
        docs_url=None,  # its page would load scripts from elsewhere
        redoc_url=None,
        lifespan=lifespan,
        # FastAPI's own, which variables of the environment can make send things elsewhere. Ours is `telemetry`.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
        exception_handlers={
            HTTPException: problems.of_http,
            RequestValidationError: problems.of_validation,
            AiDetectError: problems.of_refusal,
        },
    )
    app.state.service = service
    app.state.is_ready = False
    # The last one added is the first that a request meets.
    app.add_middleware(Bounds, limits=settings.limits, threads=service.threads)
    app.add_middleware(Access, settings=settings)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(settings.cors_origins),
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "X-API-Key", "X-Request-ID"],
            expose_headers=["X-Request-ID", "Location", "Retry-After"],
        )
    app.add_middleware(Trace, telemetry=service.telemetry)
    app.router.routes.extend(texts.routes)  # first and flat: each router on the way takes time
    app.include_router(router)
    app.include_router(job_routes.router)
    _add_operations(app, service)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    return app


def _add_operations(app: FastAPI, service: Service) -> None:
    @app.get("/", include_in_schema=False)
    async def page() -> Response:
        return FileResponse(STATIC / "index.html")

    @app.get("/healthz", tags=["service"])
    async def healthz() -> dict[str, str]:
        """Tell that the process answers."""
        return {"status": "ok"}

    @app.get(
        "/readyz", tags=["service"], responses={503: {"description": "Not yet, or not any more."}}
    )
    async def readyz(request: Request) -> Response:
        """Tell whether requests are taken."""
        is_ready = request.app.state.is_ready
        body = {
            "status": "ready" if is_ready else "not ready",
            "model": service.models.current.version,
        }
        return JSONResponse(body, 200 if is_ready else 503)

    @app.get("/metrics", tags=["service"], response_class=Response)
    def metrics() -> Response:
        """Return the figures for Prometheus."""
        return Response(service.telemetry.exposition(), media_type=telemetry.CONTENT_TYPE)


def from_environment() -> Any:
    """Build the application in a worker process, from what `launch` left in the environment."""
    from ai_detect.server import launch

    launch.end_with_parent()
    settings = launch.worker_settings(os.environ)
    launch.configure_log_of_worker(settings, os.environ)
    app = create_app(settings, ServedModel.of(settings))
    launch.spare_collector()
    return app
