"""`My_TextClassifier_Model`, the conductor behind the command line: it calls its neighbours and computes nothing.

train:    dataset -> corpus -> training.run -> ./model/ -> published to ./data/model/ -> tracker, report
predict:  ./data/model/ -> predictor;  dataset -> batches -> predictions -> ./data/results.csv
"""

import logging
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ai_detect import (
    __version__,
    artifacts,
    cluster_prediction,
    drift_html,
    html_report,
    plots,
    prediction,
    site_profiles,
)
from ai_detect import log as log_module
from ai_detect.calibration import DEFAULT_RATE, MIN_WORDS, is_within, shifted
from ai_detect.cluster import check_engine
from ai_detect.columns import Columns
from ai_detect.config import TrainConfig
from ai_detect.data import Copies, check_trainable, read_batches, read_corpus
from ai_detect.drift import Counts, DriftReport, Reference, compare
from ai_detect.drift_dataset import count_dataset
from ai_detect.errors import DataError, MissingExtraError, UsageError
from ai_detect.evaluation import Evaluation, evaluate
from ai_detect.explain import explain
from ai_detect.explanation import ExplainedRow, ExplainReport, Explanation
from ai_detect.labels import encode_known_labels
from ai_detect.prediction import Question
from ai_detect.predictor import Predictor
from ai_detect.profiles import GENERAL, Profile
from ai_detect.reports import (
    CalibrateReport,
    ModelInfo,
    PredictReport,
    TextReport,
    TrainReport,
    WarmupReport,
)
from ai_detect.results import ResultsWriter, results_header
from ai_detect.scorer import available_cores
from ai_detect.site_profiles import SiteProfile
from ai_detect.streaming import first_rows
from ai_detect.text import PackedTexts
from ai_detect.tracking import open_tracker

logger = logging.getLogger(__name__)

