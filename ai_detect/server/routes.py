"""The addresses of the API. What they do is in `answers`, `jobs` and `log_view`; what they may take, in `limits`."""

import asyncio
from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from starlette.responses import FileResponse, Response, StreamingResponse

from ai_detect.errors import AiDetectError
from ai_detect.server import log_view, model_page, schemas
from ai_detect.server.answers import Question
from ai_detect.server.limits import too_large
from ai_detect.server.problems import Problem
from ai_detect.server.quick_route import QuickRoute
from ai_detect.server.security import KEYS
from ai_detect.server.service import Service
from ai_detect.server.settings import Limits

PREFIX = "/api/v1"
_PLOTS = f"{PREFIX}/model/plots"
_JSON = "application/json"

Responses = dict[int | str, dict[str, Any]]


def described(*statuses: int) -> Responses:
    """Return how problems of these statuses are described."""
    content = {"application/problem+json": {"schema": schemas.ProblemResponse.model_json_schema()}}
    return {
        status: {"description": HTTPStatus(status).phrase, "content": content}
        for status in statuses
    }


ALWAYS = described(401, 403, 503)
BODY = described(413, 415, 422)

router = APIRouter(prefix=PREFIX, responses=ALWAYS, dependencies=KEYS)
texts = APIRouter(
    prefix=PREFIX,
    responses=ALWAYS | BODY,
    dependencies=KEYS,
    tags=["texts"],
    route_class=QuickRoute,
)


@texts.post("/predict", response_model=schemas.PredictResponse)
async def predict(request: Request, asked: schemas.PredictRequest) -> Response:
    """Say of one text, or of each of a list, whether it is LLM-written; texts are not kept."""
    service = service_of(request)
    given = asked.all_texts
    _check_texts(given, service.settings.limits)
    question = Question(asked.profile, asked.fpr, asked.prior)
    return Response(await service.predict(given, question), media_type=_JSON)


@texts.post("/explain", responses={200: {"description": "What the score is made of."}})
async def explain(request: Request, asked: schemas.ExplainRequest) -> Response:
    """Show what each sentence and wording contributes to the score, exactly. Places are characters of the text."""
    service = service_of(request)
    _check_texts([asked.text], service.settings.limits)
    question = Question(asked.profile, asked.fpr)
    body = await service.explain(asked.text, question, windows=asked.windows)
    return Response(body, media_type=_JSON)


@router.get("/model", response_model=schemas.ModelResponse, tags=["model"])
async def model(request: Request) -> dict[str, Any]:
    """Show the model in use: card, figures, profiles with their thresholds, plots."""
    service = service_of(request)
    used = service.models.current
    names = list(model_page.plots(used, service.settings.data_dir))
    return await service.threads.run(model_page.described, used, names, _PLOTS)


@router.get(
    "/model/plots/{name}", response_class=FileResponse, responses=described(404), tags=["model"]
)
async def plot(request: Request, name: str) -> Response:
    """Show a plot of the training of the model in use."""
    service = service_of(request)
    path = model_page.plots(service.models.current, service.settings.data_dir).get(name)
    if path is None:
        raise Problem(HTTPStatus.NOT_FOUND, "There is no such plot.")
    return FileResponse(path, media_type="image/png")


@router.get("/log", response_model=schemas.LogResponse, responses=described(422), tags=["service"])
async def log(
    request: Request,
    lines: Annotated[int, Query(ge=1, le=log_view.MAX_RECORDS)] = 200,
    level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = "INFO",
) -> dict[str, Any]:
    """Show the last records of the log that are of this level or above."""
    service = service_of(request)
    found = await asyncio.to_thread(
        log_view.records, service.settings.log_file, count=lines, level=level
    )
    return {"lines": found}


@router.get("/log/download", response_class=StreamingResponse, tags=["service"])
async def download_log(request: Request) -> Response:
    """Download the log as it is now."""
    return StreamingResponse(
        log_view.contents(service_of(request).settings.log_file),
        media_type="text/plain; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="log_file.log"'},
    )


@router.get(
    "/drift", responses={200: {"description": "What moved."}, **described(404)}, tags=["model"]
)
async def drift(request: Request) -> dict[str, Any]:
    """Compare the recent texts with those of training. It is told from counts of one worker; no text is kept."""
    service = service_of(request)
    service.drift.count()
    try:
        report = await service.threads.run(service.drift.report)
    except AiDetectError as error:
        raise Problem(HTTPStatus.NOT_FOUND, str(error)) from error
    service.telemetry.show_drift(report)
    return report.to_dict()


def service_of(request: Request) -> Service:
    """Return the service of this process."""
    service: Service = request.app.state.service
    return service


def _check_texts(texts: list[str], limits: Limits) -> None:
    if len(texts) > limits.max_texts:
        raise Problem(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"{len(texts)} texts are more than the {limits.max_texts} of one request: send more requests, or a file.",
        )
    most = limits.max_text_bytes
    if any(4 * len(text) > most and len(text.encode("utf-8", "replace")) > most for text in texts):
        raise too_large(most)
