"""The commands as they are typed: each option does something, each wrong value is refused; pipes and exit codes."""

import csv
import io
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from ai_detect import My_TextClassifier_Model, cli, guard, log
from tests.command_support import typed

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "data" / "sample"
TEST = SAMPLE / "test.csv"

# What is typed unless a test says otherwise. "rows" and the like are files that `files` makes.
BASE: dict[str, dict[str, str]] = {
    "train": {"dataset": "rows.csv", "tracking": "none", "n_bits": "8", "n_folds": "2"},
    "predict": {"dataset": "rows.csv"},
    "evaluate": {"dataset": "rows.csv"},
    "explain": {"dataset": "rows.csv", "limit": "2"},
    "calibrate": {"dataset": "people.csv", "profile": "lyceum"},
    "drift": {"dataset": "rows.csv"},
    "info": {},
    "serve": {},
    "log": {},
    "warmup": {},
    "version": {},
}
READING = {
    "dataset": ("other.csv", {}),
    "text_column": ("second", {}),
    "format": ("csv", {"dataset": "rows.data"}),
    "encoding": ("latin-1", {"dataset": "latin1.csv"}),
    "strict": ("true", {"dataset": "spoilt.csv"}),
}
# The option, and with what else, makes the outcome another one.
CHANGES: dict[str, dict[str, tuple[str, dict[str, str]]]] = {
    "train": {
        **READING,
        "label_column": ("second_label", {}),
        "group_column": ("second_group", {}),
        "config": ("settings.toml", {}),
        "model": ("heuristic", {}),
        "word_ngrams": ("1,1", {}),
        "char_ngrams": ("3,4", {}),
        "n_bits": ("9", {}),
        "lowercase": ("true", {}),
        "min_df": ("30", {}),
        "C": ("0.1", {}),
        "alpha": ("0.01", {}),
        "n_folds": ("3", {}),
        "seed": ("1", {}),
        "streaming": ("true", {}),
        "tracking": ("wandb", {}),
    },
    "predict": {
        **READING,
        # Two columns hold words: with one of them the ids, the other one is the text.
        "id_column": ("name", {"dataset": "named.csv"}),
        "text": ("Others, however, say the opposite.", {"dataset": ""}),
        "output": ("elsewhere.csv", {}),
        "details": ("true", {}),
        "windows": ("true", {"details": "true"}),
        "profile": ("school", {}),
        "fpr": ("0.2", {}),
        "prior": ("0.1", {}),
    },
    "evaluate": {
        **READING,
        "label_column": ("second_label", {}),
        "by": ("prompt_id", {}),
        "profile": ("school", {}),
    },
    "explain": {
        **{name: change for name, change in READING.items() if name != "strict"},
        "id_column": ("name", {"dataset": "named.csv"}),
        "text": ("Others, however, say the opposite.", {"dataset": ""}),
        "html": ("pages", {}),
        "windows": ("true", {}),
        "limit": ("1", {}),
        "profile": ("school", {}),
        "fpr": ("0.2", {}),
    },
    "calibrate": {
        **READING,
        "text_column": ("second", {"dataset": "rows.csv"}),
        "profile": ("academy", {}),
    },
    "drift": {
        **{name: change for name, change in READING.items() if name != "strict"},
        "reference": ("people.csv", {}),
        "prior": ("0.5", {}),
        "html": ("drift.html", {}),
    },
    "log": {"lines": ("1", {})},
}
NEVER_CHANGES = {
    "train": ["n_jobs"],
    "predict": ["n_jobs"],
    "evaluate": ["n_jobs"],
    "drift": ["n_jobs"],
}
TESTED_APART = {
    "serve": ["host", "port", "workers"],
    "log": ["follow"],
    "predict": ["resume", "engine", "scheduler"],
    "train": ["engine", "scheduler"],
}

