"""The accuracy benchmark: its cells and populations on a few made-up texts, and what it does without the peers."""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks import accuracy, peers
from benchmarks.peers import PEERS, Absent, Peer, Scored

COLUMNS = "part corpus domain attack generator generated score".split()
ROWS = [
    *[("test", "essays", "student_essay", "none", "human", 0, score) for score in (0, 1, 2, 3)],
    *[("test", "essays", "student_essay", "none", "gpt", 1, score) for score in (2.5, 4)],
    *[("test", "essays", "student_essay", "reworded", "gpt", 1, score) for score in (-1, -2)],
    *[("dev", "toefl", "esl_essay", "none", "human", 0, score) for score in (5, 6)],
    ("dev", "toefl", "esl_essay", "none", "gpt", 1, 7),
    ("test", "machines", "esl_essay", "none", "gpt", 1, 5.5),
]
WITHIN = Peer("words", "", "more than 3 words", lambda texts, _train: length(texts))
NOT_INSTALLED = {
    peer.name: f"not installed: pip install {peer.package}=={peers.pins()[peer.package]}"
    for peer in PEERS
    if peer.package
}


def length(texts: list[str]) -> tuple[list[float], list[bool]]:
    words = [len(text.split()) for text in texts]
    return words, [n > 3 for n in words]


def made_up() -> tuple[pd.DataFrame, dict[str, Scored]]:
    texts = pd.DataFrame(ROWS, columns=COLUMNS)
    ours = Scored(texts["score"].to_numpy(float), texts["score"].to_numpy() >= 3)
    left_out = texts.index.isin([1, 3, 5, 7, 9])
    half = Scored(np.where(left_out, np.nan, -ours.scores), ~ours.called)
    return texts, {"ai_detect": ours, "half": half}


def test_cells_set_each_kind_of_llm_text_against_its_humans() -> None:
    cells = accuracy.cells(*made_up())
    rows = [(c.corpus, c.kind, c.n_human, c.n_llm, c.figures["ai_detect"].roc_auc) for c in cells]
    assert rows == [
        ("toefl", "esl_essay, gpt", 2, 1, 1.0),
        ("essays", "student_essay, gpt", 4, 2, 7 / 8),
        ("essays", "student_essay, gpt, reworded", 4, 2, 0.0),
        ("machines", "esl_essay, gpt", 2, 1, 0.5),  # has no humans: against the ESL essays of all
    ]
    assert [c.figures["ai_detect"].tpr_at_1_fpr for c in cells] == [1, 0.5, 0, 0]
    assert [c.figures["ai_detect"].called_llm for c in cells] == [1, 0.5, 0, 1]


def test_a_detector_is_measured_on_the_texts_it_scored() -> None:
    texts, scored = made_up()
    plain = accuracy.cells(texts, scored)[1].figures["half"]
    assert plain.roc_auc == 0.0  # rows 0 and 2 against row 4, the other way round
    assert plain.called_llm == 1.0
    assert accuracy.populations(texts, scored)["half"].tolist() == [0.0, 1.0]


def test_cells_behind_another_detector_are_named() -> None:
    cells = accuracy.cells(*made_up())
    assert accuracy.behind(cells, ["half"]) == [
        "Cells where ai_detect is more than 0.01 under half: essays: student_essay, gpt, reworded (1.000).\n"
    ]
    assert accuracy.behind(cells[:1], ["half"])[0].endswith("under half: none.\n")


def test_populations_count_human_texts_and_those_called_llm() -> None:
    found = accuracy.populations(*made_up())
    columns = ["part", "corpus", "domain", "texts", "ai_detect"]
    assert found[columns].to_numpy().tolist() == [
        ["dev", "toefl", "esl_essay", 2, 1.0],
        ["test", "essays", "student_essay", 4, 0.25],
    ]


@pytest.mark.parametrize(("most", "expected"), [(0, 12), (1, 6), (2, 10), (99, 12)])
def test_a_sample_is_fixed_and_of_every_kind(most: int, expected: int) -> None:
    texts, _ = made_up()
    rows = accuracy.sampled(texts, most)
    assert len(rows) == expected
    assert rows.tolist() == sorted(set(accuracy.sampled(texts, most)))
    kinds = [*accuracy.KIND, "generated"]
    assert len(texts.loc[rows].drop_duplicates(kinds)) == len(texts.drop_duplicates(kinds))


