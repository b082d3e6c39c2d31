"""The detectors and learners that benchmarks/accuracy.py measures beside this package, on the same texts.

Foreign packages live in an environment of their own (`make bench-accuracy` makes .venv-peers) and score there: this
very file runs as a script in a second process, given texts as JSON lines and a file name for the scores, so nothing but
the standard library and NumPy is imported here before a peer's function is called. Each of those takes texts and the
JSON lines of the training corpora (used by peers that are trained), and returns scores (higher = more LLM) and the
verdict that the peer itself gives at its default threshold.
"""

import hashlib
import inspect
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

REQUIREMENTS = Path(__file__).with_name("requirements-peers.txt")
PACKAGE = Path(__file__).parents[1] / "ai_detect"
ENVIRONMENT = ".venv-peers"
SHIM = "isoc23.so"

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Scored:
    """Scores of texts, float64 (n,), NaN where a text was not scored, and whether each was called LLM-written."""

    scores: Floats
    called: Bools


@dataclass(frozen=True)
class Absent:
    """Why a peer was not measured."""

    reason: str


@dataclass(frozen=True)
class Peer:
    """One peer.

    package: its distribution; empty for what this package itself has, which runs in this process.
    rule: when it calls a text LLM-written, in words.
    trained: fitted here to the training corpora.
    sample: most texts it scores of each population and kind of LLM text; 0 for all.
    """

    name: str
    package: str
    rule: str
    score: Callable[[list[str], Path], tuple[npt.ArrayLike, npt.ArrayLike]]
    trained: bool = False
    sample: int = 0


def is_it_slop(texts: list[str], _train: Path) -> tuple[npt.ArrayLike, npt.ArrayLike]:
    """Score with is-it-slop's built-in model."""
    import is_it_slop as package

    found = package.is_this_slop_batch(texts)
    return [one.ai_probability for one in found], [one.classification == "AI" for one in found]


def zippy(texts: list[str], _train: Path) -> tuple[npt.ArrayLike, npt.ArrayLike]:
    """Score with ZipPy as its command does: LZMA, pieces of 1,500 characters."""
    from multiprocessing.dummy import (
        Pool,
    )  # threads: it would start processes for every text of three pieces

    from zippy import zippy as package

    package.Pool = Pool  # threads: it would start processes anew for every text of three pieces
    detector = package.Zippy()
    found = [detector.run_on_text_chunked(text) for text in texts]
    verdicts = [verdict == "AI" for verdict, _ in found]
    return [size if ai else -size for ai, (_, size) in zip(verdicts, found, strict=True)], verdicts


def llm_detector(texts: list[str], _train: Path) -> tuple[npt.ArrayLike, npt.ArrayLike]:
    """Score with llm-detector's built-in model, on all cores."""
    from concurrent.futures import ProcessPoolExecutor

    from llm_detector import classify_text

    with ProcessPoolExecutor() as pool:
        found = list(pool.map(classify_text, texts, chunksize=8))
    return [one["p_llm"] for one in found], [one["is_llm"] for one in found]


def fasttext(texts: list[str], train: Path) -> tuple[npt.ArrayLike, npt.ArrayLike]:
    """Train fastText with its defaults and word pairs; one thread, as more of them never give the same model twice."""
    import fasttext as package

    def line(text: str) -> str:  # lower case and marks on their own, as its tutorial prepares texts
        return " ".join(re.findall(r"\w+|[^\w\s]", text.lower()))

    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as file:
        for text, label in training_texts(train):
            file.write(f"__label__{label} {line(text)}\n")
        file.flush()
        model = package.train_supervised(file.name, wordNgrams=2, thread=1, verbose=0)
    found = zip(*model.predict([line(text) for text in texts], k=2), strict=True)
    by_label = [dict(zip(*both, strict=True)) for both in found]
    scores = np.log([one["__label__1"] / one["__label__0"] for one in by_label])
    return scores, scores >= 0


def tfidf(texts: list[str], train: Path) -> tuple[npt.ArrayLike, npt.ArrayLike]:
    """Train scikit-learn's TfidfVectorizer on words and word pairs with logistic regression, otherwise its defaults."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    labels = np.array([label for _, label in training_texts(train)])
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), min_df=5, sublinear_tf=True, dtype=np.float32)
    counts = vectorizer.fit_transform(text for text, _ in training_texts(train))
    model = LogisticRegression(max_iter=1000).fit(counts, labels)
    scores = model.decision_function(vectorizer.transform(texts))
    return scores, scores >= 0


def heuristic(texts: list[str], train: Path) -> tuple[npt.ArrayLike, npt.ArrayLike]:
    """Train this package's heuristic baseline, folds by corpus, and use its threshold at 1 %."""
    from ai_detect import artifacts
    from ai_detect.model import My_TextClassifier_Model
    from ai_detect.predictor import Predictor
    from ai_detect.text import PackedTexts

    with tempfile.TemporaryDirectory() as folder:
        own = My_TextClassifier_Model(model_dir=f"{folder}/model", data_dir=f"{folder}/data")
        own.train(
            dataset=str(train), model="heuristic", group_column="corpus", tracking="none", seed=0
        )
        predictor = Predictor.from_files(artifacts.load(Path(folder) / "model"))
    predictions = predictor.predict(PackedTexts.pack(texts))
    return predictions.scores[:, 0], predictions.p_value <= 0.01


