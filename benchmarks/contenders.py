"""One way to score texts, kept ready in a process of its own, so that benchmarks/speed.py can time it turn by turn.

    python benchmarks/contenders.py NAME TEXTS TRAIN

TEXTS and TRAIN are JSON lines with `text` (and `generated` in TRAIN). The process builds its model, prints one line of
JSON (seconds to build, bytes of the model), and then answers each line on stdin with the seconds that one pass over all
texts took. Foreign packages run in an environment of their own, so nothing but the standard library is imported here
before a contender's function is called. Training sets are small where only the speed of prediction is asked for.
"""

import json
import os
import pickle
import re
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Ready = tuple[Callable[[], object], int]


def ai_detect(texts: list[str], train: list[tuple[str, int]]) -> Ready:
    """This package with the model that ships, texts packed beforehand, on as many threads as there are cores."""
    from ai_detect import artifacts, kernels  # noqa: F401  (no single text is scored without them)
    from ai_detect.predictor import Predictor
    from ai_detect.scorer import available_cores
    from ai_detect.text import PackedTexts

    predictor = Predictor.from_files(artifacts.load(artifacts.SHIPPED))
    packed = PackedTexts.pack(texts)
    size = sum(path.stat().st_size for path in Path(artifacts.SHIPPED).glob("weights*"))
    return lambda: predictor.score(packed, n_jobs=available_cores()), size


def tfidf(texts: list[str], train: list[tuple[str, int]]) -> Ready:
    """scikit-learn's equivalent pipeline: TF-IDF of cased words and marks, 1-3-grams, logistic regression."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    return _pipeline(
        TfidfVectorizer(
            ngram_range=(1, 3),
            token_pattern=r"\w+|[^\w\s]",
            lowercase=False,
            sublinear_tf=True,
            min_df=2,
        ),
        texts,
        train,
    )


def hashing(texts: list[str], train: list[tuple[str, int]]) -> Ready:
    """scikit-learn's HashingVectorizer of the same n-grams with logistic regression: no vocabulary, no idf."""
    from sklearn.feature_extraction.text import HashingVectorizer

    return _pipeline(
        HashingVectorizer(
            ngram_range=(1, 3),
            token_pattern=r"\w+|[^\w\s]",
            lowercase=False,
            alternate_sign=False,
            n_features=1 << 20,
        ),
        texts,
        train,
    )


def _pipeline(vectorizer: object, texts: list[str], train: list[tuple[str, int]]) -> Ready:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    pipeline = make_pipeline(vectorizer, LogisticRegression(max_iter=50))
    pipeline.fit([text for text, _ in train], [label for _, label in train])
    return lambda: pipeline.predict_proba(texts), len(pickle.dumps(pipeline))


def fasttext(texts: list[str], train: list[tuple[str, int]]) -> Ready:
    """Build fastText, supervised, with word pairs; texts brought into its form beforehand."""
    import fasttext as package

    def line(text: str) -> str:
        return " ".join(re.findall(r"\w+|[^\w\s]", text.lower()))

    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as file:
        file.writelines(f"__label__{label} {line(text)}\n" for text, label in train)
        file.flush()
        model = package.train_supervised(file.name, wordNgrams=2, thread=1, verbose=0)
    with tempfile.NamedTemporaryFile(suffix=".bin") as file:
        model.save_model(file.name)
        size = os.path.getsize(file.name)
    lines = [line(text) for text in texts]
    return lambda: model.predict(lines, k=2), size


def vowpal_wabbit(texts: list[str], train: list[tuple[str, int]]) -> Ready:
    """Vowpal Wabbit, logistic loss, 1-3-grams, 22 bits; texts brought into its form beforehand."""
    from vowpalwabbit import Workspace

    def line(text: str) -> str:
        return " ".join(re.findall(r"\w+|[^\w\s:|]", text))

    model = Workspace("--loss_function=logistic --ngram=3 -b 22 --quiet --link=logistic")
    for text, label in train:
        model.learn(f"{1 if label else -1} | {line(text)}")
    with tempfile.NamedTemporaryFile(suffix=".vw") as file:
        model.save(file.name)
        size = os.path.getsize(file.name)
    lines = [f"| {line(text)}" for text in texts]
    return lambda: [model.predict(one) for one in lines], size


def is_it_slop(texts: list[str], train: list[tuple[str, int]]) -> Ready:
    """is-it-slop's built-in model, its batch call."""
    import is_it_slop as package

    folder = Path(package.__file__).parent
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return lambda: package.is_this_slop_batch(texts), size


def zippy(texts: list[str], train: list[tuple[str, int]]) -> Ready:
    """ZipPy as its command does: LZMA, pieces of 1,500 characters."""
    from multiprocessing.dummy import Pool

    from zippy import zippy as package

    package.Pool = Pool  # threads: it would start processes anew for every text of three pieces
    detector = package.Zippy()
    size = sum(path.stat().st_size for path in Path(package.__file__).parent.glob("*.txt"))
    return lambda: [detector.run_on_text_chunked(text) for text in texts], size


CONTENDERS = {
    "ai_detect": ai_detect,
    "TF-IDF + LR": tfidf,
    "HashingVectorizer + LR": hashing,
    "fastText": fasttext,
    "Vowpal Wabbit": vowpal_wabbit,
    "is-it-slop": is_it_slop,
    "ZipPy": zippy,
}


def _rows(path: str) -> list[dict[str, Any]]:
    with Path(path).open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def main(name: str, texts: str, train: str) -> None:
    """Build a contender, then time one pass over the texts for each line on stdin."""
    labelled = [(row["text"], row["generated"]) for row in _rows(train)]
    wanted = [row["text"] for row in _rows(texts)]
    start = time.perf_counter()
    run, n_bytes = CONTENDERS[name](wanted, labelled)
    built = time.perf_counter() - start
    run()  # compiles, fills caches
    print(json.dumps({"built_s": built, "model_bytes": n_bytes}), flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        run()
        print(time.perf_counter() - start, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