def test_absent_peers_say_what_to_install(tmp_path: Path) -> None:
    assert peers.installed(tmp_path) == {}
    measured = [(peer, "", peers.absence(peer, {}, tmp_path)) for peer in PEERS if peer.package]
    assert {peer.name: found.reason for peer, _, found in measured if found} == NOT_INSTALLED
    lines = accuracy.peers_table(measured)
    assert lines[0] == "| peer | package | calls LLM | measured |"
    assert [line.split(" | ")[3] for line in lines[2:-1]] == [
        f"{reason} |" for reason in NOT_INSTALLED.values()
    ]
    assert all(peers.absence(peer, {}, tmp_path) is None for peer in PEERS if not peer.package)


@pytest.mark.parametrize(
    ("libc", "expected"),
    [
        (("glibc", "2.36"), True),
        (("glibc", "2.9"), True),
        (("glibc", "2.38"), False),
        (("glibc", "2.41"), False),
        (("", ""), False),
    ],
)
def test_the_shim_is_for_one_peer_with_an_old_c_library(
    libc: tuple[str, str], expected: bool
) -> None:
    needing = [peer.name for peer in PEERS if peers.needs_shim(peer, libc)]
    assert needing == ["is-it-slop"] * expected


def test_scores_are_kept_for_the_same_texts_and_version(tmp_path: Path) -> None:
    def scores(*texts: str, version: str = "1") -> Scored | Absent:
        return peers.measure(
            WITHIN, [*texts], tmp_path, environment=tmp_path, version=version, cache=tmp_path
        )

    found = scores("one two", "one two three four")
    assert isinstance(found, Scored)
    assert found.scores.tolist() == [2, 4]
    assert found.called.tolist() == [False, True]
    (kept,) = tmp_path.glob("*.npy")
    np.save(kept, [[7.0, 8.0], [1.0, 1.0]])
    again = scores("one two", "one two three four")
    assert isinstance(again, Scored)
    assert again.scores.tolist() == [7, 8]
    assert isinstance(scores("one two", version="2"), Scored)
    assert len(list(tmp_path.glob("*.npy"))) == 2


def test_scores_that_are_not_numbers_are_refused(tmp_path: Path) -> None:
    broken = Peer("broken", "", "", lambda texts, _train: ([np.nan] * len(texts), [0] * len(texts)))
    with pytest.raises(ValueError, match="broken gave scores"):
        peers.write_scores(broken, ["one"], tmp_path, tmp_path / "scores.npy")


def test_a_peer_that_fails_is_absent_and_others_go_on(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    unknown = Peer("nobody", "nobody", "", WITHIN.score)
    failed = peers.run_apart(unknown, ["one"], tmp_path, tmp_path / "scores.npy", tmp_path)
    assert failed == Absent("failed with exit status 1")
    assert "StopIteration" in capfd.readouterr().err
    assert "numpy" in peers.installed(tmp_path)


def test_a_report_without_peers_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts, scored = made_up()
    texts = texts.drop(columns="score").assign(text=[f"text {n}" for n in range(len(texts))])
    for (part, corpus), frame in texts.groupby(["part", "corpus"]):
        folder = tmp_path / "data" / str(part)
        folder.mkdir(parents=True, exist_ok=True)
        frame.drop(columns=["part", "corpus"]).to_parquet(folder / f"{corpus}.parquet")
    train = tmp_path / "data" / "train"
    train.mkdir()
    texts[:3].to_parquet(train / "some.parquet")
    monkeypatch.setattr(accuracy, "our_scores", lambda texts, _model, _profile: scored["ai_detect"])
    monkeypatch.setattr(accuracy, "PEERS", [peer for peer in PEERS if peer.package])
    found = accuracy.report(
        str(tmp_path / "data"), peers=True, environment=str(tmp_path), machine="a machine"
    )
    assert "a machine." in found.split("\n")[0]
    assert all(reason in found for reason in NOT_INSTALLED.values())
    assert "| part | LLM texts | ai_detect |" in found
    with pytest.raises(SystemExit, match="--data=FOLDER"):
        accuracy.report(str(tmp_path))


def test_training_texts_are_lines_of_json(tmp_path: Path) -> None:
    train = tmp_path / "train"
    train.mkdir()
    pd.DataFrame({"text": ["a\n1", "b"], "generated": [0, 1]}).to_parquet(train / "some.parquet")
    lines = tmp_path / "train.jsonl"
    accuracy.write_training_texts(tmp_path, lines)
    assert json.loads(lines.read_text("utf-8").split("\n")[0])["corpus"] == "some"
    assert [*peers.training_texts(lines)] == [("a\n1", 0), ("b", 1)]
