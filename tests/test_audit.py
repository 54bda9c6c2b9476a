"""The audit finds what it is for, and names what it lacks."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

from . import audit
from .audit.__main__ import main
from .audit.case import Case, judge, measure, reference
from .audit.peer import Peer, compare, installed, table
from .audit.peers import PEERS
from .test_registry import PUBLIC

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


def test_nan_in_a_value_counts_where_the_gradient_is_right():
    nan = lambda x: jnp.where(x > 1, jnp.nan, x)
    result = measure(Case(nan, X, lambda x: x[()], gradient=False))
    assert np.isnan(result.relative)
    assert len(result.faults) == 2  # in float32 and in float64


def test_every_peer_is_of_a_public_function_and_of_cases_that_are_there():
    assert set(PEERS) <= set(PUBLIC) & set(audit.CASES)
    for name, peers in PEERS.items():
        for peer in peers:
            chosen = peer.among(audit.CASES[name])
            assert chosen, name
            assert max(chosen) < len(audit.CASES[name]), name


def of_peer(call, **options):
    """The line of a peer of the log of cosh."""
    case = Case(sure, X, log_cosh)
    truth = reference(case)
    return compare("f", Peer("jax", "f", call, **options), [case], [truth], [measure(case, truth).parts])


def test_a_peer_of_a_known_error_is_measured_right():
    row = of_peer(lambda x: sure(x) * 1.001)
    value, gradient = row.theirs
    assert value.relative == pytest.approx(1e-3, rel=1e-3)
    assert gradient.relative == pytest.approx(1e-3, rel=1e-3)
    assert value.bad.all()
    assert max(part.relative for part in row.ours) < 1e-6
    assert "1.0e-03 " in table([row], []).splitlines()[-1]


@pytest.mark.parametrize(
    ("call", "shown"),
    [(lambda x: x * jnp.nan, "NaN"), (lambda x: x * jnp.inf, "inf"), (lambda x: x @ x, "raises")],
)
def test_a_peer_that_fails_is_reported_as_such(call, shown):
    assert shown in table([of_peer(call, gradient=False)], []).splitlines()[-1]


def test_peers_that_are_not_installed_are_named():
    assert not installed("no_such_package")
    assert table([], ["no_such_package"]).endswith("not installed: no_such_package")


@pytest.mark.parametrize("name", ["genjax.densities.bernoulli_log_prob", "genjax.gan.least_squares"])
def test_optax_has_the_same_quantity(name):
    peer = next(p for p in PEERS[name] if p.package == "optax")
    case = audit.CASES[name][peer.among(audit.CASES[name])[0]]
    first = Case(case.call, tuple(a[-2:-1] for a in case.args), case.exact)
    truth = reference(first)
    row = compare(name, replace(peer, cases=(0,)), [first], [truth], [judge([], truth)])
    assert row.theirs[0].relative < 1e-6
