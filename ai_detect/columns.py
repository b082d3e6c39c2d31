"""The column rules: which columns of a table hold the texts, labels, ids and groups."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ai_detect.errors import DataError
from ai_detect.tables import Table, listed

TEXT_NAMES = ("text", "essay", "full_text", "content")
LABEL_NAMES = ("generated", "label", "is_ai", "is_llm", "ai", "target", "class")
ID_NAMES = ("id",)
GROUP_NAMES = ("prompt_id", "prompt_name", "source", "corpus")
POPULATION_NAMES = ("population", "domain")
BY_FILE = "file"  # asked for as the group where there is no such column: the file a row is from


@dataclass(frozen=True)
class Columns:
    """The columns to read; an empty name is found by the column rules."""

    text: str = ""
    label: str = ""
    id: str = ""
    group: str = ""
    population: str = ""


BY_RULE = Columns()


def choose_columns(name: str, table: Table, asked: Columns, *, labelled: bool) -> Columns:
    """Apply the column rules to one table; no label and no group column where none is needed."""
    by_file = asked.group == BY_FILE and not _first([BY_FILE], table.columns)
    asked = replace(asked, group="") if by_file else asked
    given = Columns(
        **{role: _given(name, table, role, column) for role, column in vars(asked).items()}
    )
    free = [column for column in table.columns if column not in vars(given).values()]
    text = given.text or _first(TEXT_NAMES, free)
    if not text:
        others = {*LABEL_NAMES, *ID_NAMES, *GROUP_NAMES}
        words = [c for c in table.wordy if c in free and c.strip().lower() not in others]
        if len(words) != 1:
            raise DataError(
                f"{name} has no column called {' or '.join(TEXT_NAMES)}; "
                f"its columns are {listed(table.columns)}. Name one with --text_column."
            )
        text = words[0]
    id_column = given.id or _first(ID_NAMES, free)
    if not labelled:
        return Columns(text=text, id=id_column)
    label = given.label or _first(LABEL_NAMES, free)
    if not label:
        raise DataError(
            f"{name} has no column of labels ({', '.join(LABEL_NAMES)}); "
            f"its columns are {listed(table.columns)}. Name one with --label_column."
        )
    group = "" if by_file else given.group or _first(GROUP_NAMES, free)
    population = given.population or _first(POPULATION_NAMES, free)
    return Columns(text, label, id_column, group, population)


def _given(name: str, table: Table, role: str, column: str) -> str:
    """Find a column that was asked for by name."""
    found = (column in table.columns and column) or _first([column.lower()], table.columns)
    if column and not found:
        raise DataError(
            f"{name} has no column {column!r}, asked for as the {role}; "
            f"its columns are {listed(table.columns)}."
        )
    return found if column else ""


def _first(names: Sequence[str], columns: Sequence[str]) -> str:
    """Return the column with the earliest of these names, in any case; "" if none has."""
    by_name = {column.strip().lower(): column for column in reversed(columns)}
    return next((by_name[name] for name in names if name in by_name), "")
