"""Errors as RFC 9457 problem documents: what was wrong and what to do, and never a word of what was sent."""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from ai_detect.errors import AiDetectError, ArtifactError, MissingExtraError
from ai_detect.server.wording import of_service

MEDIA_TYPE = "application/problem+json"
RETRY_SECONDS = 1

_DESCRIBED = 5  # mistakes of one request that are told


class Problem(HTTPException):
    """A refusal on purpose.

    Args:
        status: of HTTP.
        detail: one sentence or two for a person.
        retry_after: seconds after which the same request may be met.
        headers: more of them.
    """

    def __init__(
        self,
        status: HTTPStatus,
        detail: str,
        *,
        retry_after: int = 0,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        again = {"Retry-After": str(retry_after)} if retry_after else {}
        super().__init__(status.value, detail, {**(headers or {}), **again})


def document(
    scope: Mapping[str, Any], status: int, detail: str, headers: Mapping[str, str] | None = None
) -> Response:
    """Return the problem document of a request."""
    body = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "instance": scope.get("request_id", ""),
    }
    return Response(json.dumps(body), status, headers, MEDIA_TYPE)


def answer(scope: Mapping[str, Any], error: HTTPException) -> Response:
    """Return the problem document of a refusal."""
    return document(scope, error.status_code, error.detail, error.headers)


async def of_http(request: Request, error: Exception) -> Response:
    """Answer a refusal, by this service or by the router."""
    assert isinstance(error, HTTPException)
    return answer(request.scope, error)


async def of_validation(request: Request, error: Exception) -> Response:
    """Answer a request of the wrong form: where and what, without the value that was given."""
    assert isinstance(error, RequestValidationError)
    found = [
        f"{'.'.join(str(part) for part in mistake['loc'] if isinstance(part, str | int))[:80]}: {mistake['msg'][:200]}"
        for mistake in error.errors()[:_DESCRIBED]
    ]
    return document(request.scope, HTTPStatus.UNPROCESSABLE_ENTITY, "; ".join(found))


async def of_refusal(request: Request, error: Exception) -> Response:
    """Answer what the rest of the package refuses, options named as fields."""
    assert isinstance(error, AiDetectError)
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    if isinstance(error, ArtifactError | MissingExtraError):
        status = HTTPStatus.SERVICE_UNAVAILABLE
    return document(request.scope, status, of_service(str(error)))
