"""The text classifier as a script: `python model.py train --dataset=PATH`, `python model.py --help`."""

from ai_detect import My_TextClassifier_Model
from ai_detect.cli import entry_point

__all__ = ["My_TextClassifier_Model"]

if __name__ == "__main__":
    entry_point()
