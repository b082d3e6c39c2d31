"""The model folder: what is saved comes back, damage is refused, and no crash loses a model."""

import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ai_detect import artifacts
from ai_detect.errors import ArtifactError

REPO = Path(__file__).parents[1]
LOCKS = {".lock", ".commit.lock"}

# Runs before each script below: two models that cannot be taken for each other.
PRELUDE = """
import errno, os, resource, signal, sys, time
from pathlib import Path
import numpy as np
from ai_detect import artifacts
from ai_detect.errors import ArtifactError

def save(folder, which, size=2000):
    value = ord(which)
    arrays = {"weights": np.full(size, value, np.float32), "bias": np.array([value])}
    artifacts.save(folder, {"which": which}, arrays, f"# Model {which}")

def check(folder):
    files = artifacts.load(folder)
    values = {ord(files.manifest["which"]), *files.arrays["weights"], *files.arrays["bias"]}
    assert len(values) == 1, values
    return files.manifest["which"]

def check_no_strays(folder):
    names = [path.name for path in folder.iterdir() if not path.name.endswith(".lock")]
    assert len(names) == 3, names
"""


def script(code: str) -> list[str]:
    return [sys.executable, "-c", PRELUDE + textwrap.dedent(code)]


def environment() -> dict[str, str]:
    """Without coverage's hook: these processes die half-way through writing its files, too."""
    plain = {key: value for key, value in os.environ.items() if not key.startswith("COVERAGE")}
    return {**plain, "PYTHONPATH": str(REPO)}


