"""Dockerfile, ignore file and docker-compose.yaml hold together; `make container-test` builds and runs them."""

import fnmatch
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

import ai_detect
from ai_detect import My_TextClassifier_Model, guard

ROOT = Path(__file__).parents[1]
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
# A line each: continued ones are joined, comments are out.
STEPS = re.sub(
    r"\\\n", " ", "".join(line for line in DOCKERFILE.splitlines(True) if line[0] != "#")
)
BUILD, IMAGE = STEPS.split("\n\n\n")
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yaml").read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OWN = {"api", "train", "predict"}
COMMANDS = guard.commands_of(My_TextClassifier_Model)


def tool(name: str) -> str:
    """Path of a program, in this environment or of the machine."""
    path = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    if not path:
        pytest.skip(f"there is no {name}")
    return path


def steps(keyword: str, text: str) -> list[str]:
    return re.findall(rf"^{keyword} +(.+)$", text, re.MULTILINE)


def test_hadolint_finds_nothing() -> None:
    done = subprocess.run(
        [tool("hadolint"), ROOT / "Dockerfile"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_both_stages_start_from_the_same_python() -> None:
    assert steps("FROM", BUILD) == ["python:3.11-slim AS build"]
    assert steps("FROM", IMAGE) == ["python:3.11-slim"]


def test_dependencies_are_checked_against_their_hashes_before_the_code_is_copied() -> None:
    assert BUILD.index("--require-hashes -r requirements/serve.txt") < BUILD.index("COPY ai_detect")
    installs = re.findall(r"pip install (\S+)", BUILD)
    assert installs == ["--require-hashes", "--no-deps"]
    assert "pip" not in IMAGE


def test_the_image_is_not_run_by_root_and_asks_for_its_own_health() -> None:
    (user,) = steps("USER", IMAGE)
    assert int(user) > 0
    assert f"--uid {user} " in IMAGE
    (health,) = steps("HEALTHCHECK", IMAGE)
    assert re.search(r"CMD [a-z]", health), "in the form of the shell"
    assert "http://127.0.0.1:8000/readyz" in health


def test_the_image_names_itself() -> None:
    labels = dict(re.findall(r'org\.opencontainers\.image\.(\w+)="([^"]*)"', IMAGE))
    assert labels["version"] == ai_detect.__version__
    assert labels["title"] == "ai_detect"
    assert {"description", "licenses"} <= set(labels)


@pytest.mark.parametrize(
    ("machine", "given", "asked_for"),
    [
        ("x86_64", {}, {"NUMBA_CPU_NAME": "x86-64-v2", "NUMBA_CPU_FEATURES": ""}),
        ("aarch64", {}, {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}),
        ("x86_64", {"NUMBA_CPU_NAME": "znver3"}, {"NUMBA_CPU_NAME": "znver3"}),
    ],
)
def test_kernels_are_for_a_kind_of_cpu(
    machine: str,
    given: dict[str, str],
    asked_for: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    environment = dict(given)
    monkeypatch.setattr("os.environ", environment)
    monkeypatch.setattr("os.uname", lambda: SimpleNamespace(machine=machine))
    runpy.run_path(str(ROOT / "deploy/container/sitecustomize.py"))
    assert environment == asked_for
    assert BUILD.index("sitecustomize.py") < BUILD.index("ai_detect warmup")


def test_what_the_image_starts_is_a_command() -> None:
    assert steps("ENTRYPOINT", IMAGE) == ['["ai_detect"]']
    (words,) = map(yaml.safe_load, steps("CMD", IMAGE))
    assert guard.read_call(words, My_TextClassifier_Model).command == "serve"


def test_the_build_gets_what_it_copies_and_nothing_else() -> None:
    lines = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    kept = {rule[1:] for rule in rules if rule.startswith("!")}
    copied = {
        source.rstrip("/")
        for line in steps("COPY", STEPS)
        if "--from" not in line
        for source in line.split()[:-1]
        if not source.startswith("--")
    }
    assert copied <= {name for name in kept for name in (name, str(Path(name).parent))} | kept
    assert all(fnmatch.filter(copied, name) for name in kept)
    assert all((ROOT / name).exists() for name in kept)


def test_compose_takes_the_file() -> None:
    done = subprocess.run(
        [tool("docker-compose"), "--file", ROOT / "docker-compose.yaml", "config", "--quiet"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_up_starts_the_service_alone() -> None:
    assert {name for name, service in SERVICES.items() if "profiles" not in service} == {"api"}
    monitoring = {name for name in SERVICES if SERVICES[name].get("profiles") == ["monitoring"]}
    assert monitoring == {"prometheus", "grafana"}


@pytest.mark.parametrize("name", sorted(OWN))
def test_own_containers_share_the_folder_and_may_do_nothing_else(name: str) -> None:
    service = SERVICES[name]
    assert service["image"] == f"ai_detect:{ai_detect.__version__}"
    assert "./data:/app/data" in service["volumes"]
    assert service["read_only"] is True
    assert service["tmpfs"] == ["/tmp"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


@pytest.mark.parametrize("name", ["train", "predict"])
def test_options_of_compose_run_are_those_of_the_command(name: str) -> None:
    service = SERVICES[name]
    assert service["entrypoint"] == ["ai_detect", name]
    call = guard.read_call([name, *service["command"]], My_TextClassifier_Model)
    assert (ROOT / call.options["dataset"]).exists()


def test_what_is_mounted_exists_and_ports_are_open_to_this_machine_only() -> None:
    for service in SERVICES.values():
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            assert source in COMPOSE["volumes"] or (ROOT / source).is_dir()
        for port in service.get("ports", ()):
            assert port.startswith(("127.0.0.1:", "${AI_DETECT_ADDRESS:-127.0.0.1}:"))


def test_monitoring_finds_the_service_and_grafana_its_dashboards() -> None:
    prometheus = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text("utf-8"))
    (target,) = prometheus["scrape_configs"][0]["static_configs"][0]["targets"]
    assert target == "api:8000"
    assert "./deploy/prometheus:/etc/prometheus:ro" in SERVICES["prometheus"]["volumes"]
    folder = ROOT / "deploy/grafana/provisioning"
    (provider,) = yaml.safe_load((folder / "dashboards/ai_detect.yaml").read_text("utf-8"))[
        "providers"
    ]
    inside = provider["options"]["path"]
    assert f"./deploy/grafana/dashboards:{inside}:ro" in SERVICES["grafana"]["volumes"]
    (source,) = yaml.safe_load((folder / "datasources/prometheus.yaml").read_text("utf-8"))[
        "datasources"
    ]
    assert source["url"] == "http://prometheus:9090"


@pytest.mark.parametrize("script", ["deploy/container/slim.sh"])
def test_scripts_of_the_shell_can_be_read(script: str) -> None:
    subprocess.run(["sh", "-n", ROOT / script], check=True)


def test_the_docs_show_commands_that_compose_has() -> None:
    shown = "".join(
        (ROOT / name).read_text("utf-8") for name in ("README.md", "docs/containers.md")
    )
    runs = re.findall(r"docker compose run --rm (\w+) (.*)", shown)
    assert {name for name, _ in runs} == {"train", "predict"}
    for name, options in runs:
        words = options.split("#")[0].split()
        assert set(guard.read_call([name, *words], My_TextClassifier_Model).options) <= set(
            guard.options_of(COMMANDS[name])
        )
