"""`My_TextClassifier_Model`, the conductor behind the command line: it calls its neighbours and computes nothing.

train:    dataset -> corpus -> training.run -> ./model/ -> published to ./data/model/ -> tracker, report
predict:  ./data/model/ -> predictor;  dataset -> batches -> predictions -> ./data/results.csv
"""

import logging
import time
from collections import Counter, deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ai_detect import __version__, artifacts, html_report, plots
from ai_detect import log as log_module
from ai_detect.calibration import DEFAULT_RATE
from ai_detect.columns import BY_FILE, Columns
from ai_detect.config import TrainConfig
from ai_detect.data import Batch, check_trainable, read_batches, read_corpus
from ai_detect.errors import DataError, UsageError
from ai_detect.evaluation import Evaluation, evaluate
from ai_detect.explain import explain
from ai_detect.explanation import ExplainedRow, ExplainReport, Explanation
from ai_detect.labels import encode_known_labels
from ai_detect.predictor import Predictions, Predictor
from ai_detect.reports import ModelInfo, PredictReport, TextReport, TrainReport
from ai_detect.results import ResultsWriter, prediction_rows, results_header
from ai_detect.scorer import available_cores
from ai_detect.text import PackedTexts
from ai_detect.tracking import open_tracker

logger = logging.getLogger(__name__)


