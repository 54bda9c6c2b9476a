"""Strict settings for every test and doctest: what a careful user could switch on must hold."""

import gc
import os
from importlib.metadata import version
from pathlib import Path

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(Path(__file__).parent / ".jax_cache"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
# Frames of Python in each operation's location make tracing a sixth slower.
os.environ.setdefault("JAX_TRACEBACK_IN_LOCATIONS_LIMIT", "0")
# Most of the suite's time is compilation, and optimisation is most of that. `make test-all` keeps it. Later versions
# do not know the last flag, and stop at it.
os.environ.setdefault(
    "XLA_FLAGS",
    "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
    " --xla_cpu_parallel_codegen_split_count=1"
    + (" --xla_cpu_use_fusion_emitters=false" if version("jaxlib").startswith("0.10.") else ""),
)

import hypothesis
import jax
import jaxtyping
import pytest

# They import packages that only `make audit` needs, where those are installed.
collect_ignore_glob = ["tests/audit/peers*.py"]

gc.set_threshold(200_000, 20, 100)  # tracing makes many objects, and hardly any garbage

# Every annotation of the library is checked at each call; test_checks proves that this bites.
jaxtyping.install_import_hook("genjax", "beartype.beartype")

jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_numpy_dtype_promotion", "strict")

# The first call of a shape compiles, so the time of one example says nothing; examples are the same each run.
hypothesis.settings.register_profile("genjax", deadline=None, derandomize=True, max_examples=50)
hypothesis.settings.load_profile("genjax")


# Each compiled program holds a megabyte and slows the compilation of those after it.
MOST_PROGRAMS = 500
MOST_CPU_SECONDS = 5.0
programs = []
jax.monitoring.register_event_duration_secs_listener(
    lambda event, duration, **_: event.endswith("/backend_compile_duration") and programs.append(duration)
)


@pytest.fixture(autouse=True)
def _few_programs():
    yield
    if len(programs) > MOST_PROGRAMS:
        jax.clear_caches()
        programs.clear()


@pytest.fixture
def x64():
    """Double precision, for comparisons with closed forms."""
    with jax.enable_x64(True):
        yield


@pytest.fixture
def untyped():
    """Meet the errors as a user does, without the run-time type check of the tests."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


def pytest_collection_modifyitems(config, items):
    """Leave slow tests out unless they are asked for by `-m`."""
    if not config.getoption("-m"):
        slow = pytest.mark.skip(reason="slow: run by `make test-all`")
        for item in items:
            if "slow" in item.keywords:
                item.add_marker(slow)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Note the CPU time of each test, its child processes included: other load hardly changes it."""
    if call.when == "setup":
        item.cpu_before = sum(os.times()[:4])
    elif call.when == "call":
        item.user_properties.append(("cpu_seconds", sum(os.times()[:4]) - item.cpu_before))
    return (yield)


def pytest_terminal_summary(terminalreporter, config):
    """Name the tests that should be marked slow. No failure: a cold cache or a slower machine is no fault."""
    if config.getoption("-m"):
        return
    seconds = {
        report.nodeid: dict(report.user_properties).get("cpu_seconds", 0.0)
        for outcome in ("passed", "failed")
        for report in terminalreporter.getreports(outcome)
    }
    long = {name: s for name, s in seconds.items() if s > MOST_CPU_SECONDS}
    if long:
        terminalreporter.section(f"not marked slow, but above {MOST_CPU_SECONDS:g} CPU seconds")
        for name, s in sorted(long.items(), key=lambda pair: -pair[1]):
            terminalreporter.line(f"{s:5.1f} s  {name}")


@pytest.fixture(autouse=True)
def _doctest_names(doctest_namespace):
    doctest_namespace["jax"] = jax
    doctest_namespace["jnp"] = jax.numpy


@pytest.fixture
def standard_promotion():
    """For tests that go through optimizers, which mix Python scalars and integer counters."""
    with jax.numpy_dtype_promotion("standard"):
        yield
