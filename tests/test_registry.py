"""The battery over every public function of floors 0 to 2, and the rules of a public name."""

import functools
import importlib
import inspect
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from .registry import RECORDS, ROWS

MODULES = [
    "densities",
    "divergences",
    "batching",
    "flow",
    "likelihood",
    "transport",
    "vae",
    "autoencoder",
    "autoregressive",
    "metrics",
    "oracles",
    "structures",
    "energy",
    "gan",
    "score",
    "diffusion",
    "flow_matching",
]
PUBLIC = {
    f"genjax.{module}.{name}": getattr(importlib.import_module(f"genjax.{module}"), name)
    for module in MODULES
    for name in importlib.import_module(f"genjax.{module}").__all__
}
PUBLIC["genjax.checked"] = importlib.import_module("genjax").checked

public = pytest.mark.parametrize("name", sorted(PUBLIC))


def is_float(array):
    return isinstance(array, np.ndarray) and array.dtype == np.float64


def is_key(array):
    return jnp.issubdtype(getattr(array, "dtype", float), jax.dtypes.prng_key)


def cast(args, dtype):
    return tuple(np.asarray(a, dtype) if is_float(a) else a for a in args)


def total(outputs):
    """The sum over all leaves: a scalar that depends on every output."""
    return sum(jnp.sum(leaf) for leaf in jax.tree.leaves(outputs))


def stack(*arrays):
    return (jnp if is_key(arrays[0]) else np).stack(arrays)


def floating(outputs):
    return [a for a in jax.tree.leaves(outputs) if jnp.issubdtype(a.dtype, jnp.floating)]


def assert_close(actual, expected, **tolerance):
    for a, b in zip(*map(jax.tree.leaves, (actual, expected)), strict=True):
        np.testing.assert_allclose(np.asarray(a, np.float64), np.asarray(b, np.float64), **tolerance)


class Programs:
    """A row with its compiled programs, one for each dtype, which its checks share: compilation is their cost."""

    def __init__(self, row):
        self.row = row
        self.args = cast(row.args, np.float32)
        self.positions = tuple(i for i, a in enumerate(row.args) if is_float(a))
        self.draws = any(map(is_key, row.args))
        self.num_traces = 0
        self.single = jax.jit(self._counted)

    def _counted(self, *args):
        self.num_traces += 1
        return self.row.call(*args)

    def scaled(self, factor):
        """The arguments in float32, at other values."""
        return tuple(
            a * np.float32(factor) if is_float(r) else a
            for a, r in zip(self.args, self.row.args, strict=True)
        )

    @functools.cached_property
    def outputs(self):
        """In float32."""
        return self.single(*self.args)

    @functools.cached_property
    def double(self):
        """In float64: a function to the outputs and, where there is a gradient, the sum of all and its gradient."""
        if self.row.gradient == "none":
            return jax.jit(lambda *args: (self.row.call(*args), None, ()))

        def with_total(*args):
            outputs = self.row.call(*args)
            return total(outputs), outputs

        def call(*args):
            (value, outputs), gradient = jax.value_and_grad(with_total, self.positions, has_aux=True)(*args)
            return outputs, value, gradient

        return jax.jit(call)


@pytest.fixture(
    scope="module",
    params=[pytest.param(name, marks=[pytest.mark.slow] * row.slow) for name, row in sorted(ROWS.items())],
)
def programs(request):
    """Of each row in turn; pytest runs all checks of a row before those of the next."""
    return Programs(ROWS[request.param])


def test_every_public_name_has_its_row():
    assert set(ROWS) | set(RECORDS) == set(PUBLIC)


def test_jit_is_eager(programs):
    eager = programs.row.call(*map(jnp.asarray, programs.args))
    assert_close(programs.outputs, eager, rtol=2e-5, atol=1e-6)


