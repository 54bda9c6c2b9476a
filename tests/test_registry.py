"""The battery over every public function of floors 0 to 2, and the rules of a public name."""

import importlib
import inspect
import re

import chex
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
]
PUBLIC = {
    f"genjax.{module}.{name}": getattr(importlib.import_module(f"genjax.{module}"), name)
    for module in MODULES
    for name in importlib.import_module(f"genjax.{module}").__all__
}
PUBLIC["genjax.checked"] = importlib.import_module("genjax").checked

rows = pytest.mark.parametrize("name", sorted(ROWS))
public = pytest.mark.parametrize("name", sorted(PUBLIC))


def is_float(array):
    return isinstance(array, np.ndarray) and array.dtype == np.float64


def cast(args, dtype):
    return tuple(jnp.asarray(a, dtype) if is_float(a) else a for a in args)


def float_positions(args):
    return tuple(i for i, a in enumerate(args) if is_float(a))


def total(call):
    """The sum over all leaves: a scalar that depends on every output."""
    return lambda *args: sum(jnp.sum(leaf) for leaf in jax.tree.leaves(call(*args)))


def assert_close(actual, expected, **tolerance):
    for a, b in zip(*map(jax.tree.leaves, (actual, expected)), strict=True):
        np.testing.assert_allclose(np.asarray(a, np.float64), np.asarray(b, np.float64), **tolerance)


def test_every_public_name_has_its_row():
    assert set(ROWS) | set(RECORDS) == set(PUBLIC)


@rows
def test_jit_is_eager(name):
    row = ROWS[name]
    args = cast(row.args, jnp.float32)
    assert_close(jax.jit(row.call)(*args), row.call(*args), rtol=2e-5, atol=1e-6)


@rows
def test_vmap_is_a_loop(name):
    row = ROWS[name]
    args = cast(row.args, jnp.float32)
    batch = [
        tuple(a * (1 + 0.02 * i) if is_float(r) else a for a, r in zip(args, row.args, strict=True))
        for i in range(3)
    ]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *batch)
    call = jax.jit(row.call)  # as test_jit_is_eager allows, and many times faster to compile
    looped = jax.tree.map(lambda *leaves: jnp.stack(leaves), *[call(*one) for one in batch])
    assert_close(jax.jit(jax.vmap(row.call))(*stacked), looped, rtol=2e-5, atol=1e-6)


@rows
def test_dtypes_are_kept_and_float32_agrees_with_float64(name):
    row = ROWS[name]
    single = jax.jit(row.call)(*cast(row.args, jnp.float32))
    with jax.enable_x64(True):
        double = jax.jit(row.call)(*cast(row.args, jnp.float64))
    for dtype, outputs in ((jnp.float32, single), (jnp.float64, double)):
        floating = [a.dtype for a in jax.tree.leaves(outputs) if jnp.issubdtype(a.dtype, jnp.floating)]
        assert all(d == dtype for d in floating), floating
    if not any(jnp.issubdtype(getattr(a, "dtype", float), jax.dtypes.prng_key) for a in row.args):
        assert_close(single, double, rtol=1e-4, atol=1e-5)  # a key draws other numbers in float64


@rows
def test_bfloat16_is_accepted_or_refused_clearly(name):
    row = ROWS[name]
    args = cast(row.args, jnp.bfloat16)
    if not row.bfloat16:
        with pytest.raises(TypeError, match="float32"):
            row.call(*args)
        return
    outputs = jax.jit(row.call)(*args)
    floating = [a for a in jax.tree.leaves(outputs) if jnp.issubdtype(a.dtype, jnp.floating)]
    assert all(a.dtype == jnp.bfloat16 and jnp.isfinite(a).all() for a in floating)
    if not any(jnp.issubdtype(getattr(a, "dtype", float), jax.dtypes.prng_key) for a in row.args):
        assert_close(outputs, jax.jit(row.call)(*cast(row.args, jnp.float32)), rtol=0.1, atol=0.1)


@rows
def test_gradients_are_finite_and_exact(name, x64):
    row = ROWS[name]
    if row.gradient == "none":
        return
    args, positions = cast(row.args, jnp.float64), float_positions(row.args)
    gradient = jax.jit(jax.grad(total(row.call), positions))(*args)
    assert all(jnp.isfinite(g).all() for g in gradient)
    assert any((g != 0).any() for g in gradient)
    if row.gradient == "exact":
        # Along a random direction, the central difference: its error is h² against 1e-16 / h of round-off.
        h, rng = 1e-5, np.random.default_rng(0)
        direction = {i: rng.normal(size=args[i].shape) for i in positions}
        moved = lambda step: tuple(
            a + step * direction[i] if i in direction else a for i, a in enumerate(args)
        )
        value = jax.jit(total(row.call))
        slope = sum(jnp.vdot(g, direction[i]) for g, i in zip(gradient, positions, strict=True))
        difference = (value(*moved(h)) - value(*moved(-h))) / (2 * h)
        np.testing.assert_allclose(slope, difference, rtol=1e-6, atol=1e-7)


@rows
def test_new_values_do_not_retrace(name):
    row = ROWS[name]
    args = cast(row.args, jnp.float32)
    chex.clear_trace_counter()
    call = jax.jit(chex.assert_max_traces(lambda *a: row.call(*a), n=1))
    call(*args)
    call(*(a * 1.01 if is_float(r) else a for a, r in zip(args, row.args, strict=True)))


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


@public
def test_signatures_follow_the_grammar(name):
    fn = PUBLIC[name]
    if not inspect.isfunction(fn):
        return
    parameters = list(inspect.signature(fn).parameters.values())
    names = [p.name for p in parameters]
    assert "key" not in names or names[0] == "key"
    for p in parameters:
        if p.default is not p.empty:
            assert p.kind is p.KEYWORD_ONLY, f"{p.name} is an option and so keyword-only"
