"""Kernels are compiled once on a machine, however the package was installed; `warmup` compiles what commands need."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ai_detect import compiled
from ai_detect.errors import UsageError
from ai_detect.warmup import warm_up
from tests.command_support import typed

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "data" / "sample"
NOBODY = 65534

# Uses the smallest kernel, and shows where it is kept and whether it had to be compiled.
USE = """
import io, json, logging, sys
logging.basicConfig(stream=sys.stdout)
from ai_detect import compiled, csv_blocks
rows = list(csv_blocks.whole_rows(io.BytesIO(b"text\\nA few words.\\n"), "-", ","))
assert rows == [b"text\\nA few words.\\n"]
place = compiled.folder()
print(json.dumps([str(place) if place else None, sum(csv_blocks.scan.stats.cache_misses.values())]))
"""


class Installed:
    """A package that an unprivileged user runs and cannot write to, with a home and a folder for temporary files."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.package = place / "lib" / "ai_detect"
        self.home, self.tmp = place / "home", place / "tmp"
        skipped = shutil.ignore_patterns("__pycache__", ".*")
        shutil.copytree(ROOT / "ai_detect", self.package, ignore=skipped)
        place.chmod(0o755)
        for folder in (self.home, self.tmp):
            folder.mkdir(mode=0o755)
            if not os.getuid():
                os.chown(folder, NOBODY, NOBODY)
        self.package.chmod(0o555)

    def use(self, *, as_owner: bool = False, **environment: str) -> tuple[str | None, int]:
        """Use a kernel in a fresh process: where it is kept, and how many were compiled."""
        user = f"--reuid={NOBODY} --regid={NOBODY} --clear-groups".split()
        done = subprocess.run(
            [*([] if as_owner or os.getuid() else ["setpriv", *user]), sys.executable, "-c", USE],
            cwd="/",
            env={
                "PYTHONPATH": str(self.package.parent),
                "PATH": os.environ["PATH"],
                "HOME": str(self.home),
                "TMPDIR": str(self.tmp),
            }
            | environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("\n") == 1, "no warning"
        place, compiled_now = json.loads(done.stdout)
        return place, compiled_now

    def compile_as_owner(self) -> None:
        """Do what `ai_detect warmup` does after installing as root."""
        self.package.chmod(0o755)
        assert self.use(as_owner=True) == (str(self.package / "__pycache__"), 1)
        self.package.chmod(0o555)
        (self.package / "__pycache__").chmod(0o555)


@pytest.fixture
def installed() -> Iterator[Installed]:
    if not os.getuid() and not shutil.which("setpriv"):
        pytest.skip("root writes anywhere, and there is no setpriv to be someone else")
    # Not below tmp_path, which nobody else may enter.
    place = Path(tempfile.mkdtemp(prefix="ai_detect-test-"))
    try:
        yield Installed(place)
    finally:
        for folder in place.rglob("*"):
            if folder.is_dir():
                folder.chmod(0o755)
        shutil.rmtree(place)


def test_the_second_process_of_a_read_only_installation_compiles_nothing(
    installed: Installed,
) -> None:
    place, compiled_now = installed.use()
    assert place
    assert place.startswith(str(installed.home / ".cache" / "ai_detect"))
    assert compiled_now == 1
    assert installed.use() == (place, 0)


def test_not_even_the_first_one_does_after_the_owner_compiled(installed: Installed) -> None:
    installed.compile_as_owner()
    place, compiled_now = installed.use()
    assert place
    assert place.startswith(str(installed.home))
    assert compiled_now == 0


def test_without_a_home_kernels_are_kept_in_a_private_temporary_folder(
    installed: Installed,
) -> None:
    place, compiled_now = installed.use(HOME="/nonexistent")
    assert place
    assert place.startswith(str(installed.tmp))
    assert compiled_now == 1
    assert installed.use(HOME="/nonexistent") == (place, 0)
    (private,) = installed.tmp.iterdir()
    assert private.stat().st_mode & 0o777 == 0o700


def test_a_temporary_folder_that_others_can_write_to_is_not_used(installed: Installed) -> None:
    uid = os.getuid() or NOBODY
    planted = installed.tmp / f"ai_detect-{uid}"
    planted.mkdir()
    planted.chmod(0o777)
    place, _ = installed.use(HOME="/nonexistent")
    assert place is None


def test_where_nothing_can_be_written_kernels_work_all_the_same(installed: Installed) -> None:
    installed.tmp.chmod(0o555)
    nowhere = {"HOME": "/nonexistent", "TMPDIR": str(installed.tmp)}
    patched = installed.package.parent / "sitecustomize.py"
    patched.write_text("import tempfile; tempfile.tempdir = '/nonexistent'\n")
    assert installed.use(**nowhere) == (None, 1)


def test_the_folder_of_the_environment_wins(installed: Installed) -> None:
    wanted = installed.home / "mine"
    place, _ = installed.use(NUMBA_CACHE_DIR=str(wanted))
    assert place
    assert place.startswith(str(wanted))


def test_warming_up_where_nothing_can_be_kept_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "folder", lambda: None)
    with pytest.raises(UsageError, match="NUMBA_CACHE_DIR"):
        warm_up()


