"""The command line: what the guard lets through, what it refuses, and how errors reach the user."""

import io
import json
import logging
import os
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fire
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ai_detect import cli, guard, log
from ai_detect.errors import ArtifactError, DataError, UsageError

CALLS: list[tuple[str, dict[str, Any]]] = []


@dataclass(frozen=True)
class Score:
    """A result as commands return them."""

    auc: float

    def __str__(self) -> str:
        return f"ROC AUC {self.auc}"

    def to_dict(self) -> dict[str, float]:
        return {"auc": self.auc}


class Toy:
    """A classifier as the command line sees one.

    Args:
        model_dir: Folder of the model.
        data_dir: Folder of the rest.
    """

    def __init__(self, *, model_dir: str = "model", data_dir: str = "data") -> None:
        self._given = {"model_dir": model_dir, "data_dir": data_dir}

    def train(
        self,
        *,
        dataset: str,
        epochs: int = 3,
        rate: float | None = None,
        char_ngrams: tuple[int, int] | None = None,
        strict: bool = False,
        holdout: str = "",
        m: int = 0,
    ) -> None:
        """Train on a dataset.

        Args:
            dataset: File of labelled texts.
            epochs: How often.
            rate: How fast.
            char_ngrams: Shortest and longest.
            strict: Refuse bad rows.
            holdout: A group to keep out.
            m: An option of one letter, which another one begins with.
        """
        given = dict(locals())
        CALLS.append(("train", {**self._given, **{k: v for k, v in given.items() if k != "self"}}))

    def predict(self, *, text: str = "", dataset: str | None = None) -> str:
        """Return a text as it came."""
        CALLS.append(("predict", {"text": text, "dataset": dataset}))
        return text

    def evaluate(self) -> Score:
        """Return a number."""
        return Score(0.9)

    def lines(self, *, number: int = 3) -> Any:
        """Yield lines."""
        return (f"line {n}" for n in range(number))

    def version(self) -> str:
        """Show the version."""
        return "1.2.3"

    def fail(self, *, how: str) -> None:
        """Fail in one of several ways."""
        raise {
            "data": DataError("The file\nis empty."),
            "artifact": ArtifactError("No model."),
            "usage": UsageError("No such way."),
            "bug": ZeroDivisionError("secret essay"),
            "memory": MemoryError(),
            "interrupt": KeyboardInterrupt(),
            "disk": OSError(28, "No space left on device"),
            "file": PermissionError(13, "Permission denied", "a.csv"),
        }[how]

    def _secret(self) -> None:
        CALLS.append(("_secret", {}))


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)
    CALLS.clear()
    yield
    log.close()


def run(*argv: str) -> int:
    return cli.main(argv, component=Toy)


def log_text(folder: str = "data") -> str:
    return Path(folder, "log_file.log").read_text("utf-8")