# A wrong value, the exit code, and what the message says.
Refusal = tuple[str, int, str]
REFUSED_READING: dict[str, Refusal] = {
    "dataset": ("absent.csv", 1, "absent.csv"),
    "text_column": ("absent", 1, "no column 'absent'"),
    "format": ("xml", 2, "xml"),
    "encoding": ("utf-99", 2, "utf-99"),
    "strict": ("perhaps", 2, "true or false"),
    "n_jobs": ("-1", 2, "negative"),
}
REFUSED: dict[str, dict[str, Refusal]] = {
    "train": {
        **REFUSED_READING,
        "label_column": ("absent", 1, "no column 'absent'"),
        "group_column": ("absent", 1, "no column 'absent'"),
        "config": ("absent.toml", 2, "absent.toml"),
        "model": ("forest", 2, "ensemble or heuristic"),
        "word_ngrams": ("3,1", 2, "smallest and largest n"),
        "char_ngrams": ("3", 2, "2 numbers with a comma"),
        "n_bits": ("60", 2, "from 8 to 24"),
        "lowercase": ("perhaps", 2, "true or false"),
        "min_df": ("0", 2, "from 1 to 1000"),
        "C": ("-1", 2, "C is -1.0"),
        "alpha": ("0", 2, "alpha is 0.0"),
        "n_folds": ("1", 2, "from 2 to 20"),
        "seed": ("x", 2, "whole number"),
        "streaming": ("perhaps", 2, "true or false"),
        "engine": ("spark", 2, "expected dask"),
        "scheduler": ("tcp://127.0.0.1:1", 2, "give both"),
        "tracking": ("wandbb", 2, "wandb, mlflow, none"),
    },
    "predict": {
        **REFUSED_READING,
        "id_column": ("absent", 1, "no column 'absent'"),
        "text": ("Not both.", 2, "either --dataset"),
        "output": ("data", 1, "folder"),
        "details": ("perhaps", 2, "true or false"),
        "windows": ("true", 2, "give both"),
        "profile": ("academy", 2, "no profile academy"),
        "fpr": ("1.5", 2, "between 0 and 1"),
        "prior": ("1.5", 2, "share of LLM texts you expect"),
        "resume": ("perhaps", 2, "true or false"),
        "engine": ("spark", 2, "expected dask"),
        "scheduler": ("tcp://127.0.0.1:1", 2, "give both"),
    },
    "evaluate": {
        **REFUSED_READING,
        "label_column": ("absent", 1, "no column 'absent'"),
        "by": ("absent", 1, "no column 'absent', asked for as the group"),
        "profile": ("../school", 2, "is no name"),
    },
    "explain": {
        **{
            name: refusal
            for name, refusal in REFUSED_READING.items()
            if name not in ("strict", "n_jobs")
        },
        "id_column": ("absent", 1, "no column 'absent'"),
        "text": ("Not both.", 2, "either --dataset"),
        "html": ("rows.csv", 1, "rows.csv"),
        "windows": ("perhaps", 2, "true or false"),
        "limit": ("-1", 2, "negative"),
        "profile": ("academy", 2, "no profile academy"),
        "fpr": ("1.5", 2, "between 0 and 1"),
    },
    "calibrate": {
        **{name: refusal for name, refusal in REFUSED_READING.items() if name != "n_jobs"},
        "profile": ("general", 2, "comes with the model"),
    },
    "drift": {
        **{name: refusal for name, refusal in REFUSED_READING.items() if name != "strict"},
        "reference": ("absent.csv", 1, "absent.csv"),
        "prior": ("1.5", 2, "share of LLM texts you expect"),
        "html": ("data", 1, "data"),
    },
    "serve": {
        "host": ("192.0.2.1", 2, "cannot be listened on"),
        "port": ("99999", 2, "is no port"),
        "workers": ("0", 2, "from 1 up"),
    },
    "log": {"lines": ("-1", 2, "negative"), "follow": ("perhaps", 2, "true or false")},
}


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def words(command: str, options: dict[str, str]) -> list[str]:
    return [command, *(f"--{name}={value}" for name, value in options.items() if value)]


