"""Execute the chapters in full, and write each with its outputs beside its script.

python notebooks/execute.py               # all chapters
python notebooks/execute.py 03 07         # those whose names begin so
"""

import os
import sys
import time
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).resolve().parent


def main(chosen: list[str]) -> None:
    """Execute the chapters whose names begin with one of `chosen`, or all of them."""
    os.environ.setdefault("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    for script in sorted(FOLDER.glob("[0-9][0-9]_*.py")):
        if chosen and not script.name.startswith(tuple(chosen)):
            continue
        started = time.perf_counter()
        notebook = jupytext.read(script)
        NotebookClient(
            notebook,
            timeout=1800,
            kernel_name="python3",
            resources={"metadata": {"path": str(FOLDER.parent)}},
            record_timing=False,
        ).execute()
        nbformat.write(notebook, script.with_suffix(".ipynb"))
        print(f"{script.stem}: {time.perf_counter() - started:.0f} s", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
