"""An explanation as one HTML file, to read on a screen, on a phone or on paper, and to hand to the writer.

Whatever comes from outside, the text above all, passes through `_Html`.
"""

import hashlib
import html
from collections.abc import Iterable
from pathlib import Path, PurePath
from typing import Any

from ai_detect import html_page
from ai_detect.explanation import Explanation, Ngram, Window
from ai_detect.text import Undone
from ai_detect.visible import Visible, undone

_CAUTION = """\
<section class="card caution"><h2>How to use this report</h2>
<p>It is evidence to weigh, never proof. A program cannot know who wrote a text: it compares wording with texts it has
seen. Some people write in ways that look like a model's, above all those who write carefully and formally or in a
second language, and a model's text can be made to look like a person's.</p>
<p>Base no decision on it alone. Talk with the writer first: ask how the text came about, look at notes, drafts and
earlier versions, compare it with other work by the same person, and listen. Give the writer this report.</p>
</section>"""


class _Html(Visible):
    """A table for `str.translate` that makes any text HTML, what is hidden or disguised in it marked."""

    def spelt(self, name: str) -> str:
        return f'<span class="odd">{name}</span>'

    def plain(self, char: str) -> str:
        shown = html.escape(char)
        if undone(char) == Undone.LOOKALIKE:
            return f'<span class="odd" title="U+{ord(char):04X}">{shown}</span>'
        return shown


def render(
    explanation: Explanation, manifest: dict[str, Any], *, name: str = "", date: str = ""
) -> str:
    """Return the report on one text as an HTML document.

    Args:
        explanation: what was found.
        manifest: what the model says of itself, as in its folder.
        name: what to call the text, such as its id.
        date: when the report was made, as it is to be printed.
    """
    table = _Html()
    sections = [
        _verdict(explanation, table, name, date),
        _CAUTION if explanation.verdict else "",
        _text(explanation, table),
        _ngrams(explanation, table),
        _windows(explanation, table),
        _normalised(explanation),
        _model(manifest, table),
    ]
    return html_page.document("Report on a text", "".join(sections))


def write(
    file: Path,
    explanation: Explanation,
    manifest: dict[str, Any],
    *,
    name: str = "",
    date: str = "",
) -> None:
    """Write the report on one text to a file, folders made where missing; see `render`."""
    html_page.write(file, render(explanation, manifest, name=name, date=date))


def _verdict(explanation: Explanation, table: _Html, name: str, date: str) -> str:
    sha256 = hashlib.sha256(explanation.text.encode()).hexdigest()
    about = [name, date, f"{explanation.words} words", f"SHA-256 of the text {sha256[:16]}"]
    target = explanation.target.translate(table)
    threshold, note = explanation.threshold, ""
    if threshold is not None:
        note = f" The dashed line, at {_percent(threshold)}, is where the verdict {target} begins."
    parts = [
        f'<p class="quiet">Report on a text: {", ".join(filter(None, about)).translate(table)}</p>',
        f"<h1>{explanation.headline.translate(table)}</h1>",
        _bar(explanation.probability, threshold),
        f"<p>Probability of {target}: <b>{_percent(explanation.probability)}</b>"
        f"{', if nothing else is known and both are equally likely' if explanation.verdict else ''}.{note}</p>",
        f"<p>{explanation.rarity}</p>" if explanation.rarity else "",
        f"<p>{explanation.promise}</p>" if explanation.promise else "",
    ]
    return f'<header class="card">{"".join(parts)}</header>'


def _bar(probability: float, threshold: float | None) -> str:
    side = "against" if probability < 0.5 else "for"
    line = ""
    if threshold is not None:
        x = f"{100 * threshold:.2f}%"
        ends = f'x1="{x}" x2="{x}" y1="-25%" y2="125%"'
        line = f'<line class="halo" {ends}/><line class="threshold" {ends}/>'
    return (
        f'<svg class="bar" role="img" aria-label="{_percent(probability)}">'
        '<rect class="track" width="100%" height="100%" rx="3"/>'
        f'<rect class="{side}" width="{100 * probability:.2f}%" height="100%" rx="3"/>{line}</svg>'
    )


def _text(explanation: Explanation, table: _Html) -> str:
    target, rival = explanation.target.translate(table), explanation.rival.translate(table)
    out, at = [], 0
    for number, (sentence, level) in enumerate(
        zip(explanation.sentences, explanation.levels(), strict=True)
    ):
        out.append(explanation.text[at : sentence.start].translate(table))
        words = explanation.text[sentence.start : sentence.end].translate(table)
        mark = f"{'for' if level > 0 else 'against'}{abs(level)}" if level else "none"
        weight = f"<sup>{_signed(sentence.contribution, 1)}</sup>" if abs(level) == 2 else ""
        tip = f"{_signed(sentence.contribution, 2)}, {_percent(sentence.share)} of the evidence"
        out.append(f'<span class="{mark}" id="s{number}" title="{tip}">{words}</span>{weight}')
        at = sentence.end
    out.append(explanation.text[at:].translate(table))
    return f"""<section><h2>The text, sentence by sentence</h2>
<ul class="legend">
<li><span class="for2">speaks strongly for {target}</span></li>
<li><span class="for1">speaks for {target}</span></li>
<li>says little</li>
<li><span class="against1">speaks for {rival}</span></li>
<li><span class="against2">speaks strongly for {rival}</span></li>
</ul>
<p class="quiet">Solid lines: {target}; dotted lines: {rival}; small figures: log-odds, of which +0.7 doubles the odds
of {target} and {_signed(-0.7, 1)} halves them. They add up: {_signed(explanation.intercept, 2)} before the first
word and {_signed(explanation.score - explanation.intercept, 2)} from the words make
{_signed(explanation.score, 2)}.</p>
<div class="text" dir="auto">{"".join(out)}</div></section>"""


