"""Start the service: one process or several on one socket, ended in order by SIGTERM or SIGINT."""

import ctypes
import gc
import logging
import os
import signal
import socket
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import uvicorn
from uvicorn.supervisors import Multiprocess

from ai_detect import log
from ai_detect.errors import UsageError
from ai_detect.server.models import ServedModel
from ai_detect.server.settings import Settings

logger = logging.getLogger(__name__)

_GRACE_SECONDS = 6  # for what was accepted; a container is killed after 10
_IDLE_SECONDS = 30
_HANGING_SECONDS = 30  # a worker that does not answer for so long is replaced
_BACKLOG = 2048
_LARGEST_PORT = 65535
_PR_SET_PDEATHSIG = 1  # of linux/prctl.h
_DATA_DIR, _VERBOSE = "AI_DETECT_DATA_DIR", "AI_DETECT_VERBOSE"
_METRICS = "PROMETHEUS_MULTIPROC_DIR"
_LOOP = "ai_detect.server.event_loop:Loop"
_FACTORY = "ai_detect.server.app:from_environment"


def serve(settings: Settings, *, host: str, port: int, workers: int) -> None:
    """Serve until a signal ends it, and finish what was accepted.

    Args:
        settings: of the service.
        host: address to listen on.
        port: to listen on; 0 for any that is free.
        workers: processes.

    Raises:
        ArtifactError: the published model is damaged.
        UsageError: the address cannot be listened on.
    """
    model = ServedModel.of(settings)  # before anything else, so that a damaged one is told in words
    listening = _listen(host, port)
    _share_log_with_server()
    signal.signal(signal.SIGTERM, _end_in_order)
    address = f"http://{f'[{host}]' if ':' in host else host}:{listening.getsockname()[1]}"
    logger.info("serving on %s with %s, version %s", address, model.name, model.version)
    if workers == 1:
        from ai_detect.server.app import create_app

        server = uvicorn.Server(_config(create_app(settings, model)))
        spare_collector()
        server.run(sockets=[listening])
    else:
        del model
        _serve_with_workers(settings, listening, workers)
    logger.info("ended")


def _serve_with_workers(settings: Settings, listening: socket.socket, workers: int) -> None:
    with tempfile.TemporaryDirectory(prefix="ai_detect-metrics-") as folder:
        os.environ.setdefault(_METRICS, folder)
        os.environ[_DATA_DIR] = str(settings.data_dir)
        os.environ[_VERBOSE] = "1" if logger.isEnabledFor(logging.DEBUG) else ""
        logging.getLogger("uvicorn.error").setLevel(
            logging.INFO
        )  # a worker that died is worth a line
        config = _config(_FACTORY, workers=workers)
        Multiprocess(config, sockets=[listening]).run()


def _config(app: object, *, workers: int = 1) -> uvicorn.Config:
    return uvicorn.Config(
        app,  # type: ignore[arg-type]
        factory=isinstance(app, str),
        workers=workers,
        loop=_LOOP,
        http="httptools",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=_BACKLOG,
        timeout_worker_healthcheck=_HANGING_SECONDS,
        timeout_keep_alive=_IDLE_SECONDS,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )


def _listen(host: str, port: int) -> socket.socket:
    if not 0 <= port <= _LARGEST_PORT:
        raise UsageError(f"--port={port} is no port: give a number from 0 to {_LARGEST_PORT}.")
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        reason = error.strerror or error
        raise UsageError(
            f"--host={host} --port={port} cannot be listened on ({reason}): give another address or port."
        ) from error


def _end_in_order(signal_number: int, _: object) -> None:
    """Do nothing: the server takes the signal while it runs, and raises it once more when all is done."""
    logger.debug("signal %d", signal_number)


def worker_settings(environment: Mapping[str, str]) -> Settings:
    """Return the settings of a worker process."""
    return Settings.from_environment(Path(environment[_DATA_DIR]), environment)


def spare_collector() -> None:
    """Keep what is there to stay from being looked through for garbage again and again, 40 ms each time."""
    gc.collect()
    gc.freeze()


def end_with_parent() -> None:
    """Have this worker process end in order when the one that started it is gone, even by kill -9 (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def configure_log_of_worker(settings: Settings, environment: Mapping[str, str]) -> None:
    """Send the records of a worker process to the log that all share."""
    log.configure(settings.log_file, quiet=True, verbose=bool(environment[_VERBOSE]))
    _share_log_with_server()


def _share_log_with_server() -> None:
    """Send what uvicorn has to say where our records go."""
    server = logging.getLogger("uvicorn.error")
    for handler in logging.getLogger("ai_detect").handlers:
        server.addHandler(handler)
    server.setLevel(logging.WARNING)
