"""Files that are scored in the background: as the command does it, through cancels, kills, limits and reruns."""

import asyncio
import csv
import gzip
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pyarrow.csv
import pyarrow.parquet
import pytest

from ai_detect import My_TextClassifier_Model
from ai_detect.server import uploads
from ai_detect.server.job_files import Job, JobFiles
from ai_detect.server.problems import Problem
from tests.command_support import wait_until
from tests.server_support import (
    API,
    ESSAY,
    ROOT,
    AppClient,
    rows,
    running_app,
    turn_taken,
)

TEST = ROOT / "data" / "sample" / "test.csv"
MANY = 10_000  # rows that take longer than asking how far they are


@pytest.fixture
def client(tmp_path: Path) -> Iterator[AppClient]:
    with running_app(tmp_path, max_jobs=2, max_kept_jobs=3) as client:
        yield client


def sent(client: AppClient, name: str, content: bytes, **fields: str) -> Any:
    answer = client.post(f"{API}/predict/file", files={"file": (name, content)}, data=fields)
    assert answer.status_code == 202, answer.text
    assert answer.headers["location"] == f"{API}/jobs/{answer.json()['id']}"
    return answer.json()


def state(client: AppClient, job: Any) -> Any:
    return client.get(f"{API}/jobs/{job['id']}").json()


def ended(client: AppClient, job: Any) -> Any:
    wait_until(lambda: state(client, job)["status"] not in ("queued", "running"), pause=0.1)
    return state(client, job)


def process_of(job: Any) -> psutil.Process:
    """The process at work on a job."""

    def found() -> psutil.Process | None:
        for process in psutil.Process().children():
            if job["id"] in " ".join(process.cmdline()):
                return process
        return None

    process: psutil.Process = wait_until(found)
    return process


def test_a_file_is_scored_as_by_the_command(client: AppClient, tmp_path: Path) -> None:
    parquet = tmp_path / "test.parquet"
    pyarrow.parquet.write_table(pyarrow.csv.read_csv(TEST), parquet)
    expected = tmp_path / "expected.csv"
    My_TextClassifier_Model(data_dir=str(tmp_path)).predict(
        dataset=str(TEST), output=str(expected), details=True, fpr=0.05
    )
    files = {"b.CSV.GZ": gzip.compress(TEST.read_bytes()), "c.parquet": parquet.read_bytes()}
    for name, content in files.items():
        job = ended(client, sent(client, name, content, fpr="0.05", profile=""))
        assert (job["status"], job["error"], job["name"]) == ("done", "", name)
        assert job["rows"] == sum(job["verdicts"].values()) == sum(job["histogram"]) == 200
        assert job["bytes_read"] == job["bytes_total"] > 0
        result = client.get(f"{API}/jobs/{job['id']}/result")
        assert result.text == expected.read_text()
        assert "attachment" in result.headers["content-disposition"]
    listed = client.get(f"{API}/jobs").json()["jobs"]
    assert [job["name"] for job in listed] == ["c.parquet", "b.CSV.GZ"]


def test_columns_and_bad_rows_are_told(client: AppClient) -> None:
    table = "name,first,second\nx1,One text here.,Another one.\nx2,,\n"
    job = sent(
        client,
        "t.csv",
        table.encode("utf-16"),
        text_column="second",
        id_column="name",
        encoding="utf-16",
    )
    done = ended(client, job)
    assert (done["rows"], done["problems"]) == (2, {"empty text": 1})
    found = csv.DictReader(io.StringIO(client.get(f"{API}/jobs/{job['id']}/result").text))
    assert [(row["id"], row["reason"]) for row in found] == [
        ("x1", "under 50 words"),
        ("x2", "empty text"),
    ]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"a,b\n1,2\n", "Name one with the field text_column."),
        ("text\nOne.\n".encode("utf-16"), "pass encoding=utf-16"),
    ],
)
def test_a_file_that_cannot_be_read_fails_in_words(
    client: AppClient, content: bytes, words: str, tmp_path: Path
) -> None:
    job = ended(client, sent(client, "mine.csv", content))
    assert job["status"] == "failed"
    assert words in job["error"]
    assert "mine.csv" in job["error"]
    assert str(tmp_path) not in job["error"]
    answer = client.get(f"{API}/jobs/{job['id']}/result")
    assert answer.status_code == 409


def test_a_file_of_too_many_rows_fails(tmp_path: Path) -> None:
    with running_app(tmp_path, max_rows=5) as client:
        assert "more than 5 rows" in ended(client, sent(client, "a.jsonl", rows(6)))["error"]


def test_a_job_can_be_cancelled_and_leaves_nothing(client: AppClient, tmp_path: Path) -> None:
    job = sent(client, "a.jsonl", rows(MANY, ESSAY[:200]))
    wait_until(lambda: state(client, job)["rows"])
    assert client.request("DELETE", f"{API}/jobs/{job['id']}").status_code in (202, 204)
    wait_until(lambda: client.get(f"{API}/jobs/{job['id']}").status_code == 404)
    assert not (tmp_path / "jobs" / job["id"]).exists()


def test_a_job_whose_process_is_killed_has_failed_and_runs_again(client: AppClient) -> None:
    job = sent(client, "a.jsonl", rows(3))
    process = process_of(job)
    process.suspend()
    assert state(client, job)["status"] in ("queued", "running")
    assert client.post(f"{API}/jobs/{job['id']}/rerun").status_code == 409
    process.kill()
    failed = ended(client, job)
    assert failed["status"] == "failed"
    assert "Run it again" in failed["error"]
    again = client.post(f"{API}/jobs/{job['id']}/rerun")
    assert (again.status_code, again.json()["error"], again.json()["finished"]) == (202, "", "")
    assert ended(client, job)["status"] == "done"