@pytest.fixture(scope="module")
def files(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the detector of the sample in ./data/model and datasets of 60 rows. Not to be changed.

    The model has a profile `school` of human texts.
    """
    folder = tmp_path_factory.mktemp("files")
    shutil.copytree(trained / "data" / "model", folder / "data" / "model")
    sample = rows_of(SAMPLE / "train.csv")
    rows = [
        row
        | {
            "second": sample[-1 - i]["text"],
            "second_label": str(int(i % 3 == 0)),
            "second_group": str(i % 5),
        }
        for i, row in enumerate(sample[:60])
    ]
    tables = {
        "rows.csv": (rows, "utf-8"),
        "rows.data": (rows, "utf-8"),
        "other.csv": (rows[5:], "utf-8"),
        "spoilt.csv": ([*rows, rows[0] | {"text": ""}], "utf-8"),
        "latin1.csv": ([row | {"text": row["text"] + " Caf\xe9."} for row in rows], "latin-1"),
        "named.csv": (
            [
                {"name": f"name {row['id']}", "body": row["text"], "generated": row["generated"]}
                for row in rows
            ],
            "utf-8",
        ),
    }
    for name, (table, encoding) in tables.items():
        with (folder / name).open("w", encoding=encoding, newline="") as file:
            writer = csv.DictWriter(file, list(table[0]))
            writer.writeheader()
            writer.writerows(table)
    (folder / "settings.toml").write_text("seed = 5\n")
    people = folder / "people.csv"
    with people.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, ["text"], extrasaction="ignore")
        writer.writeheader()
        writer.writerows(row for row in sample if row["generated"] == "0")
    My_TextClassifier_Model(data_dir=str(folder / "data")).calibrate(
        dataset=str(people), profile="school"
    )
    (folder / "data" / "log_file.log").write_text("one\ntwo\nthree\n")
    return folder


Outcome = tuple[int, str, dict[str, bytes]]


@pytest.fixture(scope="module")
def outcome(
    files: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., Outcome]]:
    """Run a command in a fresh copy of `files`: exit code, what is printed, and the files it made.

    Times, dates and pictures are left out. wandb is not to be had, which is a warning and no more.
    """
    known: dict[tuple[str, ...], Outcome] = {}

    def run(command: str, options: dict[str, str]) -> Outcome:
        argv = words(command, options)
        if tuple(argv) in known:
            return known[tuple(argv)]
        folder = tmp_path_factory.mktemp(command) / "place"
        shutil.copytree(files, folder)
        printed = io.StringIO()
        with chdir(folder), redirect_stdout(printed), redirect_stderr(printed):
            code = cli.main(argv)
        log.close()
        made = {
            str(path.relative_to(folder)): path.read_bytes()
            for path in folder.rglob("*")
            if path.suffix in (".npz", ".csv") or path.parent.name == "profiles"
        }
        show = re.sub(r"[0-9.]+ s\b|\d{4}-\d\d-\d\dT\S+", "", printed.getvalue())
        known[tuple(argv)] = (code, show, made)
        return known[tuple(argv)]

    with pytest.MonkeyPatch.context() as patch:
        # Pictures are looked at elsewhere, and would take most of the time here.
        patch.setattr("ai_detect.plots.draw", lambda *_: ())
        patch.setitem(sys.modules, "wandb", None)
        for name in ("WANDB_DATA_DIR", "WANDB_CACHE_DIR", "WANDB_ERROR_REPORTING"):
            patch.setenv(name, "x")
        yield run


def test_every_command_is_in_the_tables() -> None:
    assert set(BASE) == set(guard.commands_of(My_TextClassifier_Model))


@pytest.mark.parametrize("command", BASE)
def test_every_option_of_every_command_is_in_the_tables(command: str) -> None:
    options = set(guard.options_of(guard.commands_of(My_TextClassifier_Model)[command]))
    tested = {
        *CHANGES.get(command, {}),
        *NEVER_CHANGES.get(command, []),
        *TESTED_APART.get(command, []),
    }
    assert tested == options
    assert set(REFUSED.get(command, {})) == options


@pytest.mark.parametrize(
    ("command", "option"), [(command, option) for command in CHANGES for option in CHANGES[command]]
)
def test_every_option_changes_something(
    command: str, option: str, outcome: Callable[..., Outcome]
) -> None:
    value, beside = CHANGES[command][option]
    without = BASE[command] | beside
    before, after = outcome(command, without), outcome(command, without | {option: value})
    if command == "train" and before[0] == after[0] == 0 and option != "tracking":
        assert before[2] != after[2], "other weights, not only other words"
    assert before != after
    assert option == "strict" or after[0] == 0, after[1]


@pytest.mark.parametrize("command", NEVER_CHANGES)
def test_the_number_of_threads_changes_nothing(
    command: str, outcome: Callable[..., Outcome]
) -> None:
    one, two = (outcome(command, BASE[command] | {"n_jobs": n}) for n in "12")
    assert one[0] == 0
    assert one == two


@pytest.mark.parametrize(
    ("command", "option"), [(command, option) for command in REFUSED for option in REFUSED[command]]
)
def test_a_wrong_value_is_refused_in_one_line_and_nothing_is_written(
    command: str, option: str, files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    value, code, message = REFUSED[command][option]
    place = tmp_path / "place"
    shutil.copytree(files, place)
    before = {path for path in place.rglob("*") if path.suffix in (".npz", ".csv", ".json")}
    with chdir(place):
        assert cli.main(words(command, BASE[command] | {option: value})) == code
    log.close()
    printed = capsys.readouterr()
    last = printed.err.splitlines()[-1]
    assert last.startswith("ai_detect: error: ")
    assert message in last
    assert "Traceback" not in printed.err
    assert not printed.out
    assert last.removeprefix("ai_detect: error: ") in (place / "data" / "log_file.log").read_text(
        "utf-8"
    )
    assert {path for path in place.rglob("*") if path.suffix in (".npz", ".csv", ".json")} == before


@pytest.mark.parametrize("option", ["model_dir", "data_dir"])
def test_the_folders_can_be_moved(option: str, files: Path, tmp_path: Path) -> None:
    place = tmp_path / "place"
    shutil.copytree(files, place)
    shutil.rmtree(place / "data")
    with chdir(place):
        assert cli.main([*words("train", BASE["train"]), f"--{option}=else where"]) == 0
    log.close()
    (made,) = {path.parent for path in (place / "else where").rglob("manifest.json")}
    assert made == place / "else where" / ("model" if option == "data_dir" else "")
    assert (place / "data").exists() == (option == "model_dir")


@pytest.mark.parametrize(
    ("argv", "code"),
    [
        (["version"], 0),
        (["--help"], 0),
        (["train", "--help"], 0),
        ([], 0),
        (["trian"], 2),
        (["train"], 2),
        (["train", "--dataset=rows.csv", "--sed=1"], 2),
        (["predict", "rows.csv"], 2),
        (["predict", "--dataset=rows.csv", "--fpr=0.0001"], 2),
        (["predict", "--dataset=absent.csv"], 1),
        (["predict", "--dataset=rows.csv", "--data_dir=rows.csv"], 1),
        (["predict", "--dataset=rows.csv", "--data_dir=absent"], 0),
        (["evaluate", "--dataset=settings.toml"], 1),
        (["info"], 0),
        (["info", "--data_dir=absent"], 0),
        (["calibrate", "--dataset=rows.csv"], 2),
        (["calibrate", "--dataset=rows.csv", "--profile=essay"], 2),
        (["calibrate", "--dataset=people.csv", "--profile=academy"], 0),
        (["predict", "--dataset=rows.csv", "--profile=school", "--fpr=0.005"], 0),
        (["predict", "--dataset=rows.csv", "--profile=school", "--fpr=0.001"], 2),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_exit_codes(argv: list[str], code: int, files: Path, tmp_path: Path) -> None:
    place = tmp_path / "place"
    shutil.copytree(files, place)
    with chdir(place):
        assert cli.main(argv) == code
    log.close()


@pytest.mark.parametrize("command", ["train", "predict", "evaluate", "calibrate", "drift", "info"])
def test_json_is_one_valid_document(
    command: str, files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(files, tmp_path, dirs_exist_ok=True)
    with chdir(tmp_path):
        assert cli.main([*words(command, BASE[command]), "--json", "--quiet"]) == 0
    log.close()

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is not JSON")

    printed = capsys.readouterr()
    assert json.loads(printed.out, parse_constant=refuse)
    assert not printed.err


def model_files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "model").glob("[!.]*")}


def python(
    *argv: str, folder: Path, stdin: bytes | None = None, **environ: str
) -> subprocess.CompletedProcess[bytes]:
    """Run `python model.py ...` as a user does, with nothing but the folder to tell it where to work."""
    return subprocess.run(
        [sys.executable, str(ROOT / "model.py"), *argv],
        cwd=folder,
        env={**os.environ, **environ},
        input=stdin,
        capture_output=True,
        timeout=60,
        check=False,
    )


TRAIN = ["train", f"--dataset={SAMPLE / 'train.csv'}", "--tracking=none", "--n_bits=12"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder where `python model.py train` has run. The clock is stood still."""
    folder = tmp_path_factory.mktemp("place")
    done = python(*TRAIN, folder=folder, SOURCE_DATE_EPOCH="0", PYTHONHASHSEED="1")
    assert done.returncode == 0, done.stderr
    assert b"ROC AUC" in done.stdout
    assert {path.name for path in folder.iterdir()} == {"model", "data"}
    return folder


class TestProcess:
    """What only a process of its own can show."""

    def test_train_leaves_the_model_in_both_places(self, place: Path) -> None:
        assert model_files(place) == model_files(place / "data")
        assert len(model_files(place)) == 3

    def test_another_process_makes_the_same_files(
        self, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
        with chdir(tmp_path):
            assert cli.main(TRAIN) == 0
        log.close()
        assert model_files(tmp_path) == model_files(place)

    def test_predict_writes_a_valid_submission(self, place: Path) -> None:
        done = python("predict", f"--dataset={TEST}", folder=place)
        assert done.returncode == 0, done.stderr
        results = rows_of(place / "data" / "results.csv")
        assert list(results[0]) == ["id", "generated"]
        assert [row["id"] for row in results] == [row["id"] for row in rows_of(TEST)]
        assert all(0 <= float(row["generated"]) <= 1 for row in results)

    def test_evaluate_answers_a_program(self, place: Path) -> None:
        done = typed(place, "evaluate", f"--dataset={TEST}", "--json")
        assert done.returncode == 0, done.stderr
        assert 0.9 < json.loads(done.stdout)["overall"]["roc_auc"]["value"] < 0.995

    def test_the_log_has_every_run_and_no_text(self, place: Path) -> None:
        record = (place / "data" / "log_file.log").read_text("utf-8")
        assert re.search(r"ai_detect.cli .*: train .*--dataset=", record)
        assert "In a film you see" not in record
        assert "So in my opinion" not in record

    @pytest.mark.parametrize("kind", ["csv", "jsonl"])
    def test_from_stdin_to_stdout(self, kind: str, files: Path, tmp_path: Path) -> None:
        text = TEST.read_text("utf-8")
        if kind == "jsonl":
            text = "".join(json.dumps(row) + "\n" for row in csv.DictReader(io.StringIO(text)))
        data = f"--data_dir={tmp_path}"
        shutil.copytree(files / "data" / "model", tmp_path / "model")
        piped = python(
            "predict", "--dataset=-", "--output=-", data, folder=tmp_path, stdin=text.encode()
        )
        assert piped.returncode == 0, piped.stderr
        with chdir(tmp_path):
            assert cli.main(["predict", f"--dataset={TEST}", data]) == 0
        log.close()
        assert piped.stdout == (tmp_path / "results.csv").read_bytes()

    def test_a_log_is_followed_until_interrupted(self, files: Path, tmp_path: Path) -> None:
        shutil.copytree(files, tmp_path, dirs_exist_ok=True)
        command = [sys.executable, str(ROOT / "model.py"), "log", "--lines=1", "--follow"]
        following = subprocess.Popen(
            command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        watchdog = threading.Timer(30, following.kill)
        watchdog.start()
        seen = threading.Event()

        def write() -> None:
            while not seen.wait(0.05):
                with (tmp_path / "data" / "log_file.log").open("a") as file:
                    file.write("new\n")

        try:
            assert following.stdout
            assert "ai_detect.cli" in following.stdout.readline()  # its own start, the last record
            writer = threading.Thread(target=write)
            writer.start()
            assert following.stdout.readline() == "new\n"
            seen.set()
            writer.join()
        finally:
            seen.set()
            watchdog.cancel()
            following.terminate()
            following.communicate()

    @pytest.mark.parametrize(
        ("argv", "code"),
        [
            (["predict", "--dataset=absent.csv", "--quiet"], 1),
            (["predict", "--datset=a.csv"], 2),
        ],
        ids=["data", "usage"],
    )
    def test_an_error_is_one_line_and_a_code(
        self, argv: list[str], code: int, tmp_path: Path
    ) -> None:
        done = python(*argv, folder=tmp_path)
        assert done.returncode == code
        assert not done.stdout
        assert done.stderr.startswith(b"ai_detect: error: ")
        assert done.stderr.count(b"\n") == 1


def test_text_stays_text(files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(files, tmp_path, dirs_exist_ok=True)
    answers: list[dict[str, Any]] = []
    for text in ("1984", "True", "[a, b]", "one, two", "None", "{}"):
        with chdir(tmp_path):
            assert cli.main(["predict", f"--text={text}", "--json", "--quiet"]) == 0
        answers.append(json.loads(capsys.readouterr().out))
    log.close()
    assert [answer["words"] for answer in answers] == [1, 1, 2, 2, 1, 0]
    assert "1984" not in (tmp_path / "data" / "log_file.log").read_text("utf-8")
