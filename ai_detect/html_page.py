"""An HTML document that needs nothing but itself: no script, no request, one style sheet, a policy against all else."""

import base64
import hashlib
import html
from pathlib import Path


def document(title: str, body: str) -> str:
    """Return a document.

    Args:
        title: in plain words.
        body: HTML, in which whatever comes from outside is escaped already.
    """
    css = Path(__file__).with_name("report.css").read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>{html.escape(title)}</title>
<style>{css}</style>
</head>
<body>
{body}
</body>
</html>
"""


def write(file: Path, content: str) -> None:
    """Write a document to a file, folders made where missing."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content, encoding="utf-8")
