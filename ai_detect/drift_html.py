"""A drift report as one HTML file: what moved in words, and for each feature its bins beside those of the reference.

The file needs nothing but itself, like the report on a text; nothing in it comes from a text.
"""

import html
from pathlib import Path

from ai_detect import html_page
from ai_detect.drift_report import NONE, DriftReport, FeatureDrift

_WIDTH, _HEIGHT, _FOOT = 600, 120, 16


def render(report: DriftReport, *, model: str, dataset: str, date: str = "") -> str:
    """Return the report as an HTML document.

    Args:
        report: what was found.
        model: what to call the model.
        dataset: what to call the texts.
        date: when the report was made, as it is to be printed.
    """
    about = ", ".join(filter(None, (dataset, date, f"{report.n} texts", model)))
    moved = [feature for feature in report.features if feature.level != NONE]
    found = "".join(f"<li>{html.escape(f'{f.direction}: {f.evidence}')}</li>" for f in moved)
    body = f"""<header class="card"><p class="quiet">Drift: {html.escape(about)}</p>
<h1>{html.escape(report.summary)}</h1><ul>{found}</ul></header>
<section><h2>Features</h2>
<ul class="legend"><li><svg class="swatch"><rect class="track" width="100%" height="100%"/></svg>reference: the
{report.n_reference} {html.escape(report.reference)}</li>
<li><svg class="swatch"><rect class="against" width="100%" height="100%"/></svg>these texts</li></ul>
{"".join(_feature(feature) for feature in report.features)}</section>
<section class="card"><h2>How to read this</h2>
<p>The bars are shares of texts by bin. A level takes two things: a p-value, corrected for all tests made, of at most
0.01, and a population stability index of at least 0.1 (moderate) or 0.25 (major), without what chance adds to it.</p>
<p>Drift does not say that the model is wrong. It says that its figures, measured on texts like the reference, are no
longer evidence for texts like these: measure them with <code>evaluate</code> on labelled ones, make a profile of your
own writers with <code>calibrate</code>, or train again.</p></section>"""
    return html_page.document("Drift", body)


def write(file: Path, report: DriftReport, *, model: str, dataset: str, date: str = "") -> None:
    """Write the report to a file, folders made where missing; see `render`."""
    html_page.write(file, render(report, model=model, dataset=dataset, date=date))


def _feature(feature: FeatureDrift) -> str:
    said = f"{feature.level}, PSI {feature.psi:.3f}, p-value {feature.p_value:.2g}"
    return (
        f"<h2>{html.escape(feature.words.title)}: {html.escape(said)}</h2>"
        f"<p>{html.escape(feature.evidence)}.</p>{_bars(feature)}"
    )


def _bars(feature: FeatureDrift) -> str:
    """Return a picture of two bars a bin, bins of equal width, with the edges between them below."""
    tallest = max(*feature.reference, *feature.observed, 1e-9)
    step = _WIDTH / len(feature.reference)
    parts = []
    for i, shares in enumerate(zip(feature.reference, feature.observed, strict=True)):
        for side, (kind, share) in enumerate(zip(("track", "against"), shares, strict=True)):
            x, height = (i + 0.1 + 0.4 * side) * step, _HEIGHT * share / tallest
            parts.append(
                f'<rect class="{kind}" x="{x:.1f}" y="{_HEIGHT - height:.1f}" width="{0.4 * step:.1f}" '
                f'height="{height:.1f}"><title>{100 * share:.1f} %</title></rect>'
            )
    for i, edge in enumerate(feature.edges, 1):
        parts.append(
            f'<text x="{i * step:.1f}" y="{_HEIGHT + _FOOT - 3}" font-size="11" text-anchor="middle" '
            f'fill="currentColor">{feature.words.tick.format(edge)}</text>'
        )
    return (
        f'<svg role="img" aria-label="{html.escape(feature.evidence)}" viewBox="0 0 {_WIDTH} {_HEIGHT + _FOOT}">'
        f"{''.join(parts)}</svg>"
    )
