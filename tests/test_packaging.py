"""What is published agrees with itself: versions, lock file, requirements, ignore rules."""

import ast
import re
import tomllib
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest

import ai_detect

ROOT = Path(__file__).parents[1]
REQUIREMENT = re.compile(
    r"^(?P<name>[a-z0-9-]+)==(?P<version>[^\s;]+)(?P<rest>(?:.*\\\n)*.*)$", re.MULTILINE
)
# What tools leave behind in any folder. Every other rule names its place from the root.
UNANCHORED = {"__pycache__/", "*.py[cod]", ".ipynb_checkpoints/"}

EXTRAS = tuple(
    tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
        "optional-dependencies"
    ]
)

Pin = tuple[str, str]


def exported(name: str) -> dict[Pin, set[str]]:
    """Pinned versions of a requirements file, each with its hashes."""
    text = (ROOT / "requirements" / name).read_text(encoding="utf-8")
    pins = {
        (pin["name"], pin["version"]): set(re.findall(r"--hash=(\S+)", pin["rest"]))
        for pin in REQUIREMENT.finditer(text)
    }
    unindented = [line for line in text.splitlines() if line and not line.startswith(" ")]
    assert len(pins) == len(unindented), "every line is a pin or a hash of one"
    return pins


def locked(*groups: str, extras: Collection[str]) -> dict[Pin, set[str]]:
    """Versions that the lock file freezes for these groups, each with the hashes of its files."""
    lock = tomllib.loads((ROOT / "poetry.lock").read_text(encoding="utf-8"))
    return {
        (package["name"], package["version"]): {file["hash"] for file in package["files"]}
        for package in lock["package"]
        if any(group in package["groups"] and is_needed(package, group, extras) for group in groups)
    }


def is_needed(package: dict[str, Any], group: str, extras: Collection[str]) -> bool:
    """Whether some machine needs the package that installs these extras."""
    markers = package.get("markers", "")
    marker = markers.get(group, "") if isinstance(markers, dict) else markers
    return not marker or may_hold(ast.parse(marker, mode="eval").body, extras)


def may_hold(node: ast.expr, extras: Collection[str]) -> bool:
    """Evaluate a marker where these extras are asked for and everything else may be true."""
    match node:
        case ast.BoolOp(op=ast.And(), values=values):
            return all(may_hold(value, extras) for value in values)
        case ast.BoolOp(op=ast.Or(), values=values):
            return any(may_hold(value, extras) for value in values)
        case ast.Compare(left=ast.Name(id="extra"), comparators=[ast.Constant(value=extra)]):
            return extra in extras
        case _:
            return True


@pytest.mark.parametrize(
    ("name", "groups", "extras"),
    [
        ("main.txt", ("main", "build"), ()),
        ("serve.txt", ("main", "build"), ("serve",)),
        ("dev.txt", ("main", "build", "dev"), EXTRAS),
    ],
)
def test_requirements_are_in_step_with_the_lock_file(
    name: str, groups: tuple[str, ...], extras: Collection[str]
) -> None:
    assert exported(name) == locked(*groups, extras=extras)


def test_requirements_for_development_hold_those_for_running() -> None:
    assert exported("main.txt").items() <= exported("serve.txt").items()
    assert exported("serve.txt").items() <= exported("dev.txt").items()


@pytest.mark.parametrize(
    "path", ["poetry.lock", *(f"requirements/{name}.txt" for name in ("main", "serve", "dev"))]
)
def test_pins_name_no_host(path: str) -> None:
    assert "://" not in (ROOT / path).read_text(encoding="utf-8")


def test_version_is_stated_once() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == ai_detect.__version__


def test_compose_names_the_image_of_this_version() -> None:
    compose = (ROOT / "docker-compose.yaml").read_text(encoding="utf-8")
    assert f"image: ai_detect:{ai_detect.__version__}\n" in compose


def test_ignore_rules_are_anchored() -> None:
    lines = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    rules = {line.removeprefix("!") for line in lines if line and not line.startswith("#")}
    assert {rule for rule in rules if not rule.startswith("/")} == UNANCHORED