_SUSPICIOUS = 0.1  # share of texts said to be human that the general profile would call llm


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
        streaming: bool = False,
        engine: str = "",
        scheduler: str = "",
        tracking: str = "wandb",
        n_jobs: int = 0,
    ) -> TrainReport:
        """Train on a labelled dataset, save the model to ./model/ and publish it to ./data/model/.

        Args:
            dataset: CSV, TSV, JSONL (also .gz) or Parquet file, a folder or pattern of them, or - for stdin.
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
            streaming: for datasets larger than memory: keep counts on disk, beside the model, and fit both members by
                passes over them.
            engine: dask to train by logistic regression on many processes or machines, which read the files themselves.
            scheduler: address of a Dask scheduler, such as tcp://HOST:PORT; processes on this machine if not given.
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
        on_cluster = check_engine(engine, scheduler)
        if on_cluster and streaming:
            raise UsageError(
                "--streaming is for one machine, --engine=dask for many: give one of them."
            )
        tracker = open_tracker(tracking, self._data_dir)
        started = time.perf_counter()
        with artifacts.training_lock(self._model_dir):
            reading: dict[str, Any] = {
                "columns": Columns(text=text_column, label=label_column, group=group_column),
                "format": format,
                "encoding": encoding,
                "strict": strict,
            }
            known = {"dataset": dataset}
            # What trains imports scikit-learn, which no other command needs.
            if on_cluster:
                from ai_detect import cluster_training

                read = partial(read_batches, labelled=True, **reading)
                fit = partial(cluster_training.run, read, format=format, scheduler=scheduler)
            elif streaming:
                from ai_detect import streaming_training

                batches = read_batches(dataset, labelled=True, **reading)
                fit = partial(streaming_training.run, batches, folder=self._model_dir)
            else:
                from ai_detect import training

                corpus = read_corpus(dataset, **reading)
                check_trainable(corpus)
                known["dataset_sha256"] = corpus.fingerprint
                fit = partial(training.run, corpus)
            tracker.start(settings.to_dict() | known)
            finished = False
            try:
                trained = fit(settings, dataset=dataset, package_version=__version__, n_jobs=n_jobs)
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
            str(self._model_dir),
            str(self._published),
            trained.manifest["data"]["texts"],
            seconds,
            trained.evaluation,
        )

    def predict(
        self,
        *,
        dataset: str = "",
        text: str = "",
        output: str = "",
        details: bool = False,
        windows: bool = False,
        profile: str = GENERAL,
        fpr: float | None = None,
        prior: float = 0.5,
        text_column: str = "",
        id_column: str = "",
        format: str = "",
        encoding: str = "utf-8",
        strict: bool = False,
        resume: bool = False,
        engine: str = "",
        scheduler: str = "",
        n_jobs: int = 0,
    ) -> PredictReport | TextReport | None:
        """Score a dataset with the model in ./data/model/ and write ./data/results.csv, or score one text.

        Args:
            dataset: CSV, TSV, JSONL (also .gz) or Parquet file, a folder of them or of .txt files, a pattern such as
                'essays/*.csv', or - for stdin.
            text: one text to score instead; the answer is printed.
            output: file to write instead of ./data/results.csv, as CSV, .jsonl or .parquet; or - for stdout.
            details: add the columns verdict, words, p_value, obfuscation and reason.
            windows: add to these the share of stretches of 150 words that are called llm by themselves; slower.
            profile: whom the promise is for: general, essay, or a site profile made by calibrate.
            fpr: promised false-positive rate behind the verdicts; 0.01 if not given.
            prior: share of LLM texts you expect, for the probability; verdicts do not depend on it.
            text_column: column of the texts, if its name does not tell.
            id_column: column of the row ids, if its name does not tell.
            format: csv, tsv, jsonl, parquet or txt, if the file name does not tell.
            encoding: encoding of text files.
            strict: refuse the first bad row instead of keeping it with an empty prediction.
            resume: go on where an interrupted run with --resume ended; only such a run leaves something behind.
            engine: dask to score files on many processes or machines, also of s3:// and the like, into a folder of
                results, ./data/results/ if --output does not say another.
            scheduler: address of a Dask scheduler, such as tcp://HOST:PORT; processes on this machine if not given.
            n_jobs: threads; 0 for all cores.
        """
        if bool(dataset) == bool(text):
            raise UsageError("predict takes either --dataset=PATH or --text=TEXT, and one of them.")
        n_jobs = _cores(n_jobs)
        on_cluster = check_engine(engine, scheduler)
        if on_cluster and (text or resume or output == "-"):
            raise UsageError(
                "--engine=dask reads files and writes a folder: leave out --text, --resume and --output=-."
            )
        predictor = self._load()
        chosen, site = self._profile(predictor, profile)
        fpr = _rate(chosen, fpr)
        shifted(np.zeros(0), prior)  # refuses a prior that is none
        if text:
            return _text_report(predictor, text, chosen, fpr, prior)
        target = output or str(self._data_dir / ("results" if on_cluster else "results.csv"))
        question = Question(chosen, fpr, prior, details, windows, site)
        columns = Columns(text=text_column, id=id_column)
        origin = None
        if resume:
            origin = prediction.origin(
                dataset,
                target,
                predictor,
                question,
                package_version=__version__,
                format=format,
                reading={"columns": asdict(columns), "encoding": encoding, "strict": strict},
            )
        read = partial(
            read_batches, columns=columns, format=format, encoding=encoding, strict=strict
        )
        header = results_header(predictor, details=details, windows=windows)
        started = time.perf_counter()
        if on_cluster:
            tally = cluster_prediction.predict(
                dataset,
                target,
                predictor,
                question,
                read,
                format=format,
                scheduler=scheduler,
                n_workers=n_jobs,
            )
        else:
            writer = ResultsWriter(target, header, origin=origin)
            tally = prediction.run(predictor, read(dataset), writer, question, n_jobs=n_jobs)
        if tally.problems:
            logger.warning("rows that could not be scored: %s", dict(tally.problems))
        if site and site.has_drifted(tally.lengths):
            logger.warning(
                "the texts have other lengths than those behind the profile %s (population stability index %.2f): its "
                "promise is for texts like its own",
                profile,
                site.drift(tally.lengths),
            )
        report = PredictReport(
            "standard output" if target == "-" else target,
            tally.n_rows,
            tally.problems.total(),
            dict(sorted(tally.called.items())),
            dict(tally.problems),
            self._model_name,
            time.perf_counter() - started,
        )
        if target == "-":  # where there are rows and nothing else
            logger.info("%s", report)
            return None
        logger.info(
            "%d rows scored in %.1f s, results in %s", report.n_rows, report.seconds, target
        )
        return report

    def evaluate(
        self,
        *,
        dataset: str,
        by: str = "",
        profile: str = GENERAL,
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
            by: column to break the figures down by; by population if not given, that is by file and domain.
            profile: whose promise to hold the figures against: general, essay, or one made by calibrate.
            text_column: column of the texts, if its name does not tell.
            label_column: column of the labels, if its name does not tell.
            format: csv, tsv, jsonl or parquet, if the file name does not tell.
            encoding: encoding of text files.
            strict: refuse the first bad row instead of leaving it out.
            n_jobs: threads; 0 for all cores.
        """
        n_jobs = _cores(n_jobs)
        predictor = self._load()
        chosen, _ = self._profile(predictor, profile)
        corpus = read_corpus(
            dataset,
            columns=Columns(text=text_column, label=label_column, group=by),
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
        scores, words = predictor.score(corpus.texts, n_jobs=n_jobs)
        evaluation = evaluate(
            scores,
            y,
            corpus.groups if by else corpus.populations,
            predictor.classes,
            chosen.p_values(scores[:, 0], words) if chosen else np.empty(0),
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
        profile: str = GENERAL,
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
            profile: whom the promise is for: general, essay, or a site profile made by calibrate.
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
        chosen, _ = self._profile(predictor, profile)
        fpr = _rate(chosen, fpr)
        date = time.strftime("%Y-%m-%d")
        if text:
            explanation = explain(predictor, text, fpr=fpr, profile=chosen, with_windows=windows)
            if html:
                html_report.write(Path(html), explanation, predictor.manifest, date=date)
            return explanation
        columns = Columns(text=text_column, id=id_column)
        batches = read_batches(dataset, columns=columns, format=format, encoding=encoding)
        rows = []
        for number, (row_id, content, problem) in enumerate(first_rows(batches, limit), 1):
            if problem:
                rows.append(ExplainedRow(row_id, problem))
                continue
            explanation = explain(predictor, content, fpr=fpr, profile=chosen, with_windows=windows)
            if not html:
                rows.append(ExplainedRow(row_id, explanation.headline, explanation=explanation))
                continue
            file = Path(html) / f"{number}.html"  # by number: an id may hold anything
            html_report.write(file, explanation, predictor.manifest, name=row_id, date=date)
            rows.append(ExplainedRow(row_id, explanation.headline, file=str(file)))
        return ExplainReport(tuple(rows))

    def calibrate(
        self,
        *,
        dataset: str,
        profile: str,
        text_column: str = "",
        format: str = "",
        encoding: str = "utf-8",
        strict: bool = False,
    ) -> CalibrateReport:
        """Make a site profile: give the promise to the writers of texts that you know to be human.

        Args:
            dataset: texts known to be human, such as an archive from before 2022, in any format of predict.
            profile: name for the profile, to be given to predict, evaluate and explain.
            text_column: column of the texts, if its name does not tell.
            format: csv, tsv, jsonl, parquet or txt, if the file name does not tell.
            encoding: encoding of text files.
            strict: refuse the first bad row instead of leaving it out.
        """
        site_profiles.check_name(profile)
        predictor = self._load()
        general = predictor.profile()
        scores, words, n_rows, n_copies = [], [], 0, 0
        copies = Copies()
        batches = read_batches(
            dataset,
            columns=Columns(text=text_column),
            format=format,
            encoding=encoding,
            strict=strict,
        )
        for batch in batches:
            found = predictor.predict(batch.texts, general)
            long_enough = found.words >= MIN_WORDS  # shorter ones get no verdict
            is_copy = long_enough & copies.find(batch.texts)
            scores.append(found.scores[long_enough & ~is_copy, 0])
            words.append(found.words[long_enough & ~is_copy])
            n_rows += len(batch.ids)
            n_copies += int(is_copy.sum())
        all_scores, all_words = np.concatenate(scores), np.concatenate(words)
        site = site_profiles.make(
            profile,
            all_scores,
            all_words,
            model=predictor.weights_sha256,
            dataset=Path(dataset).name,
            created=time.strftime("%Y-%m-%d"),
        )
        file = site_profiles.save(self._published, site)
        logger.info("profile %s made from %d texts", profile, len(all_scores))
        if n_copies:
            logger.warning("%s: %d copies of texts left out", dataset, n_copies)
        flagged = float(is_within(general.p_values(all_scores, all_words), DEFAULT_RATE).mean())
        if flagged > _SUSPICIOUS:
            logger.warning(
                "%.0f %% of these texts would be called llm by the general profile: make sure that all are human, "
                "since LLM texts among them weaken the profile",
                100 * flagged,
            )
        return CalibrateReport(
            profile,
            str(file),
            len(all_scores),
            n_rows - len(all_scores),
            n_copies,
            site.profile().floor,
            flagged,
        )

    def drift(
        self,
        *,
        dataset: str,
        reference: str = "",
        prior: float = 0.0,
        html: str = "",
        text_column: str = "",
        format: str = "",
        encoding: str = "utf-8",
        n_jobs: int = 0,
    ) -> DriftReport:
        """Tell whether texts are still like the human texts that the model in ./data/model/ was trained on.

        Args:
            dataset: texts that came in, in any format of predict; labels are not needed.
            reference: texts to compare with instead of those of training, such as those of a good month.
            prior: share of LLM texts that you expect, where the texts of training are the reference.
            html: file to write the report to as one HTML page, with plots.
            text_column: column of the texts, if its name does not tell.
            format: csv, tsv, jsonl, parquet or txt, if the file name does not tell.
            encoding: encoding of text files.
            n_jobs: threads; 0 for all cores.
        """
        n_jobs = _cores(n_jobs)
        predictor = self._load()
        known = Reference.of_model(predictor.manifest)

        def counted(path: str) -> Counts:
            return count_dataset(
                predictor,
                known,
                path,
                columns=Columns(text=text_column),
                format=format,
                encoding=encoding,
                n_jobs=n_jobs,
            )

        if reference:
            known = known.with_texts(counted(reference), f"texts of {Path(reference).name}")
        compare(known, Counts.none(known), prior=prior)  # refuses a prior that is none
        report = compare(known, counted(dataset), prior=prior)
        logger.info("%s", report.summary)
        if html:
            name, date = Path(dataset).name, time.strftime("%Y-%m-%d")
            drift_html.write(Path(html), report, model=self._model_name, dataset=name, date=date)
        return replace(report, page=html)

    def info(self) -> ModelInfo:
        """Show what the model in ./data/model/ is: its data, settings, figures and profiles."""
        predictor = self._load()
        return ModelInfo(
            self._model_name,
            predictor.manifest,
            site_profiles.states(self._published, model=predictor.weights_sha256),
        )

    def serve(self, *, host: str = "127.0.0.1", port: int = 8000, workers: int = 1) -> None:
        """Serve predictions, explanations and a page over HTTP until stopped; takes the extra ai_detect[serve].

        Args:
            host: address to listen on; 0.0.0.0 for all of this machine.
            port: port to listen on; 0 for any that is free.
            workers: processes that answer.
        """
        if workers < 1:
            raise UsageError(f"--workers={workers} is too few: give a number from 1 up.")
        try:
            from ai_detect.server.launch import serve
            from ai_detect.server.settings import Settings
        except ModuleNotFoundError as error:
            raise MissingExtraError(error.name or "uvicorn", "serve") from error
        serve(Settings.from_environment(self._data_dir), host=host, port=port, workers=workers)

    def warmup(self) -> WarmupReport:
        """Compile the kernels now, so that no later command or service has to: after installing, or in an image."""
        from ai_detect.warmup import warm_up

        return warm_up()

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

    def _profile(
        self, predictor: Predictor, name: str
    ) -> tuple[Profile | None, SiteProfile | None]:
        """Find a profile by name, one of the model or one of this site; other tasks than detection have none."""
        if not predictor.detection and name == GENERAL:
            return None, None
        if not predictor.detection or name in (*predictor.profiles, *site_profiles.BUILT_IN):
            return predictor.profile(name), None
        site = site_profiles.load(self._published, name, model=predictor.weights_sha256)
        return site.profile(), site

    def _load(self) -> Predictor:
        predictor = Predictor.from_files(artifacts.load(self._in_use))
        logger.info("%s, made on %s", self._model_name, predictor.manifest.get("created"))
        return predictor

    @property
    def _in_use(self) -> Path:
        """The published model or, before any training, the one that comes with the package."""
        return artifacts.SHIPPED if artifacts.is_vacant(self._published) else self._published

    @property
    def _model_name(self) -> str:
        if self._in_use == artifacts.SHIPPED:
            return "the model that comes with ai_detect"
        return f"the model in {self._published}"


def _cores(n_jobs: int) -> int:
    if n_jobs < 0:
        raise UsageError(
            f"--n_jobs={n_jobs} is negative: give a number of threads, or 0 for all cores."
        )
    return n_jobs or available_cores()


def _rate(profile: Profile | None, fpr: float | None) -> float:
    """Return the rate to promise; one that was asked for has to be one that the profile can promise."""
    if fpr is None:
        return DEFAULT_RATE
    if profile:
        profile.check_rate(fpr)
    return fpr


def _text_report(
    predictor: Predictor, text: str, profile: Profile | None, fpr: float, prior: float
) -> TextReport:
    predictions = predictor.predict(PackedTexts.pack([text]), profile)
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
        float(shifted(predictions.probability[:, 1], prior)[0]),
        int(predictions.words[0]),
        verdict,
        float(predictions.p_value[0]),
        reason,
        int(predictions.obfuscation[0]),
    )
