"""What the tests of the service share: the application in this process, and real processes of it."""

import asyncio
import fcntl
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI

from ai_detect.server.app import create_app
from ai_detect.server.models import ServedModel
from ai_detect.server.settings import Limits, Settings
from tests.command_support import wait_until

ROOT = Path(__file__).parents[1]
API = "/api/v1"
ESSAY = " ".join(["The weather was fine, and they went to see the town that nobody knew."] * 12)


class AppClient:
    """The application in this process, asked as if over HTTP. Its tasks go on while a question is answered."""

    def __init__(self, app: FastAPI, runner: asyncio.Runner) -> None:
        self.app = app
        self._runner = runner
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        self._client = httpx.AsyncClient(transport=transport, base_url="http://testserver")

    def request(self, method: str, path: str, **asked: Any) -> httpx.Response:
        return self._runner.run(self._client.request(method, path, **asked))

    def begin(self, method: str, path: str, **asked: Any) -> asyncio.Task[httpx.Response]:
        """Ask within `run`, and go on before there is an answer."""
        return asyncio.ensure_future(self._client.request(method, path, **asked))

    def get(self, path: str, **asked: Any) -> httpx.Response:
        return self.request("GET", path, **asked)

    def post(self, path: str, **asked: Any) -> httpx.Response:
        return self.request("POST", path, **asked)

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self._runner.run(work)


@contextmanager
def running_app(data_dir: Path, **settings: Any) -> Iterator[AppClient]:
    """The application in this process, its lifespan begun."""
    limits = Limits(**{k: settings.pop(k) for k in list(settings) if hasattr(Limits, k)})
    chosen = replace(Settings(data_dir, limits), **settings)
    app = create_app(chosen, ServedModel.of(chosen))
    with asyncio.Runner() as runner:
        lifespan = app.router.lifespan_context(app)
        runner.run(lifespan.__aenter__())
        try:
            yield AppClient(app, runner)
        finally:
            runner.run(lifespan.__aexit__(None, None, None))


@dataclass(frozen=True)
class Server:
    """A process of the command line that serves."""

    process: subprocess.Popen[str]
    url: str
    client: httpx.Client

    def job(self, job_id: str) -> Any:
        return self.client.get(f"{API}/jobs/{job_id}").json()

    def send(self, name: str, content: bytes, **fields: str) -> Any:
        answer = self.client.post(
            f"{API}/predict/file", files={"file": (name, content)}, data=fields
        )
        assert answer.status_code == 202, answer.text
        return answer.json()


@contextmanager
def serving(data_dir: Path, *options: str, env: dict[str, str] | None = None) -> Iterator[Server]:
    """A real server on a port of its own."""
    process = subprocess.Popen(
        [
            sys.executable,
            str(ROOT / "model.py"),
            "serve",
            "--port=0",
            f"--data_dir={data_dir}",
            *options,
        ],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **(env or {})},
        start_new_session=True,
    )
    try:
        assert process.stderr
        line = process.stderr.readline()
        found = re.search(r"serving on (http://\S+)", line)
        assert found, line + process.stderr.read()
        with httpx.Client(base_url=found[1], timeout=20, trust_env=False, verify=False) as client:
            wait_until(lambda: is_ready(client))
            yield Server(process, found[1], client)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # its workers too, which hold the pipe open
        process.communicate()


def is_ready(client: httpx.Client) -> bool:
    try:
        return client.get("/readyz").status_code == 200
    except httpx.TransportError:
        return False


@contextmanager
def turn_taken(data_dir: Path) -> Iterator[None]:
    """Hold what a job at work holds, so that those sent meanwhile wait."""
    (data_dir / "jobs").mkdir(exist_ok=True)
    with (data_dir / "jobs" / ".turn").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def rows(n: int, text: str = ESSAY) -> bytes:
    lines = [json.dumps({"id": f"r{i}", "text": text}) for i in range(n)]
    return "\n".join(lines).encode()
