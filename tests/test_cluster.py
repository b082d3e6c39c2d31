"""Prediction by real schedulers and worker processes: the rows of this process, whatever happens to a worker."""

import csv
import gzip
import importlib
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow.csv
import pyarrow.parquet
import pytest

from ai_detect import artifacts, cluster, prediction
from ai_detect.cluster_prediction import predict
from ai_detect.columns import Columns
from ai_detect.data import read_batches
from ai_detect.errors import DataError, MissingExtraError, UsageError
from ai_detect.partitions import SUMMARY, find_partitions
from ai_detect.prediction import Question, Tally
from ai_detect.predictor import Predictor
from ai_detect.results import ResultsWriter, results_header
from tests.cluster_support import Cluster, running
from tests.command_support import wait_until

pytest.importorskip("distributed", reason="the extra dask is not installed")

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "data" / "sample"


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment in which s3:// addresses lead to a server on this machine."""
    pytest.importorskip("s3fs", reason="the extra s3 is not installed")
    moto_server = pytest.importorskip("moto.server", reason="moto is not installed")
    server = moto_server.ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    env = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in env.items():
            patch.setenv(name, value)
        yield env
    server.stop()


@pytest.fixture(scope="module")
def two_workers(tmp_path_factory: pytest.TempPathFactory, s3: dict[str, str]) -> Iterator[Cluster]:
    """A scheduler with two workers, that no test harms."""
    with running(tmp_path_factory.mktemp("cluster"), 2, s3) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def predictor(trained: Path) -> Predictor:
    return Predictor.from_files(artifacts.load(trained / "data" / "model"))


def question(predictor: Predictor, *, details: bool = True) -> Question:
    return Question(predictor.profile(), 0.01, details=details)


READ = partial(read_batches, columns=Columns(), encoding="utf-8", strict=False)


def spread(dataset: str, output: str, predictor: Predictor, scheduler: str) -> Tally:
    """Predict on a cluster, or for "" on a process of this machine."""
    return predict(
        dataset,
        output,
        predictor,
        question(predictor),
        READ,
        format="",
        scheduler=scheduler,
        n_workers=1,
    )


def locally(predictor: Predictor, table: Path, *, details: bool = True) -> bytes:
    """The results that this process writes for one file."""
    target = table.with_name(f"{table.name}.local")
    writer = ResultsWriter(target, results_header(predictor, details=details))
    prediction.run(
        predictor, read_batches(str(table)), writer, question(predictor, details=details), n_jobs=1
    )
    content = target.read_bytes()
    target.unlink()
    return content


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    """A folder with a table in each format, and bad rows in one of them."""
    folder = tmp_path / "tables"
    folder.mkdir()
    shutil.copy(SAMPLE / "test.csv", folder / "a.csv")
    rows = pyarrow.csv.read_csv(SAMPLE / "test.csv")
    pyarrow.parquet.write_table(rows, folder / "b.parquet")
    lines = "".join(json.dumps(row) + "\n" for row in rows.to_pylist())
    (folder / "c.jsonl").write_text(lines + '{"text": ""}\nno object\n', encoding="utf-8")
    (folder / "d.csv.gz").write_bytes(gzip.compress((SAMPLE / "test.csv").read_bytes()))
    (folder / "notes.md").write_text("no table", encoding="utf-8")
    return folder


RESULTS = {"a.csv": "a.csv", "b.parquet": "b.parquet.csv", "c.jsonl": "c.jsonl.csv"}
RESULTS["d.csv.gz"] = "d.csv.gz.csv"


def test_rows_are_those_of_this_process(
    two_workers: Cluster, predictor: Predictor, tables: Path, tmp_path: Path
) -> None:
    output = tmp_path / "results"
    tally = spread(str(tables), str(output), predictor, two_workers.address)
    assert {path.name for path in output.iterdir()} == {*RESULTS.values(), SUMMARY}
    for table, name in RESULTS.items():
        assert (output / name).read_bytes() == locally(predictor, tables / table)
    summary = json.loads((output / SUMMARY).read_text("utf-8"))
    assert [one["file"] for one in summary["files"]] == list(RESULTS.values())
    assert summary["n_rows"] == tally.n_rows
    assert tally.n_rows == sum(one["rows"] for one in summary["files"])
    assert tally.problems == {"empty text": 1, "not a JSON object": 1}
    assert tally.called.total() == tally.n_rows - 2
    assert summary["model"] == predictor.weights_sha256


