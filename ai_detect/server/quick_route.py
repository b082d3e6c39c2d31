"""A route for small JSON requests: the body straight into its model, which takes a third of FastAPI's own way."""

from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError
from starlette.responses import Response

from ai_detect.server.problems import Problem

_JSON = "application/json"


class QuickRoute(APIRoute):
    """A route whose function takes the request and one model, and returns a response.

    The OpenAPI document is that of any other route.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what answers a request."""
        endpoint = self.endpoint
        (body,) = self.dependant.body_params
        model: type[BaseModel] = body.field_info.annotation  # type: ignore[assignment]

        async def answer(request: Request) -> Response:
            if not request.headers.get("content-type", "").lower().startswith(_JSON):
                raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"Send the body as {_JSON}.")
            try:
                asked = model.model_validate_json(await request.body())
            except ValidationError as error:
                raise RequestValidationError(
                    error.errors(include_input=False, include_context=False, include_url=False)
                ) from None
            response: Response = await endpoint(request, asked)
            return response

        return answer
