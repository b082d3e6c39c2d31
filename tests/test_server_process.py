"""The service as real processes: swaps under load, signals, workers that are killed, restarts."""

import re
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from ai_detect import My_TextClassifier_Model, artifacts, cli
from ai_detect.server.job_files import JobFiles
from tests.command_support import wait_until
from tests.server_support import (
    API,
    ESSAY,
    ROOT,
    AppClient,
    Server,
    rows,
    running_app,
    serving,
    turn_taken,
)

SAMPLE = ROOT / "data" / "sample"
N_SWAPS = 20


@pytest.fixture(scope="module")
def two_models(tmp_path_factory: pytest.TempPathFactory, trained: Path) -> list[Path]:
    folder = tmp_path_factory.mktemp("other")
    My_TextClassifier_Model(model_dir=str(folder / "model"), data_dir=str(folder / "data")).train(
        dataset=str(SAMPLE / "train.csv"), tracking="none", n_bits=10, n_folds=2
    )
    return [trained / "model", folder / "model"]


class Load:
    """Clients that ask one after the other until told to stop, and what they were answered."""

    def __init__(self, server: Server, n_clients: int = 2) -> None:
        self._stop = threading.Event()
        self._url = server.url
        self.statuses: list[object] = []
        self.versions: set[str] = set()
        self._pool = ThreadPoolExecutor(n_clients)
        self._clients = [self._pool.submit(self._ask) for _ in range(n_clients)]

    def _ask(self) -> None:
        with httpx.Client(base_url=self._url, timeout=20, trust_env=False, verify=False) as client:
            while not self._stop.wait(0.005):  # not so many that they take the time of other tests
                try:
                    answer = client.post(f"{API}/predict", json={"text": ESSAY})
                    self.statuses.append(answer.status_code)
                    self.versions.add(answer.json()["model"]["version"])
                except httpx.TransportError as error:
                    self.statuses.append(repr(error))

    def stop(self) -> None:
        self._stop.set()
        for client in self._clients:
            client.result()
        self._pool.shutdown()


def test_a_published_model_is_taken_under_load_without_a_failure(
    two_models: list[Path], tmp_path: Path
) -> None:
    versions = [
        artifacts.load(folder).manifest["files"]["weights"]["sha256"][:12] for folder in two_models
    ]
    with serving(tmp_path) as server:
        load = Load(server)
        for i in range(N_SWAPS):
            artifacts.publish(two_models[i % 2], tmp_path / "model")
            wait_until(lambda i=i: server.client.get("/readyz").json()["model"] == versions[i % 2])
        load.stop()
        assert len(load.statuses) > N_SWAPS
        assert set(load.statuses) == {200}
        assert set(versions) <= load.versions
        page = server.client.get(f"{API}/model").json()
        assert page["version"] == versions[(N_SWAPS - 1) % 2]
        (tmp_path / "model" / "manifest.json").write_text("{}")
        wait_until(lambda: "is not taken" in (tmp_path / "log_file.log").read_text())
        assert server.client.post(f"{API}/predict", json={"text": ESSAY}).status_code == 200
        assert "ai_detect_models_refused_total 1.0" in server.client.get("/metrics").text