def essays(folder: Path, n_tables: int, n_copies: int) -> list[Path]:
    """Write tables of many rows, each with ids of its own."""
    folder.mkdir()
    with (SAMPLE / "test.csv").open(newline="", encoding="utf-8") as file:
        texts = [row["text"] for row in csv.DictReader(file)]
    paths = [folder / f"part-{number:03}.csv" for number in range(n_tables)]
    for path in paths:
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["id", "text"])
            writer.writerows(
                [f"{path.stem}-{copy}-{i}", text]
                for copy in range(n_copies)
                for i, text in enumerate(texts)
            )
    return paths


def test_a_worker_is_killed_and_every_row_is_there_once(
    predictor: Predictor, tmp_path: Path
) -> None:
    paths = essays(tmp_path / "essays", 12, 40)
    output = tmp_path / "results"
    (tmp_path / "cluster").mkdir()
    with running(tmp_path / "cluster", 2, {}) as victims:
        tallies: list[Any] = []
        thread = threading.Thread(
            target=lambda: tallies.append(
                spread(str(tmp_path / "essays"), str(output), predictor, victims.address)
            )
        )
        thread.start()
        # Both workers are at it, and some tables are done.
        wait_until(lambda: list(output.glob("*.csv")) and len(list(output.glob(".*.part"))) == 2)
        victims.workers[0].kill()
        n_done = len(list(output.glob("*.csv")))
        thread.join()
    assert n_done < len(paths)
    assert len(tallies) == 1
    for path in paths:
        assert (output / path.name).read_bytes() == locally(predictor, path)
    assert {path.name for path in output.iterdir()} == {*(path.name for path in paths), SUMMARY}
    assert tallies[0].n_rows == json.loads((output / SUMMARY).read_text("utf-8"))["n_rows"]


def test_object_storage_is_read_and_written(
    two_workers: Cluster, predictor: Predictor, tables: Path
) -> None:
    import s3fs

    files = s3fs.S3FileSystem()
    files.mkdir("essays")
    for table in RESULTS:
        files.put_file(str(tables / table), f"essays/in/deep/{table}")
    files.put_file(str(tables / "a.csv"), "essays/in/a.csv")
    tally = spread("s3://essays/in/**/*", "s3://essays/out", predictor, two_workers.address)
    files.invalidate_cache()
    written = {path.removeprefix("essays/out/") for path in files.find("essays/out")}
    assert written == {"a.csv", SUMMARY, *(f"deep/{name}" for name in RESULTS.values())}
    assert files.cat_file("essays/out/a.csv") == locally(predictor, tables / "a.csv")
    for table, name in RESULTS.items():
        assert files.cat_file(f"essays/out/deep/{name}") == locally(predictor, tables / table)
    assert json.loads(files.cat_file(f"essays/out/{SUMMARY}"))["n_rows"] == tally.n_rows


@pytest.mark.parametrize(
    ("dataset", "output", "error", "message"),
    [
        ("{folder}/absent/*.csv", "{folder}/out", DataError, "holds no data file"),
        ("{folder}/absent.csv", "{folder}/out", DataError, "no file or folder"),
        ("-", "{folder}/out", UsageError, "not standard input"),
        ("{folder}/tables", "{folder}/taken", DataError, "taken is a file"),
        ("{folder}/tables", "{folder}/tables", DataError, "replace the dataset's own a.csv"),
        ("{folder}/tables", "{folder}/taken/results", DataError, "cannot be"),
        ("{folder}/spoilt", "{folder}/out", DataError, "b.csv"),
        ("{folder}/twins", "{folder}/out", DataError, "both be a.tsv.csv"),
        ("nothing://there/*.csv", "{folder}/out", UsageError, "no address that fsspec knows"),
        ("s3://absent/*.csv", "{folder}/out", DataError, "s3://absent"),
        ("s3://kept/*.csv", "{folder}/out", DataError, "names no table"),
        ("{folder}/tables", "s3://absent/out", DataError, "s3://absent/out/"),
        ("{folder}/tables", "s3://kept/taken", DataError, "taken is a file"),
        ("s3://kept/spoilt/*", "{folder}/out", DataError, "^s3://kept/spoilt/b.csv"),
    ],
)
def test_what_cannot_be_done_is_said(
    two_workers: Cluster,
    predictor: Predictor,
    tables: Path,
    tmp_path: Path,
    dataset: str,
    output: str,
    error: type[Exception],
    message: str,
) -> None:
    import s3fs

    (tmp_path / "taken").touch()
    for folder, name in (("spoilt", "a.csv"), ("spoilt", "b.csv"), ("twins", "a.tsv")):
        (tmp_path / folder).mkdir(exist_ok=True)
        shutil.copy(tables / "a.csv", tmp_path / folder / name)
    shutil.copy(tables / "a.csv", tmp_path / "twins" / "a.tsv.csv")
    (tmp_path / "spoilt" / "b.csv").write_bytes(b"")
    files = s3fs.S3FileSystem()
    files.mkdirs("kept", exist_ok=True)
    files.pipe({"kept/taken": b"", "kept/spoilt/b.csv": b""})
    with pytest.raises(error, match=message):
        spread(
            dataset.format(folder=tmp_path),
            output.format(folder=tmp_path),
            predictor,
            two_workers.address,
        )
    assert not (tmp_path / "out" / SUMMARY).exists()


