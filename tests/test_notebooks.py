"""The notebooks run from top to bottom on the embedded sample."""

import csv
import shutil
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def copy(tmp_path, monkeypatch) -> Path:
    """A place like the checkout, so that what a notebook writes is not left in it."""
    for name in ("notebooks", "data/sample"):
        shutil.copytree(ROOT / name, tmp_path / name)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.delenv("AI_DETECT_NOTEBOOK_DATA", raising=False)
    return tmp_path


@pytest.mark.slow
def test_the_baseline_notebook_writes_a_submission(copy):
    notebook = nbformat.read(copy / "notebooks" / "01_baseline.ipynb", as_version=4)
    NotebookClient(
        notebook, timeout=120, resources={"metadata": {"path": copy / "notebooks"}}
    ).execute()
    with (copy / "data" / "submission.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    with (copy / "data" / "sample" / "test.csv").open(encoding="utf-8", newline="") as file:
        assert [row["id"] for row in rows] == [row["id"] for row in csv.DictReader(file)]
    assert list(rows[0]) == ["id", "generated"]
    assert all(0 <= float(row["generated"]) <= 1 for row in rows)


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda p: p.stem)
def test_what_is_kept_of_a_run_is_small(path):
    assert path.stat().st_size < 150_000
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            assert output.output_type != "error"
            text = output.get("text", "") or output.get("data", {}).get("text/plain", "")
            assert len(text) < 2_000
