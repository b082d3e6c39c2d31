"""What is public says so, and says what it is for."""

import ast
import importlib
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import ai_detect
from ai_detect import My_TextClassifier_Model

PACKAGE = Path(__file__).parents[1] / "ai_detect"
MODULES = sorted(path.stem for path in PACKAGE.glob("*.py"))
COMMANDS = [name for name in vars(My_TextClassifier_Model) if not name.startswith("_")]

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def syntax_tree(module: str) -> ast.Module:
    return ast.parse((PACKAGE / f"{module}.py").read_text("utf-8"))


def public_definitions(body: list[ast.stmt], within: str = "") -> Iterator[tuple[str, Definition]]:
    """Functions and classes of a module, and the methods of these classes, whose names have no underscore first."""
    for node in body:
        if isinstance(node, Definition) and not node.name.startswith("_"):
            yield f"{within}{node.name}", node
            if isinstance(node, ast.ClassDef):
                yield from public_definitions(node.body, f"{node.name}.")


def test_the_package_offers_these_names_and_no_others() -> None:
    assert sorted(ai_detect.__all__) == ["AiDetectError", "My_TextClassifier_Model", "__version__"]
    for name in ai_detect.__all__:
        assert getattr(ai_detect, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = ai_detect.Nothing


def test_star_import_gives_the_public_names() -> None:
    code = "from ai_detect import *\nprint(*(name for name in dir() if name[0] != '_'))"
    shown = subprocess.run(
        [sys.executable, "-c", code], cwd=PACKAGE.parent, capture_output=True, text=True, check=True
    )
    assert shown.stdout.split() == ["AiDetectError", "My_TextClassifier_Model"]


@pytest.mark.parametrize("module", [m for m in MODULES if m != "__init__"])
def test_a_list_of_public_names_is_complete(module: str) -> None:
    loaded = importlib.import_module(f"ai_detect.{module}")
    if not hasattr(loaded, "__all__"):
        return  # then what has no underscore first is public
    defined = {name for name, _ in public_definitions(syntax_tree(module).body) if "." not in name}
    assert defined <= set(loaded.__all__)
    assert all(hasattr(loaded, name) for name in loaded.__all__)


def test_the_script_offers_the_class() -> None:
    script = ast.parse((PACKAGE.parent / "model.py").read_text("utf-8"))
    assert "__all__ = ['My_TextClassifier_Model']" in ast.unparse(script)


@pytest.mark.parametrize("module", MODULES)
def test_everything_public_has_a_docstring(module: str) -> None:
    tree = syntax_tree(module)
    assert ast.get_docstring(tree), "the module says what it is"
    silent = [name for name, node in public_definitions(tree.body) if not ast.get_docstring(node)]
    assert not silent


def test_the_commands_are_these() -> None:
    assert COMMANDS == [
        "train",
        "predict",
        "evaluate",
        "explain",
        "calibrate",
        "drift",
        "info",
        "serve",
        "warmup",
        "log",
        "version",
    ]


@pytest.mark.parametrize("command", ["__init__", *COMMANDS])
def test_every_option_of_a_command_is_explained_in_its_order(command: str) -> None:
    method = getattr(My_TextClassifier_Model, command)
    options = [name for name in inspect.signature(method).parameters if name != "self"]
    explained = re.findall(r"^ {4}(\w+): ", inspect.getdoc(method) or "", re.MULTILINE)
    assert explained == options


@pytest.mark.parametrize("command", ["__init__", *COMMANDS])
def test_options_are_given_by_name_only(command: str) -> None:
    parameters = list(
        inspect.signature(getattr(My_TextClassifier_Model, command)).parameters.values()
    )
    assert {parameter.kind for parameter in parameters[1:]} <= {inspect.Parameter.KEYWORD_ONLY}