def test_vmap_is_a_loop(programs):
    batch = [programs.scaled(1 + 0.02 * i) for i in range(3)]
    singles = [jax.tree.leaves(programs.single(*one)) for one in batch]
    looped = [stack(*map(np.asarray, leaves)) for leaves in zip(*singles, strict=True)]
    stacked = map(stack, *batch)
    assert_close(jax.jit(jax.vmap(programs.row.call))(*stacked), looped, rtol=2e-5, atol=1e-6)


def test_dtypes_are_kept_and_float32_agrees_with_float64(programs):
    single = programs.outputs
    with jax.enable_x64(True):
        double = programs.double(*programs.row.args)[0]
    for dtype, outputs in ((jnp.float32, single), (jnp.float64, double)):
        assert all(a.dtype == dtype for a in floating(outputs)), [a.dtype for a in floating(outputs)]
    if not programs.draws:
        assert_close(single, double, rtol=1e-4, atol=1e-5)  # a key draws other numbers in float64


def test_bfloat16_is_accepted_or_refused_clearly(programs):
    row = programs.row
    args = cast(row.args, jnp.bfloat16)
    if not row.bfloat16:
        with pytest.raises(TypeError, match="float32"):
            row.call(*map(jnp.asarray, args))
        return
    outputs = jax.jit(row.call)(*args)
    assert all(a.dtype == jnp.bfloat16 for a in floating(outputs))
    assert all(np.isfinite(np.asarray(a, np.float32)).all() for a in floating(outputs))
    if not programs.draws:
        assert_close(outputs, programs.outputs, rtol=0.1, atol=0.1)


def test_gradients_are_finite_and_exact(programs, x64):
    args, positions = programs.row.args, programs.positions
    if programs.row.gradient == "none":
        return
    gradient = [np.asarray(g) for g in programs.double(*args)[2]]
    assert all(np.isfinite(g).all() for g in gradient)
    assert any((g != 0).any() for g in gradient)
    if programs.row.gradient == "exact":
        # Along a random direction, the central difference: its error is h² against 1e-16 / h of round-off.
        h, rng = 1e-5, np.random.default_rng(0)
        direction = {i: rng.normal(size=args[i].shape) for i in positions}
        value = lambda step: programs.double(
            *(a + step * direction[i] if i in direction else a for i, a in enumerate(args))
        )[1]
        slope = sum(np.vdot(g, direction[i]) for g, i in zip(gradient, positions, strict=True))
        difference = (value(h) - value(-h)) / (2 * h)
        np.testing.assert_allclose(slope, difference, rtol=1e-6, atol=1e-7)


def test_new_values_do_not_retrace(programs):
    programs.single(*programs.args)
    num_traces = programs.num_traces
    programs.single(*programs.scaled(1.01))
    assert programs.num_traces == num_traces


@public
def test_docstrings_state_the_contract(name):
    fn = PUBLIC[name]
    doc = inspect.getdoc(fn)
    assert doc, "no docstring"
    assert doc.split("\n")[0].endswith((".", ":")), "the first line is one sentence"
    assert ">>>" in doc, "no example"
    if inspect.isfunction(fn):
        for heading in ("Args:", "Returns:", "Raises:"):
            assert heading in doc, f"no {heading}"
        for parameter in inspect.signature(fn).parameters:
            assert re.search(rf"^\s+\*?{parameter}:|^\s+\*+{parameter}:", doc, re.M), (
                f"{parameter} is not described"
            )


# Factories whose numbers the design places, as in `linear_schedule(1000)` and `ddim(0.5)`.
PLACED = {
    f"genjax.diffusion.{name}"
    for name in ("ancestral", "cosine_schedule", "ddim", "edm", "linear_schedule", "variance_preserving")
}


@public
def test_signatures_follow_the_grammar(name):
    fn = PUBLIC[name]
    if not inspect.isfunction(fn) or name in PLACED:
        return
    parameters = list(inspect.signature(fn).parameters.values())
    names = [p.name for p in parameters]
    assert "key" not in names or names[0] == "key"
    for p in parameters:
        if p.default is not p.empty:
            assert p.kind is p.KEYWORD_ONLY, f"{p.name} is an option and so keyword-only"
