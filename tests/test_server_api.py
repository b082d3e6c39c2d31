"""The API in this process: answers, refusals, limits, keys and headers, one table each."""

import asyncio
import csv
import json
import logging
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx
import pytest

from ai_detect import My_TextClassifier_Model
from ai_detect.errors import UsageError
from ai_detect.server import event_loop, limits, overload
from ai_detect.server.answers import explained
from ai_detect.server.event_loop import Loop
from ai_detect.server.problems import Problem
from ai_detect.server.settings import ApiKey, Limits, Settings
from ai_detect.server.wording import of_service
from tests.server_support import API, ESSAY, ROOT, AppClient, running_app

KEYS = (
    ApiKey("page", "predict", "predict-key-0123456789"),
    ApiKey("boss", "admin", "admin-key-0123456789"),
)


@pytest.fixture(scope="module")
def client(trained: Path) -> Iterator[AppClient]:
    with running_app(trained / "data") as client:
        yield client


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppClient]:
    with running_app(tmp_path_factory.mktemp("locked"), keys=KEYS) as client:
        yield client


def problem(answer: Any) -> dict[str, Any]:
    """The problem document of an answer, after a look at its form."""
    assert answer.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = answer.json()
    assert sorted(document) == ["detail", "instance", "status", "title", "type"]
    assert document["status"] == answer.status_code
    assert document["title"] == HTTPStatus(answer.status_code).phrase
    assert document["instance"] == answer.headers["x-request-id"]
    assert document["detail"]
    return document


def test_a_text_gets_what_the_command_says(client: AppClient, trained: Path) -> None:
    answer = client.post(f"{API}/predict", json={"text": ESSAY, "fpr": 0.2, "prior": 0.1}).json()
    said = My_TextClassifier_Model(data_dir=str(trained / "data")).predict(
        text=ESSAY, fpr=0.2, prior=0.1
    )
    assert said
    expected = said.to_dict()
    del expected["label"]
    assert answer["predictions"] == [expected]
    assert (answer["profile"], answer["fpr"]) == ("general", 0.2)


def test_texts_are_answered_in_their_order(client: AppClient) -> None:
    texts = [ESSAY, "Short.", "", ESSAY[:300], "\x00\ud800<script>", "x" * 30_000]
    body = json.dumps({"texts": texts})
    answer = client.post(
        f"{API}/predict", content=body, headers={"content-type": "application/json"}
    )
    if answer.status_code == 422:  # lone surrogates are no JSON to some readers
        texts[4] = "\x00<script>"
        answer = client.post(f"{API}/predict", json={"texts": texts})
    found = answer.json()["predictions"]
    alone = [
        client.post(f"{API}/predict", json={"text": text}).json()["predictions"][0]
        for text in texts
        if "\ud800" not in text
    ]
    assert [one for text, one in zip(texts, found, strict=True) if "\ud800" not in text] == alone


def test_no_text_no_prediction(client: AppClient) -> None:
    assert client.post(f"{API}/predict", json={"texts": []}).json()["predictions"] == []


def test_an_explanation_has_figures_and_words(client: AppClient) -> None:
    answer = client.post(f"{API}/explain", json={"text": ESSAY, "windows": True}).json()
    total = sum(token["contribution"] for token in answer["tokens"]) + answer["intercept"]
    assert total == pytest.approx(answer["score"])
    assert len(answer["levels"]) == len(answer["sentences"]) > 0
    assert {"headline", "rarity", "promise", "normalised", "undone", "windows"} <= set(answer)
    assert answer["headline"]


def test_the_model_is_described(client: AppClient) -> None:
    answer = client.get(f"{API}/model").json()
    assert answer["classes"] == ["human", "llm"]
    assert answer["card"].startswith("#")
    assert answer["name"] == "the published model"
    assert answer["profiles"]["general"]["thresholds"]
    assert answer["profiles"]["general"]["texts"] > 0
    assert answer["metrics"]["out_of_fold"]
    assert answer["plots"]
    for url in answer["plots"]:
        plot = client.get(url)
        assert plot.headers["content-type"] == "image/png"
        assert plot.content.startswith(b"\x89PNG")


