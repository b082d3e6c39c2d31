"""The report: whole, self-contained, and a text in it stays a text."""

import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_detect import artifacts
from ai_detect.explain import explain, windows
from ai_detect.explanation import Explanation
from ai_detect.html_report import render, write
from ai_detect.predictor import Predictor
from ai_detect.visible import Visible

HOSTILE = (
    "<script>alert(1)</script><img src=x onerror='alert(2)'> </div></section></style></body> \" & &lt; --> ]]> "
    "\u202eevil\u202c \u2066x\u2069 z\u200bero \x1b[31m NUL\x00 B\u0435ll \u05e9\u05dc\u05d5\u05dd \u2028 "
    "https://example.com/ "
)
TAGS = set(
    "html head meta title style body header section h1 h2 p b small div span sup ul li table tr th td bdi svg"
    " rect line".split()
)
ATTRIBUTES = set(
    "lang charset http-equiv content name class id title dir role aria-label width height rx x1 x2 y1 y2".split()
)
VOID = {"meta", "rect", "line"}


class Page(HTMLParser):
    """What a browser would see: elements, attributes, and the text of the essay."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.open: list[str] = []
        self.essay = ""
        self.essay_depth = 0
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)
        if ("class", "text") in attrs:
            self.essay_depth = len(self.open)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag
        if len(self.open) < self.essay_depth:
            self.essay_depth = 0

    def handle_data(self, data: str) -> None:
        if self.essay_depth and self.open[-1] != "sup":
            self.essay += data


class Named(Visible):
    """What the essay reads like in the report, hidden characters by name."""

    def spelt(self, name: str) -> str:
        return name


@pytest.fixture(scope="module")
def predictor(trained: Path) -> Predictor:
    return Predictor.from_files(artifacts.load(trained / "data" / "model"))


def explained(predictor: Predictor, text: str) -> Explanation:
    found = explain(predictor, text, fpr=0.05)
    return replace(found, windows=windows(predictor, text, size_words=20, step_words=10))


def checked(source: str) -> Page:
    """Parse a report; nothing in it may run, or ask for anything outside."""
    page = Page(source)
    assert not page.open
    assert set(page.tags) <= TAGS
    assert {name for name, _ in page.attributes} <= ATTRIBUTES
    return page


def test_a_hostile_text_is_shown_and_does_nothing(predictor: Predictor) -> None:
    source = render(
        explained(predictor, HOSTILE * 3), predictor.manifest, name=HOSTILE, date="<b>today"
    )
    page = checked(source)
    assert page.essay == (HOSTILE * 3).translate(Named())
    assert "U+202Eevil" in page.essay
    for char in "\u202e\u2066\u200b\x1b\x00\u2028":
        assert char not in source
    assert "url(" not in source
    assert "@import" not in source


@given(text=st.text(max_size=200))
def test_any_text_is_shown_whole(predictor: Predictor, text: str) -> None:
    page = checked(render(explained(predictor, text), predictor.manifest))
    assert page.essay == text.encode("utf-8", "replace").decode().translate(Named())


def test_the_policy_allows_the_style_sheet_and_nothing_else(predictor: Predictor) -> None:
    source = render(explained(predictor, "Some text."), predictor.manifest)
    (style,) = re.findall(r"<style>(.*?)</style>", source, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    (policy,) = [v for name, v in Page(source).attributes if name == "content" and "default" in v]
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )


def test_it_says_verdict_promise_threshold_caution_and_model(predictor: Predictor) -> None:
    text = "Moreover, it is important to note that **education** plays a crucial role in society. "
    explanation = explained(predictor, text * 10)
    source = render(explanation, predictor.manifest, name="essay 7", date="2024-05-01")
    assert explanation.verdict == "llm"
    for expected in (
        "Reads like the work of a language model",
        "essay 7, 2024-05-01, 140 words",
        "at most 50 are expected to be called llm",
        explanation.rarity,
        "evidence to weigh, never proof",
        "Talk with the writer first",
        "markdown marks (40)",
        '<line class="threshold"',
        "speaks strongly for llm",
        "texts of train.csv: 200 human, 200 llm",
        "ROC AUC",
        "At a promised 5 %",
        "each population of human texts among the training texts",
        predictor.manifest["created"],
    ):
        assert expected in source
    assert source.count("<tr><td>") >= len(explanation.windows)
    assert render(explanation, predictor.manifest) == render(explanation, predictor.manifest)


@pytest.mark.parametrize(
    ("text", "headline"), [("", "No verdict: under 50 words"), ("I think so.", "No verdict")]
)
def test_short_texts_have_a_report_too(predictor: Predictor, text: str, headline: str) -> None:
    source = render(explained(predictor, text), predictor.manifest)
    assert headline in source
    checked(source)


def test_other_classes_have_no_verdict_and_their_names_are_escaped(predictor: Predictor) -> None:
    model = replace(predictor, classes=("<i>news", "spam & more"), detection=False)
    figures = {"out_of_fold": {"accuracy": 0.9, "macro_f1": 0.8}}
    manifest = {**predictor.manifest, "metrics": figures}
    source = render(explained(model, "Moreover, it is important."), manifest)
    checked(source)
    assert "Most probable class: " in source
    assert "&lt;i&gt;news" in source
    assert "spam &amp; more" in source
    assert "0.9000, macro F1 0.8000" in source
    assert "never proof" not in source


def test_a_report_is_written_as_utf8_where_it_is_wanted(
    predictor: Predictor, tmp_path: Path
) -> None:
    explanation = explained(predictor, "Na\u00efve \U0001f600 \ud800")
    file = tmp_path / "reports" / "1.html"
    write(file, explanation, predictor.manifest, name="a", date="b")
    expected = render(explanation, predictor.manifest, name="a", date="b")
    assert file.read_text("utf-8") == expected


@pytest.mark.parametrize("text", [HOSTILE * 5000, "a" * 1_000_000], ids=["hostile", "one word"])
@pytest.mark.slow
def test_a_text_of_a_megabyte(predictor: Predictor, text: str) -> None:
    found = replace(explain(predictor, text, fpr=0.05), windows=windows(predictor, text))
    source = render(found, predictor.manifest)
    assert len(source) < 8 * len(text)
