"""Every statement of the mission has its function, its test and its place in a notebook, or is listed as pending."""

import ast
import importlib
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TABLE = tomllib.loads((ROOT / "tests" / "statements.toml").read_text())
PENDING = TABLE.pop("pending")
IDS = [f"S{i:02d}" for i in range(1, 28)]
# Lower these with every family and notebook; never raise them.
MOST_PENDING = {"families": 0, "notebooks": 0}


def test_every_statement_is_made_executable_or_pending_and_not_both():
    assert set(TABLE) | set(PENDING["families"]) == set(IDS)
    assert not set(TABLE) & set(PENDING["families"])
    shown = {name for name, entry in TABLE.items() if "notebook" in entry}
    assert shown | set(PENDING["notebooks"]) == set(IDS)
    assert not shown & set(PENDING["notebooks"])


@pytest.mark.parametrize("kind", ["families", "notebooks"])
def test_the_lists_of_pending_statements_only_shrink(kind):
    assert len(PENDING[kind]) == len(set(PENDING[kind])) <= MOST_PENDING[kind]


@pytest.mark.parametrize("name", sorted(TABLE))
def test_functions_tests_and_notebooks_exist(name):
    entry = TABLE[name]
    assert entry["functions"]
    assert entry["tests"]
    for function in entry["functions"]:
        module, attribute = function.rsplit(".", 1)
        assert attribute in importlib.import_module(module).__all__
    for test in entry["tests"]:
        path, function = test.split("::")
        tree = ast.parse((ROOT / path).read_text())
        assert function in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, test
    for place in entry.get("notebook", []):
        path, cell = place.split("#")
        assert f"# %% {cell}\n" in (ROOT / path).read_text(), place
