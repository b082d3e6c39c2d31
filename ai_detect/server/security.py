"""Who may ask for what: API keys with scopes, and no writing from pages of other sites."""

import hashlib
import hmac
from http import HTTPStatus
from urllib.parse import urlsplit

from fastapi import Security
from fastapi.security import APIKeyHeader, HTTPBearer
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from ai_detect.server import problems
from ai_detect.server.problems import Problem
from ai_detect.server.settings import Settings

# What a browser may do with anything from here: no script or style within a page, nothing from elsewhere.
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}

# How the OpenAPI document tells of keys; `Access` is what asks for them.
_WHERE = "Where AI_DETECT_API_KEYS is set. The log and files need the scope admin."
KEYS = [
    Security(
        HTTPBearer(scheme_name="Authorization", description=_WHERE, auto_error=False),
    ),
    Security(
        APIKeyHeader(
            name="X-API-Key", scheme_name="X-API-Key", description=_WHERE, auto_error=False
        ),
    ),
]

_API = "/api/"
_FREE = ("/api/v1/openapi.json",)
_ADMIN = ("/api/v1/log", "/api/v1/jobs", "/api/v1/predict/file")
_READING = ("GET", "HEAD", "OPTIONS")


def scope_of(path: str) -> str:
    """Return the scope that a path needs where keys are set; "" for the page, health and metrics."""
    if not path.startswith(_API) or path in _FREE:
        return ""
    return "admin" if path.startswith(_ADMIN) else "predict"


class Access:
    """Refuse requests without the key their path needs, before anything of their body is read."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._keys = [(_digest(key.key), key.scope) for key in settings.keys]
        self._origins = settings.cors_origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 401 or 403."""
        if scope["type"] == "http":
            try:
                self._check(scope)
            except Problem as problem:
                await problems.answer(scope, problem)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _check(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        if scope["method"] not in _READING and not self._is_own_page(headers):
            raise Problem(
                HTTPStatus.FORBIDDEN,
                "Pages of other sites may not write here: name the site in AI_DETECT_CORS_ORIGINS if it is yours.",
            )
        needed = scope_of(scope["path"])
        if not self._keys or not needed or scope["method"] == "OPTIONS":
            return
        granted = self._granted(headers)
        if not granted:
            raise Problem(
                HTTPStatus.UNAUTHORIZED,
                "Give a key of this service as Authorization: Bearer KEY or as X-API-Key: KEY.",
                headers={"WWW-Authenticate": "Bearer"},
            )
        if needed not in granted:
            raise Problem(HTTPStatus.FORBIDDEN, f"This key does not open the scope {needed}.")

    def _granted(self, headers: Headers) -> set[str]:
        """Return the scopes of the key in a request. All keys are compared, in constant time each."""
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        given = _digest(
            bearer.strip() if scheme.lower() == "bearer" else headers.get("x-api-key", "")
        )
        granted: set[str] = set()
        for digest, scope in self._keys:
            if hmac.compare_digest(digest, given):
                granted |= {scope, "predict"}
        return granted

    def _is_own_page(self, headers: Headers) -> bool:
        """Whether a request comes from no page of a browser, from the page of this service, or from a named site."""
        origin = headers.get("origin")
        return (
            origin is None
            or urlsplit(origin).netloc == headers.get("host")
            or origin in self._origins
        )


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "replace")).digest()
