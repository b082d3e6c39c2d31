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
    "compiled": "",
    "prefetch": "",
    "html_page": "",
    # settings
    "config": "errors",
    # a dataset: bytes -> tables -> columns and labels -> batches of texts
    "sources": "errors",
    "tables": "sources text",
    "csv_blocks": "compiled errors",
    "arrow_readers": "csv_blocks errors sources tables text",
    "readers": "arrow_readers errors sources tables text",
    "columns": "errors tables",
    "labels": "errors tables",
    "data": "columns errors labels readers sources tables text",
    # texts -> features -> scores
    "reading": "text",
    "ngrams": "reading text",
    "kernels": "compiled ngrams prefetch text",
    "heuristic": "text",
    "naive_bayes": "",
    "scorer": "heuristic kernels ngrams text",
    # scores -> what may be said
    "calibration": "errors",
    "profiles": "calibration errors",
    "site_profiles": "errors profiles",
    "evaluation": "calibration metrics scorer",
    "plots": "errors evaluation metrics scorer",
    # a trained model: its folder, and at work
    "artifacts": "errors",
    "predictor": "artifacts calibration errors ngrams profiles scorer text",
    # whether texts are still like those of training
    "two_samples": "",
    "drift_report": "",
    "drift_html": "drift_report html_page",
    "drift_reference": "calibration errors predictor scorer",
    "drift": "calibration drift_reference drift_report errors two_samples",
    "drift_window": "drift drift_report predictor",
    # training, which alone loads scikit-learn
    "features": "kernels ngrams text",
    "logistic": "compiled",
    "ensemble": "calibration config errors features heuristic logistic naive_bayes scorer text",
    "unseen": "config drift_reference features ngrams predictor text",
    "training": "calibration config data drift_reference ensemble evaluation kernels labels profiles scorer text"
    " unseen",
    "spool": "errors",
    "streaming_sgd": "config ensemble errors features kernels ngrams scorer spool",
    "streaming_training": "config data ensemble errors kernels labels ngrams spool streaming_sgd text training",
    # why a text got its score
    "visible": "text",
    "explanation": "calibration text visible",
    "explain": "calibration errors explanation ngrams predictor profiles reading scorer text",
    "html_report": "explanation html_page text visible",
    # what comes out
    "result_files": "errors",
    "row_formats": "errors result_files",
    "results": "calibration data errors predictor result_files row_formats",
    "streaming": "data errors predictor profiles",
    "drift_dataset": "columns data drift predictor streaming",
    "prediction": "calibration data errors explain predictor profiles results site_profiles sources streaming",
    # the same on many machines
    "partitions": "errors sources",
    "cluster": "errors text",
    "cluster_prediction": "cluster data partitions prediction predictor results sources",
    "lockstep": "",
    "cluster_matrix": "cluster features kernels ngrams text",
    "cluster_training": "cluster cluster_matrix cluster_prediction config ensemble errors kernels lockstep ngrams"
    " partitions scorer streaming_training text training",
    "reports": "evaluation",
    "warmup": "artifacts compiled csv_blocks errors kernels logistic ngrams predictor reports text",
    "tracking": "errors",
    # the conductor, and the doors
    "model": "artifacts calibration cluster cluster_prediction cluster_training columns config data"
    " drift drift_dataset drift_html errors evaluation explain explanation html_report labels"
    " log plots prediction predictor profiles reports results scorer site_profiles streaming"
    " streaming_training text tracking training warmup",
    "guard": "errors",
    "cli": "errors guard log model",
    "__init__": "errors model",
}

SERVER = PACKAGE / "server"  # above the table: `serve` of the conductor alone knows of it

# Seconds to import each, and of no use to a prediction.
HEAVY = {"sklearn", "pandas", "wandb", "mlflow", "matplotlib", "joblib", "dask", "distributed"}


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


def test_nothing_but_the_command_that_serves_knows_the_server() -> None:
    knowing = {p.stem for p in PACKAGE.glob("*.py") if "ai_detect.server" in p.read_text("utf-8")}
    assert knowing == {"model"}
    conductor = ast.parse((PACKAGE / "model.py").read_text("utf-8"))
    imports = [node for node in conductor.body if isinstance(node, ast.Import | ast.ImportFrom)]
    assert "server" not in "".join(map(ast.unparse, imports))


def test_the_server_knows_neither_the_conductor_nor_training() -> None:
    above = {"model", "cli", "guard", "training", "ensemble", "features"}
    for path in SERVER.glob("*.py"):
        assert not imported_modules(path) & above, path.name


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
    heavy = (
        "features naive_bayes ensemble unseen training streaming_sgd streaming_training cluster_matrix "
        "cluster_training"
    ).split()
    light = [name for name in IMPORTS if name not in heavy]
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
    assert not loaded_by(code, tmp_path) & {*HEAVY, "fastapi", "uvicorn", "starlette", "psutil"}
