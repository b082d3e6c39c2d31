"""What `load` measures the service beside: scikit-learn behind FastAPI, in the few lines that most people would write.

    python -m benchmarks.minimal_service TRAIN_CSV

It has no limits, metrics, keys, verdicts or log; uvicorn has the settings of `ai_detect serve`.
"""

import socket
import sys

import pandas as pd
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline


class Texts(BaseModel):
    """One text, or a list of them."""

    text: str = ""
    texts: list[str] = []


class Probabilities(BaseModel):
    """That each text is LLM-written."""

    predictions: list[float]


def create_app(dataset: str) -> FastAPI:
    """Train a pipeline and put it behind an address."""
    rows = pd.read_csv(dataset)
    pipeline = make_pipeline(
        TfidfVectorizer(ngram_range=(1, 3), sublinear_tf=True), LogisticRegression()
    )
    pipeline.fit(rows["text"], rows["generated"])
    app = FastAPI()

    @app.post("/api/v1/predict")
    def predict(asked: Texts) -> Probabilities:
        texts = asked.texts or [asked.text]
        return Probabilities(predictions=pipeline.predict_proba(texts)[:, 1].tolist())

    return app


def main() -> None:
    """Serve on a free port, which is told on the error stream as `ai_detect serve` does."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=2048)
    config = uvicorn.Config(
        create_app(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        ws="none",
        access_log=False,
        log_level="warning",
        backlog=2048,
    )
    print(f"serving on http://127.0.0.1:{listening.getsockname()[1]}", file=sys.stderr, flush=True)
    uvicorn.Server(config).run(sockets=[listening])


if __name__ == "__main__":
    main()
