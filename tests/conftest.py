"""Shared by all tests: one small trained model, the sample, and a hypothesis profile for compiled code."""

import fcntl
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from ai_detect import My_TextClassifier_Model

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "data" / "sample"

# The first call of a kernel compiles it, which no deadline for a single example can allow for.
# In CI the examples are the same at every run: new ones are for a developer to meet, not for an unrelated change.
settings.register_profile(
    "ai_detect",
    deadline=None,
    derandomize="CI" in os.environ,
    suppress_health_check=[HealthCheck.too_slow],
    max_examples=100,
)
settings.load_profile("ai_detect")


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder where the detector was trained on the sample: ./model, ./data/model. Not to be changed.

    With several processes, the first one to need it trains, and each has a copy.
    """
    ours = tmp_path_factory.getbasetemp()
    shared = (ours.parent if "PYTEST_XDIST_WORKER" in os.environ else ours) / "trained-once"
    with shared.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not shared.exists():
            made = tmp_path_factory.mktemp("made")
            My_TextClassifier_Model(
                model_dir=str(made / "model"), data_dir=str(made / "data")
            ).train(dataset=str(SAMPLE / "train.csv"), tracking="none", n_bits=16)
            made.rename(shared)
    return shutil.copytree(shared, ours / "trained")