@pytest.mark.parametrize("name", ["absent.png", "..%2F..%2Fmanifest.json", "%2Fetc%2Fpasswd"])
def test_no_plot_is_any_other_file(client: AppClient, name: str) -> None:
    assert client.get(f"{API}/model/plots/{name}").status_code == 404


LONG = "word " * 500_000
# What is asked, the status, and what the answer says.
REFUSED = {
    "no body": ("POST", "/predict", {}, 415, "application/json"),
    "no JSON": (
        "POST",
        "/predict",
        {"content": b"{", "headers": {"content-type": "application/json"}},
        422,
        "JSON",
    ),
    "not UTF-8": (
        "POST",
        "/predict",
        {"content": b'{"text":"\xff"}', "headers": {"content-type": "application/json"}},
        4,
        "",
    ),
    "neither": ("POST", "/predict", {"json": {}}, 422, "either text or texts"),
    "both": ("POST", "/predict", {"json": {"text": "a", "texts": ["b"]}}, 422, "one of them"),
    "no text": ("POST", "/predict", {"json": {"text": 7}}, 422, "text"),
    "misspelt": ("POST", "/predict", {"json": {"text": "a", "frp": 0.1}}, 422, "frp"),
    "rate": ("POST", "/predict", {"json": {"text": "a", "fpr": 1.5}}, 422, "fpr"),
    "rate too low": (
        "POST",
        "/predict",
        {"json": {"text": "a", "fpr": 1e-9}},
        422,
        "cannot be promised",
    ),
    "prior": ("POST", "/predict", {"json": {"text": "a", "prior": 0}}, 422, "prior"),
    "profile": (
        "POST",
        "/predict",
        {"json": {"text": "a", "profile": "absent"}},
        422,
        "no profile absent",
    ),
    "profile path": (
        "POST",
        "/explain",
        {"json": {"text": "a", "profile": "../x"}},
        422,
        "no name",
    ),
    "long text": ("POST", "/predict", {"json": {"text": LONG}}, 413, "2000000 bytes"),
    "long texts": ("POST", "/explain", {"json": {"text": LONG}}, 413, "2000000 bytes"),
    "many texts": ("POST", "/predict", {"json": {"texts": ["a"] * 1001}}, 413, "1000"),
    "long body": (
        "POST",
        "/predict",
        {"json": {"texts": [LONG[:1_900_000]] * 5}},
        413,
        "8000000 bytes",
    ),
    "nothing there": ("GET", "/absent", {}, 404, ""),
    "method": ("PUT", "/predict", {}, 405, ""),
    "no job": ("GET", "/jobs/" + 32 * "0", {}, 404, "no such job"),
    "no id": ("GET", "/jobs/..%2Fx", {}, 404, ""),
    "no result": ("GET", f"/jobs/{32 * '0'}/result", {}, 404, "no such job"),
    "no rerun": ("POST", f"/jobs/{32 * '0'}/rerun", {}, 404, "no such job"),
    "no removal": ("DELETE", f"/jobs/{32 * '0'}", {}, 404, "no such job"),
    "no form": ("POST", "/predict/file", {"content": b"x"}, 415, "multipart"),
    "no file": ("POST", "/predict/file", {"files": {"profile": (None, "general")}}, 422, "no file"),
    "other file": ("POST", "/predict/file", {"files": {"file": ("a.exe", b"x")}}, 422, ".csv"),
    "other field": ("POST", "/predict/file", {"files": {"fil": ("a.csv", b"x")}}, 422, "fields"),
    "two files": (
        "POST",
        "/predict/file",
        {"files": [("file", ("a.csv", b"x")), ("file", ("b.csv", b"x"))]},
        422,
        "more than one",
    ),
    "long field": (
        "POST",
        "/predict/file",
        {"files": {"file": ("a.csv", b"x")}, "data": {"profile": "x" * 2000}},
        422,
        "1000 bytes",
    ),
    "file rate": (
        "POST",
        "/predict/file",
        {"files": {"file": ("a.csv", b"x")}, "data": {"fpr": "much"}},
        422,
        "fpr",
    ),
    "file profile": (
        "POST",
        "/predict/file",
        {"files": {"file": ("a.csv", b"x")}, "data": {"profile": "absent"}},
        422,
        "no profile",
    ),
    "broken form": (
        "POST",
        "/predict/file",
        {"content": b"--x\r\n", "headers": {"content-type": "multipart/form-data; boundary=x"}},
        422,
        "form",
    ),
    "lines": ("GET", "/log?lines=0", {}, 422, "lines"),
    "level": ("GET", "/log?level=LOUD", {}, 422, "level"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_and_how(client: AppClient, case: str) -> None:
    method, path, request, status, words = REFUSED[case]
    answer = client.request(method, API + path, **request)
    assert answer.status_code == status or (status == 4 and answer.status_code in (400, 422))
    assert words in problem(answer)["detail"]
    assert not client.get(f"{API}/jobs").json()["jobs"]


def test_a_refusal_says_nothing_of_what_was_sent(client: AppClient) -> None:
    secret = "Sesame opens"
    for body in ({"text": [secret]}, {"text": 1, "texts": secret}, {"text": "a", "fpr": secret}):
        assert secret not in client.post(f"{API}/predict", json=body).text


def test_what_nobody_expected_is_told_without_details(
    client: AppClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("inner matters")

    monkeypatch.setattr("ai_detect.server.service.predicted", broken)
    answer = client.post(f"{API}/predict", json={"text": ESSAY}, headers={"x-request-id": "mine-1"})
    assert answer.status_code == 500
    assert "inner matters" not in answer.text
    assert problem(answer)["instance"] == "mine-1"
    assert any("mine-1" in r.getMessage() and r.exc_info for r in caplog.records)


@pytest.mark.parametrize(
    ("given", "is_kept"),
    [("abc-1.2_3", True), ("", False), ("a b", False), ("x" * 65, False), ("a\tb", False)],
)
def test_the_id_of_a_request_is_a_plain_one(client: AppClient, given: str, is_kept: bool) -> None:
    answer = client.get("/healthz", headers={"x-request-id": given})
    assert (answer.headers["x-request-id"] == given) == is_kept
    assert re.fullmatch(r"[\w.-]{1,64}", answer.headers["x-request-id"])


@pytest.mark.parametrize(
    "path", ["/", "/healthz", f"{API}/model", f"{API}/absent", "/static/absent.js"]
)
def test_every_answer_has_the_headers_of_a_careful_service(client: AppClient, path: str) -> None:
    headers = client.get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert "access-control-allow-origin" not in headers
    assert "server" not in headers


def test_the_page_and_its_files_are_there(client: AppClient) -> None:
    page = client.get("/")
    assert page.headers["content-type"].startswith("text/html")
    for path in re.findall(r'(?:src|href)="(/static/[^"]+)"', page.text):
        assert client.get(path).status_code == 200


def test_health_is_told_and_the_metrics_are_those_of_prometheus(client: AppClient) -> None:
    from prometheus_client.parser import text_string_to_metric_families

    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/readyz").json()["status"] == "ready"
    before = samples(client)
    client.post(f"{API}/predict", json={"texts": [ESSAY] * 3})
    client.get(f"{API}/absent")
    after = samples(client)
    assert after["ai_detect_batch_texts_sum"] == before.get("ai_detect_batch_texts_sum", 0) + 3
    assert after["ai_detect_score_count"] == before.get("ai_detect_score_count", 0) + 3
    names = {family.name for family in text_string_to_metric_families(client.get("/metrics").text)}
    assert {
        "ai_detect_requests",
        "ai_detect_request_seconds",
        "ai_detect_requests_in_flight",
        "ai_detect_verdicts",
        "ai_detect_drift_level",
        "ai_detect_model_info",
        "ai_detect_model_age_seconds",
        "ai_detect_jobs",
        "process_resident_memory_bytes",
        "process_cpu_seconds",
        "system_memory_available_bytes",
    } <= names


def test_an_explained_text_counts_as_well(client: AppClient) -> None:
    n, before = client.get(f"{API}/drift").json()["n"], samples(client)
    client.post(f"{API}/explain", json={"text": ESSAY})
    after = samples(client)
    for name in ("ai_detect_verdicts_total", "ai_detect_score_count", "ai_detect_batch_texts_sum"):
        assert after[name] == before.get(name, 0) + 1
    assert client.get(f"{API}/drift").json()["n"] == n + 1


def samples(client: AppClient) -> dict[str, float]:
    from prometheus_client.parser import text_string_to_metric_families

    found: dict[str, float] = {}
    for family in text_string_to_metric_families(client.get("/metrics").text):
        for sample in family.samples:
            found[sample.name] = found.get(sample.name, 0) + sample.value
    return found


def test_drift_is_told_from_counts_of_what_came_in(client: AppClient) -> None:
    before = client.get(f"{API}/drift").json()["n"]
    client.post(f"{API}/predict", json={"texts": ["So it is. " * 3] * 100})
    found = client.get(f"{API}/drift").json()
    assert found["n"] == before + 100
    assert found["level"] == "major"
    moved = {feature["name"]: feature for feature in found["features"]}
    assert "shorter" in moved["length"]["direction"]
    for feature in found["features"]:
        assert len(feature["reference"]) == len(feature["observed"]) == len(feature["edges"]) + 1
    assert samples(client)["ai_detect_drift_level"] == 2


def test_drift_is_told_by_texts_of_the_site(trained: Path) -> None:
    dataset = ROOT / "data" / "sample" / "test.csv"
    with dataset.open(newline="", encoding="utf-8") as file:
        texts = [row["text"] for row in csv.DictReader(file)]
    levels = []
    for reference in (dataset, None):
        with running_app(trained / "data", drift_reference=reference) as client:
            client.post(f"{API}/predict", json={"texts": texts})
            found = client.get(f"{API}/drift").json()
            levels.append((found["level"], found["reference"]))
    assert levels[0] == ("none", "texts of test.csv")
    assert levels[1][0] != "none"


def test_a_service_without_a_reference_says_why(trained: Path, tmp_path: Path) -> None:
    few = tmp_path / "few.csv"
    few.write_text(f"text\n{ESSAY}\n")
    with running_app(trained / "data", drift_reference=few) as client:
        answer = client.get(f"{API}/drift")
        assert answer.status_code == 404
        assert "takes 50 or more" in problem(answer)["detail"]
        assert client.post(f"{API}/predict", json={"text": ESSAY}).status_code == 200


# Path, method, and what nobody, the one key and the other get: 401 and 403, or anything else.
SCOPES = [
    ("GET", "/healthz", "", "", ""),
    ("GET", "/readyz", "", "", ""),
    ("GET", "/metrics", "", "", ""),
    ("GET", "/", "", "", ""),
    ("GET", f"{API}/openapi.json", "", "", ""),
    ("POST", f"{API}/predict", "401", "", ""),
    ("POST", f"{API}/explain", "401", "", ""),
    ("GET", f"{API}/model", "401", "", ""),
    ("GET", f"{API}/model/plots/a.png", "401", "", ""),
    ("GET", f"{API}/drift", "401", "", ""),
    ("GET", f"{API}/absent", "401", "", ""),
    ("POST", f"{API}/predict/file", "401", "403", ""),
    ("GET", f"{API}/jobs", "401", "403", ""),
    ("GET", f"{API}/jobs/x", "401", "403", ""),
    ("GET", f"{API}/jobs/x/result", "401", "403", ""),
    ("POST", f"{API}/jobs/x/rerun", "401", "403", ""),
    ("DELETE", f"{API}/jobs/x", "401", "403", ""),
    ("GET", f"{API}/log", "401", "403", ""),
    ("GET", f"{API}/log/download", "401", "403", ""),
]


@pytest.mark.parametrize(("method", "path", "nobody", "page", "boss"), SCOPES)
def test_keys_open_what_their_scope_says(
    locked: AppClient, method: str, path: str, nobody: str, page: str, boss: str
) -> None:
    tries = [
        ({}, nobody),
        ({"x-api-key": "wrong-key-0123456789"}, nobody),
        ({"authorization": f"Basic {KEYS[1].key}"}, nobody),
        ({"x-api-key": KEYS[0].key}, page),
        ({"authorization": f"Bearer {KEYS[0].key}"}, page),
        ({"authorization": f"bearer {KEYS[1].key}"}, boss),
    ]
    for headers, expected in tries:
        answer = locked.request(method, path, headers=headers)
        if expected:
            assert answer.status_code == int(expected)
            problem(answer)
        else:
            assert answer.status_code not in (401, 403)


def test_every_route_is_in_the_table_of_scopes(locked: AppClient) -> None:
    paths = locked.get(f"{API}/openapi.json").json()["paths"]
    known = {(method.lower(), re.sub(r"/(x|a\.png)\b", "/{}", path)) for method, path, *_ in SCOPES}
    for path, methods in paths.items():
        for method in methods:
            assert (method, re.sub(r"\{\w+\}", "{}", path)) in known


def test_keys_are_told_of_in_the_document(locked: AppClient) -> None:
    document = locked.get(f"{API}/openapi.json").json()
    assert set(document["components"]["securitySchemes"]) == {"Authorization", "X-API-Key"}
    for path, methods in document["paths"].items():
        for operation in methods.values():
            schemes = {name for choice in operation.get("security", ()) for name in choice}
            assert schemes == ({"Authorization", "X-API-Key"} if path.startswith(API) else set())


@pytest.mark.parametrize(
    ("origin", "status"),
    [(None, 200), ("http://testserver", 200), ("https://evil.example", 403), ("null", 403)],
)
def test_pages_of_other_sites_may_not_write(
    client: AppClient, origin: str | None, status: int
) -> None:
    headers = {} if origin is None else {"origin": origin}
    answer = client.post(f"{API}/predict", json={"text": "a"}, headers=headers)
    assert answer.status_code == status


def test_sites_that_are_named_may_call(tmp_path: Path) -> None:
    site = "https://school.example"
    with running_app(tmp_path, cors_origins=(site,), keys=KEYS) as client:
        asked = {"origin": site, "access-control-request-method": "POST"}
        assert client.request("OPTIONS", f"{API}/predict", headers=asked).status_code == 200
        headers = {"origin": site, "x-api-key": KEYS[0].key}
        answer = client.post(f"{API}/predict", json={"text": "a"}, headers=headers)
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == site


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"AI_DETECT_API_KEYS": "secret"}, "number 1"),
        ({"AI_DETECT_API_KEYS": "a:predict:0123456789abcdef,b:root:0123456789abcdef"}, "number 2"),
        ({"AI_DETECT_API_KEYS": "a:predict:short"}, "16 characters"),
        ({"AI_DETECT_MAX_TEXTS": "many"}, "AI_DETECT_MAX_TEXTS"),
        ({"AI_DETECT_MAX_TEXTS": "0"}, "from 1 up"),
        ({"AI_DETECT_DRIFT_REFERENCE": "absent.csv"}, "no such file"),
    ],
)
def test_settings_that_are_none_are_refused(variables: dict[str, str], words: str) -> None:
    with pytest.raises(UsageError, match=words) as refused:
        Settings.from_environment(Path("data"), variables)
    assert "0123456789abcdef" not in str(refused.value)


