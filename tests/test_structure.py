"""The house: imports, the other project of the same name, the wheel, the README."""

import importlib
import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
OTHER = "Metadata-Version: 2.1\nName: genjax\nVersion: 1.0.14\n"


def python(code, *, path=None, cwd=ROOT):
    env = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    if path:
        env["PYTHONPATH"] = str(path)
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, env=env, cwd=cwd
    )


def test_import_loads_nothing_heavy():
    done = python("""
        import sys, genjax
        heavy = {"jax", "numpy", "flax", "optax", "orbax", "matplotlib", "sklearn", "tyro", "jinja2", "diffrax"}
        print(sorted(heavy & set(sys.modules)))
        import genjax.recipes.vae, genjax.recipes.flow, genjax.recipes.energy, genjax.cli
        print(sorted(heavy & set(sys.modules)))
        import genjax.vae, genjax.flow, genjax.autoregressive, genjax.energy, genjax.gan
        import genjax.oracles, genjax.metrics
        print(sorted(heavy & set(sys.modules)))
    """)
    assert done.stdout.splitlines() == ["[]", "['tyro']", "['jax', 'numpy', 'tyro']"], done.stderr


def test_import_costs_little_beside_jax():
    done = python("""
        import subprocess, sys, time
        def seconds(module):
            code = f"import time; t = time.perf_counter(); import {module}; print(time.perf_counter() - t)"
            return float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout)
        print(min(seconds("genjax") for _ in range(3)) / min(seconds("jax") for _ in range(3)))
    """)
    assert float(done.stdout) < 0.2, done.stderr


@pytest.mark.parametrize("name", ["genjax", "genjax.recipes", "genjax.training"])
def test_a_lazy_package_lists_its_public_names_and_no_others(name):
    package = importlib.import_module(name)
    assert dir(package) == sorted(package.__all__)
    for file in Path(package.__file__).parent.glob("*.py"):
        importlib.import_module(f"{name}.{file.stem}")  # a submodule must not take the place of a name
    for public in package.__all__:
        value = getattr(package, public)
        assert value is not None
        home = getattr(value, "__module__", None)
        if home is None:
            assert value.__name__ == f"{name}.{public}"  # a submodule
        else:
            assert getattr(importlib.import_module(home), public) is value
    with pytest.raises(AttributeError, match="no attribute 'typo'"):
        package.typo  # noqa: B018


def test_the_other_project_of_the_name_gives_a_clear_error(tmp_path):
    info = tmp_path / "genjax-1.0.14.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(OTHER)
    done = python("import genjax", path=tmp_path)
    assert "ImportError: two projects import as 'genjax'" in done.stderr
    assert "pip uninstall genjax genjax-lab" in done.stderr
    # Installed after ours, its __init__ replaces ours; our modules still refuse to mix with it.
    shutil.copytree(ROOT / "genjax", tmp_path / "genjax")
    (tmp_path / "genjax" / "__init__.py").write_text("theirs = True\n")
    done = python("import genjax.vae", path=tmp_path, cwd=tmp_path)
    assert "ImportError: two projects import as 'genjax'" in done.stderr


def test_the_wheel_installs_and_imports_outside_the_tree(tmp_path):
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path, ROOT],
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("genjax_lab-*.whl")
    target = tmp_path / "site"
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", target, wheel],
        check=True,
        capture_output=True,
    )
    assert (target / "genjax" / "py.typed").exists()
    assert (target / "genjax" / "report" / "templates" / "report.html").exists()
    (entry_points,) = target.glob("genjax_lab-*.dist-info/entry_points.txt")
    assert "genjax = genjax.cli:main" in entry_points.read_text()
    assert not (target / "tests").exists()
    code = """
        import importlib, pkgutil, genjax
        print(genjax.__file__)
        for module in pkgutil.walk_packages(genjax.__path__, "genjax."):
            importlib.import_module(module.name)
        print(genjax.vae.negative_elbo.__name__)
    """
    done = python(code, path=target, cwd=tmp_path)
    assert done.stdout.splitlines() == [str(target / "genjax" / "__init__.py"), "negative_elbo"], done.stderr


@pytest.mark.slow
def test_the_readmes_examples_run_and_print_what_stands_beside_them():
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    done = python("\n".join(blocks))
    assert done.returncode == 0, done.stderr
    loss, truth, *measures = done.stdout.splitlines()
    assert [loss, truth] == re.findall(r"# (\S+): the", blocks[0])
    assert float(loss) > float(truth)
    found = re.fullmatch(r"PrecisionRecall\(precision=\S+?(0.\d+).*recall=\S+?(0.\d+).*", measures[0])
    assert found
    assert min(map(float, found.groups())) > 0.7


def test_the_readmes_files_and_targets_exist():
    readme = (ROOT / "README.md").read_text()
    targets = set(re.findall(r"^(\S+):", (ROOT / "Makefile").read_text(), re.M))
    assert set(re.findall(r"make (\w[\w-]*) ", readme)) <= targets | {"and"}
    for script in re.findall(r"experiments/\w+\.py", readme):
        assert (ROOT / script).exists()
