"""Build the image and use it as a user would: `make container-test`, with Docker, or as root with Podman and Buildah.

With Docker, `docker compose` runs docker-compose.yaml as it stands. Without, podman-compose does, in a network of its
own; where python:3.11-slim cannot be pulled, debootstrap makes a stand-in for it. The checkout is left as it is.
"""
# ruff: noqa: T201 (its output is what it is for)

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
BASE = "docker.io/library/python:3.11-slim"
ADDRESS = "http://127.0.0.1:8000"
ESSAY = "The weather was fine, and we walked along the river until the light was gone. " * 12
USER = 1000  # who owns ./data in the test
LARGEST_MB = 900

VERSION = re.search(r'__version__ = "(.+)"', (ROOT / "ai_detect/__init__.py").read_text("utf-8"))[1]
IMAGE = f"ai_detect:{VERSION}"


def run(*argv: object, check: bool = True, **options: Any) -> str:
    """Run a program and return what it printed; on failure show all of it."""
    words = [str(word) for word in argv]
    done = subprocess.run(words, check=False, text=True, capture_output=True, **options)
    if check and done.returncode:
        sys.exit(f"{done.stdout}{done.stderr}\nfailed with {done.returncode}: {' '.join(words)}")
    return done.stdout


class Docker:
    """Docker with its compose plugin."""

    program = "docker"
    compose = ("docker", "compose")
    flags: tuple[str, ...] = ()
    of_command: tuple[str, ...] = ()  # naming a service activates its profile

    def build(self) -> None:
        """Build the image."""
        run("docker", "build", "--tag", IMAGE, ".", cwd=ROOT)

    def health(self, container: str) -> bool:
        """Tell what the health check of a running container says."""
        state = run("docker", "inspect", "--format", "{{.State.Health.Status}}", container)
        return state.strip() == "healthy"


