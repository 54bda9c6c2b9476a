"""The chapters as committed: each script paired with its executed notebook. `make notebooks-fast` runs them all."""

import json
import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent.parent / "notebooks"
CHAPTERS = sorted(FOLDER.glob("[0-9][0-9]_*.py"))
LARGEST = 1_500_000
"""Bytes of an executed notebook, pictures included."""


def code_cells(script):
    """The sources of the code cells of a percent script."""
    cells = re.split(r"^# %%", script.read_text(encoding="utf-8"), flags=re.M)[1:]
    return [cell.split("\n", 1)[1].strip() for cell in cells if not cell.startswith(" [markdown]")]


@pytest.mark.parametrize("script", CHAPTERS, ids=lambda path: path.stem)
def test_a_chapter_is_committed_as_it_ran(script):
    file = script.with_suffix(".ipynb")
    assert file.stat().st_size < LARGEST
    cells = json.loads(file.read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert ["".join(cell["source"]).strip() for cell in code] == code_cells(script)
    assert all(cell["execution_count"] for cell in code)
    outputs = [output for cell in code for output in cell["outputs"]]
    assert not [output for output in outputs if output["output_type"] == "error"]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert any(cell["cell_type"] == "markdown" for cell in cells)


def test_code_cells_have_names_of_their_own():
    for script in CHAPTERS:
        names = re.findall(r"^# %% (?!\[markdown\])(.*)$", script.read_text(encoding="utf-8"), flags=re.M)
        assert len(names) == len(set(names)) == len(code_cells(script)), script.name
        assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name) for name in names), (script.name, names)
