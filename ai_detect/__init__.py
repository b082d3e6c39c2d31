"""ai_detect: tell LLM-written essays from human ones, or any texts by any labels, on any CPU."""

from typing import Any

__version__ = "0.1.0"
__all__ = ["AiDetectError", "My_TextClassifier_Model", "__version__"]


def __getattr__(name: str) -> Any:
    """Import the two public classes when they are first asked for: `ai_detect --version` needs neither."""
    if name == "My_TextClassifier_Model":
        from ai_detect.model import My_TextClassifier_Model

        return My_TextClassifier_Model
    if name == "AiDetectError":
        from ai_detect.errors import AiDetectError

        return AiDetectError
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