# What is typed, and what the method must get: each is a trap of bare Fire.
TYPED = [
    (["predict", "--text", "1984"], {"text": "1984"}),
    (["predict", "--text=True"], {"text": "True"}),
    (["predict", "--text=None"], {"text": "None"}),
    (["predict", "--text", "1e5"], {"text": "1e5"}),
    (["predict", "--text=[a, b]"], {"text": "[a, b]"}),
    (["predict", "--text=hello, world"], {"text": "hello, world"}),
    (["predict", "--text=a=b"], {"text": "a=b"}),
    (["predict", "--text='quoted'"], {"text": "'quoted'"}),
    (["predict", "--text=--help"], {"text": "--help"}),
    (["predict", "--text=-5"], {"text": "-5"}),
    (["predict", "--text="], {"text": ""}),
    (["predict", "--text=\\n # \n"], {"text": "\\n # \n"}),
    (["predict", "--dataset=1984.csv"], {"dataset": "1984.csv"}),
    (["predict", "--dataset=0.7"], {"dataset": "0.7"}),
    (["predict", "--dataset", "-"], {"dataset": "-"}),
    (["predict", "--dataset=-"], {"dataset": "-"}),
    (["predict"], {"text": "", "dataset": None}),
    (["train", "--dataset=d", "--epochs", "5"], {"epochs": 5}),
    (["train", "--dataset=d", "--epochs=-5"], {"epochs": -5}),
    (["train", "--dataset=d", "--rate=1e-5"], {"rate": 1e-5}),
    (["train", "--dataset=d", "--rate=-.5"], {"rate": -0.5}),
    (["train", "--dataset=d", "--char-ngrams=3,5"], {"char_ngrams": (3, 5)}),
    (["train", "--dataset=d", "--char_ngrams", "3, 5"], {"char_ngrams": (3, 5)}),
    (["train", "--dataset=d"], {"char_ngrams": None, "strict": False, "epochs": 3}),
    (["train", "--strict", "--dataset=d"], {"strict": True}),
    (["--strict", "train", "--dataset=d"], {"strict": True}),
    (["train", "--dataset=d", "--strict=true"], {"strict": True}),
    (["train", "--dataset=d", "--strict=False"], {"strict": False}),
    (["train", "--dataset=d", "--nostrict"], {"strict": False}),
    (["train", "--dataset=d", "--no-strict"], {"strict": False}),
    (["train", "--dataset=d", "--m=3"], {"m": 3, "model_dir": "model"}),
    (["train", "--dataset=d", "--model-dir=7"], {"model_dir": "7"}),
    (["--model_dir", "7", "train", "--dataset=d"], {"model_dir": "7"}),
    (["--dataset", "d", "train"], {"dataset": "d"}),
    (["--json", "train", "--dataset=d"], {"dataset": "d"}),
]


@pytest.mark.parametrize(("argv", "expected"), TYPED, ids=[" ".join(case[0]) for case in TYPED])
def test_a_value_arrives_as_its_annotation_says(
    argv: list[str], expected: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*argv) == 0
    [(_, values)] = CALLS
    assert {name: values[name] for name in expected} == expected
    assert [type(values[name]) for name in expected] == [type(value) for value in expected.values()]


# What is typed, and what the one line on stderr must hold.
REFUSED = [
    (["train", "--dataset=d.csv", "--epohcs=3"], "no option '--epohcs'. Did you mean --epochs?"),
    (["train", "--dataset=d.csv", "--epohcs", "3"], "Did you mean --epochs?"),
    (["train", "d.csv"], "'d.csv' belongs to no option"),
    (["train", "--dataset=d.csv", "extra"], "'extra' belongs to no option"),
    (["train", "--dataset=d.csv", "upper"], "'upper' belongs to no option"),
    (["train", "--dataset=d.csv", "-"], "'-' belongs to no option"),
    (["train", "--dataset=d.csv", "--", "--trace"], "no option '--'"),
    (["train", "--dataset=d.csv", "--strict", "true"], "'true' belongs to no option"),
    (["train"], "train needs --dataset"),
    (["train", "--dataset"], "--dataset has no value"),
    (["train", "--dataset", "--strict"], "--dataset has no value"),
    (["train", "--dataset=d", "--epochs", "-5"], "--epochs has no value"),
    (["train", "--dataset=d", "--dataset=e"], "--dataset is given twice"),
    (["train", "--dataset=d", "--strict", "--nostrict"], "--strict is given twice"),
    (["train", "--dataset=d", "--epochs=3.5"], "--epochs takes a whole number, and got '3.5'"),
    (["train", "--dataset=d", "--epochs="], "--epochs takes a whole number, and got ''"),
    (["train", "--dataset=d", "--rate=abc"], "--rate takes a finite number, and got 'abc'"),
    (["train", "--dataset=d", "--rate=inf"], "--rate takes a finite number"),
    (["train", "--dataset=d", "--strict=maybe"], "--strict takes true or false"),
    (["train", "--dataset=d", "--nostrict=true"], "write --strict=false"),
    (["train", "--dataset=d", "--char_ngrams=3"], "--char_ngrams takes 2 numbers"),
    (["train", "--dataset=d", "--char_ngrams=3,x"], "--char_ngrams takes 2 numbers"),
    (["train", "-d", "x"], "no option '-d'"),
    (["train", "-dataset=x"], "Did you mean --dataset?"),
    (["train", "--nodataset", "--dataset=d"], "no option '--nodataset'"),
    (["trian", "--dataset=d"], "Unknown command 'trian'. Did you mean train?"),
    (["trian", "--help"], "Did you mean train?"),
    (["xyz"], "Known are: evaluate, fail, lines, predict, train, version."),
    (["_secret"], "Unknown command '_secret'"),
    (["__init__"], "Unknown command"),
    (["--data_dir=x"], "No command is given"),
    (["predict", "--text", "my", "essay"], "put it in quotes"),
    (["my whole essay"], "(a longer text)"),
]


