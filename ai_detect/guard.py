"""What was typed, checked against signatures before any work starts.

Fire finds a misspelt option after it has run the command, and guesses types from how a value
looks: `--dataset=1e5`, `--text=True` or `--text="1, 2"` would not stay text. So every word of the
command line is read here first, by the names and annotations of the component's methods, and
handed on to Fire as exact Python literals:

    argv -> read_call -> Call -> Call.tokens -> fire.Fire

A command is followed or preceded by `--name=value` or `--name value`; a bool needs no value.
Options belong to the command's method, settings to the constructor of the component, flags to the
command line itself.
"""

import difflib
import inspect
import math
import re
import types
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Union, get_args, get_origin

from ai_detect.errors import UsageError

_BOOLS = {"true": True, "false": False}
_HELP = ("--help", "-h")


@dataclass(frozen=True)
class Option:
    """One option, as a signature declares it: its name, its type and whether it must be given."""

    name: str
    kind: Any
    required: bool = False

    @property
    def is_flag(self) -> bool:
        """Whether the name alone means true."""
        return _without_none(self.kind) is bool

    def convert(self, text: str) -> Any:
        """Return the text as a value of the option's type.

        Raises:
            UsageError: The text does not say such a value.
        """
        try:
            return _convert(text, self.kind)
        except ValueError:
            raise UsageError(
                f"--{self.name} takes {_describe(self.kind)}, and got {text!r}."
            ) from None


_FLAGS = {name: Option(name, bool) for name in ("json", "quiet", "verbose")}


@dataclass(frozen=True)
class Call:
    """A checked command line: one command and typed values, or a wish for help."""

    command: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    flags: frozenset[str] = frozenset()
    help: bool = False

    def tokens(self) -> list[str]:
        """Return the same call for Fire: literals, which it reads back exactly.

        The lone hyphen is Fire's separator: what stands before it goes to the constructor only.
        """
        return [*_literals(self.settings), "-", self.command, *_literals(self.options)]


def commands_of(component: type) -> dict[str, Callable[..., Any]]:
    """Return the public methods of a class by name: the commands."""
    methods = inspect.getmembers(component, inspect.isroutine)
    return {name: method for name, method in methods if not name.startswith("_")}


def options_of(function: Callable[..., Any]) -> dict[str, Option]:
    """Return the options that a function or a constructor declares, by name."""
    return {
        parameter.name: Option(
            parameter.name, parameter.annotation, parameter.default is parameter.empty
        )
        for parameter in inspect.signature(function).parameters.values()
        if parameter.name != "self" and not parameter.name.startswith("_")
    }


def read_call(argv: Sequence[str], component: type) -> Call:
    """Read a command line for a class whose public methods are the commands.

    Args:
        argv: The words after the program's name.
        component: The class; its constructor's parameters are options of every command.

    Raises:
        UsageError: A word, a name or a value is not one that the signatures allow.
    """
    commands = commands_of(component)
    settings = options_of(component)
    command = _find_command(argv, commands, settings)
    if not argv or any(token in _HELP for token in argv):
        return Call(command, help=True)
    if "--version" in argv and "version" in commands:
        return Call("version")
    if not command:
        raise UsageError(f"No command is given: {_listed(commands)}.")
    own = options_of(commands[command])
    values = _read_values(argv, command, {**_FLAGS, **settings, **own})
    missing = [option.name for option in own.values() if option.required]
    for name in missing:
        if name not in values:
            raise UsageError(f"{command} needs --{name}: add --{name}=... to the command.")
    return Call(
        command,
        settings={name: values[name] for name in values if name in settings and name not in own},
        options={name: values[name] for name in values if name in own},
        flags=frozenset(name for name in _FLAGS if name not in own and values.get(name)),
    )


def find_value(argv: Sequence[str], name: str) -> str | None:
    """Return what an option was given, whether or not the rest of the command line makes sense."""
    for typed, value in _scan(argv, {name: Option(name, str)}):
        if typed == name and value is not None:
            return value
    return None


def _find_command(
    argv: Sequence[str], commands: Mapping[str, Callable[..., Any]], settings: Mapping[str, Option]
) -> str:
    """Return the first word that is neither an option nor its value; "" if there is none."""
    every = {**_FLAGS, **settings}
    for method in commands.values():
        every.update(options_of(method))
    for typed, word in _scan(argv, every):
        if typed is None and word is not None:
            command = word.replace("-", "_")
            if command not in commands:
                raise UsageError(f"Unknown command {_shown(word)}. {_nearest(command, commands)}")
            return command
    return ""