class My_TextClassifier_Model:
    """Tell LLM-written texts from human ones, or texts of any classes from each other.

    Train on a file of labelled texts, then predict: the model, the predictions and the log are files below ./model
    and ./data.
    """

    def __init__(self, *, model_dir: str = "model", data_dir: str = "data") -> None:
        """Remember where things are; nothing is read or written.

        Args:
            model_dir: folder that training writes the model to.
            data_dir: shared folder for the published model, results.csv, log_file.log and reports.
        """
        self._model_dir = Path(model_dir)
        self._data_dir = Path(data_dir)

    def train(
        self,
        *,
        dataset: str,
        config: str = "",
        model: str | None = None,
        word_ngrams: tuple[int, int] | None = None,
        char_ngrams: tuple[int, int] | None = None,
        n_bits: int | None = None,
        lowercase: bool | None = None,
        min_df: int | None = None,
        C: float | None = None,
        alpha: float | None = None,
        n_folds: int | None = None,
        seed: int | None = None,
        text_column: str = "",
        label_column: str = "",
        group_column: str = "",
        format: str = "",
        encoding: str = "utf-8",
        strict: bool = False,
        tracking: str = "wandb",
        n_jobs: int = 0,
    ) -> TrainReport:
        """Train on a labelled dataset, save the model to ./model/ and publish it to ./data/model/.

        Args:
            dataset: CSV, TSV, JSONL (also .gz) or Parquet file, a folder of them, or - for stdin.
            config: TOML file of settings; options given here win over it.
            model: ensemble or heuristic.
            word_ngrams: smallest and largest n of word n-grams, such as 1,3.
            char_ngrams: smallest and largest n of character n-grams, such as 3,5; 0,0 for none.
            n_bits: 2**n_bits hash buckets.
            lowercase: fold letters to lower case.
            min_df: ignore n-grams of fewer training texts than this.
            C: inverse regularisation of the logistic regression.
            alpha: regularisation of the SGD classifier.
            n_folds: folds for out-of-fold scores.
            seed: seed of folds and SGD; the same seed gives the same model, byte for byte.
            text_column: column of the texts, if its name does not tell.
            label_column: column of the labels, if its name does not tell.
            group_column: column of groups that folds must not split, if its name does not tell; file for the
                file within a folder.
            format: csv, tsv, jsonl or parquet, if the file name does not tell.
            encoding: encoding of text files.
            strict: refuse the first bad row instead of leaving it out.
            tracking: wandb, mlflow or none.
            n_jobs: threads; 0 for all cores.
        """
        settings = (TrainConfig.from_toml(config) if config else TrainConfig()).override(
            model=model,
            word_ngrams=word_ngrams,
            char_ngrams=char_ngrams,
            n_bits=n_bits,
            lowercase=lowercase,
            min_df=min_df,
            C=C,
            alpha=alpha,
            n_folds=n_folds,
            seed=seed,
        )
        n_jobs = _cores(n_jobs)
        tracker = open_tracker(tracking, self._data_dir)
        started = time.perf_counter()
        with artifacts.training_lock(self._model_dir):
            columns = Columns(text=text_column, label=label_column, group=group_column)
            corpus = read_corpus(
                dataset, columns=columns, format=format, encoding=encoding, strict=strict
            )
            check_trainable(corpus)
            from ai_detect import training  # imports scikit-learn, which no other command needs

            tracker.start(
                settings.to_dict() | {"dataset": dataset, "dataset_sha256": corpus.fingerprint}
            )
            finished = False
            try:
                trained = training.run(
                    corpus,
                    settings,
                    dataset=dataset,
                    package_version=__version__,
                    n_jobs=n_jobs,
                )
                artifacts.save(self._model_dir, trained.manifest, trained.arrays, trained.card)
                artifacts.publish(self._model_dir, self._published)
                figures = plots.draw(trained.evaluation, self._data_dir / "reports" / "train")
                tracker.log_metrics(trained.evaluation.numbers())
                tracker.log_files(figures, "plots")
                tracker.log_files(artifacts.paths(self._model_dir), "model")
                finished = True
            finally:
                tracker.finish(failed=not finished)
        seconds = time.perf_counter() - started
        logger.info(
            "trained in %.1f s, model in %s and %s", seconds, self._model_dir, self._published
        )
        return TrainReport(
            str(self._model_dir), str(self._published), len(corpus.ids), seconds, trained.evaluation
        )

    def predict(
        self,
        *,
        dataset: str = "",
        text: str = "",
        output: str = "",
        details: bool = False,
        fpr: float | None = None,
        text_column: str = "",
        id_column: str = "",
        format: str = "",
        encoding: str = "utf-8",
        strict: bool = False,
        n_jobs: int = 0,
    ) -> PredictReport | TextReport | None:
        """Score a dataset with the model in ./data/model/ and write ./data/results.csv, or score one text.

        Args:
            dataset: CSV, TSV, JSONL (also .gz) or Parquet file, a folder of them or of .txt files, or - for stdin.
            text: one text to score instead; the answer is printed.
            output: file to write instead of ./data/results.csv, or - for stdout.
            details: add the columns verdict, words, p_value, obfuscation and reason.
            fpr: promised false-positive rate behind the verdicts; 0.01 if not given.
            text_column: column of the texts, if its name does not tell.
            id_column: column of the row ids, if its name does not tell.
            format: csv, tsv, jsonl, parquet or txt, if the file name does not tell.
            encoding: encoding of text files.
            strict: refuse the first bad row instead of keeping it with an empty prediction.
            n_jobs: threads; 0 for all cores.
        """
        if bool(dataset) == bool(text):
            raise UsageError("predict takes either --dataset=PATH or --text=TEXT, and one of them.")
        n_jobs = _cores(n_jobs)
        predictor = self._load()
        fpr = _rate(predictor, fpr)
        if text:
            return _text_report(predictor, text, fpr)
        target = output or str(self._data_dir / "results.csv")
        columns = Columns(text=text_column, id=id_column)
        batches = read_batches(
            dataset, columns=columns, format=format, encoding=encoding, strict=strict
        )
        started = time.perf_counter()
        counts: Counter[str] = Counter()
        problems: Counter[str] = Counter()
        n_rows = 0
        with (
            ResultsWriter(target, results_header(predictor, details=details)) as writer,
            tqdm(desc="scoring", unit=" texts", disable=None, leave=False) as bar,
        ):
            for batch, predictions in _scored(predictor, batches, n_jobs):
                rows, called = prediction_rows(
                    predictor, batch, predictions, fpr=fpr, details=details
                )
                writer.write_rows(rows)
                counts.update(called)
                problems.update(batch.problems.values())
                n_rows += len(batch.ids)
                bar.update(len(batch.ids))
        if problems:
            logger.warning("rows that could not be scored: %s", dict(problems))
        seconds = time.perf_counter() - started
        logger.info("%d rows scored in %.1f s, results in %s", n_rows, seconds, target)
        if target == "-":
            return None
        return PredictReport(
            target,
            n_rows,
            problems.total(),
            dict(sorted(counts.items())),
            dict(problems),
            f"the model in {self._published}",
            seconds,
        )

    def evaluate(
        self,
        *,
        dataset: str,
        by: str = "",
        text_column: str = "",
        label_column: str = "",
        format: str = "",
        encoding: str = "utf-8",
        strict: bool = False,
        n_jobs: int = 0,
    ) -> Evaluation:
        """Measure the model in ./data/model/ on a labelled dataset and draw plots to ./data/reports/.

        Args:
            dataset: CSV, TSV, JSONL (also .gz) or Parquet file, a folder of them, or - for stdin.
            by: column to break the figures down by; for a folder, by file if not given.
            text_column: column of the texts, if its name does not tell.
            label_column: column of the labels, if its name does not tell.
            format: csv, tsv, jsonl or parquet, if the file name does not tell.
            encoding: encoding of text files.
            strict: refuse the first bad row instead of leaving it out.
            n_jobs: threads; 0 for all cores.
        """
        n_jobs = _cores(n_jobs)
        predictor = self._load()
        corpus = read_corpus(
            dataset,
            columns=Columns(text=text_column, label=label_column, group=by or BY_FILE),
            format=format,
            encoding=encoding,
            strict=strict,
            deduplicate=False,
        )
        if not corpus.ids:
            raise DataError(
                f"{dataset} holds no row that can be scored: it needs texts with labels."
            )
        y = encode_known_labels(corpus.labels, predictor.classes, detection=predictor.detection)
        scores = predictor.score(corpus.texts, n_jobs=n_jobs)
        groups = corpus.groups
        if not by and not Path(dataset).is_dir():
            groups = np.full(len(y), Path(dataset).name, object)
        evaluation = evaluate(
            scores,
            y,
            groups,
            predictor.classes,
            predictor.thresholds,
            n_bad=sum(corpus.problems.values()),
        )
        figures = plots.draw(evaluation, self._data_dir / "reports")
        logger.info("evaluated on %d texts: %s", len(y), evaluation.numbers())
        return evaluation.with_plots(figures)

    def explain(
        self,
        *,
        dataset: str = "",
        text: str = "",
        html: str = "",
        windows: bool = False,
        limit: int = 10,
        fpr: float | None = None,
        text_column: str = "",
        id_column: str = "",
        format: str = "",
        encoding: str = "utf-8",
    ) -> Explanation | ExplainReport:
        """Show what each sentence and wording of a text contributes to its score, exactly.

        Args:
            dataset: dataset whose rows to explain, as for predict.
            text: one text to explain instead.
            html: file to write the explanation to as one HTML page; for a dataset a folder, one page a row.
            windows: score stretches of the text by themselves too, so that a half-generated text shows where.
            limit: rows of the dataset to explain; 0 for all.
            fpr: promised false-positive rate behind the verdict; 0.01 if not given.
            text_column: column of the texts, if its name does not tell.
            id_column: column of the row ids, if its name does not tell.
            format: csv, tsv, jsonl, parquet or txt, if the file name does not tell.
            encoding: encoding of text files.
        """
        if bool(dataset) == bool(text):
            raise UsageError("explain takes either --dataset=PATH or --text=TEXT, and one of them.")
        if limit < 0:
            raise UsageError(f"--limit={limit} is negative: give a number of rows, or 0 for all.")
        predictor = self._load()
        fpr = _rate(predictor, fpr)
        date = time.strftime("%Y-%m-%d")
        if text:
            explanation = explain(predictor, text, fpr=fpr, with_windows=windows)
            if html:
                html_report.write(Path(html), explanation, predictor.manifest, date=date)
            return explanation
        columns = Columns(text=text_column, id=id_column)
        batches = read_batches(dataset, columns=columns, format=format, encoding=encoding)
        rows = []
        for number, (row_id, content, problem) in enumerate(_rows(batches, limit), 1):
            if problem:
                rows.append(ExplainedRow(row_id, problem))
                continue
            explanation = explain(predictor, content, fpr=fpr, with_windows=windows)
            if not html:
                rows.append(ExplainedRow(row_id, explanation.headline, explanation=explanation))
                continue
            file = Path(html) / f"{number}.html"  # by number: an id may hold anything
            html_report.write(file, explanation, predictor.manifest, name=row_id, date=date)
            rows.append(ExplainedRow(row_id, explanation.headline, file=str(file)))
        return ExplainReport(tuple(rows))

    def info(self) -> ModelInfo:
        """Show what the model in ./data/model/ is: its data, settings, figures and thresholds."""
        return ModelInfo(str(self._published), artifacts.load(self._published).manifest)

    def log(self, *, lines: int = 50, follow: bool = False) -> Iterator[str]:
        """Show the end of ./data/log_file.log.

        Args:
            lines: how many lines.
            follow: go on showing new lines until interrupted.
        """
        log_file = self._data_dir / "log_file.log"
        if lines < 0:
            raise UsageError(f"--lines={lines} is negative: give how many lines to show.")
        yield from log_module.tail(log_file, lines)
        if follow:
            yield from log_module.follow(log_file)

    def version(self) -> str:
        """Show the version of ai_detect."""
        return f"ai_detect {__version__}"

    @property
    def _published(self) -> Path:
        return self._data_dir / "model"

    def _load(self) -> Predictor:
        predictor = Predictor.from_files(artifacts.load(self._published))
        logger.info("model in %s, made on %s", self._published, predictor.manifest.get("created"))
        return predictor


