"""The audit finds what it is for, and names what it lacks."""

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

from . import audit
from .audit.__main__ import main
from .audit.case import Case, measure

X = (np.array([1e-4, 0.5, 3.0]),)


def log_cosh(x):
    return mpmath.log(mpmath.cosh(x[()]))


def sure(x):
    """The log of cosh without cancellation or overflow."""
    return jnp.log1p(2 * jnp.sinh(x / 2) ** 2)


@pytest.mark.parametrize(
    ("fault", "call"),
    [
        ("none", sure),
        ("a wrong formula", lambda x: sure(x) * 1.0001),
        ("cancellation", lambda x: jnp.log(jnp.cosh(x))),
        ("NaN", lambda x: jnp.where(x > 1, jnp.nan, sure(x))),
        ("a wrong gradient", lambda x: jax.lax.stop_gradient(sure(x))),
    ],
)
def test_the_audit_finds_each_kind_of_fault_and_nothing_else(fault, call):
    assert bool(measure(Case(call, X, log_cosh)).faults) == (fault != "none")


def test_the_same_code_in_float64_finds_cancellation_without_an_exact_truth():
    assert measure(Case(lambda x: jnp.log(jnp.cosh(x)), X)).faults
    assert not measure(Case(sure, X)).faults


def test_every_public_name_is_audited_or_exempt_with_a_reason(monkeypatch):
    assert not audit.missing()
    assert not set(audit.EXEMPT) & set(audit.CASES)
    monkeypatch.delitem(audit.CASES, "genjax.vae.unit_kl")
    assert audit.missing() == {"genjax.vae.unit_kl"}
    assert main("no function has this name") == 1
