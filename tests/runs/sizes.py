"""The smallest settings of a run that measures and of one that learns, on a text in a file."""

import random
import tempfile
from pathlib import Path

_folder = tempfile.TemporaryDirectory(prefix="kent-tests-")
TEXT = Path(_folder.name, "text.txt")
TEXT.write_text(
    " ".join(random.Random(0).choices(["a", "red", "house", "stands", "there"], k=9999))
)

SMALL = {"corpus": str(TEXT), "length": 16, "limit": 4}
LESSON = {
    **{"corpus": str(TEXT), "length": 500, "batch": 2, "steps": 10},
    **{"once": 10, "paraphrase": 1, "tasks": ""},
}