def test_a_job_that_is_done_runs_again_once_its_process_has_ended(
    client: AppClient, tmp_path: Path
) -> None:
    job = ended(client, sent(client, "a.jsonl", rows(1)))
    lock = wait_until(JobFiles(tmp_path / "jobs" / job["id"]).lock)  # as the process at its end

    async def ask() -> httpx.Response:
        asked = client.begin("POST", f"{API}/jobs/{job['id']}/rerun")
        await asyncio.sleep(0)
        asyncio.get_running_loop().call_later(0.2, os.close, lock)
        return await asked

    assert client.run(ask()).status_code == 202
    assert ended(client, job)["status"] == "done"


def test_a_job_that_is_still_stopping_is_gone_from_the_list(
    client: AppClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ai_detect.server.jobs._STOP_SECONDS", 0.1)
    folder = tmp_path / "jobs" / ("0" * 32)
    folder.mkdir(parents=True)
    files = JobFiles(folder)
    lock = files.lock()
    assert lock is not None
    files.write(Job(folder.name, "a.csv", "input.csv", {}, status="running"))
    assert client.request("DELETE", f"{API}/jobs/{folder.name}").status_code == 202
    assert client.get(f"{API}/jobs").json() == {"jobs": []}
    assert client.get(f"{API}/jobs/{folder.name}").json()["status"] == "cancelled"
    assert client.post(f"{API}/jobs/{folder.name}/rerun").status_code == 409
    os.close(lock)
    assert client.request("DELETE", f"{API}/jobs/{folder.name}").status_code == 204


def test_jobs_take_turns_and_only_so_many_wait(client: AppClient, tmp_path: Path) -> None:
    with turn_taken(tmp_path):
        waiting = [sent(client, "a.jsonl", rows(1)) for _ in range(2)]
        refused = client.post(f"{API}/predict/file", files={"file": ("a.jsonl", rows(1))})
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) > 0
        assert [state(client, job)["status"] for job in waiting] == ["queued"] * 2
        for job in waiting:
            assert client.request("DELETE", f"{API}/jobs/{job['id']}").status_code in (202, 204)
        wait_until(lambda: client.get(f"{API}/jobs").json() == {"jobs": []})


def test_the_oldest_ended_jobs_make_room(client: AppClient, tmp_path: Path) -> None:
    folders = [tmp_path / "jobs" / (str(i) * 32) for i in range(5)]
    for i, folder in enumerate(folders):
        folder.mkdir(parents=True)
        JobFiles(folder).write(
            Job(folder.name, "a.csv", "input.csv", {}, status="done", created=f"2026-01-0{i + 1}")
        )
    refused = client.post(f"{API}/predict/file", files={"file": ("a.exe", b"x")})
    assert refused.status_code == 422
    left = [job["id"] for job in client.get(f"{API}/jobs").json()["jobs"]]
    assert left == [folders[4].name, folders[3].name]  # and room for the one to come
    assert not folders[0].exists()


def test_a_file_that_never_came_in_whole_is_swept(client: AppClient, tmp_path: Path) -> None:
    half = tmp_path / "jobs" / ("0" * 32)
    half.mkdir(parents=True)
    (half / "input.csv").write_text("half of a fi")
    assert client.get(f"{API}/jobs/{half.name}").status_code == 404
    client.post(f"{API}/predict/file", files={"file": ("a.exe", b"x")})
    assert not half.exists()


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("../../etc/passwd.csv", "passwd.csv"),
        ("C:\\Users\\me\\marks.csv", "marks.csv"),
        ("<b>\n\x00.csv", "_b___.csv"),
        ("/abs/../../x.JSONL.gz", "x.JSONL.gz"),
        ("x" * 500 + ".csv", "x" * 96 + ".csv"),
    ],
)
def test_a_name_from_outside_is_no_path(tmp_path: Path, name: str, shown: str) -> None:
    body = (
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="'
        + name.replace("\\", "\\\\").replace("\n", "%0A").encode()
        + b'"\r\n\r\ntext\r\n--x--\r\n'
    )

    async def pieces() -> Any:
        for i in range(0, len(body), 7):
            yield body[i : i + 7]

    found = asyncio.run(
        uploads.receive(pieces(), "multipart/form-data; boundary=x", tmp_path, pause_seconds=5)
    )
    (file,) = tmp_path.iterdir()
    assert (
        file.name
        == found.file
        == "input" + "".join(Path(shown).suffixes[-2:]).lower().replace(".x", "")
    )
    assert file.read_text() == "text"
    assert found.name == shown or "%0A" in found.name or "_0A" in found.name


def test_a_sender_that_stops_is_given_up(tmp_path: Path) -> None:
    async def pieces() -> Any:
        yield b"--x\r\n"
        await asyncio.Event().wait()

    with pytest.raises(Problem, match="408"):
        asyncio.run(
            uploads.receive(pieces(), "multipart/form-data; boundary=x", tmp_path, pause_seconds=1)
        )


def test_a_full_disk_is_told(client: AppClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(uploads._Form, "_take", full)
    answer = client.post(f"{API}/predict/file", files={"file": ("a.csv", b"x")})
    assert answer.status_code == 507
    assert client.get(f"{API}/jobs").json() == {"jobs": []}


def test_a_job_at_work_is_not_taken_for_a_dead_one(tmp_path: Path) -> None:
    files = JobFiles(tmp_path)
    lock = files.lock()
    assert lock is not None
    files.write(Job("0" * 32, "a.csv", "input.csv", {}))
    assert files.lock() is None
    assert not files.remove()
    found = files.read()
    assert found
    assert found.status == "queued"
    os.close(lock)
    found = files.read()
    assert found
    assert found.status == "failed"
    assert files.remove()
    assert files.read() is None