def run(code: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        script(code),
        check=False,
        cwd=cwd,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done


def start(code: str, cwd: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        script(code),
        cwd=cwd,
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def save(folder: Path, which: str = "A", size: int = 2000) -> None:
    value = ord(which)
    arrays = {"weights": np.full(size, value, np.float32), "bias": np.array([value])}
    artifacts.save(folder, {"which": which}, arrays, f"# Model {which}")


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - LOCKS


def weights_of(folder: Path) -> Path:
    [path] = folder.glob("weights-*.npz")
    return path


def rewrite(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change a manifest and seal it again, as a forger could."""
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    change(manifest)
    manifest.pop("manifest_sha256")
    for _ in range(2):
        text = json.dumps(manifest, indent=1, sort_keys=True) + "\n"
        manifest.setdefault("manifest_sha256", hashlib.sha256(text.encode()).hexdigest())
    path.write_text(text, encoding="utf-8")


def replace_weights(folder: Path, content: bytes) -> None:
    """Put other weights into a folder, with every name and hash right."""
    digest = hashlib.sha256(content).hexdigest()
    name = f"weights-{digest[:12]}.npz"
    weights_of(folder).unlink()
    (folder / name).write_bytes(content)
    entry = {"name": name, "sha256": digest, "bytes": len(content)}
    rewrite(folder, lambda manifest: manifest["files"].update(weights=entry))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save(tmp_path / "model", "A")
    return tmp_path / "model"


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 64 KB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(disk)]
    mount = shutil.which("mount") and subprocess.run(command, check=False, capture_output=True)
    if not mount or mount.returncode:
        pytest.skip("a tmpfs cannot be mounted here (it takes root)")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


class TestRoundTrip:
    def test_everything_comes_back(self, tmp_path: Path) -> None:
        arrays = {
            "weights": np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4),
            "half": np.arange(3, dtype=np.float16),
            "buckets": np.array([1, 1 << 40]),
            "hashes": np.array([2**64 - 1], np.uint64),
            "flags": np.array([True, False]),
            "words": np.array(["höflich", "汉"]),
            "big_endian": np.arange(3, dtype=">i4"),
            "number": np.float64(0.1),
            "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
            "empty": np.zeros((0, 5), np.float32),
            "file": np.arange(2),  # a parameter's name in numpy.savez
        }
        manifest = {"package_version": "1.2.3", "classes": ["人", "é\udcff"], "auc": 0.1 + 0.2}
        artifacts.save(tmp_path / "new" / "model", manifest, arrays, "# Card")

        loaded = artifacts.load(tmp_path / "new" / "model")

        assert {key: loaded.manifest[key] for key in manifest} == manifest
        assert loaded.manifest["format"] == "ai_detect model"
        assert loaded.manifest["format_version"] == artifacts.FORMAT_VERSION == 1
        assert set(loaded.arrays) == set(arrays)
        for name, array in arrays.items():
            np.testing.assert_array_equal(loaded.arrays[name], array)
            assert loaded.arrays[name].dtype == array.dtype, name
            assert loaded.arrays[name].shape == array.shape, name

    def test_the_folder_holds_three_files_and_numpy_reads_the_weights(self, folder: Path) -> None:
        entry = artifacts.load(folder).manifest["files"]["weights"]
        content = (folder / entry["name"]).read_bytes()
        assert names(folder) == {"manifest.json", "model_card.md", entry["name"]}
        assert (folder / "model_card.md").read_text(encoding="utf-8") == "# Model A"
        assert entry["bytes"] == len(content)
        assert entry["sha256"] == hashlib.sha256(content).hexdigest()
        with np.load(folder / entry["name"], allow_pickle=False) as archive:
            assert set(archive.files) == {"weights", "bias"}

    def test_a_loaded_manifest_can_be_saved_again(self, folder: Path, tmp_path: Path) -> None:
        loaded = artifacts.load(folder)
        artifacts.save(tmp_path / "again", loaded.manifest, loaded.arrays, "# Model A")
        for name in names(folder):
            assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes()

    def test_keys_that_are_not_strings_become_strings(self, tmp_path: Path) -> None:
        artifacts.save(tmp_path, {"bands": {10: "b", 9: "a"}}, {}, "")
        assert artifacts.load(tmp_path).manifest["bands"] == {"9": "a", "10": "b"}

    def test_saving_replaces_the_model_and_its_weights(self, folder: Path) -> None:
        before = weights_of(folder)
        save(folder, "B")
        assert artifacts.load(folder).manifest["which"] == "B"
        assert len(names(folder)) == 3
        assert not before.exists()

    def test_files_of_other_people_stay(self, folder: Path) -> None:
        others = ("notes.txt", "weights-final.npz", ".other.tmp")
        for name in others:
            (folder / name).write_text("mine", encoding="utf-8")
        save(folder, "B")
        assert names(folder) >= set(others)

    @pytest.mark.parametrize(
        ("manifest", "arrays"),
        [
            ({"auc": float("nan")}, {}),
            ({"n": np.int64(3)}, {}),
            ({}, {"objects": np.array([{}, []], dtype=object)}),
        ],
        ids=["nan", "numpy integer", "objects"],
    )
    def test_what_is_not_data_is_refused(
        self, folder: Path, manifest: dict[str, Any], arrays: dict[str, Any]
    ) -> None:
        with pytest.raises(ArtifactError, match="cannot be written as data"):
            artifacts.save(folder, manifest, arrays, "")
        assert artifacts.load(folder).manifest["which"] == "A"

    @pytest.mark.parametrize("limit", ["_WEIGHTS_LIMIT", "_MANIFEST_LIMIT"])
    def test_a_model_too_big_is_neither_saved_nor_read(
        self, folder: Path, limit: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(artifacts, limit, 100)
        with pytest.raises(ArtifactError, match="can be saved: use fewer buckets"):
            save(folder, "B")
        with pytest.raises(ArtifactError, match="more than 100"):
            artifacts.load(folder)

    def test_exists(self, folder: Path, tmp_path: Path) -> None:
        assert artifacts.exists(folder)
        assert not artifacts.exists(tmp_path)
        assert not artifacts.exists(tmp_path / "nowhere")


class TestSameBytes:
    def test_order_and_layout_do_not_matter(self, tmp_path: Path) -> None:
        grid = np.arange(6.0).reshape(2, 3)
        artifacts.save(tmp_path / "1", {"a": 1, "b": 2}, {"x": grid, "y": grid[0]}, "")
        artifacts.save(
            tmp_path / "2", {"b": 2, "a": 1}, {"y": grid[0], "x": np.asfortranarray(grid)}, ""
        )
        for name in names(tmp_path / "1"):
            assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()

    def test_another_day_and_another_machine_give_the_same_file(self, tmp_path: Path) -> None:
        artifacts.save(tmp_path, {}, {"weights": np.arange(4, dtype="<f4")}, "")
        assert weights_of(tmp_path).name == "weights-b276d55e5cfc.npz"


class TestPublish:
    def test_the_same_bytes_arrive(self, folder: Path, tmp_path: Path) -> None:
        target = tmp_path / "data" / "model"
        save(target, "B")
        artifacts.publish(folder, target)
        assert names(target) == names(folder)
        for name in names(folder):
            assert (target / name).read_bytes() == (folder / name).read_bytes()

    def test_onto_itself_changes_nothing(self, folder: Path) -> None:
        before = {name: (folder / name).read_bytes() for name in names(folder)}
        artifacts.publish(folder, folder)
        assert {name: (folder / name).read_bytes() for name in names(folder)} == before

    def test_without_a_card_the_card_of_another_model_goes(
        self, folder: Path, tmp_path: Path
    ) -> None:
        save(tmp_path / "target", "B")
        (folder / "model_card.md").unlink()
        artifacts.publish(folder, tmp_path / "target")
        assert "B" not in (tmp_path / "target" / "model_card.md").read_text(encoding="utf-8")

    def test_a_damaged_source_leaves_the_target_alone(self, folder: Path, tmp_path: Path) -> None:
        save(tmp_path / "target", "B")
        weights_of(folder).unlink()
        with pytest.raises(ArtifactError, match="is missing"):
            artifacts.publish(folder, tmp_path / "target")
        assert artifacts.load(tmp_path / "target").manifest["which"] == "B"


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "weights missing": (lambda f: weights_of(f).unlink(), r"weights-\w+\.npz is missing"),
    "weights cut": (lambda f: cut(weights_of(f)), r"has \d+ bytes instead of \d+"),
    "weights changed": (
        lambda f: weights_of(f).write_bytes(weights_of(f).read_bytes()[:-1] + b"!"),
        "has changed since it was saved",
    ),
    "manifest cut": (lambda f: cut(f / "manifest.json"), "manifest.json is not the JSON"),
    "manifest empty": (lambda f: (f / "manifest.json").write_bytes(b""), "is not the JSON"),
    "manifest not UTF-8": (lambda f: (f / "manifest.json").write_bytes(b"\xff"), "not the JSON"),
    "manifest very deep": (
        lambda f: (f / "manifest.json").write_bytes(b"[" * 200_000),
        "is not the JSON",
    ),
    "manifest reformatted": (
        lambda f: (f / "manifest.json").write_bytes(
            (f / "manifest.json").read_bytes().replace(b"\n", b"\r\n")
        ),
        "manifest.json has changed since it was saved",
    ),
    "setting changed": (
        lambda f: (f / "manifest.json").write_bytes(
            (f / "manifest.json").read_bytes().replace(b'"A"', b'"B"')
        ),
        "manifest.json has changed since it was saved",
    ),
    "newer": (
        lambda f: rewrite(f, lambda m: m.update(format_version=2)),
        r"made by a newer ai_detect \(format 2, this reads up to 1\): upgrade ai_detect or train",
    ),
    "newer, sealed in another way": (
        lambda f: (f / "manifest.json").write_text(
            '{"format":"ai_detect model","format_version":2}', encoding="utf-8"
        ),
        "made by a newer ai_detect",
    ),
    "no version": (lambda f: rewrite(f, lambda m: m.pop("format_version")), "has changed"),
    "another program's": (
        lambda f: (f / "manifest.json").write_text('{"name": "extension"}', encoding="utf-8"),
        "holds files, but no model of ai_detect",
    ),
    "a list": (
        lambda f: (f / "manifest.json").write_text("[1]", encoding="utf-8"),
        "holds files, but no model of ai_detect",
    ),
    "no files": (lambda f: rewrite(f, lambda m: m.pop("files")), "does not name its weights"),
    "size no number": (
        lambda f: rewrite(f, lambda m: m["files"]["weights"].update(bytes="5")),
        "does not name its weights",
    ),
    "path out of the folder": (
        lambda f: rewrite(f, lambda m: m["files"]["weights"].update(name="../evil")),
        "does not name its weights",
    ),
    "path out of the folder, hash to match": (
        lambda f: rewrite(
            f,
            lambda m: m["files"]["weights"].update(
                name="weights-../../evil.npz", sha256="../../evil"
            ),
        ),
        "does not name its weights",
    ),
    "manifest gone": (lambda f: (f / "manifest.json").unlink(), "holds files, but no model"),
    "manifest a folder": (
        lambda f: ((f / "manifest.json").unlink(), (f / "manifest.json").mkdir()),
        "cannot be read",
    ),
}


class TestRefusals:
    @pytest.mark.parametrize(("damage", "message"), DAMAGE.values(), ids=DAMAGE.keys())
    def test_damage(self, folder: Path, damage: Callable[[Path], object], message: str) -> None:
        (folder.parent / "evil").write_bytes(b"evil")
        damage(folder)
        with pytest.raises(ArtifactError, match=message) as error:
            artifacts.load(folder)
        assert str(folder) in str(error.value)
        assert "\n" not in str(error.value)

    @pytest.mark.parametrize("flip", [1, 32, 128])
    def test_every_byte_of_the_manifest_counts(self, folder: Path, flip: int) -> None:
        path = folder / "manifest.json"
        content = bytearray(path.read_bytes())
        for offset in range(len(content)):
            content[offset] ^= flip
            path.write_bytes(content)
            with pytest.raises(ArtifactError):
                artifacts.load(folder)
            content[offset] ^= flip
        path.write_bytes(content)
        assert artifacts.load(folder).manifest["which"] == "A"

    def test_every_byte_of_the_weights_counts(self, folder: Path) -> None:
        path = weights_of(folder)
        content = bytearray(path.read_bytes())
        for offset in [*range(0, len(content), 37), len(content) - 1]:
            content[offset] ^= 1
            path.write_bytes(content)
            with pytest.raises(ArtifactError, match="has changed since it was saved"):
                artifacts.load(folder)
            content[offset] ^= 1

    def test_the_card_is_not_read(self, folder: Path) -> None:
        (folder / "model_card.md").write_bytes(b"\xff")
        assert artifacts.load(folder).manifest["which"] == "A"

    @pytest.mark.parametrize("make", ["nothing", "empty", "locks"])
    def test_no_model_yet(self, tmp_path: Path, make: str) -> None:
        folder = tmp_path / "model"
        if make != "nothing":
            folder.mkdir()
        if make == "locks":
            (folder / ".lock").touch()
        with pytest.raises(ArtifactError, match=r"run `python model.py train --dataset=PATH`"):
            artifacts.load(folder)

    def test_a_file_is_not_a_model_folder(self, tmp_path: Path) -> None:
        (tmp_path / "model").write_text("x", encoding="utf-8")
        with pytest.raises(ArtifactError, match="no model in"):
            artifacts.load(tmp_path / "model")
        with pytest.raises(ArtifactError, match="cannot be written"):
            save(tmp_path / "model")

    def test_nothing_is_ever_unpickled(self, folder: Path, tmp_path: Path) -> None:
        class Evil:
            def __reduce__(self) -> tuple[Any, ...]:
                return (Path.touch, (tmp_path / "unpickled",))

        buffer = io.BytesIO()
        np.savez(buffer, weights=np.array([Evil()], dtype=object))
        replace_weights(folder, buffer.getvalue())
        with pytest.raises(ArtifactError, match=r"not an \.npz of plain arrays"):
            artifacts.load(folder)
        assert not (tmp_path / "unpickled").exists()

    @pytest.mark.parametrize("kind", ["no zip", "compressed"])
    def test_only_stored_arrays_are_read(self, folder: Path, kind: str) -> None:
        buffer = io.BytesIO(b"no zip" * 9)
        if kind == "compressed":
            np.savez_compressed(buffer, weights=np.zeros(9))
        replace_weights(folder, buffer.getvalue())
        with pytest.raises(ArtifactError, match=r"not an \.npz of plain arrays"):
            artifacts.load(folder)

    def test_a_damaged_model_can_be_trained_anew(self, folder: Path) -> None:
        cut(folder / "manifest.json")
        save(folder, "B")
        assert artifacts.load(folder).manifest["which"] == "B"
        assert len(names(folder)) == 3

    def test_the_manifest_of_another_program_is_not_replaced(self, tmp_path: Path) -> None:
        (tmp_path / "manifest.json").write_text('{"name": "extension"}', encoding="utf-8")
        with pytest.raises(ArtifactError, match="belongs to another program"):
            save(tmp_path)
        with pytest.raises(ArtifactError, match="belongs to another"), lock(tmp_path):
            pass
        assert names(tmp_path) == {"manifest.json"}


lock = artifacts.training_lock


class TestCrash:
    def test_a_crash_at_any_line_leaves_one_model_whole(self, tmp_path: Path) -> None:
        """A forked child saves B over A and dies at its k-th line, for every k."""
        done = run(
            """
            def die_at(k):
                left = [k]
                def trace(frame, event, argument):
                    if frame.f_code.co_filename != artifacts.__file__:
                        return None
                    left[0] -= event == "line"
                    if left[0] < 0:
                        os._exit(9)
                    return trace
                sys.settrace(trace)

            folder, seen, code, k = Path("model"), [], 9, 0
            save(folder, "A")
            while code == 9:
                child = os.fork()
                if child == 0:
                    die_at(k)
                    save(folder, "B")
                    os._exit(0)
                code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
                seen.append(check(folder))
                save(folder, "A")
                assert check(folder) == "A"
                check_no_strays(folder)
                k += 1
            print(code, "".join(seen))
            """,
            tmp_path,
        )
        code, seen = done.stdout.split()
        assert code == "0"
        assert len(seen) > 80
        assert seen == "A" * seen.count("A") + "B" * seen.count("B")  # one moment of change
        assert seen.count("A") > 50
        assert seen.count("B") > 10

    def test_a_crash_within_any_write_leaves_the_old_model_whole(self, tmp_path: Path) -> None:
        """The kernel kills the child when a file of it passes n bytes: death inside a write."""
        run(
            """
            folder = Path("model")
            for size in [0, 1, 100, 500, 700, 1000, 4096, 5000, 8000]:
                save(folder, "A")
                child = os.fork()
                if child == 0:
                    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
                    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
                    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
                    save(folder, "B")
                    os._exit(0)
                code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
                assert code == -signal.SIGXFSZ, code
                assert check(folder) == "A"
                save(folder, "C")
                check_no_strays(folder)
            """,
            tmp_path,
        )

    def test_kill_9_at_many_moments_leaves_one_model_whole(self, tmp_path: Path) -> None:
        done = run(
            """
            folder, seen = Path("model"), []
            save(folder, "A", 200_000)
            for moment in range(60):
                child = os.fork()
                if child == 0:
                    while True:
                        save(folder, "B", 200_000)
                        save(folder, "A", 200_000)
                time.sleep(0.001 * moment)
                os.kill(child, signal.SIGKILL)
                assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
                seen.append(check(folder))
            save(folder, "C")
            check_no_strays(folder)
            print("".join(seen))
            """,
            tmp_path,
        )
        assert set(done.stdout.strip()) == {"A", "B"}


class TestTogether:
    def test_readers_never_fail_while_models_are_swapped(self, folder: Path) -> None:
        writer = start(
            """
            for _ in range(25):
                save(Path("model"), "B")
                save(Path("model"), "A")
            """,
            folder.parent,
        )
        seen = []
        with writer:
            while writer.poll() is None:
                loaded = artifacts.load(folder)
                assert set(loaded.arrays["weights"]) == {ord(loaded.manifest["which"])}
                seen.append(loaded.manifest["which"])
        assert writer.returncode == 0
        assert len(seen) > 10

    def test_weights_replaced_between_manifest_and_weights(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        read, swaps = artifacts._read_bytes, iter("BAB")

        def read_late(path: Path, limit: int) -> bytes:
            if path.suffix == ".npz" and (which := next(swaps, "")):
                save(folder, which)
            return read(path, limit)

        monkeypatch.setattr(artifacts, "_read_bytes", read_late)
        assert artifacts.load(folder).manifest["which"] == "B"

    def test_two_processes_publish_into_one_folder(self, folder: Path, tmp_path: Path) -> None:
        save(tmp_path / "other", "B")
        code = """
            for _ in range(30):
                artifacts.publish(Path({source!r}), Path("target"))
                check(Path("target"))
            """
        writers = [start(code.format(source=name), tmp_path) for name in ("model", "other")]
        assert [writer.wait(60) for writer in writers] == [0, 0]
        for writer in writers:
            writer.communicate()
        assert len(names(tmp_path / "target")) == 3

    def test_one_training_at_a_time(self, tmp_path: Path) -> None:
        folder = tmp_path / "model"
        holder = start(
            """
            with artifacts.training_lock(Path("model")):
                print("held", flush=True)
                sys.stdin.read()
            """,
            tmp_path,
        )
        with holder:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "held\n"
            message = rf"another training \(process {holder.pid}\) is writing to .*--model_dir"
            with pytest.raises(ArtifactError, match=message), lock(folder):
                pass
            save(folder, "A")  # the lock is between trainings; a save has its own
            holder.kill()
        with lock(folder):
            save(folder, "B")
            with pytest.raises(ArtifactError, match=f"process {os.getpid()}"), lock(folder):
                pass
        with lock(folder):
            pass
        assert artifacts.load(folder).manifest["which"] == "B"

    def test_errors_of_the_training_pass_through_and_free_the_folder(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError), lock(tmp_path):
            raise FileNotFoundError
        with lock(tmp_path):
            pass


class TestDisk:
    def test_no_permission(self, folder: Path) -> None:
        """Root may write anywhere, so a child of it becomes nobody first."""
        folder.parent.chmod(0o755)
        done = run(
            """
            folder = Path("model")
            folder.chmod(0o555)
            if os.geteuid() == 0:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
            for action in (lambda: save(folder, "B"), artifacts.training_lock(folder).__enter__):
                try:
                    action()
                except ArtifactError as error:
                    print(error)
            """,
            folder.parent,
        )
        saved, locked = done.stdout.splitlines()
        for line in (saved, locked):
            assert "Permission denied" in line
            assert "untouched: give this user permission to write there, or choose" in line
        assert artifacts.load(folder).manifest["which"] == "A"

    def test_unreadable(self, folder: Path) -> None:
        folder.parent.chmod(0o755)
        done = run(
            """
            Path("model/manifest.json").chmod(0)
            if os.geteuid() == 0:
                os.setgid(65534)
                os.setuid(65534)
            try:
                artifacts.load(Path("model"))
            except ArtifactError as error:
                print(error)
            """,
            folder.parent,
        )
        assert "model/manifest.json: the model cannot be read (Permission denied)" in done.stdout

    def test_file_size_limit(self, folder: Path) -> None:
        done = run(
            """
            resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
            try:
                save(Path("model"), "B")
            except ArtifactError as error:
                print(error)
            print(check(Path("model")))
            """,
            folder.parent,
        )
        message, which = done.stdout.splitlines()
        assert "untouched: free some space on that disk" in message
        assert which == "A"
        assert len(names(folder)) == 3

    def test_full_disk(self, tiny_disk: Path) -> None:
        folder = tiny_disk / "model"
        save(folder, "A")
        with pytest.raises(ArtifactError, match=r"No space left.*untouched: free some space"):
            save(folder, "B", 20_000)
        assert artifacts.load(folder).manifest["which"] == "A"
        assert len(names(folder)) == 3
        save(folder, "B")
        assert artifacts.load(folder).manifest["which"] == "B"

    def test_full_disk_at_the_first_save(self, tiny_disk: Path) -> None:
        with pytest.raises(ArtifactError, match="free some space"):
            save(tiny_disk / "model", "A", 20_000)
        assert names(tiny_disk / "model") == set()
        assert not artifacts.exists(tiny_disk / "model")