@pytest.mark.parametrize(("argv", "message"), REFUSED, ids=[" ".join(case[0]) for case in REFUSED])
def test_what_makes_no_sense_is_refused_before_any_work(
    argv: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*argv) == 2
    assert CALLS == []
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("ai_detect: error: ")
    assert err.count("\n") == 1
    assert message in err
    assert "essay" not in err


@pytest.mark.parametrize(
    "argv",
    [
        ["train", "--help"],
        ["train", "-h"],
        ["train", "--dataset=d.csv", "--help"],
        ["train", "--dataset", "d.csv", "-h"],
        ["train", "--", "--help"],
        ["--help", "train"],
    ],
    ids=" ".join,
)
def test_help_explains_and_never_works(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*argv) == 0
    assert CALLS == []
    out, err = capsys.readouterr()
    assert err == ""
    assert "Train on a dataset." in out
    assert "    --dataset=DATASET (required)\n" in out
    assert not Path("data").exists()


@pytest.mark.parametrize("argv", [[], ["--help"], ["-h"]], ids=" ".join)
def test_help_of_the_whole_names_commands_and_common_options(
    argv: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*argv) == 0
    out, err = capsys.readouterr()
    assert err == ""
    for word in ["train", "evaluate", "--model_dir", "Folder of the model.", "--json", "--quiet"]:
        assert word in out
    assert "_secret" not in out
    assert "VALUES" not in out


@pytest.mark.parametrize("argv", [["--version"], ["version"], ["train", "--version"]], ids=" ".join)
def test_version(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*argv) == 0
    assert capsys.readouterr().out == "1.2.3\n"


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=[])))
def test_any_string_arrives_unchanged(text: str) -> None:
    CALLS.clear()
    call = guard.read_call(["predict", f"--text={text}"], Toy)
    fire.Fire(Toy, command=call.tokens(), serialize=lambda _: None)
    [(_, values)] = CALLS
    assert values == {"text": text, "dataset": None}


@settings(deadline=None)
@given(st.lists(st.text(max_size=8) | st.sampled_from(["train", "--dataset=d", "--", "-", "-h"])))
def test_any_command_line_is_read_or_refused_with_reason(argv: list[str]) -> None:
    with suppress(UsageError):
        call = guard.read_call(argv, Toy)
        assert call.help or call.command in guard.commands_of(Toy)


def test_a_type_the_guard_cannot_read_is_a_bug_in_the_component() -> None:
    class Odd:
        def work(self, *, when: complex) -> None:
            """Never run."""

    with pytest.raises(TypeError, match="complex"):
        guard.read_call(["work", "--when=1"], Odd)