def _ngrams(explanation: Explanation, table: _Html) -> str:
    tables = [
        _table((f"Speaks for {side}".translate(table), "times", "log-odds"), rows)
        for side, rows in (
            (explanation.target, _ngram_rows(explanation.ngrams_for, table)),
            (explanation.rival, _ngram_rows(explanation.ngrams_against, table)),
        )
        if rows
    ]
    if not tables:
        return ""
    return f'<section><h2>Wording that weighs most</h2><div class="columns">{"".join(tables)}</div></section>'


def _ngram_rows(ngrams: Iterable[Ngram], table: _Html) -> list[tuple[str, ...]]:
    return [
        (f"<bdi>{n.text.translate(table)}</bdi>", str(n.count), _signed(n.contribution, 2))
        for n in ngrams
    ]


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """Return a table whose cells are HTML already; all columns but the first hold numbers."""
    lines = []
    for tag, (first, *numbers) in (("th", head), *(("td", row) for row in rows)):
        cells = [f'<{tag} class="number">{number}</{tag}>' for number in numbers]
        lines.append(f"<tr><{tag}>{first}</{tag}>{''.join(cells)}</tr>")
    return f"<table>{''.join(lines)}</table>"


def _windows(explanation: Explanation, table: _Html) -> str:
    if not explanation.windows:
        return ""
    detection = explanation.p_value is not None
    rows = [_window_row(explanation, window, table) for window in explanation.windows]
    head = ("Stretch", "probability", "p-value") if detection else ("Stretch", "probability")
    return f"""<section><h2>Stretches of the text by themselves</h2>
<p class="quiet">Each is scored as if it were all there is, so that a text of two hands shows where. The promise above
holds for whole texts: among many stretches some stand out by chance.</p>{_table(head, rows)}</section>"""


def _window_row(explanation: Explanation, window: Window, table: _Html) -> tuple[str, ...]:
    words = explanation.text[window.start : window.end].split()
    opening = " ".join(words[:6])[:60].translate(table)
    cells = (
        f"<bdi>{opening}</bdi> \u2026{_bar(window.probability, None)}",
        _percent(window.probability),
    )
    if window.p_value is None:
        return cells
    return (*cells, f"{window.p_value:.3f}" if window.p_value >= 0.001 else "under 0.001")


def _normalised(explanation: Explanation) -> str:
    if not explanation.normalised:
        return ""
    kinds = "".join(f"<li>{kind}</li>" for kind in explanation.normalised)
    return f"""<section><h2>What was normalised</h2>
<p>Before reading, the program undid changes that do not change what a reader sees, so they neither help nor harm a
text. Editors and keyboards make most of them; letters that only look like Latin ones and invisible characters are
rarely typed by accident, yet can come with copied text.</p><ul>{kinds}</ul></section>"""


def _model(manifest: dict[str, Any], table: _Html) -> str:
    data, figures = manifest["data"], manifest["metrics"]["out_of_fold"]
    classes = ", ".join(f"{count} {label}" for label, count in data["classes"].items())
    rows = {
        "Made": f"{manifest['created']} by ai_detect {manifest['package_version']}",
        "Kind": str(manifest["config"]["model"]),
        "Trained on": f"{data['texts']} texts of {PurePath(data['dataset']).name}: {classes}",
        "SHA-256 of the data": str(data["sha256"])[:16],
        **_figures(manifest, figures),
    }
    lines = "".join(
        f"<tr><th>{title}</th><td>{value.translate(table)}</td></tr>"
        for title, value in rows.items()
    )
    return f"""<section><h2>The model</h2><table>{lines}</table>
<p class="quiet">Figures were measured on texts that the measuring model had not been trained on. They hold for texts
like those, and for no others.</p></section>"""


def _figures(manifest: dict[str, Any], figures: dict[str, Any]) -> dict[str, str]:
    """Return the lines on quality: ROC AUC and rates of a detector, or accuracy."""
    if "roc_auc" not in figures:
        return {"Accuracy": f"{figures['accuracy']:.4f}, macro F1 {figures['macro_f1']:.4f}"}
    return {"ROC AUC": f"{figures['roc_auc']['value']:.4f}"} | {
        f"At a promised {100 * rate['promised_fpr']:g} %": f"{100 * rate['achieved_fpr']['value']:.2f} % of human "
        f"texts called llm, {100 * rate['tpr']:.1f} % of LLM texts caught"
        for rate in figures["rates"]
    }


def _percent(share: float) -> str:
    """Return a share as a percentage that never claims certainty."""
    if not 0.001 <= share <= 0.999:
        return "under 0.1 %" if share < 0.001 else "over 99.9 %"
    return f"{100 * share:.1f} %"


def _signed(number: float, digits: int) -> str:
    """Return a number with its sign, minus being a true minus."""
    return f"{number:+.{digits}f}".replace("-", "\u2212")
