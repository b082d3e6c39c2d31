"""What the rest of the package says of options of the command, said of fields of a request."""

import re

FIELDS = ("profile", "fpr", "prior", "text_column", "id_column", "encoding")

_OPTION = re.compile(rf"`[^`]*`|--(?P<name>{'|'.join(FIELDS)})\b(?P<value>=?)")


def of_service(message: str) -> str:
    """Return a message with --fpr=0.5 as fpr=0.5 and --fpr as the field fpr; commands in backticks stay commands."""
    return _OPTION.sub(_field, message)


def _field(found: re.Match[str]) -> str:
    if not found["name"]:
        return found[0]
    return f"{found['name']}=" if found["value"] else f"the field {found['name']}"
