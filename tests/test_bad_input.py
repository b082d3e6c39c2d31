"""Bad input through the command: a clear sentence, exit code 1 or 2, nothing lost or shown.

Where a process of its own would show no more, the command runs in this one.
"""

import csv
import gzip
import hashlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.command_support import typed, wait_until

REPO = Path(__file__).parents[1]
CANARY = "zanzicanary"
OLD_RESULTS = "id,generated\nold,0.5\n"
WORDS = {
    "0": "we went home late because my brother lost his shoes and mum was cross about it".split(),
    "1": "furthermore it is essential to consider the multifaceted impact of modern tools".split(),
}


def essays(n: int, labels: Sequence[str] = ("0", "1")) -> list[tuple[str, str]]:
    """Make n different short texts, each with the canary in it, and their labels in turn."""
    chance = random.Random(7)
    rows = []
    for number in range(n):
        label = labels[number % len(labels)]
        words = chance.choices(WORDS.get(label, WORDS["0"]), k=12)
        rows.append((f"{' '.join(words)}, {CANARY} number {number}.", label))
    return rows


def write_csv(path: Path, rows: Sequence[Sequence[str]], header: Sequence[str]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def write_labelled(path: Path, n: int = 60, labels: Sequence[str] = ("0", "1")) -> Path:
    return write_csv(path, essays(n, labels), ["text", "generated"])


def files_of(folder: Path) -> dict[str, str]:
    """Tell the state of a folder: the hash of each file."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.endswith("lock")
    }


@dataclass(frozen=True)
class Place:
    """A folder with a trained model, its published copy, and the results of an earlier run."""

    path: Path

    def command(self, *words: str) -> list[str]:
        return [sys.executable, str(REPO / "model.py"), *words]

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        done = typed(self.path, *words)
        self.check_silence(done.stdout + done.stderr)
        return done

    def run_apart(
        self, *words: str, before: Sequence[str] = ()
    ) -> subprocess.CompletedProcess[str]:
        """Run the command as a user does, after others that it is an argument of."""
        done = subprocess.run(
            [*before, *self.command(*words)],
            check=False,
            cwd=self.path,
            capture_output=True,
            text=True,
            timeout=240,
            stdin=subprocess.DEVNULL,
        )
        self.check_silence(done.stdout + done.stderr)
        return done

    def train(self, dataset: Path | str, *words: str) -> subprocess.CompletedProcess[str]:
        return self.run("train", f"--dataset={dataset}", "--tracking=none", *words)

    def predict(self, dataset: Path | str, *words: str) -> subprocess.CompletedProcess[str]:
        return self.run("predict", f"--dataset={dataset}", *words)

    def check_silence(self, output: str) -> None:
        """No traceback reaches the user, and no word of a text anybody."""
        assert "Traceback" not in output
        assert CANARY not in output
        log_file = self.path / "data" / "log_file.log"
        if log_file.exists():
            assert CANARY not in log_file.read_text(encoding="utf-8", errors="replace")

    def state(self) -> tuple[dict[str, str], dict[str, str], str]:
        data = self.path / "data"
        results = data / "results.csv"
        return (
            files_of(self.path / "model"),
            files_of(data / "model"),
            results.read_text(encoding="utf-8") if results.exists() else "",
        )

    def results(self) -> list[dict[str, str]]:
        with (self.path / "data" / "results.csv").open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))


def check_refusal(
    done: subprocess.CompletedProcess[str], *words: str, codes: Sequence[int] = (1, 2)
) -> None:
    """Hold a refusal to its form: an exit code, and one line on stderr that says these words."""
    assert done.returncode in codes, done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("ai_detect: error:")]
    assert len(lines) == 1, done.stderr
    for word in words:
        assert word.lower() in lines[0].lower(), (word, lines[0])
    assert "this is a bug" not in lines[0].lower()


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Place:
    place = Place(tmp_path_factory.mktemp("trained"))
    done = place.train(write_labelled(place.path / "train.csv", 240))
    assert done.returncode == 0, done.stderr
    (place.path / "data" / "results.csv").write_text(OLD_RESULTS, encoding="utf-8")
    return place


@pytest.fixture
def place(trained: Place, tmp_path: Path) -> Place:
    for folder in ("model", "data"):
        shutil.copytree(trained.path / folder, tmp_path / folder)
    return Place(tmp_path)


@pytest.fixture
def mount_small(tmp_path: Path) -> Iterator[Callable[[Path, int], None]]:
    """Return a function that puts a small disk at a folder, which keeps its files."""
    mounted: list[Path] = []

    def mount(folder: Path, kilobytes: int) -> None:
        kept = tmp_path / "kept"
        folder.rename(kept)
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "none", str(folder)]
        if not shutil.which("mount") or subprocess.run(command, check=False).returncode:
            pytest.skip("a tmpfs cannot be mounted here (it takes root)")
        mounted.append(folder)
        shutil.copytree(kept, folder, dirs_exist_ok=True)

    yield mount
    for folder in mounted:
        subprocess.run(["umount", str(folder)], check=True)


# What a dataset can be like. Each maker writes one and returns its path.


def missing(folder: Path) -> Path:
    return folder / "nowhere.csv"


def empty(folder: Path) -> Path:
    (folder / "empty.csv").touch()
    return folder / "empty.csv"


def header_only(folder: Path) -> Path:
    return write_csv(folder / "header.csv", [], ["text", "generated"])


def empty_folder(folder: Path) -> Path:
    (folder / "essays").mkdir()
    return folder / "essays"


def folder_of_others(folder: Path) -> Path:
    inner = empty_folder(folder)
    (inner / "essay.docx").write_text(CANARY, encoding="utf-8")
    return inner


def no_text_column(folder: Path) -> Path:
    rows = [[text, text[::-1], label] for text, label in essays(20)]
    return write_csv(folder / "d.csv", rows, ["alpha", "beta", "generated"])


def unknown_format(folder: Path) -> Path:
    (folder / "essays.xyz").write_text(CANARY, encoding="utf-8")
    return folder / "essays.xyz"


def binary(folder: Path) -> Path:
    content = random.Random(1).randbytes(5000)
    (folder / "binary.csv").write_bytes(b"text,generated\n" + content + CANARY.encode())
    return folder / "binary.csv"


def spreadsheet(folder: Path) -> Path:
    (folder / "sheet.csv").write_bytes(b"PK\x03\x04" + bytes(500) + CANARY.encode())
    return folder / "sheet.csv"


def nul_bytes(folder: Path) -> Path:
    path = write_labelled(folder / "nul.csv")
    path.write_bytes(path.read_bytes().replace(b"number", b"num\0ber"))
    return path


def utf_16(folder: Path) -> Path:
    path = write_labelled(folder / "wide.csv")
    path.write_bytes(path.read_text(encoding="utf-8").encode("utf-16"))
    return path


def write_parquet(folder: Path) -> Path:
    texts, labels = zip(*essays(60), strict=True)
    pq.write_table(pa.table({"text": texts, "generated": labels}), folder / "d.parquet")
    return folder / "d.parquet"


def half_a_parquet(folder: Path) -> Path:
    path = write_parquet(folder)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    return path


def parquet_changed_inside(folder: Path) -> Path:
    path = write_parquet(folder)
    content = bytearray(path.read_bytes())
    content[20:400] = bytes(380)
    path.write_bytes(content)
    return path


def write_gzip(folder: Path) -> Path:
    path = write_labelled(folder / "d.csv")
    with gzip.open(folder / "d.csv.gz", "wb") as file:
        file.write(path.read_bytes())
    return folder / "d.csv.gz"


def gzip_that_lies(folder: Path) -> Path:
    path = write_gzip(folder)
    path.write_bytes(path.read_bytes()[:-4] + (12345).to_bytes(4, "little"))
    return path


def gzip_cut(folder: Path) -> Path:
    path = write_gzip(folder)
    path.write_bytes(path.read_bytes()[:-300])
    return path


def gzip_that_is_none(folder: Path) -> Path:
    path = write_labelled(folder / "d.csv")
    return path.rename(folder / "d.csv.gz")


def unreadable_names(folder: Path) -> Path:
    path = folder / "two.csv"
    rows = [[text, text, label] for text, label in essays(20)]
    return write_csv(path, rows, ["text", "text", "generated"])


UNUSABLE: dict[str, tuple[Callable[[Path], Path], list[str]]] = {
    "no such file": (missing, ["nowhere.csv", "--dataset"]),
    "empty file": (empty, ["empty.csv", "empty"]),
    "a header and no rows": (header_only, ["header.csv"]),
    "empty folder": (empty_folder, ["essays", ".csv"]),
    "a folder with nothing readable": (folder_of_others, ["essays", ".csv"]),
    "no text column": (no_text_column, ["alpha", "beta", "--text_column"]),
    "unknown format": (unknown_format, ["essays.xyz", "--format"]),
    "binary named .csv": (binary, ["binary.csv", "binary"]),
    "spreadsheet named .csv": (spreadsheet, ["sheet.csv", "spreadsheet"]),
    "NUL bytes": (nul_bytes, ["nul.csv", "NUL"]),
    "UTF-16": (utf_16, ["wide.csv", "--encoding"]),
    "Parquet cut in half": (half_a_parquet, ["d.parquet"]),
    "Parquet changed inside": (parquet_changed_inside, ["d.parquet"]),
    "gzip of a wrong length": (gzip_that_lies, ["d.csv.gz", "damaged"]),
    "gzip cut": (gzip_cut, ["d.csv.gz", "damaged"]),
    "gzip that is none": (gzip_that_is_none, ["d.csv.gz", "gzip"]),
    "two text columns of one name": (unreadable_names, ["two.csv", "text"]),
}


class TestUnusableDatasets:
    @pytest.mark.parametrize("command", ["train", "predict"])
    @pytest.mark.parametrize(("make", "words"), UNUSABLE.values(), ids=UNUSABLE.keys())
    def test_is_refused(
        self, place: Place, make: Callable[[Path], Path], words: list[str], command: str
    ) -> None:
        dataset = make(place.path)
        before = place.state()
        done = (place.train if command == "train" else place.predict)(dataset)
        check_refusal(done, *words, codes=[1])
        assert place.state() == before

    @pytest.mark.parametrize("command", ["train", "predict"])
    def test_a_process_of_its_own_refuses_alike(self, place: Place, command: str) -> None:
        dataset = binary(place.path)
        before = place.state()
        check_refusal(place.run_apart(command, f"--dataset={dataset}"), "binary", codes=[1])
        assert place.state() == before

    def test_a_column_that_is_not_there(self, place: Place) -> None:
        dataset = write_labelled(place.path / "d.csv")
        before = place.state()
        done = place.predict(dataset, "--text_column=essay_body")
        check_refusal(done, "essay_body", "text", "generated")
        assert place.state() == before


class TestUnusableForTraining:
    def check(self, place: Place, dataset: Path, *words: str) -> None:
        before = place.state()
        check_refusal(place.train(dataset), *words, codes=[1])
        assert place.state() == before

    def test_no_label_column(self, place: Place) -> None:
        rows = [[str(number), text] for number, (text, _) in enumerate(essays(20))]
        dataset = write_csv(place.path / "d.csv", rows, ["id", "text"])
        self.check(place, dataset, "d.csv", "label", "--label_column")

    def test_one_class_only(self, place: Place) -> None:
        dataset = write_labelled(place.path / "d.csv", labels=["1"])
        self.check(place, dataset, "two", "label")

    @pytest.mark.parametrize("n", [1, 9])
    def test_fewer_than_10_rows(self, place: Place, n: int) -> None:
        self.check(place, write_labelled(place.path / "d.csv", n), "10")

    @pytest.mark.parametrize(
        "labels", [("0", "1", "perhaps"), ("human", "llm", "7", "8")], ids=["0/1", "words"]
    )
    def test_labels_of_mixed_kinds(self, place: Place, labels: tuple[str, ...]) -> None:
        self.check(place, write_labelled(place.path / "d.csv", 60, labels), "label")

    def test_every_text_is_empty(self, place: Place) -> None:
        rows = [["", str(number % 2)] for number in range(40)]
        self.check(place, write_csv(place.path / "d.csv", rows, ["text", "generated"]), "10")


# One bad row among good ones: what a line of the file is replaced by.
SPOILT_ROWS: dict[str, bytes] = {
    "empty": b",1",
    "blanks": b"   ,1",
    "NaN": b"NaN,1",
    "too many fields": f"{CANARY},1,more,and more".encode(),
    "not UTF-8": f"caf\xe9 {CANARY},1".encode("latin-1"),
}


def write_spoilt(path: Path, row: bytes, n: int = 60) -> Path:
    """Write a table whose fifth text is spoilt."""
    lines = write_labelled(path, n).read_bytes().splitlines()
    lines[5] = row
    path.write_bytes(b"\n".join(lines) + b"\n")
    return path


class TestSpoiltRows:
    @pytest.mark.parametrize("row", SPOILT_ROWS.values(), ids=SPOILT_ROWS.keys())
    def test_predict_keeps_their_place_and_counts_them(self, place: Place, row: bytes) -> None:
        done = place.predict(write_spoilt(place.path / "d.csv", row))
        assert done.returncode == 0, done.stderr
        rows = place.results()
        assert len(rows) == 60
        assert [number for number, row in enumerate(rows) if row["generated"] == ""] == [4]
        assert all(0 <= float(row["generated"]) <= 1 for row in rows if row["generated"])
        assert re.search(r"empty prediction: 1 |left out, 1: ", done.stdout + done.stderr)

    @pytest.mark.parametrize("row", SPOILT_ROWS.values(), ids=SPOILT_ROWS.keys())
    def test_strict_refuses_them(self, place: Place, row: bytes) -> None:
        dataset = write_spoilt(place.path / "d.csv", row)
        before = place.state()
        check_refusal(place.predict(dataset, "--strict"), "d.csv", "row", codes=[1])
        assert place.state() == before

    def test_train_leaves_them_out_and_counts_them(self, place: Place) -> None:
        dataset = write_spoilt(place.path / "d.csv", SPOILT_ROWS["too many fields"])
        done = place.train(dataset)
        assert done.returncode == 0, done.stderr
        assert re.search(r"empty prediction: 1 |left out, 1: ", done.stdout + done.stderr)

    def test_train_strict_refuses_them(self, place: Place) -> None:
        dataset = write_spoilt(place.path / "d.csv", SPOILT_ROWS["too many fields"])
        before = place.state()
        check_refusal(place.train(dataset, "--strict"), "d.csv", "row", codes=[1])
        assert place.state() == before

    def test_a_text_of_50_megabytes(self, place: Place) -> None:
        """A text that long is not scored, and its neighbours are."""
        huge = (f"{CANARY} and so on " * 2_000_000)[:50_000_000].encode() + b",1"
        dataset = write_spoilt(place.path / "d.csv", huge)
        done = place.predict(dataset, "--details")
        assert done.returncode == 0
        rows = place.results()
        assert [row["reason"] for row in rows if not row["generated"]] == ["text over 10 MB"]
        check_refusal(place.predict(dataset, "--strict"), "d.csv", "10 MB", codes=[1])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def weights_of(folder: Path) -> Path:
    [path] = folder.glob("weights-*.npz")
    return path


def newer(folder: Path) -> None:
    """Make the manifest that a later version of this package might write."""
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**manifest, "format_version": 2}), encoding="utf-8")


MODEL_DAMAGE: dict[str, tuple[Callable[[Path], object], list[str]]] = {
    "no weights": (lambda f: weights_of(f).unlink(), ["weights-", "missing"]),
    "no manifest": (lambda f: (f / "manifest.json").unlink(), ["no model of ai_detect"]),
    "a changed byte of weights": (lambda f: flip(weights_of(f)), ["has changed"]),
    "a changed byte of manifest": (lambda f: flip(f / "manifest.json"), ["manifest.json"]),
    "a newer format": (newer, ["newer ai_detect", "upgrade"]),
}


class TestModels:
    @pytest.mark.parametrize(("damage", "words"), MODEL_DAMAGE.values(), ids=MODEL_DAMAGE.keys())
    def test_a_damaged_model_is_refused(
        self, place: Place, damage: Callable[[Path], object], words: list[str]
    ) -> None:
        damage(place.path / "data" / "model")
        before = place.state()
        done = place.predict(write_labelled(place.path / "d.csv"))
        check_refusal(done, "data/model", "train", *words, codes=[1])
        assert place.state() == before

    def test_a_model_of_few_texts_predicts(self, place: Place) -> None:
        """It is too small to promise a low false-positive rate, but nobody asked for verdicts."""
        dataset = write_labelled(place.path / "d.csv", 20)
        done = place.train(dataset)
        assert done.returncode == 0, done.stderr
        done = place.predict(dataset)
        assert done.returncode == 0, done.stderr
        assert all(0 <= float(row["generated"]) <= 1 for row in place.results())

    def test_no_model_anywhere(self, tmp_path: Path) -> None:
        """A model comes with the package, and the answer says that it was used."""
        done = Place(tmp_path).predict(write_labelled(tmp_path / "d.csv"))
        assert done.returncode == 0
        assert "the model that comes with ai_detect" in done.stdout

    def test_a_path_that_is_no_folder_holds_no_model(self, tmp_path: Path) -> None:
        (tmp_path / "data").mkdir()
        (tmp_path / "data" / "model").write_text("not a folder")
        done = Place(tmp_path).predict(write_labelled(tmp_path / "d.csv"))
        check_refusal(done, "data/model", codes=[1])


# Root may read and write anywhere; without these capabilities it may not, from the next program on.
WITHOUT_PRIVILEGE = """
import ctypes, os, sys
PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 24, 1, 2
for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
    ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""
PLAINLY = [sys.executable, "-c", WITHOUT_PRIVILEGE]
TRY = "import os, sys; sys.exit(os.access(sys.argv[1], int(sys.argv[2])))"
Forbid = Callable[[Path, int], None]


@pytest.fixture
def forbid() -> Iterator[Forbid]:
    """Return a function that takes permissions away until the test is over."""
    before: dict[Path, int] = {}

    def take(path: Path, mode: int) -> None:
        before[path] = path.stat().st_mode
        path.chmod(mode)
        wanted = os.W_OK if mode else os.R_OK
        attempt = [*PLAINLY, sys.executable, "-c", TRY, str(path), str(wanted)]
        if subprocess.run(attempt, check=False).returncode:
            pytest.skip("this user may do anything, and cannot give that up")

    yield take
    for path, mode in before.items():
        path.chmod(mode)


class TestDisk:
    def test_results_without_permission(self, place: Place, forbid: Forbid) -> None:
        dataset = write_labelled(place.path / "d.csv")
        before = place.state()
        forbid(place.path / "data", 0o555)
        done = place.run_apart("predict", f"--dataset={dataset}", before=PLAINLY)
        check_refusal(done, "data", "permission", codes=[1])
        assert place.state() == before

    def test_model_without_permission(self, place: Place, forbid: Forbid) -> None:
        dataset = write_labelled(place.path / "d.csv")
        before = place.state()
        forbid(place.path / "model", 0o555)
        words = ("train", f"--dataset={dataset}", "--tracking=none")
        check_refusal(place.run_apart(*words, before=PLAINLY), "model", "permission", codes=[1])
        assert place.state() == before

    def test_dataset_without_permission(self, place: Place, forbid: Forbid) -> None:
        dataset = write_labelled(place.path / "d.csv")
        forbid(dataset, 0)
        done = place.run_apart("predict", f"--dataset={dataset}", before=PLAINLY)
        check_refusal(done, "d.csv", "permission", codes=[1])

    def test_results_on_a_full_disk(
        self, place: Place, mount_small: Callable[[Path, int], None]
    ) -> None:
        data = place.path / "data"
        used = sum(path.stat().st_size for path in data.rglob("*") if path.is_file())
        dataset = write_csv(place.path / "d.csv", [["so it goes"]] * 30_000, ["text"])
        mount_small(data, used // 1024 + 128)
        before = place.state()
        check_refusal(place.predict(dataset), "results.csv", "space", codes=[1])
        assert place.state() == before
        assert not [path for path in data.iterdir() if "tmp" in path.name]

    def test_model_on_a_full_disk(
        self, place: Place, mount_small: Callable[[Path, int], None]
    ) -> None:
        model = place.path / "model"
        used = sum(path.stat().st_size for path in model.rglob("*") if path.is_file())
        dataset = write_labelled(place.path / "d.csv", 240, labels=["1", "0"])
        mount_small(model, used // 1024 + 20)  # in pages of 4 KB, so less is free
        before = place.state()
        check_refusal(place.train(dataset), "model", "space", codes=[1])
        assert place.state() == before


class TestInterruptions:
    def start(self, place: Place, dataset: Path | str, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            place.command("train", f"--dataset={dataset}", "--tracking=none", *words),
            cwd=place.path,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    @pytest.mark.parametrize("n_lines", [1, 3])
    def test_ctrl_c_during_training(self, place: Place, n_lines: int) -> None:
        before = place.state()
        training = self.start(place, write_labelled(place.path / "d.csv", 2000))
        with training:
            assert training.stderr is not None
            told = [training.stderr.readline() for _ in range(n_lines)]
            training.send_signal(signal.SIGINT)
            told += training.stderr.readlines()
        assert training.returncode == 130, told
        place.check_silence("".join(told))
        assert sum(line.startswith("ai_detect: error:") for line in told) == 1
        assert place.state() == before

    @pytest.mark.slow
    def test_two_trainings_at_once(self, place: Place) -> None:
        """The first reads its dataset from stdin, so that it is at work for as long as it takes."""
        dataset = write_labelled(place.path / "d.csv", 240)
        first = self.start(place, "-", "--format=csv")
        lock = place.path / "model" / ".lock"
        wait_until(lambda: lock.read_text(encoding="utf-8") == str(first.pid) or first.poll())
        assert first.returncode is None
        check_refusal(place.train(dataset), f"another training (process {first.pid})", codes=[1])
        told = first.communicate(dataset.read_text(encoding="utf-8"), timeout=240)[1]
        assert first.returncode == 0, told
        place.check_silence(told)
        model, published, _ = place.state()
        assert model == published
        assert place.predict(dataset).returncode == 0