@pytest.mark.parametrize(
    ("argv", "printed"),
    [
        (["evaluate"], "ROC AUC 0.9\n"),
        (["train", "--dataset=d"], ""),
        (["train", "--dataset=d", "--json"], ""),
        (["predict", "--text=é"], "é\n"),
        (["lines"], "line 0\nline 1\nline 2\n"),
        (["lines", "--number=0"], ""),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_results_go_to_stdout(
    argv: list[str], printed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*argv) == 0
    assert capsys.readouterr() == (printed, "")


def test_json_is_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("evaluate", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"auc": 0.9}
    assert run("predict", "--json", "--text=a\nb") == 0
    assert json.loads(capsys.readouterr().out) == "a\nb"


@pytest.mark.parametrize(
    ("how", "code", "line"),
    [
        ("data", 1, "The file is empty."),
        ("artifact", 1, "No model."),
        ("usage", 2, "No such way."),
        ("bug", 1, "This is a bug in ai_detect (ZeroDivisionError). The details are in "),
        ("memory", 1, "There is not enough memory for this. The details are in "),
        ("interrupt", 130, "Interrupted."),
        ("disk", 1, "No space left on device. The details are in "),
        ("file", 1, "Permission denied: a.csv. The details are in "),
    ],
)
def test_an_error_is_one_line_and_a_record_with_its_traceback(
    how: str, code: int, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("fail", f"--how={how}", "--data_dir=here") == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"ai_detect: error: {line}")
    assert err.count("\n") == 1
    assert "secret" not in err
    record = log_text("here")
    assert f" ERROR {os.getpid()} ai_detect.cli {line}" in record
    assert "Traceback (most recent call last):" in record


def test_the_log_tells_what_was_asked_but_never_a_text() -> None:
    assert run("predict", "--text=my essay", "--dataset=d.csv", "--data-dir", "there") == 0
    record = log_text("there")
    assert "predict --data_dir='there' --text --dataset='d.csv'" in record
    assert "essay" not in record


def test_a_refused_command_line_is_logged_too() -> None:
    assert run("train", "--datset=d.csv", "--data_dir=there") == 2
    assert "Did you mean --dataset?" in log_text("there")


def test_flags_reach_the_log_and_a_constructor_that_asks() -> None:
    class Asking:
        def __init__(self, *, quiet: bool = False) -> None:
            CALLS.append(("init", {"quiet": quiet}))

        def work(self) -> None:
            logging.getLogger("ai_detect.test").debug("a detail")

    assert cli.main(["work", "--quiet", "--verbose"], component=Asking) == 0
    assert CALLS == [("init", {"quiet": True})]
    assert "a detail" in log_text()


def test_names_that_stdout_cannot_show_are_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    stdout = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stdout)
    assert run("predict", "--text=\udce9é") == 0
    assert stdout.buffer.getvalue() == b"\\udce9\\xe9\n"


def test_a_broken_installation_is_one_line_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def absent() -> type:
        raise ImportError("no numpy here")

    monkeypatch.setattr(cli, "_default_component", absent)
    assert cli.main(["version"]) == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert "no numpy here" in log_text()


def test_entry_point_ends_with_the_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "_default_component", lambda: Toy)
    monkeypatch.setattr(sys, "argv", ["ai_detect", "train"])
    with pytest.raises(SystemExit) as end:
        cli.entry_point()
    assert end.value.code == 2


SCRIPT = """
import sys
from ai_detect import cli
class Toy:
    def lines(self, *, number: int = 3):
        return (f"line {n}" for n in range(number))
    def block(self):
        return "x" * 200_000
    def wait(self):
        print("ready", flush=True)
        sys.stdin.read()
raise SystemExit(cli.main(component=Toy))
"""


def start(*argv: str, stdout: Any = subprocess.PIPE) -> subprocess.Popen[str]:
    Path("toy.py").write_text(SCRIPT)
    return subprocess.Popen(
        [sys.executable, "toy.py", *argv],
        stdin=subprocess.PIPE,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(cli.__file__).parents[1])},
    )


@pytest.mark.parametrize(
    "argv", [["lines", "--number=100000"], ["block"], ["--help"]], ids=" ".join
)
def test_a_reader_that_goes_away_ends_the_command_quietly(argv: list[str]) -> None:
    with start(*argv) as process:
        assert process.stdout
        assert process.stderr
        if argv != ["--help"]:  # which is short, and may have gone into the pipe as a whole
            process.stdout.read(1)
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait() == 141


def test_a_full_disk_below_stdout_is_one_line() -> None:
    with Path("/dev/full").open("w") as full, start("block", stdout=full) as process:
        line = "No space left on device. The details are in data/log_file.log."
        assert process.communicate()[1] == f"ai_detect: error: {line}\n"
        assert process.returncode == 1


def test_control_c_is_one_line() -> None:
    with start("wait") as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        process.send_signal(2)
        assert process.communicate() == ("", "ai_detect: error: Interrupted.\n")
        assert process.returncode == 130