def test_settings_come_from_the_environment() -> None:
    found = Settings.from_environment(
        Path("data"),
        {
            "AI_DETECT_API_KEYS": "a:predict:0123456789abcdef, b:admin:fedcba9876543210",
            "AI_DETECT_CORS_ORIGINS": "https://a.example, https://b.example",
            "AI_DETECT_MAX_TEXTS": "5",
            "AI_DETECT_DRIFT_REFERENCE": __file__,
        },
    )
    assert [key.scope for key in found.keys] == ["predict", "admin"]
    assert found.cors_origins == ("https://a.example", "https://b.example")
    assert found.limits == Limits(max_texts=5)
    assert found.drift_reference == Path(__file__)
    assert Settings.from_environment(Path("data"), {}).drift_reference is None
    assert "fedcba9876543210" not in repr(found)


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Explanations that end when this is set."""
    go_on = threading.Event()
    monkeypatch.setattr(
        "ai_detect.server.service.explained", lambda *a, **k: go_on.wait(20) and explained(*a, **k)
    )
    yield go_on
    go_on.set()


def test_requests_beyond_the_limit_are_told_to_come_again(
    tmp_path: Path, held: threading.Event
) -> None:
    with running_app(tmp_path, max_concurrent=2) as client:

        async def ask() -> list[httpx.Response]:
            slow = [client.begin("POST", f"{API}/explain", json={"text": "a"}) for _ in range(2)]
            while client.app.state.service.telemetry._in_flight._value.get() < 2:
                await asyncio.sleep(0.01)
            refused = await client.begin("POST", f"{API}/predict", json={"text": "a"})
            health = await client.begin("GET", "/healthz")
            held.set()
            return [refused, health, *await asyncio.gather(*slow)]

        refused, *others = client.run(ask())
        assert refused.status_code == 503
        assert int(refused.headers["retry-after"]) > 0
        problem(refused)
        assert [answer.status_code for answer in others] == [200] * 3
        assert client.post(f"{API}/predict", json={"text": "a"}).status_code == 200


def test_who_would_wait_too_long_for_the_event_loop_is_sent_away(
    client: AppClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overload, "_MOST_SECONDS_AT_ONCE", 0.0)

    async def ask() -> list[httpx.Response]:
        asked = [
            client.begin("POST", f"{API}/predict", json={"text": ESSAY[:50]}) for _ in range(100)
        ]
        return await asyncio.gather(*asked)

    answers = client.run(ask())
    refused = [answer for answer in answers if answer.status_code == 503]
    assert 0 < len(refused) <= 68  # a few are always taken
    assert {answer.status_code for answer in answers} == {200, 503}
    assert int(refused[0].headers["retry-after"]) > 0
    problem(refused[0])
    assert client.post(f"{API}/predict", json={"text": ESSAY}).status_code == 200


def test_who_would_wait_too_long_for_a_thread_is_sent_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overload, "_MOST_SECONDS_IN_LINE", 0.0)
    threads = overload.Threads(1)
    with ExitStack() as unknown:
        for _ in range(20):  # nobody knows yet how long one takes
            unknown.enter_context(threads.place())
    assert asyncio.run(threads.run(lambda: 7)) == 7
    with ExitStack() as line:
        for _ in range(9):  # a few are always taken
            line.enter_context(threads.place())
        with pytest.raises(Problem, match="503"), threads.place():
            pass
    with threads.place():
        pass
    threads.close()


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("predict", {b"content-length": b"30001"}),
        ("predict", {b"transfer-encoding": b"chunked"}),
        ("explain", {b"content-length": b"9"}),
    ],
)
def test_who_is_sent_away_is_answered_once_all_is_sent(
    path: str, headers: dict[bytes, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "_PAUSE_SECONDS", 0.0)
    threads = overload.Threads(1)
    monkeypatch.setattr(threads, "_in_line", 100)
    monkeypatch.setattr(threads, "_seconds", 1.0)
    scope = {"type": "http", "path": f"{API}/{path}", "headers": [*headers.items()]}
    told: list[Any] = []
    body = [{"type": "http.request", "body": b"x", "more_body": more} for more in (True, False)]

    async def receive() -> Any:
        told.append("received")
        return body.pop(0)

    async def send(message: Any) -> None:
        told.append(message.get("status", "body"))

    async def nobody(*_: object) -> None:
        raise AssertionError("it is not asked")

    asyncio.run(limits.Bounds(nobody, Limits(), threads)(scope, receive, send))
    read = [] if path == "explain" else ["received"] * 2
    assert told == [*read, 503, "body"]
    threads.close()


class TestEventLoop:
    @pytest.fixture
    def listening(self) -> Iterator[socket.socket]:
        with socket.create_server(("127.0.0.1", 0), backlog=100) as listening:
            yield listening

    def accepted(self, listening: socket.socket, n: int, *, busy: float = 0.0) -> int:
        """Have so many clients wait for a server: the rounds of the loop until it has them all."""
        made: list[object] = []

        class Protocol(asyncio.Protocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                made.append(transport)
                transport.close()

        async def serve() -> int:
            server = await asyncio.get_running_loop().create_server(Protocol, sock=listening)
            rounds = 0
            while len(made) < n:
                time.sleep(busy)
                await asyncio.sleep(0)
                rounds += 1
            server.close()
            await server.wait_closed()
            return rounds

        with ExitStack() as clients:
            for _ in range(n):
                clients.enter_context(socket.create_connection(listening.getsockname()))
            with asyncio.Runner(loop_factory=Loop) as runner:
                return runner.run(serve())

    def test_new_clients_do_not_wait_for_many_rounds_of_a_busy_service(
        self, listening: socket.socket
    ) -> None:
        assert self.accepted(listening, 90, busy=0.02) < 20

    def test_a_worker_with_nothing_to_do_leaves_the_others_some(
        self, listening: socket.socket, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(event_loop, "_PER_SECOND", 0)
        assert self.accepted(listening, 40) >= 20

    def test_when_no_more_can_be_taken_it_tries_again(
        self,
        listening: socket.socket,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        monkeypatch.setattr(event_loop, "_PAUSE_SECONDS", 0.01)
        errors = [OSError(24, "Too many open files")]

        class Full(socket.socket):
            def accept(self) -> Any:
                if errors:
                    raise errors.pop()
                return super().accept()

        with Full(fileno=listening.detach()) as full:
            assert self.accepted(full, 3)
        assert "Too many open files" in caplog.text


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("Name one with --text_column.", "Name one with the field text_column."),
        ("--fpr=0.5 cannot be promised", "fpr=0.5 cannot be promised"),
        ("run `x --profile=a --fpr` again", "run `x --profile=a --fpr` again"),
        ("an em --dash and --fprs stay", "an em --dash and --fprs stay"),
    ],
)
def test_options_are_fields_here(said: str, told: str) -> None:
    assert of_service(said) == told


def test_a_request_that_takes_too_long_is_told_so(tmp_path: Path, held: threading.Event) -> None:
    with running_app(tmp_path, timeout_seconds=1) as client:
        answer = client.post(f"{API}/explain", json={"text": ESSAY})
        held.set()
        assert answer.status_code == 503
        assert "longer than 1 s" in problem(answer)["detail"]


def test_the_log_is_shown_by_level_and_downloaded(tmp_path: Path) -> None:
    log_file = tmp_path / "log_file.log"
    with running_app(tmp_path) as client:
        assert client.get(f"{API}/log").json() == {"lines": []}
        assert client.get(f"{API}/log/download").text == ""
        log_file.write_text(
            "a line that is none of ours\n"
            "2026-01-31T12:00:00.123+01:00 DEBUG 7 ai_detect.a of no interest\n"
            "2026-01-31T12:00:01.123+01:00 INFO 7 ai_detect.b <b>first</b>\n"
            "2026-01-31T12:00:02.123+01:00 ERROR 7 ai_detect.c broken\n"
            "Traceback (most recent call last):\n"
            "  one line\n"
            "2026-01-31T12:00:03.123+01:00 INFO 7 ai_detect.d last\n"
        )
        found = client.get(f"{API}/log").json()["lines"]
        assert [line["message"] for line in found] == [
            "<b>first</b>",
            "broken\nTraceback (most recent call last):\n  one line",
            "last",
        ]
        assert found[0]["time"] == "2026-01-31T12:00:01.123+01:00"
        errors = client.get(f"{API}/log?level=ERROR").json()["lines"]
        assert [line["logger"] for line in errors] == ["ai_detect.c"]
        assert len(client.get(f"{API}/log?level=DEBUG&lines=1").json()["lines"]) == 1
        download = client.get(f"{API}/log/download")
        assert download.text == log_file.read_text()
        assert download.headers["content-disposition"].startswith("attachment")
        assert download.headers["content-type"].startswith("text/plain")


def test_no_text_gets_into_the_log(client: AppClient, caplog: pytest.LogCaptureFixture) -> None:
    secret = "Sesame, open the door. "
    with caplog.at_level(logging.DEBUG):
        client.post(f"{API}/predict", json={"text": secret * 20})
        client.post(f"{API}/predict", json={"text": [secret]})
        client.post(f"{API}/explain", json={"text": secret * 20})
        client.get(f"{API}/{secret}")
    ours = [record for record in caplog.records if record.name.startswith("ai_detect")]
    assert any("/predict" in record.getMessage() for record in ours)
    assert "Sesame" not in "".join(map(logging.Formatter().format, ours))
