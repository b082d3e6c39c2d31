"""The log: one file for several processes, short lines on stderr, reading its end."""

import logging
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import pytest

from ai_detect import log

logger = logging.getLogger("ai_detect.somewhere")


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    log.close()


@pytest.fixture
def log_file(tmp_path: Path) -> Path:
    return tmp_path / "data" / "log_file.log"


def test_nothing_is_made_before_the_first_record(log_file: Path) -> None:
    log.configure(log_file)
    assert not log_file.parent.exists()
    logger.info("first")
    assert sorted(path.name for path in log_file.parent.iterdir()) == [
        ".__log_file.lock",
        "log_file.log",
    ]


def test_a_record_says_when_what_and_where(log_file: Path) -> None:
    log.configure(log_file)
    logger.warning("read %s rows", 12)
    line = log_file.read_text("utf-8")
    stamp = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d"
    assert re.fullmatch(rf"{stamp} WARNING {os.getpid()} ai_detect\.somewhere read 12 rows\n", line)


def test_a_line_break_does_not_forge_a_record(
    log_file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Nothing captured may be left: a test report with a lone surrogate cannot travel between processes.
    monkeypatch.setattr(logging.getLogger("ai_detect"), "propagate", False)
    log.configure(log_file)
    logger.info("file %s", "a\r\n2025 b\udce9")
    capsys.readouterr()
    assert log_file.read_text("utf-8").endswith("file a\\r\\n2025 b?\n")


@pytest.mark.parametrize(
    ("settings", "shown", "kept"),
    [
        ({}, ["info", "warning: warning", "error: error"], 3),
        ({"quiet": True}, ["warning: warning", "error: error"], 3),
        ({"verbose": True}, ["debug", "info", "warning: warning", "error: error"], 4),
    ],
)
def test_stderr_shows_progress_and_the_file_keeps_all(
    settings: dict[str, bool],
    shown: list[str],
    kept: int,
    log_file: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    log.configure(log_file, **settings)
    for level in ["debug", "info", "warning", "error"]:
        getattr(logger, level)(level)
    assert capsys.readouterr().err == "".join(f"ai_detect: {line}\n" for line in shown)
    assert len(log_file.read_text("utf-8").splitlines()) == kept


def test_tracebacks_go_to_the_file_only(log_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log.configure(log_file)
    try:
        raise ValueError("no")
    except ValueError:
        logger.warning("it failed", exc_info=True)
    assert capsys.readouterr().err == "ai_detect: warning: it failed\n"
    assert "Traceback" in log_file.read_text("utf-8")


def test_configuring_twice_writes_once(
    log_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log.configure(tmp_path / "earlier.log")
    log.configure(log_file)
    log.configure(log_file)
    logger.info("once")
    assert len(log_file.read_text("utf-8").splitlines()) == 1
    assert not (tmp_path / "earlier.log").exists()
    assert capsys.readouterr().err == "ai_detect: once\n"


def test_records_reach_the_root_logger(log_file: Path, caplog: pytest.LogCaptureFixture) -> None:
    log.configure(log_file)
    logger.info("seen")
    assert caplog.messages == ["seen"]


def test_a_root_logger_that_prints_is_not_doubled(
    log_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log.configure(log_file)
    printing = logging.StreamHandler(sys.stderr)
    logging.getLogger().addHandler(printing)
    try:
        logger.warning("once")
    finally:
        logging.getLogger().removeHandler(printing)
    assert capsys.readouterr().err == "once\n"


@pytest.mark.parametrize("case", ["folder is a file", "file is a folder", "disk is full"])
def test_a_file_that_cannot_be_written_is_one_warning(
    case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log_file = tmp_path / "data" / "log_file.log"
    if case == "folder is a file":
        log_file.parent.write_text("")
    elif case == "file is a folder":
        log_file.mkdir(parents=True)
    else:
        log_file.parent.mkdir()
        log_file.symlink_to("/dev/full")
    log.configure(log_file, quiet=True)
    logger.info("one")
    logger.info("two")
    log.close()
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert err.startswith(f"ai_detect: warning: the log file {log_file} cannot be written (")


def test_writing_goes_on_when_the_folder_comes_back(
    log_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log_file.parent.write_text("in the way")
    log.configure(log_file)
    logger.info("lost")
    log_file.parent.unlink()
    logger.info("kept")
    assert log_file.read_text("utf-8").endswith("kept\n")


def test_a_wrong_logging_call_is_seen(log_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    handler = log.LogFile(log_file)
    handler.handle(logging.LogRecord("ai_detect", logging.INFO, "", 1, "%d", ("x",), None))
    handler.close()
    assert "TypeError" in capsys.readouterr().err


def test_a_closed_stderr_does_no_harm(log_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log.configure(log_file)
    monkeypatch.setattr(sys, "stderr", None)
    logger.info("kept")
    assert "kept" in log_file.read_text("utf-8")


WRITER = """
import logging, sys
from pathlib import Path
from ai_detect.log import LogFile
logger = logging.getLogger("writer")
logger.setLevel(logging.INFO)
logger.addHandler(LogFile(Path(sys.argv[1]), max_bytes=60_000, backups=50))
for number in range(2000):
    logger.info("%s %d %s", sys.argv[2], number, "x" * (number % 97))
"""


def test_two_processes_lose_and_tear_no_line(log_file: Path) -> None:
    environ = {**os.environ, "PYTHONPATH": str(Path(log.__file__).parents[1])}
    writers = [
        subprocess.Popen([sys.executable, "-W", "error", "-c", WRITER, log_file, name], env=environ)
        for name in "ab"
    ]
    assert [writer.wait() for writer in writers] == [0, 0]
    files = list(log_file.parent.glob("log_file.log*"))
    assert len(files) > 5  # it rotated
    written = [line.split(" ", 4)[4] for path in files for line in path.read_text().splitlines()]
    expected = [f"{name} {number} {'x' * (number % 97)}" for name in "ab" for number in range(2000)]
    assert sorted(written) == sorted(expected)


@pytest.mark.parametrize("lines", [-1, 0, 1, 3, 5, 6, 7, 100])
def test_tail_is_the_end(lines: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "_BLOCK", 4)  # smaller than a line
    everything = [f"line {number} é" for number in range(6)]
    path = tmp_path / "log_file.log"
    (tmp_path / "log_file.log.1").write_text("\n".join(everything[:3]) + "\n", "utf-8")
    path.write_text("\n".join(everything[3:]) + "\nhalf a line", "utf-8")
    assert log.tail(path, lines) == everything[len(everything) - min(max(lines, 0), 6) :]


def test_tail_of_nothing_is_empty(tmp_path: Path) -> None:
    assert log.tail(tmp_path / "log_file.log", 5) == []


def test_follow_yields_whole_new_lines_across_rotations(tmp_path: Path) -> None:
    path = tmp_path / "log_file.log"
    path.write_text("old\n")

    def append(text: str) -> None:
        with path.open("a") as file:
            file.write(text)

    def rotate() -> None:
        for number in range(log.BACKUPS - 1, 0, -1):
            older = tmp_path / f"log_file.log.{number}"
            if older.exists():
                older.rename(tmp_path / f"log_file.log.{number + 1}")
        path.rename(tmp_path / "log_file.log.1")

    def twice() -> None:
        append("d\n")
        rotate()
        append("e\n")
        rotate()
        append("f\n")

    def once() -> None:
        append("c\n")
        rotate()  # the next file is not there yet

    steps: list[Callable[[], None]] = [
        twice,
        once,
        lambda: append("b\n"),
        lambda: append("a\nb"),
    ]

    def step() -> None:
        steps.pop()()

    lines = log.follow(path, pause=step)
    assert list(islice(lines, 6)) == ["a", "bb", "c", "d", "e", "f"]
    lines.close()  # type: ignore[attr-defined]


def test_follow_waits_for_a_log_to_begin(tmp_path: Path) -> None:
    path = tmp_path / "log_file.log"
    lines = log.follow(path, pause=lambda: path.write_text("first\n"))
    assert next(lines) == "first"
    lines.close()  # type: ignore[attr-defined]
