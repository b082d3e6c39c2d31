"""Results are whole or not there, whatever happens on the way."""

import csv
import io
import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ai_detect.errors import DataError
from ai_detect.results import ResultsWriter

HEADER = ["id", "generated"]
OLD = "id,generated\nold,0.5\n"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_rows_are_written(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "results.csv"
    with ResultsWriter(path, HEADER) as results:
        results.write_rows([("a,b", 0.1 + 0.2), ('"q"', 1e-300)])
        results.write_rows(iter([("line\nbreak", 1), ("", "")]))
        assert not path.exists()
    expected = 'id,generated\n"a,b",0.30000000000000004\n"""q""",1e-300\n"line\nbreak",1\n,\n'
    assert path.read_bytes() == expected.encode()
    assert names(path.parent) == ["results.csv"]


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.tuples(st.text(st.characters(exclude_categories=["Cs"])), st.floats())))
def test_rows_come_back(tmp_path: Path, rows: list[tuple[str, float]]) -> None:
    path = tmp_path / "results.csv"
    with ResultsWriter(path, HEADER) as results:
        results.write_rows(rows)
    text = path.read_bytes().decode()
    found = list(csv.reader(io.StringIO(text, newline="")))
    assert found == [HEADER, *([one, repr(number)] for one, number in rows)]


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
@given(
    rows=st.lists(
        st.tuples(
            st.text(st.characters(exclude_categories=["Cs"]), min_size=1),
            st.one_of(st.just(""), st.floats(0, 1)),
        )
    )
)
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_rows_come_back_from_other_formats(
    tmp_path: Path, ending: str, rows: list[tuple[str, float | str]]
) -> None:
    path = tmp_path / f"results.{ending}"
    with ResultsWriter(path, HEADER) as results:
        results.write_rows(rows)
    if ending == "jsonl":
        found = [json.loads(line) for line in path.read_text("utf-8").split("\n")[:-1]]
    else:
        found = pyarrow.parquet.read_table(path).to_pylist()
    assert found == [{"id": one, "generated": None if p == "" else p} for one, p in rows]


def test_lone_surrogates_do_not_stop_a_run(tmp_path: Path) -> None:
    with ResultsWriter(tmp_path / "results.csv", HEADER) as results:
        results.write_rows([("\ud800", 1)])
    assert (tmp_path / "results.csv").read_text(encoding="utf-8") == "id,generated\n?,1\n"


@pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt, DataError])
@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_a_failure_leaves_the_old_file(
    tmp_path: Path, failure: type[BaseException], ending: str
) -> None:
    path = tmp_path / f"results.{ending}"
    path.write_text(OLD, encoding="utf-8")

    def fail_half_way() -> None:
        with ResultsWriter(path, HEADER) as results:
            results.write_rows([("new", 1)])
            raise failure

    with pytest.raises(failure):
        fail_half_way()
    assert path.read_text(encoding="utf-8") == OLD
    assert names(tmp_path) == [path.name]


def test_the_old_file_is_replaced_and_links_to_it_are_not_written_through(tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    path.write_text(OLD, encoding="utf-8")
    os.link(path, tmp_path / "kept.csv")
    with ResultsWriter(path, HEADER):
        pass
    assert path.read_text(encoding="utf-8") == "id,generated\n"
    assert (tmp_path / "kept.csv").read_text(encoding="utf-8") == OLD


def test_permissions_are_those_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    with ResultsWriter(tmp_path / "results.csv", HEADER):
        pass
    modes = {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("plain", "results.csv")}
    assert len(modes) == 1


def test_a_killed_run_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    path.write_text(OLD, encoding="utf-8")
    script = (
        "import os, signal, sys; from ai_detect.results import ResultsWriter\n"
        "with ResultsWriter(sys.argv[1], ['id']) as results:\n"
        "    results.write_rows([['x' * 100000]])\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(path)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert path.read_text(encoding="utf-8") == OLD


def refuse(path: Path | str, reason: str) -> None:
    with pytest.raises(DataError, match=reason) as error, ResultsWriter(path, HEADER) as results:
        results.write_rows([("x" * 100_000, 1)])
    assert str(path) in str(error.value)
    assert "A file that was there before is untouched." in str(error.value)


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    refuse(tmp_path, "it is a folder")
    (tmp_path / "file").touch()
    refuse(tmp_path / "file" / "results.csv", "Not a directory|File exists")
    assert names(tmp_path) == ["file"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_no_permission(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        refuse(tmp_path / "results.csv", "Permission denied")
    finally:
        tmp_path.chmod(0o700)


@pytest.mark.parametrize("size", [100, 100_000])
@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_a_full_disk(tmp_path: Path, size: int, ending: str) -> None:
    """A limit on file size fails a write as a full disk does: while writing, or at the end."""
    path = tmp_path / f"results.{ending}"
    path.write_text(OLD, encoding="utf-8")
    script = (
        "import resource, signal, sys; from ai_detect.results import ResultsWriter\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "_, most = resource.getrlimit(resource.RLIMIT_FSIZE)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (50, most))\n"
        "try:\n"
        "    with ResultsWriter(sys.argv[1], ['id']) as results:\n"
        "        results.write_rows([['x' * int(sys.argv[2])]])\n"
        "except Exception as error:\n"
        "    sys.stdout.write(f'{type(error).__name__}: {error}')\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))\n"
    )
    command = [sys.executable, "-B", "-c", script, str(path), str(size)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout.startswith(f"DataError: The results cannot be written to {path}: File too")
    assert not done.stderr
    assert path.read_text(encoding="utf-8") == OLD
    assert names(tmp_path) == [path.name]


def test_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    with ResultsWriter("-", HEADER) as results:
        results.write_rows([("a", 0.5)])
    assert capsys.readouterr().out == "id,generated\na,0.5\n"
    with pytest.raises(ValueError, match="no"), ResultsWriter(Path("-"), HEADER):
        raise ValueError("no")
    assert capsys.readouterr().out == "id,generated\n"