def test_sigterm_finishes_what_was_accepted(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        done = server.send("done.jsonl", rows(3))
        wait_until(lambda: server.job(done["id"])["status"] == "done")
        with turn_taken(tmp_path), ThreadPoolExecutor(4) as pool:
            job = server.send("a.jsonl", rows(3))
            address = f"{server.url}{API}/explain"
            texts = {"text": ESSAY * 100}
            asked = [
                pool.submit(httpx.post, address, json=texts, timeout=20, verify=False)
                for _ in range(4)
            ]
            wait_until(lambda: in_flight(server) >= 4)
            started = time.monotonic()
            server.process.send_signal(signal.SIGTERM)
            answers = [answer.result() for answer in asked]
            assert server.process.wait(10) == 0
            assert time.monotonic() - started < 10
        assert [answer.status_code for answer in answers] == [200] * 4
    with running_app(tmp_path) as client:  # what was done is there, what was not can be run again
        assert client.get(f"{API}/jobs/{done['id']}/result").text.count("\n") == 4
        stopped = client.get(f"{API}/jobs/{job['id']}").json()
        assert (stopped["status"], stopped["rows"]) == ("failed", 0)
        assert "service ended" in stopped["error"]
        run_again(client, job)


def run_again(client: AppClient, job: Any) -> None:
    """Run a job again that another process of the service left, until it is done."""
    path = f"{API}/jobs/{job['id']}"
    assert client.post(f"{path}/rerun").status_code == 202
    wait_until(lambda: client.get(path).json()["status"] == "done", pause=0.1)


def in_flight(server: Server) -> float:
    found = re.search(
        r"^ai_detect_requests_in_flight (\S+)", server.client.get("/metrics").text, re.MULTILINE
    )
    assert found
    return float(found[1]) - 1  # the question itself


def test_a_killed_worker_is_replaced_while_the_others_serve(tmp_path: Path) -> None:
    with serving(tmp_path, "--workers=2") as server:
        parent = psutil.Process(server.process.pid)

        def workers() -> list[psutil.Process]:
            return [one for one in parent.children() if "spawn_main" in command(one)]

        wait_until(lambda: len(workers()) == 2)
        with turn_taken(tmp_path):
            job = server.send("a.jsonl", rows(3))
            victim = next(
                one
                for one in workers()
                if any(job["id"] in command(child) for child in one.children())
            )
            survivors = {one.pid for one in workers()} - {victim.pid}
            victim.kill()
            failed = [ask_once(server) for _ in range(50)].count(None)
            assert failed <= 1  # what the killed one had accepted is lost with it
            wait_until(lambda: server.job(job["id"])["status"] == "failed")
        assert server.client.post(f"{API}/jobs/{job['id']}/rerun").status_code == 202
        wait_until(lambda: {one.pid for one in workers()} > survivors)
        counted = server.client.get("/metrics").text
        total = re.search(r'requests_total{.*route="/api/v1/predict".*} (\S+)', counted)
        assert total
        assert float(total[1]) >= 50 - failed  # those of the dead one count
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(10) == 0


def test_a_service_killed_outright_leaves_no_worker_and_a_job_that_runs_again(
    tmp_path: Path,
) -> None:
    with serving(tmp_path, "--workers=2") as server:
        job = server.send("a.jsonl", rows(20_000, ESSAY[:200]))
        wait_until(lambda: server.job(job["id"])["status"] == "running")
        others = psutil.Process(server.process.pid).children(recursive=True)
        at_work = next(one for one in others if job["id"] in command(one))
        at_work.suspend()  # so that it cannot say that it has ended
        server.process.kill()
        assert not psutil.wait_procs(others, timeout=30)[1]
    files = JobFiles(tmp_path / "jobs" / job["id"])
    assert files.stored().status == "running"
    with running_app(tmp_path) as client:
        assert client.get(f"{API}/jobs/{job['id']}").json()["status"] == "failed"
        run_again(client, job)


def command(process: psutil.Process) -> str:
    """The command line of a process; none if it has ended."""
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""


def ask_once(server: Server) -> int | None:
    """Ask on a connection of its own, which any worker may take."""
    try:
        address = f"{server.url}{API}/predict"
        return httpx.post(address, json={"text": ESSAY}, timeout=20, verify=False).status_code
    except httpx.TransportError:
        return None


@pytest.mark.parametrize(
    ("options", "words", "code"),
    [
        (["--workers=0"], "from 1 up", 2),
        (["--host=192.0.2.1"], "cannot be listened on", 2),
        (["--port=99999"], "is no port", 2),
        (["--port=0", "--data_dir=broken"], "no model of ai_detect", 1),
    ],
)
def test_what_serve_refuses(
    options: list[str],
    words: str,
    code: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken" / "model").mkdir(parents=True)
    (tmp_path / "broken" / "model" / "manifest.json").write_text("{}")
    assert cli.main(["serve", *options]) == code
    said = capsys.readouterr()
    assert said.out == ""
    assert words in said.err
    assert "Traceback" not in said.err


def test_keys_of_the_environment_lock_the_service(tmp_path: Path) -> None:
    with serving(tmp_path, env={"AI_DETECT_API_KEYS": "a:predict:0123456789abcdef"}) as server:
        assert server.client.post(f"{API}/predict", json={"text": "a"}).status_code == 401
        headers = {"x-api-key": "0123456789abcdef"}
        assert (
            server.client.post(f"{API}/predict", json={"text": "a"}, headers=headers).status_code
            == 200
        )
    assert "0123456789abcdef" not in (tmp_path / "log_file.log").read_text()