# Every command that scores or counts, in every format. A kernel is ready for the kinds of arrays it was called with:
# what a command adds to those, it would have to compile where nothing was compiled before.
AFTER = """
import json, pathlib, sys
from contextlib import redirect_stdout
from ai_detect import cli, plots
sample = pathlib.Path(sys.argv[1])
plots.draw = lambda *_: ()

def ready():
    modules = [module for name, module in sys.modules.items() if name.startswith("ai_detect.")]
    kernels = {k for module in modules for k in vars(module).values() if hasattr(k, "nopython_signatures")}
    return {f"{k.py_func.__name__}{signature}" for k in kernels for signature in k.nopython_signatures}

def run(*argv):
    with redirect_stdout(sys.stderr):
        assert cli.main([*argv, "--quiet"]) == 0, argv
    return sorted(ready() - warm)

warm = set()
warm = set(run("warmup"))
import pyarrow.csv, pyarrow.parquet
table = pyarrow.csv.read_csv(sample / "test.csv")
pyarrow.parquet.write_table(table, "test.parquet")
pathlib.Path("test.jsonl").write_text("".join(json.dumps(row) + "\\n" for row in table.to_pylist()))
small = ["--tracking=none", "--n_bits=8", "--n_folds=2"]
added = {" ".join(argv): run(*argv) for argv in (
    ["train", f"--dataset={sample / 'train.csv'}", *small, "--char_ngrams=3,4"],
    ["train", f"--dataset={sample}", *small, "--group_column=file", "--streaming"],
    ["predict", f"--dataset={sample / 'test.csv'}", "--details", "--windows"],
    ["predict", "--dataset=test.parquet"],
    ["predict", "--dataset=test.jsonl"],
    ["evaluate", f"--dataset={sample / 'test.csv'}"],
    ["explain", "--dataset=test.jsonl", "--limit=2", "--windows"],
    ["drift", "--dataset=test.jsonl"],
    ["train", f"--dataset={sample / 'train.csv'}", *small, "--model=heuristic"],
    ["predict", "--dataset=test.jsonl"],
)}
print(json.dumps([len(warm), added]))
"""


def test_after_warming_up_no_command_compiles(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", AFTER, str(SAMPLE)],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": "", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    n_warm, added = json.loads(done.stdout)
    assert n_warm > 10
    assert {command: kernels for command, kernels in added.items() if kernels} == {}


def test_the_command_says_where_kernels_are_kept(tmp_path: Path) -> None:
    report = json.loads(typed(tmp_path, "warmup", "--json").stdout)
    assert Path(report["folder"]).is_dir()
    assert report["folder"] in typed(tmp_path, "warmup").stdout
