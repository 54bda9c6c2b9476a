"""A self-check of a metric against the one that it claims to be, and against known answers."""

import inspect
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from genjax.divergences import gaussian_frechet_distance
from genjax.metrics.frechet import frechet_distance
from genjax.metrics.wasserstein import wasserstein

__all__ = ["check"]


def check(candidate: Callable[..., Any], reference: Callable[..., Any], *, rtol: float = 1e-3) -> None:
    """Test a metric of your own against the one of this library that it claims to be.

    |candidate(sets) − reference(sets)| ≤ rtol (1 + |reference(sets)|), case by case

    The cases: pairs of Gaussians (many samples, and fewer than dimensions), sets far from zero, of different sizes
    and with their roles swapped, a set against itself, a collapsed one, rows in another order. `frechet_distance`
    is also held against the closed form of Gaussians whose sample moments are exact. Not for use under `jit`.

    Args:
        candidate: takes what the reference takes, with its own options bound (`functools.partial`).
        reference: a metric of `genjax.metrics`, options bound likewise; its parameters say which sets it takes.
        rtol: the relative difference allowed.

    Raises:
        ValueError: some cases fail; each is named with both numbers.

    Returns:
        Nothing.

    >>> from genjax.metrics import kernel_distance
    >>> check(kernel_distance, kernel_distance)
    >>> check(lambda a, b: jnp.maximum(kernel_distance(a, b), 0), kernel_distance)
    Traceback (most recent call last):
        ...
    ValueError: 1 of 8 cases fail: equal laws: got [0.0] for [-0.0...
    """
    takes = [
        name
        for name, parameter in inspect.signature(reference).parameters.items()
        if parameter.default is parameter.empty and name != "key"
    ]
    keyed = next(iter(inspect.signature(reference).parameters)) == "key"
    key = (jax.random.key(0),) if keyed else ()
    claims = lambda metric: _bare(reference) is _bare(metric)
    faults, cases = [], _cases(takes)
    for name, sets in cases.items():
        if claims(wasserstein):
            sets = [one[: min(map(len, sets))] for one in sets]
        arrays = [jnp.asarray(one, jnp.float32 if one.dtype == float else jnp.int32) for one in sets]
        expected = _flat(reference(*key, *arrays))
        try:
            actual = _flat(candidate(*key, *arrays))
        except Exception as error:  # whatever it raises, the other cases are told as well
            faults.append(f"{name}: raised {type(error).__name__}: {error}")
            continue
        if actual.shape != expected.shape:
            faults.append(f"{name}: got {actual.size} numbers for {expected.size}")
        elif not (np.abs(actual - expected) <= rtol * (1 + np.abs(expected))).all():
            faults.append(f"{name}: got {actual.round(6).tolist()} for {expected.round(6).tolist()}")
    if claims(frechet_distance):
        cases["exact moments"] = ()
        faults += _against_closed_form(candidate, rtol)
    if faults:
        raise ValueError(f"{len(faults)} of {len(cases)} cases fail: " + "; ".join(faults))


def _bare(metric: Callable[..., Any]) -> Callable[..., Any]:
    """A function without `partial`, `jit` and other wrappers."""
    return inspect.unwrap(getattr(metric, "func", metric))


def _cases(takes: list[str]) -> dict[str, tuple[np.ndarray, ...]]:
    """Name to as many sets as the metric takes, of the kind that their names say."""
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(60, 4)), rng.normal(size=(50, 4)) * [1.0, 0.5, 2.0, 1.0] + [1.0, 0.0, 0.0, -1.0]
    if takes == ["modes", "weights"]:
        modes, even, uneven = rng.integers(0, 3, 40), np.full(4, 0.25), np.array([0.1, 0.2, 0.3, 0.4])
        return {
            "a mode unvisited": (modes, uneven),
            "permuted": (rng.permutation(modes), uneven),
            "one mode alone": (np.zeros(9, int), uneven),
            "the true shares": (np.arange(8) % 4, even),
        }
    if takes == ["probs"]:
        soft = np.exp(2 * a) / np.exp(2 * a).sum(1, keepdims=True)
        sorted_ = np.repeat(np.eye(4), 10, 0)
        cases = {"soft": soft, "sorted by class": sorted_, "shuffled": rng.permutation(sorted_)}
        return {name: (probs,) for name, probs in (cases | {"even": np.full((9, 4), 0.25)}).items()}
    fresh, collapsed = rng.normal(size=(60, 4)), b[:1] + 1e-3 * rng.normal(size=(50, 4))
    if len(takes) == 1:
        sets = {
            "a Gaussian": a,
            "far from zero": a + 100,
            "collapsed": collapsed,
            "permuted": rng.permutation(a),
        }
        return {name: (one,) for name, one in sets.items()}
    if len(takes) == 2:
        return {
            "two Gaussians": (a, b),
            "roles swapped": (b, a),
            "equal laws": (a, fresh),
            "equal sets": (a, a),
            "permuted rows": (rng.permutation(a), rng.permutation(b)),
            "a collapsed set": (a, collapsed),
            "fewer samples than dimensions": (
                a[:7] @ rng.normal(size=(4, 9)),
                b[:6] @ rng.normal(size=(4, 9)),
            ),
            "an outlier": (np.concatenate([a, [[30.0, 0, 0, 0]]]), b + np.array([4.0, 0, 0, 0])),
        }
    return {
        "three sets": (a, fresh, b),
        "a copy": (a, fresh, a[:40] + 1e-3),
        "permuted": (rng.permutation(a), fresh, b),
    }


def _against_closed_form(candidate: Callable[..., Any], rtol: float) -> list[str]:
    """Of samples moved and turned so that their mean and covariance are given ones."""
    rng = np.random.default_rng(1)
    means, covs, sets = [], [], []
    for n in (40, 30):
        raw = rng.normal(size=(n, 3))
        white = (raw - raw.mean(0)) @ np.linalg.inv(np.linalg.cholesky(np.cov(raw.T))).T
        root = rng.normal(size=(3, 3))
        means.append(rng.normal(size=3))
        covs.append(root @ root.T)
        sets.append(jnp.asarray(white @ root.T + means[-1], jnp.float32))
    arrays = (jnp.asarray(x, jnp.float32) for pair in zip(means, covs, strict=True) for x in pair)
    expected, actual = float(gaussian_frechet_distance(*arrays)), float(candidate(*sets))
    if abs(actual - expected) <= rtol * (1 + expected):
        return []
    return [f"exact moments: got {actual:.6f} for {expected:.6f}"]


def _flat(result: Any) -> np.ndarray:
    return np.concatenate([np.ravel(np.asarray(leaf, float)) for leaf in jax.tree.leaves(result)])