class Podman:
    """Podman, Buildah and podman-compose, on a machine with no engine that runs as a service."""

    program = "podman"
    compose = ("podman-compose",)
    # runc and limits of its own: what works where a container is itself made within one.
    flags = (
        "--runtime=runc",
        "--ulimit=nofile=1024:4096",
        "--ulimit=nproc=4096:4096",
        "--read-only-tmpfs=false",
    )
    of_command = ("--profile=command",)

    def build(self) -> None:
        """Build the image, on a stand-in for its base if that cannot be had."""
        present = run("podman", "images", "--quiet", BASE).strip()
        if not present and not run("podman", "pull", "--quiet", BASE, check=False):
            self._make_base()
        options = "--isolation=chroot --network=host --pull-never --layers --format=docker".split()
        run("buildah", "bud", *options, "--tag", IMAGE, ".", cwd=ROOT)

    def health(self, container: str) -> bool:
        """Run the health check of a running container once: without systemd it does not fire by itself."""
        return not run("podman", "healthcheck", "run", container, check=False)

    def _make_base(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            packages = "--include=python3,python3-venv,python3-pip,ca-certificates"
            run("debootstrap", "--variant=minbase", packages, "bookworm", folder)
            base = Path(folder)
            for marker in base.glob("usr/lib/python3.*/EXTERNALLY-MANAGED"):
                marker.unlink()
            (base / "usr/bin/python").symlink_to("python3")
            # What this machine trusts, the build trusts.
            shutil.copy("/etc/ssl/certs/ca-certificates.crt", base / "etc/ssl/certs")
            (base / "etc/pip.conf").write_text(
                "[global]\ncert = /etc/ssl/certs/ca-certificates.crt\n"
            )
            for cache in ("var/cache/apt/archives", "var/lib/apt/lists"):
                shutil.rmtree(base / cache)
            archive = subprocess.Popen(["tar", "-C", folder, "-c", "."], stdout=subprocess.PIPE)
            run("podman", "import", "-", BASE, stdin=archive.stdout)


class Project:
    """A folder like a user's: docker-compose.yaml, ./data with the sample, ./model; and its service."""

    def __init__(self, folder: Path, engine: Docker | Podman) -> None:
        self.folder, self.engine = folder, engine
        shutil.copy(ROOT / "docker-compose.yaml", folder)
        shutil.copytree(ROOT / "data/sample", folder / "data/sample")
        shutil.copy(ROOT / "data/sample/train.csv", folder / "data/essays.csv")
        (folder / "model").mkdir()
        folder.chmod(0o755)
        user = os.getuid() or USER
        if not os.getuid():
            run("chown", "-R", f"{USER}:{USER}", folder)
        self.environment = {**os.environ, "AI_DETECT_UID": str(user), "AI_DETECT_GID": str(user)}
        self.environment["COMPOSE_PROJECT_NAME"] = "ai-detect-test"

    def compose(self, *argv: str) -> str:
        """Call compose; what fails ends the test."""
        flags = ["--podman-run-args", " ".join(self.engine.flags)] if self.engine.flags else []
        return run(*self.engine.compose, *flags, *argv, cwd=self.folder, env=self.environment)

    def container(self) -> str:
        """The id of the running service."""
        listed = run(self.engine.program, "ps", "--quiet", "--filter", "name=ai-detect-test")
        return listed.split()[0]


def ask(path: str, body: object = None) -> Any:
    """Ask the service, with a JSON body or none; return the JSON that it answers."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(
        f"{ADDRESS}{path}", data, {"Content-Type": "application/json"} if data else {}
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.load(answer)


def upload(file: Path) -> Any:
    """Send a file as a job; return the job."""
    head = f'--b\r\nContent-Disposition: form-data; name="file"; filename="{file.name}"\r\n\r\n'
    request = urllib.request.Request(
        f"{ADDRESS}/api/v1/predict/file",
        head.encode() + file.read_bytes() + b"\r\n--b--\r\n",
        {"Content-Type": "multipart/form-data; boundary=b"},
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.load(answer)


def wait_until(what: str, holds: Callable[[], object], seconds: float) -> float:
    """Wait until something holds; return after how many seconds."""
    started = time.monotonic()
    while True:
        try:
            if holds():
                return time.monotonic() - started
        except (OSError, urllib.error.URLError):
            pass
        if time.monotonic() - started > seconds:
            sys.exit(f"not within {seconds:g} s: {what}")
        time.sleep(0.1)


def check(what: str, holds: object) -> None:
    """Say what was checked; end the test if it does not hold."""
    print(f"  {'ok' if holds else 'FAILED'}: {what}", flush=True)
    if not holds:
        sys.exit(1)


def test_image(engine: Docker | Podman) -> None:
    """Look at the image itself, and at its kernels, with no more than it needs to run."""
    image = json.loads(run(engine.program, "image", "inspect", IMAGE))[0]
    megabytes = image["Size"] / 1e6
    check(f"{megabytes:.0f} MB, the base included", megabytes < LARGEST_MB)
    check("not root", image["Config"]["User"] == "10001")
    check("version label", image["Config"]["Labels"]["org.opencontainers.image.version"] == VERSION)
    bare = [engine.program, "run", "--rm", *engine.flags, "--no-healthcheck", "--network=none"]
    bare += ["--cap-drop=all", "--read-only", "--tmpfs=/tmp"]
    count = (
        "from ai_detect import kernels, warmup; warmup.warm_up();"
        "print(sum(len(f.stats.cache_misses) for f in vars(kernels).values() if hasattr(f, 'stats')))"
    )
    shown = run(*bare, "--entrypoint=python", IMAGE, "-c", count)
    check("nothing is compiled at the start", shown.strip() == "0")
    text = ["predict", f"--text={ESSAY}", "--json"]
    shown = json.loads(_json_of(run(*bare, IMAGE, *text)))
    other = json.loads(_json_of(run(*bare, "--env=NUMBA_CPU_NAME=generic", IMAGE, *text)))
    check("another kind of CPU: the same answer", shown == other)
    unknown = json.loads(_json_of(run(*bare, "--user=12345", IMAGE, *text)))
    check("a user whom the image does not know: the same answer", shown == unknown)


def _json_of(printed: str) -> str:
    return printed[printed.index("{") : printed.rindex("}") + 1]


def test_service(project: Project) -> None:
    """Start the service, ask it, and look at what it may do."""
    engine, data = project.engine, project.folder / "data"
    project.compose("up", "--detach")
    seconds = wait_until("ready", lambda: ask("/readyz"), 60)
    check(f"ready {seconds:.1f} s after docker compose up", seconds)
    (found,) = ask("/api/v1/predict", {"text": ESSAY})["predictions"]
    check(f"predicts over HTTP: {found['verdict']}", 0 < found["probability"] < 1)
    with urllib.request.urlopen(ADDRESS, timeout=20) as page:
        check("the page", b"<!doctype html" in page.read(100).lower())
    container = project.container()
    wait_until("healthy", lambda: engine.health(container), 30)
    inside = [engine.program, "exec", container]
    written = run(*inside, "sh", "-c", "touch /app/x /opt/venv/x 2>&1; id -u", check=False)
    check("the root is read-only", written.count("Read-only file system") == 2)
    check(
        "runs as the owner of ./data", written.split()[-1] == project.environment["AI_DETECT_UID"]
    )
    status = run(*inside, "cat", "/proc/1/status")
    check("no capabilities", re.search(r"CapEff:\s+0{16}\n", status))
    check("no new privileges", re.search(r"NoNewPrivs:\s+1\n", status))

    before = ask("/api/v1/model")["version"]
    print(
        project.compose(
            *engine.of_command, "run", "--rm", "train", "--dataset=data/essays.csv"
        ).splitlines()[-1]
    )
    seconds = wait_until(
        "the new model is used", lambda: ask("/api/v1/model")["version"] != before, 10
    )
    check(f"the service has the new model {seconds:.1f} s after the training", True)
    check("model on the host", (data / "model/manifest.json").exists())
    check("its own copy, too", any((project.folder / "model").iterdir()))

    project.compose(*engine.of_command, "run", "--rm", "predict", "--dataset=data/sample/test.csv")
    rows = (data / "results.csv").read_text("utf-8").splitlines()
    check("results on the host", rows[0] == "id,generated" and len(rows) > 100)
    job = upload(data / "sample/test.csv")["id"]
    wait_until("the job is done", lambda: ask(f"/api/v1/jobs/{job}")["status"] == "done", 60)
    check("a file job, its result on the host", any((data / "jobs").rglob("*.csv")))
    log = (data / "log_file.log").read_text("utf-8")
    check(
        "one log of all, on the host",
        all(f": {word}" in log for word in ("serve", "train", "predict")),
    )
    owners = {path.lstat().st_uid for path in data.rglob("*")}
    check("all files are those of the user", owners == {int(project.environment["AI_DETECT_UID"])})


def test_end(project: Project) -> None:
    """End the service as an orchestrator does."""
    engine, container = project.engine, project.container()
    started = time.monotonic()
    run(engine.program, "stop", "--time=10", container)
    seconds = time.monotonic() - started
    state = json.loads(run(engine.program, "inspect", container))[0]["State"]
    check(
        f"SIGTERM ends it in {seconds:.1f} s, exit code {state['ExitCode']}",
        seconds < 10 and not state["ExitCode"],
    )


@contextmanager
def project_of(engine: Docker | Podman) -> Iterator[Project]:
    """Make a project, and take down what it started."""
    with tempfile.TemporaryDirectory(prefix="ai_detect-") as folder:
        project = Project(Path(folder), engine)
        try:
            yield project
        except SystemExit:
            print(project.compose("logs"))
            raise
        finally:
            project.compose("down", "--volumes")


def main() -> None:
    """Choose the engine, build, and test."""
    has_docker = (
        shutil.which("docker")
        and not subprocess.run(
            ["docker", "compose", "version"], capture_output=True, check=False
        ).returncode
    )
    engine = Docker() if has_docker else Podman()
    if "--built" not in sys.argv:
        started = time.monotonic()
        engine.build()
        print(
            f"built {IMAGE} with {engine.program} in {time.monotonic() - started:.0f} s", flush=True
        )
        if isinstance(engine, Podman):  # the bridge of compose, in a network where nothing else is
            inner = 'ip link set lo up; exec "$@"'
            words = ["unshare", "--net", "--mount", "sh", "-c", inner, "sh", sys.executable]
            os.execvp("unshare", [*words, __file__, "--built"])
    test_image(engine)
    with project_of(engine) as project:
        test_service(project)
        test_end(project)
    print("the image works")


if __name__ == "__main__":
    main()