PEERS = (
    Peer("is-it-slop", "is-it-slop", "P(AI) >= 0.399, its own", is_it_slop),
    Peer("ZipPy", "thinkst-zippy", "its verdict AI", zippy),
    Peer("llm-detector", "llm-detector", "P(LLM) >= 0.5", llm_detector, sample=20),
    Peer("fastText", "fasttext-numpy2", "P(LLM) >= 0.5", fasttext, trained=True),
    Peer("TF-IDF + LR", "scikit-learn", "P(LLM) >= 0.5", tfidf, trained=True),
    Peer("heuristic", "", "p <= 0.01 of its own folds", heuristic, trained=True),
)


def training_texts(train: Path) -> Iterator[tuple[str, int]]:
    """Read text and label (1: LLM) of every line."""
    with train.open(encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            yield row["text"], row["generated"]


def pins() -> dict[str, str]:
    """Return the version of each package that benchmarks/requirements-peers.txt asks for."""
    return dict(re.findall(r"^([\w-]+)==([\w.]+)", REQUIREMENTS.read_text("utf-8"), re.MULTILINE))


def installed(environment: Path) -> dict[str, str]:
    """Return the versions of the packages in an environment: none where there is no such environment."""
    python = environment / "bin" / "python"
    if not python.exists():
        return {}
    listed = (
        "import importlib.metadata as m, json;"
        "print(json.dumps({d.name: d.version for d in m.distributions()}))"
    )
    return dict(json.loads(subprocess.check_output([python, "-I", "-c", listed], text=True)))


def absence(peer: Peer, versions: dict[str, str], environment: Path) -> Absent | None:
    """Tell why a peer cannot run, if it cannot."""
    if not peer.package:
        return None
    if peer.package not in versions:
        return Absent(f"not installed: pip install {peer.package}=={pins()[peer.package]}")
    if needs_shim(peer) and not (environment / SHIM).exists():
        return Absent(f"its wheel needs glibc 2.38 or {SHIM}: make bench-accuracy compiles it")
    return None


def needs_shim(peer: Peer, libc: tuple[str, str] | None = None) -> bool:
    """Tell whether this machine's C library is too old for a peer's wheel (benchmarks/isoc23.c)."""
    kind, version = libc or platform.libc_ver()
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    return peer.package == "is-it-slop" and kind == "glibc" and numbers < (2, 38)


def measure(
    peer: Peer, texts: list[str], train: Path, *, environment: Path, version: str, cache: Path
) -> Scored | Absent:
    """Score texts with a peer that is there, or take the scores of the same texts from an earlier run.

    Args:
        peer: one of PEERS.
        texts: n texts.
        train: JSON lines with text, generated and corpus.
        environment: virtual environment of the foreign packages.
        version: of the peer's package.
        cache: folder for scores; what these depend on, this package's code included, makes the file name.
    """
    key = hashlib.sha256(json.dumps([peer.name, version, inspect.getsource(peer.score)]).encode())
    key.update(json.dumps(texts).encode())
    if peer.trained:
        with train.open("rb") as file:
            key.update(hashlib.file_digest(file, "sha256").digest())
    if not peer.package:
        for module in sorted(PACKAGE.glob("*.py")):
            key.update(module.read_bytes())
    kept = cache / f"{key.hexdigest()[:32]}.npy"
    if not kept.exists():
        cache.mkdir(parents=True, exist_ok=True)
        written = kept.with_suffix(f".{os.getpid()}.npy")
        if not peer.package:
            write_scores(peer, texts, train, written)
        elif failure := run_apart(peer, texts, train, written, environment):
            return failure
        written.replace(kept)
    scores, called = np.load(kept)
    return Scored(scores, called > 0)


def run_apart(
    peer: Peer, texts: list[str], train: Path, scores: Path, environment: Path
) -> Absent | None:
    """Score in the environment of the foreign packages; tell why not, if that fails."""
    preload = {"LD_PRELOAD": str((environment / SHIM).resolve())} if needs_shim(peer) else {}
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl", encoding="utf-8") as file:
        file.writelines(json.dumps(text) + "\n" for text in texts)
        file.flush()
        command = [environment / "bin" / "python", "-I", __file__, peer.name, file.name]
        done = subprocess.run([*command, train, scores], env=os.environ | preload, check=False)
    return Absent(f"failed with exit status {done.returncode}") if done.returncode else None


def write_scores(peer: Peer, texts: list[str], train: Path, scores: Path) -> None:
    """Save float64 (2, n): scores, and 1 where the peer's verdict is LLM."""
    found = np.array(peer.score(texts, train), dtype=np.float64)
    if found.shape != (2, len(texts)) or not np.isfinite(found).all():
        raise ValueError(f"{peer.name} gave scores of shape {found.shape}, or some not finite.")
    np.save(scores, found)


def main(name: str, texts: str, train: str, scores: str) -> None:
    """Score the texts of a file of JSON lines: what run_apart starts."""
    peer = next(peer for peer in PEERS if peer.name == name)
    with Path(texts).open(encoding="utf-8") as lines:
        write_scores(peer, [json.loads(line) for line in lines], Path(train), Path(scores))


if __name__ == "__main__":
    main(*sys.argv[1:])
