"""What the documents say is so: commands, options and links exist, and the commands shown can be typed."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from ai_detect import My_TextClassifier_Model, guard

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
# data and model hold what users put there, too.
PLACES = (
    "*.md benchmarks/*.md configs/*.md data/README.md data/sample/*.md docs/**/*.md notebooks/*.md"
)
DOCUMENTS = sorted(path for place in PLACES.split() for path in ROOT.glob(place))
COMMANDS = guard.commands_of(My_TextClassifier_Model)
SHARED = [*guard.options_of(My_TextClassifier_Model), "json", "quiet", "verbose", "help", "version"]
OPTIONS = {command: guard.options_of(method) for command, method in COMMANDS.items()}

FENCE = re.compile(r"^```(?P<language>\w*)[^\n]*\n(?P<text>.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?P<target>[^)\s]+)\)")
SHELL = ("console", "bash", "sh", "shell")
PROGRAMS = (["python", "model.py"], ["ai_detect"])


def shell_commands(document: Path) -> Iterator[list[str]]:
    """Words of every call of the classifier in the blocks of commands of a document."""
    for block in FENCE.finditer(document.read_text("utf-8")):
        if block["language"] not in SHELL:
            continue
        lines = block["text"].replace("\\\n", " ").split("\n")
        if block["language"] == "console" and any(line.startswith("$ ") for line in lines):
            lines = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
        for line in lines:
            yield from calls(line)


def calls(line: str) -> Iterator[list[str]]:
    """Words of every call of the classifier in a line of shell, which pipes and && may join."""
    words = shlex.shlex(line, posix=True, punctuation_chars=True)
    words.whitespace_split = True
    command: list[str] = []
    for word in [*words, ";"]:
        if set(word) <= set("|&;<>()"):
            for program in PROGRAMS:
                if command[: len(program)] == program:
                    yield command[len(program) :]
            command = []
        else:
            command.append(word)


def slugs(document: Path) -> set[str]:
    """The anchors of the headings of a document, as GitHub names them."""
    text = FENCE.sub("", document.read_text("utf-8"))
    headings = re.findall(r"^#+ +(.+?) *$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def readme() -> str:
    return README.read_text("utf-8")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_stands_in_the_readme(command: str) -> None:
    named = rf"^#+ .*\b{command}\b|`(ai_detect |python model\.py )?{command}\b"
    assert re.search(named, readme(), re.MULTILINE)


@pytest.mark.parametrize(
    "option", sorted({*SHARED, *(name for options in OPTIONS.values() for name in options)})
)
def test_every_option_stands_in_the_readme(option: str) -> None:
    assert re.search(rf"--{option}\b", readme())


def test_the_readme_shows_every_command_at_work() -> None:
    shown = {word for words in shell_commands(README) for word in words[:1]}
    assert shown >= set(COMMANDS) - {"version"}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_shown_can_be_typed(document: Path) -> None:
    for words in shell_commands(document):
        assert guard.read_call(words, My_TextClassifier_Model), words


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_point_to_what_exists(document: Path) -> None:
    for link in LINK.finditer(FENCE.sub("", document.read_text("utf-8"))):
        path, _, anchor = link["target"].partition("#")
        if re.match(r"\w+:", path):
            continue
        target = document.parent / path if path else document
        assert target.exists(), link["target"]
        if anchor and target.suffix == ".md":
            assert anchor in slugs(target), link["target"]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("python model.py train --dataset=a.csv", [["train", "--dataset=a.csv"]]),
        ("zcat a.gz | ai_detect predict --dataset=- > b.csv", [["predict", "--dataset=-"]]),
        ("python model.py info && python model.py log  # then", [["info"], ["log"]]),
        ('ai_detect predict --text="a | b; c"', [["predict", "--text=a | b; c"]]),
        ("docker compose up; pip install ai_detect", []),
    ],
)
def test_calls_are_found_in_a_line_of_shell(line: str, expected: list[list[str]]) -> None:
    assert list(calls(line)) == expected
