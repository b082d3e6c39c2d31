"""The architecture: which module may import which, and what an import or a prediction must not load.

The table is read from the top: a module imports only from those above it, so there are no cycles, and none of them but
those named. A wrong arrow, and one that is no longer there, fails.
"""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pyarrow.csv
import pyarrow.parquet
import pytest

PACKAGE = Path(__file__).parents[1] / "ai_detect"
SAMPLE = PACKAGE.parent / "data" / "sample"

IMPORTS = {
    # what everything rests on: no module of the package below it
    "errors": "",
    "log": "",
    "text": "",
    "metrics": "",
    # settings
    "config": "errors",
    # a dataset: bytes -> tables -> columns and labels -> batches of texts
    "sources": "errors",
    "tables": "sources text",
    "csv_blocks": "errors",
    "arrow_readers": "csv_blocks errors sources tables text",
    "readers": "arrow_readers errors sources tables text",
    "columns": "errors tables",
    "labels": "errors tables",
    "data": "columns errors labels readers sources tables text",
    # texts -> features -> scores
    "kernels": "text",
    "heuristic": "text",
    "scorer": "heuristic kernels text",
    # scores -> what may be said
    "calibration": "errors",
    "profiles": "calibration errors",
    "site_profiles": "errors profiles",
    "evaluation": "calibration metrics scorer",
    "plots": "errors evaluation metrics scorer",
    # training, which alone loads scikit-learn
    "features": "kernels text",
    "ensemble": "calibration config errors features heuristic scorer text",
    "training": "calibration config data ensemble evaluation kernels labels profiles scorer text",
    # a trained model: its folder, and at work
    "artifacts": "errors",
    "predictor": "artifacts calibration errors kernels profiles scorer text",
    # why a text got its score
    "visible": "text",
    "reading": "text",
    "explanation": "calibration text visible",
    "explain": "calibration errors explanation kernels predictor profiles reading scorer text",
    "html_report": "explanation text visible",
    # what comes out
    "results": "calibration data errors predictor",
    "streaming": "data predictor profiles",
    "reports": "evaluation",
    "tracking": "errors",
    # the conductor, and the doors
    "model": "artifacts calibration columns config data errors evaluation explain explanation html_report labels log"
    " plots predictor profiles reports results scorer site_profiles streaming text tracking training",
    "guard": "errors",
    "cli": "errors guard log model",
    "__init__": "errors model",
}

# Seconds to import each, and of no use to a prediction.
HEAVY = {"sklearn", "pandas", "wandb", "mlflow", "matplotlib", "joblib"}


def imported_modules(path: Path) -> set[str]:
    """Modules of the package that a file imports, at the top or within a function, `from . import a` or `b.c`."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        names = []
        if isinstance(node, ast.ImportFrom):
            own = "ai_detect." if node.level else ""
            start = f"{own}{node.module or ''}".rstrip(".")
            names = [start, *(f"{start}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        parts = [name.split(".") for name in names]
        found |= {part[1] for part in parts if part[0] == "ai_detect" and len(part) > 1}
    return found & set(IMPORTS)


@pytest.mark.parametrize("module", IMPORTS)
def test_a_module_imports_what_the_table_says(module: str) -> None:
    assert imported_modules(PACKAGE / f"{module}.py") == set(IMPORTS[module].split())


def test_the_table_names_every_module() -> None:
    # The package is flat. What lives in a folder of its own stands outside and above this table.
    assert {path.stem for path in PACKAGE.glob("*.py")} == set(IMPORTS)


def test_arrows_point_upwards_only() -> None:
    above: set[str] = set()
    for module, imported in IMPORTS.items():
        assert set(imported.split()) <= above, module
        above.add(module)


def loaded_by(code: str, folder: Path) -> set[str]:
    """Top-level packages in a fresh interpreter after running some code."""
    show = "import json, sys; print('\\n' + json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{show}"],
        cwd=folder,
        env={"PYTHONPATH": str(PACKAGE.parent), "PATH": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    return {name.partition(".")[0] for name in json.loads(done.stdout.splitlines()[-1])}


def test_importing_the_package_loads_nothing_else(tmp_path: Path) -> None:
    loaded = loaded_by("import ai_detect", tmp_path)
    assert not loaded & {*HEAVY, "numpy", "numba", "pyarrow", "fire"}
    assert not list(tmp_path.iterdir())


def test_importing_every_module_but_those_of_training_is_light(tmp_path: Path) -> None:
    light = [name for name in IMPORTS if name not in ("features", "ensemble", "training")]
    loaded = loaded_by("\n".join(f"import ai_detect.{name}" for name in light), tmp_path)
    assert not loaded & HEAVY
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", ["predict", "predict_parquet", "predict_text", "info"])
def test_commands_that_do_not_train_load_no_heavy_package(
    command: str, trained: Path, tmp_path: Path
) -> None:
    parquet = tmp_path / "test.parquet"
    pyarrow.parquet.write_table(pyarrow.csv.read_csv(SAMPLE / "test.csv"), parquet)
    output = f"--output={tmp_path / 'results.csv'}"
    argv = {
        "predict": ["predict", f"--dataset={SAMPLE / 'test.csv'}", output],
        "predict_parquet": ["predict", f"--dataset={parquet}", output],
        "predict_text": ["predict", "--text=The weather was fine."],
        "info": ["info"],
    }[command]
    argv.append(f"--data_dir={trained / 'data'}")
    code = f"from ai_detect import cli; assert cli.main({argv!r}) == 0"
    assert not loaded_by(code, tmp_path) & HEAVY
