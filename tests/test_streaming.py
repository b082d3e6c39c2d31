"""Datasets of any size, from anywhere to anywhere: pipes, patterns of files, formats, and memory that does not grow."""

import csv
import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import IO

import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_detect import My_TextClassifier_Model, model
from ai_detect.data import read_batches
from ai_detect.errors import DataError, UsageError
from ai_detect.sources import MARK, find_sources, to_utf8

ROOT = Path(__file__).parents[1]
DATASET = ROOT / "data" / "sample" / "train.csv"
COMMAND = [sys.executable, str(ROOT / "model.py"), "predict", "--dataset=-", "--output=-"]


@pytest.fixture(scope="module")
def place(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model, a dataset with bad rows, and its results in every format. Not to be changed."""
    folder = tmp_path_factory.mktemp("place")
    shutil.copytree(trained / "data" / "model", folder / "data" / "model")
    with DATASET.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    with (folder / "essays.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "text"])
        writer.writerows((row["id"], row["text"] if i % 50 else "") for i, row in enumerate(rows))
    for ending in ("csv", "jsonl", "parquet"):
        predict(folder, output=str(folder / f"results.{ending}"), details=True)
    return folder


def predict(place: Path, **options: object) -> None:
    options = {"dataset": str(place / "essays.csv")} | options
    My_TextClassifier_Model(data_dir=str(place / "data")).predict(**options)  # type: ignore[arg-type]


def essays(n_bytes: int) -> Iterator[bytes]:
    """A CSV of about that size."""
    yield b"text\n"
    text = ("An essay has many words, and few of them are new. " * 40).encode()
    for row in range(n_bytes // len(text)):
        yield b'"%d. %b"\n' % (row, text)


def test_the_formats_hold_the_same_values_to_the_last_digit(place: Path) -> None:
    with (place / "results.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    objects = [json.loads(line) for line in (place / "results.jsonl").read_text().splitlines()]
    table = pyarrow.parquet.read_table(place / "results.parquet")
    assert table.to_pylist() == objects
    assert [
        {name: "" if value is None else str(value) for name, value in one.items()}
        for one in objects
    ] == rows
    assert sum(row["generated"] == "" for row in rows) == 8
    assert {field.name: str(field.type) for field in table.schema} == {
        "id": "string",
        "generated": "double",
        "verdict": "string",
        "words": "int32",
        "p_value": "double",
        "obfuscation": "int32",
        "reason": "string",
    }


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize(("n_jobs", "batch_bytes"), [(1, 3_000), (2, 50_000), (7, 1 << 20)])
def test_threads_and_batches_change_no_byte(
    ending: str, n_jobs: int, batch_bytes: int, place: Path, monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:  # fmt: skip
    monkeypatch.setattr("ai_detect.row_formats.ROWS_PER_GROUP", 150)
    predict(place, output=str(tmp_path / f"whole.{ending}"), details=True)
    monkeypatch.setattr(model, "read_batches", partial(read_batches, batch_bytes=batch_bytes))
    output = tmp_path / f"results.{ending}"
    predict(place, output=str(output), details=True, n_jobs=n_jobs)
    assert output.read_bytes() == (tmp_path / f"whole.{ending}").read_bytes()
    if ending == "parquet":
        assert pyarrow.parquet.ParquetFile(output).num_row_groups == 3


def test_a_parquet_file_of_other_classes(tmp_path: Path) -> None:
    rows = [("card", "I lost my card."), ("fee", "Why this fee?"), ("pin", "My PIN code.")] * 10
    dataset = tmp_path / "intents.csv"
    with dataset.open("w", newline="") as file:
        csv.writer(file).writerows(
            [("label", "text"), *((a, f"{b} {i}") for i, (a, b) in enumerate(rows))]
        )
    classifier = My_TextClassifier_Model(
        model_dir=str(tmp_path / "model"), data_dir=str(tmp_path / "data")
    )
    classifier.train(dataset=str(dataset), tracking="none", n_bits=10)
    classifier.predict(dataset=str(dataset), output=str(tmp_path / "results.parquet"))
    table = pyarrow.parquet.read_table(tmp_path / "results.parquet")
    assert table.column_names == ["id", "label", "probability"]
    assert table["label"].to_pylist() == [label for label, _ in rows]


def test_a_failed_run_leaves_no_parquet_file(place: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="correct the row"):
        predict(place, output=str(tmp_path / "results.parquet"), strict=True)
    assert not list(tmp_path.iterdir())


def test_gzip_is_refused(place: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="asks for gzip"):
        predict(place, output=str(tmp_path / "results.csv.gz"))


# The peak of this process alone: what `wait4` tells counts the parent's memory before the program starts, too.
MEASURED = """
import re, sys
from pathlib import Path
from ai_detect import cli
code = cli.main(["predict", "--dataset=-", "--output=-"])
print(re.search(r"VmHWM:\\s*(\\d+)", Path("/proc/self/status").read_text())[1], file=sys.stderr)
sys.exit(code)
"""


def through_a_pipe(place: Path, n_bytes: int) -> tuple[int, bytes, bytes]:
    """Peak memory in KB, results and messages of `predict` between two pipes."""
    with (
        (place / "messages").open("w+b") as messages,
        subprocess.Popen(
            [sys.executable, "-c", MEASURED],
            cwd=place,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=messages,
        ) as running,
    ):
        assert running.stdin
        feeding = threading.Thread(target=feed, args=(running.stdin, n_bytes))
        feeding.start()
        assert running.stdout
        results = running.stdout.read()
        feeding.join()
        assert running.wait() == 0
        messages.seek(0)
        shown = messages.read()
    return int(shown.split()[-1]), results, shown


def feed(stdin: IO[bytes], n_bytes: int) -> None:
    with stdin:
        stdin.writelines(essays(n_bytes))


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux tells a process its peak")
@pytest.mark.slow
def test_memory_does_not_grow_in_a_pipe(place: Path) -> None:
    (few, small, _), (much, big, messages) = (through_a_pipe(place, n << 20) for n in (4, 64))
    assert len(big.splitlines()) > 15 * len(small.splitlines())
    assert much - few < 40_000, "KB more for 60 MB more"
    assert much < 400_000
    rows = list(csv.DictReader(io.StringIO(big.decode())))
    assert [row["id"] for row in rows] == [str(i) for i in range(len(rows))]
    # The summary is where it cannot get among the rows.
    assert f"{len(rows)} of {len(rows)} rows scored".encode() in messages
    assert b"results in standard output" in messages


def test_parquet_comes_in_small_portions_however_large_its_row_groups_are(tmp_path: Path) -> None:
    texts = [f"{row} " * 500 for row in range(3_000)]
    table = pyarrow.table({"text": texts})
    pyarrow.parquet.write_table(table, tmp_path / "essays.parquet", use_dictionary=False)
    batches = list(read_batches(str(tmp_path / "essays.parquet")))
    assert [batch.texts[i] for batch in batches for i in range(len(batch.ids))] == texts
    assert max(batch.texts.n_bytes for batch in batches) < 3 << 20 < table.nbytes


def test_a_reader_that_goes_away_is_no_failure(place: Path) -> None:
    command = f"{shlex.join([*COMMAND[:-2], '--dataset=essays.csv', '--output=-'])} | head -n 1"
    shown = subprocess.run(
        ["bash", "-c", f"{command}; echo ${{PIPESTATUS[0]}}"],
        cwd=place, capture_output=True, check=True, timeout=60,
    )  # fmt: skip
    header, code = shown.stdout.decode().split()
    assert header == "id,generated"
    assert code in ("141", "0")  # 0 if all rows fitted into the pipe before it was closed
    assert b"error" not in shown.stderr


class TestPatterns:
    @pytest.fixture
    def files(self, tmp_path: Path) -> Path:
        for name in (
            "b.csv",
            "a.csv",
            "c.jsonl",
            "deep/er/d.csv",
            ".hidden.csv",
            "e.data",
            "x.txt",
        ):
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text('{"text": "c"}\n' if name == "c.jsonl" else f"text\n{name}\n")
        return tmp_path

    @pytest.mark.parametrize(
        ("pattern", "expected"),
        [
            ("*.csv", "a.csv b.csv"),
            ("[bc].*", "b.csv c.jsonl"),
            ("?.csv", "a.csv b.csv"),
            ("**/*.csv", "a.csv b.csv deep/er/d.csv"),
            ("*", "a.csv b.csv c.jsonl"),
            ("*.txt", "x.txt"),
        ],
    )
    def test_they_name_files_in_order(self, pattern: str, expected: str, files: Path) -> None:
        sources = find_sources(str(files / pattern))
        found = [str(path.relative_to(files)) for source in sources for path in source.paths]
        assert found == expected.split()

    def test_rows_are_numbered_through(self, files: Path) -> None:
        batches = list(read_batches(str(files / "*.csv")))
        assert [row_id for batch in batches for row_id in batch.ids] == ["0", "1"]
        assert [batch.texts[0] for batch in batches] == ["a.csv", "b.csv"]

    def test_a_format_may_be_given(self, files: Path) -> None:
        (source,) = find_sources(str(files / "*.data"), format="csv")
        assert source.format == "csv"

    @pytest.mark.parametrize("pattern", ["*.tsv", "absent/*.csv", "*.data"])
    def test_none_that_matches_is_refused(self, pattern: str, files: Path) -> None:
        with pytest.raises(DataError, match=re.escape(f"The pattern {files / pattern} holds no")):
            find_sources(str(files / pattern))

    def test_a_name_that_looks_like_a_pattern_is_a_name(self, tmp_path: Path) -> None:
        path = tmp_path / "essays[1].csv"
        path.write_text("text\na\n")
        assert find_sources(str(path))[0].paths == (path,)


def test_copies_of_a_text_count_once_in_a_profile(place: Path, tmp_path: Path) -> None:
    shutil.copytree(place / "data", tmp_path / "data")
    with DATASET.open(encoding="utf-8", newline="") as file:
        texts = [row["text"] for row in csv.DictReader(file)][:60]
    with (tmp_path / "archive.csv").open("w", encoding="utf-8", newline="") as file:
        rows = [[text] for text in [*texts, *texts[:1] * 100, f"  {texts[1]}\n", "Short."]]
        csv.writer(file).writerows([["text"], *rows])
    classifier = My_TextClassifier_Model(data_dir=str(tmp_path / "data"))
    report = classifier.calibrate(dataset=str(tmp_path / "archive.csv"), profile="school")
    n_copies = 101 + 60 - len(set(texts))
    assert (report.n_texts, report.n_copies) == (161 - n_copies, n_copies)
    assert report.n_left_out == n_copies + 1
    assert report.smallest_fpr == 1 / (1 + report.n_texts)


LETTERS = st.one_of(st.text().map(lambda text: text.encode("utf-8", "surrogatepass")), st.binary())


@given(parts=st.lists(LETTERS), size=st.integers(1, 7))
def test_utf8_is_handed_on_wherever_it_is_cut(parts: list[bytes], size: int) -> None:
    data = b"".join(parts)
    chunks = [data[i : i + size] for i in range(0, len(data), size)]
    found = list(to_utf8(iter(chunks), "utf-8"))
    assert all(found)
    escaped = data.decode("utf-8", "surrogateescape")
    expected = re.sub("[\ud800-\udfff]", MARK.decode(), escaped).encode()
    assert b"".join(found) == expected
    for piece in found:
        piece.decode()  # no letter is cut in two