def _read_values(
    argv: Sequence[str], command: str, allowed: Mapping[str, Option]
) -> dict[str, Any]:
    """Return the value of each option given, by name, having refused everything else."""
    values: dict[str, Any] = {}
    command_seen = False
    for typed, text in _scan(argv, allowed):
        if typed is None:
            if command_seen:
                raise UsageError(_about_bare_word(text or "", values))
            command_seen = True
            continue
        option, value = _read_option(typed, text, command, allowed)
        if option.name in values:
            raise UsageError(f"--{option.name} is given twice: keep one of them.")
        values[option.name] = value
    return values


def _read_option(
    typed: str, text: str | None, command: str, allowed: Mapping[str, Option]
) -> tuple[Option, Any]:
    option = allowed.get(typed)
    negated = None if option else _negated(typed, allowed)
    if negated and text is None:
        return negated, False
    if negated:
        raise UsageError(f"--{typed} takes no value: write --{negated.name}=false.")
    if option is None:
        known = {f"--{name}": name for name in allowed}
        shown = typed if typed.startswith("-") else f"--{typed}"
        raise UsageError(f"{command} has no option {_shown(shown)}. {_nearest(shown, known)}")
    if text is not None:
        return option, option.convert(text)
    if option.is_flag:
        return option, True
    raise UsageError(
        f"--{option.name} has no value: write --{option.name}=VALUE, with the equals sign where "
        "the value begins with a hyphen."
    )


def _scan(
    argv: Sequence[str], options: Mapping[str, Option]
) -> Iterator[tuple[str | None, str | None]]:
    """Yield (name, value or None) for each option typed and (None, word) for each other word.

    Hyphens within a name count as underscores. A name with a single hyphen keeps it: none is known.
    """
    tokens = list(argv)
    while tokens:
        token = tokens.pop(0)
        if not _is_option(token):
            yield None, token
            continue
        name, equals, value = token.partition("=")
        name = name.removeprefix("--").replace("-", "_") if re.match("--.", name) else name
        option = options.get(name)
        if equals:
            yield name, value
        elif option and not option.is_flag and tokens and not _is_option(tokens[0]):
            yield name, tokens.pop(0)
        else:
            yield name, None


def _is_option(token: str) -> bool:
    return token.startswith("-") and token != "-"


def _negated(typed: str, allowed: Mapping[str, Option]) -> Option | None:
    """Return the bool option that `nostrict` or `no_strict` switches off."""
    option = allowed.get(typed.removeprefix("no").removeprefix("_"))
    return option if option and option.is_flag and typed.startswith("no") else None


def _without_none(kind: Any) -> Any:
    """Return X for `X | None`, and any other type as it is."""
    if get_origin(kind) not in (Union, types.UnionType):
        return kind
    kinds = [member for member in get_args(kind) if member is not types.NoneType]
    return kinds[0] if len(kinds) == 1 else kind


def _convert(text: str, kind: Any) -> Any:
    kind = _without_none(kind)
    if kind is str:
        return text
    if kind is int:
        return int(text)
    if kind is float:
        return _finite(float(text))
    if kind is bool:
        if text.lower() not in _BOOLS:
            raise ValueError
        return _BOOLS[text.lower()]
    if get_origin(kind) is tuple:
        parts = text.split(",")
        return tuple(_convert(*pair) for pair in zip(parts, get_args(kind), strict=True))
    raise TypeError(f"The guard knows no way to read a value of type {kind!r}.")


def _finite(number: float) -> float:
    if not math.isfinite(number):
        raise ValueError
    return number


def _describe(kind: Any) -> str:
    kind = _without_none(kind)
    if get_origin(kind) is tuple:
        members = get_args(kind)
        example = ",".join(str(number) for number in range(1, len(members) + 1))
        return f"{len(members)} numbers with a comma between them, such as {example}"
    return {int: "a whole number", float: "a finite number", bool: "true or false"}[kind]


def _literals(values: Mapping[str, Any]) -> list[str]:
    return [f"--{name}={value!r}" for name, value in values.items()]


def _about_bare_word(word: str, given: Mapping[str, Any]) -> str:
    """Say what to do with a word that belongs to no option, without quoting a user's text."""
    if "text" in given:
        return "The text is more than one word: put it in quotes, --text='...'."
    return f"{_shown(word)} belongs to no option: options are written --name=value."


def _shown(word: str) -> str:
    """Return a word for a message; what looks like running text is not repeated."""
    return repr(word) if re.fullmatch(r"\S{1,60}", word) else "(a longer text)"


def _nearest(word: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1)
    return f"Did you mean {close[0]}?" if close else f"Known are: {_listed(known)}."


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
