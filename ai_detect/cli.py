r"""The command line: Fire behind its guard, results to stdout, one line for what went wrong.

    argv -> guard.read_call -> fire.Fire(component) -> result -> stdout
                                     \-> error -> one line on stderr, everything in the log

Exit codes: 0 done; 1 data, model or environment; 2 usage; 130 interrupted; 141 the reader of
stdout went away.
"""

import contextlib
import io
import json
import logging
import os
import re
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Never

import fire

from ai_detect import __version__, guard, log
from ai_detect.errors import AiDetectError

_NAME = "ai_detect"
_INTERRUPTED = 130
_BROKEN_PIPE = 141
_OWN_FLAGS = """\
    --json
        Print the result as JSON, for a program to read.
    --quiet
        Show warnings and errors only on stderr.
    --verbose
        Log details too.
    --help, --version
        Explain a command, or show the version, and do nothing else.
"""

logger = logging.getLogger(__name__)


def entry_point() -> Never:
    """Run the command line of this process and end it with the exit code."""
    raise SystemExit(main())


def main(argv: Sequence[str] | None = None, *, component: type | None = None) -> int:
    """Run one command and return the exit code.

    Args:
        argv: The words after the program's name; by default those of this process.
        component: The class whose public methods are the commands; by default
            `My_TextClassifier_Model`.
    """
    argv = sys.argv[1:] if argv is None else argv
    log_file = Path(guard.find_value(argv, "data_dir") or "data") / "log_file.log"
    log.configure(log_file)
    try:
        code = _run(argv, component or _default_component(), log_file)
        sys.stdout.flush()  # here, where a full disk or a reader that went away is still met
        return code
    except BrokenPipeError:
        logger.info("The reader of stdout went away.")
        _settle_stdout()
        return _BROKEN_PIPE
    except (KeyboardInterrupt, Exception) as error:  # the last place before the user
        message, code = _explain(error, log_file)
        print(f"{_NAME}: error: {message}", file=sys.stderr)
        logger.error("%s", message, exc_info=True)
        _settle_stdout()
        return code


def _explain(error: BaseException, log_file: Path) -> tuple[str, int]:
    """Return one line about an error, and the exit code."""
    match error:
        case AiDetectError():
            return " ".join(str(error).split()), error.exit_code
        case KeyboardInterrupt():
            return "Interrupted.", _INTERRUPTED
        case MemoryError():
            reason = "There is not enough memory for this."
        case OSError(strerror=str(words)):
            reason = f"{words}: {error.filename}." if error.filename else f"{words}."
        case _:
            reason = f"This is a bug in {_NAME} ({type(error).__name__})."
    return f"{reason} The details are in {log_file}.", 1


def _default_component() -> type:
    from ai_detect.model import My_TextClassifier_Model

    return My_TextClassifier_Model


def _run(argv: Sequence[str], component: type, log_file: Path) -> int:
    # A file name may hold what the terminal cannot show.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    call = guard.read_call(argv, component)
    if call.help:
        print(_help_text(call.command, component))
        return 0
    log.configure(log_file, quiet="quiet" in call.flags, verbose="verbose" in call.flags)
    _log_start(call)
    return _dispatch(call, component)


def _dispatch(call: guard.Call, component: type) -> int:
    printable = partial(_printable, as_json="json" in call.flags)
    try:
        fire.Fire(component, command=call.tokens(), name=_NAME, serialize=printable)
    except fire.core.FireExit as exit_:
        return int(exit_.code or 0)
    return 0


def _printable(result: Any, *, as_json: bool) -> Any:
    """Return what Fire prints: text, lines one by one as they come, or None for nothing."""
    if result is None:
        return None
    if isinstance(result, Iterator):
        return _flushed(result)
    if as_json:
        to_dict = getattr(result, "to_dict", None)
        value = to_dict() if to_dict else result
        return json.dumps(value, ensure_ascii=False, indent=2, default=str)
    return str(result)


def _flushed(lines: Iterator[Any]) -> Iterator[str]:
    for line in lines:
        yield str(line)
        sys.stdout.flush()


def _log_start(call: guard.Call) -> None:
    """Log what was asked for, but no text of a user."""
    given = {**call.settings, **call.options, **dict.fromkeys(call.flags, True)}
    shown = [f"--{name}" if name == "text" else f"--{name}={given[name]!r}" for name in given]
    logger.info("%s %s: %s %s", _NAME, __version__, call.command, " ".join(shown))


def _help_text(command: str, component: type) -> str:
    """Return the help of a command, or of the whole."""
    if command:
        text = _fire_help(component, ["-", command])
        return f"{text}\nSee {_NAME} --help for the options that all commands have.\n"
    shared = _fire_help(component, []).partition("\nFLAGS\n")[2]
    return f"{_fire_help(component(), [])}\nFLAGS OF ALL COMMANDS\n{shared}{_OWN_FLAGS}"


def _fire_help(component: Any, path: list[str]) -> str:
    """Return Fire's help as text, without the one-letter options that the guard does not take."""
    page = io.StringIO()
    with (
        contextlib.redirect_stdout(page),
        contextlib.redirect_stderr(page),
        contextlib.suppress(fire.core.FireExit),
    ):
        fire.Fire(component, command=[*path, "--", "--help"], name=_NAME)
    return re.sub(r"^( +)-\w, --", r"\1--", page.getvalue(), flags=re.MULTILINE).rstrip() + "\n"


def _settle_stdout() -> None:
    """Flush stdout or let it go: what cannot be written must not fail once more at exit."""
    try:
        sys.stdout.flush()
    except OSError:
        with contextlib.suppress(OSError, ValueError):  # a stdout that is no file of the system
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