def _cores(n_jobs: int) -> int:
    if n_jobs < 0:
        raise UsageError(
            f"--n_jobs={n_jobs} is negative: give a number of threads, or 0 for all cores."
        )
    return n_jobs or available_cores()


def _rate(predictor: Predictor, fpr: float | None) -> float:
    """Return the rate to promise; one that was asked for has to be one that the model can promise."""
    if fpr is None:
        return DEFAULT_RATE
    predictor.check_rate(fpr)
    return fpr


def _rows(batches: Iterator[Batch], limit: int) -> Iterator[tuple[str, str, str]]:
    """Yield id, text and problem ("" for none) of the first `limit` rows, or of all if it is 0."""
    rows = (
        (row_id, batch.texts[i], batch.problems.get(i, ""))
        for batch in batches
        for i, row_id in enumerate(batch.ids)
    )
    return islice(rows, limit or None)


def _scored(
    predictor: Predictor, batches: Iterator[Batch], n_jobs: int
) -> Iterator[tuple[Batch, Predictions]]:
    """Score batches in threads while the next ones are read, and return them in order.

    At most n_jobs batches are in flight, so memory does not grow with the dataset.
    """
    with ThreadPoolExecutor(n_jobs) as pool:
        flight: deque[tuple[Batch, Future[Predictions]]] = deque()
        for batch in batches:
            flight.append((batch, pool.submit(predictor.predict, batch.texts)))
            if len(flight) > n_jobs:
                done, predictions = flight.popleft()
                yield done, predictions.result()
        for done, predictions in flight:
            yield done, predictions.result()


def _text_report(predictor: Predictor, text: str, fpr: float) -> TextReport:
    predictions = predictor.predict(PackedTexts.pack([text]))
    best = int(predictions.probability[0].argmax())
    if not predictor.detection:
        return TextReport(
            predictor.classes[best],
            float(predictions.probability[0, best]),
            int(predictions.words[0]),
        )
    (verdict,), (reason,) = predictor.verdicts(predictions, fpr)
    return TextReport(
        predictor.classes[best],
        float(predictions.probability[0, 1]),
        int(predictions.words[0]),
        verdict,
        float(predictions.p_value[0]),
        reason,
        int(predictions.obfuscation[0]),
    )
