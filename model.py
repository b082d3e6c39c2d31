"""The text classifier as a script: `python model.py train --dataset=PATH`, `python model.py --help`."""

from ai_detect.cli import entry_point
from ai_detect.model import My_TextClassifier_Model

__all__ = ["My_TextClassifier_Model"]

if __name__ == "__main__":
    entry_point()