@pytest.mark.parametrize(
    ("scheduler", "message"),
    [
        ("tcp://127.0.0.1:{free}", "No Dask scheduler answers at"),
        ("tcp://127.0.0.1:{silent}", "No Dask scheduler answers at"),
        ("nowhere", "no address of a scheduler"),
        ("carrier://pigeon:1", "no address of a scheduler"),
    ],
)
def test_a_scheduler_that_does_not_answer_is_named(
    scheduler: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "_CONNECT_SECONDS", 0.5)
    with socket.socket() as free, socket.socket() as silent:
        free.bind(
            ("127.0.0.1", 0)
        )  # without listening: nobody else gets the port, and none answers
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        ports = {"free": free.getsockname()[1], "silent": silent.getsockname()[1]}
        named = scheduler.format(**ports)
        with pytest.raises(UsageError, match=message), cluster.connected(named, n_workers=1):
            pass


def test_workers_with_another_ai_detect_are_refused(
    two_workers: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "table_fingerprint", lambda: "another")
    with (
        pytest.raises(UsageError, match="has another ai_detect"),
        cluster.connected(two_workers.address, n_workers=1),
    ):
        pass


def test_a_scheduler_without_workers_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "_CONNECT_SECONDS", 1)
    with (
        running(tmp_path, 0, {}) as empty,
        pytest.raises(UsageError, match="has no workers"),
        cluster.connected(empty.address, n_workers=1),
    ):
        pass


@pytest.mark.parametrize(
    ("package", "dataset", "extra"),
    [("distributed", "{tables}", "dask"), ("s3fs", "s3://essays/*.csv", "s3")],
)
def test_a_missing_extra_is_named(
    predictor: Predictor,
    tables: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    package: str,
    dataset: str,
    extra: str,
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    used_before = importlib.import_module("fsspec.registry")._registry
    monkeypatch.delitem(used_before, "s3", raising=False)
    with pytest.raises(MissingExtraError, match=rf"ai_detect\[{extra}\]"):
        spread(dataset.format(tables=tables), str(tmp_path / "out"), predictor, "")


@pytest.mark.slow
def test_processes_of_this_machine_do_without_a_scheduler(
    trained: Path, tables: Path, tmp_path: Path, predictor: Predictor
) -> None:
    output = tmp_path / "results"
    done = subprocess.run(
        [
            *(sys.executable, str(ROOT / "model.py"), "predict", f"--dataset={tables}/*.csv"),
            *("--engine=dask", f"--output={output}", f"--data_dir={trained / 'data'}"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (output / "a.csv").read_bytes() == locally(predictor, tables / "a.csv", details=False)
    assert {path.name for path in output.iterdir()} == {"a.csv", SUMMARY}


def test_tables_are_named_after_their_place_below_the_common_folder(tmp_path: Path) -> None:
    for place in ("a/x.csv", "b/x.csv", "b/deep/y.jsonl"):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).touch()
    found = find_partitions(str(tmp_path / "**" / "*"))
    assert [one.name for one in found] == ["a/x.csv", "b/deep/y.jsonl.csv", "b/x.csv"]
    assert all(one.source.paths[0].is_absolute() for one in found)
