"""The self-check of a metric finds what bug reports describe, and passes the metrics themselves."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import sqrtm
from scipy.spatial.distance import cdist

from genjax import metrics

METRICS = [
    metrics.frechet_distance,
    metrics.kernel_distance,
    metrics.precision_recall,
    metrics.density_coverage,
    metrics.diversity,
    metrics.inception_score,
    metrics.data_copying,
    partial(metrics.sliced_wasserstein, num_projections=8),
    metrics.wasserstein,
    metrics.mode_divergence,
    partial(metrics.mode_coverage, std=0.5),
]


def frechet_by_sqrtm(a, b, ddof=1, squared_mean=True):
    a, b = np.asarray(a, float), np.asarray(b, float)
    cov = lambda x: np.atleast_2d(np.cov(x.T, ddof=ddof))
    root = np.trace(sqrtm(cov(a) @ cov(b))).real
    gap = np.sum((a.mean(0) - b.mean(0)) ** 2)
    return (gap if squared_mean else np.sqrt(gap)) + np.trace(cov(a)) + np.trace(cov(b)) - 2 * root


def biased_kernel(a, b):
    kernel = lambda x, y: jnp.mean((x @ y.T / x.shape[1] + 1) ** 3)
    return kernel(a, a) + kernel(b, b) - 2 * kernel(a, b)


def nearest_ball_alone(real, fake, k=3):
    real, fake = np.asarray(real, float), np.asarray(fake, float)

    def share(points, support):
        radii = np.sort(cdist(support, support), axis=1)[:, k]
        between = cdist(points, support)
        return (between.min(1) <= radii[between.argmin(1)]).mean()

    return share(fake, real), share(real, fake)


def split_in_file_order(probs):
    return jnp.mean(
        jnp.stack([metrics.inception_score(part) for part in jnp.split(probs, [len(probs) // 2])])
    )


def forward_divergence(modes, weights):
    shares = np.bincount(modes, minlength=len(weights)) / len(modes)
    with np.errstate(divide="ignore"):
        return np.sum(np.asarray(weights) * np.log(np.asarray(weights) / shares))


def fails_at_few(a, b):
    if len(a) <= a.shape[1]:
        raise np.linalg.LinAlgError("singular")
    return metrics.frechet_distance(a, b)


def without_root(key, a, b):
    return metrics.sliced_wasserstein(key, a, b, num_projections=8) ** 2


FAULTS = {
    "n instead of n − 1": (partial(frechet_by_sqrtm, ddof=0), 0, "two Gaussians"),
    "an unsquared distance of means": (partial(frechet_by_sqrtm, squared_mean=False), 0, "exact moments"),
    "off where n ≤ d": (
        lambda a, b: metrics.frechet_distance(a, b) * (1 if len(a) > a.shape[1] else 0.8),
        0,
        "fewer samples than dimensions",
    ),
    "clipped at zero": (lambda a, b: jnp.maximum(metrics.kernel_distance(a, b), 0), 1, "equal laws"),
    "a biased estimate": (biased_kernel, 1, "equal sets"),
    "only the nearest sample's ball": (nearest_ball_alone, 2, "an outlier|two Gaussians"),
    "real and fake swapped": (lambda real, fake: metrics.precision_recall(fake, real), 2, "two Gaussians"),
    "swapped in density": (lambda real, fake: metrics.density_coverage(fake, real), 3, "two Gaussians"),
    "one number of two": (
        lambda real, fake: metrics.density_coverage(real, fake).density,
        3,
        "got 1 numbers for 2",
    ),
    "the variance with n": (
        lambda x: metrics.diversity(x)._replace(variance=jnp.sum(jnp.var(x, axis=0))),
        4,
        "a Gaussian",
    ),
    "averaged over parts in file order": (split_in_file_order, 5, "sorted by class"),
    "test and training data swapped": (lambda t, v, f: metrics.data_copying(v, t, f), 6, "a copy"),
    "without the root": (without_root, 7, "two Gaussians"),
    "the divergence the other way round": (forward_divergence, 9, "one mode alone: got .*inf"),
    "an error where n ≤ d": (fails_at_few, 0, "fewer samples than dimensions: raised LinAlgError"),
}


def name_of(metric):
    return getattr(metric, "func", metric).__name__


PASSING = ("frechet_distance",)


@pytest.mark.parametrize(
    "metric",
    [pytest.param(m, marks=[pytest.mark.slow] * (name_of(m) not in PASSING)) for m in METRICS],
    ids=name_of,
)
def test_a_metric_passes_its_own_check(metric):
    metrics.check(jax.jit(metric), metric)


QUICK = ("clipped at zero",)


@pytest.mark.parametrize(
    "fault", [f if f in QUICK else pytest.param(f, marks=pytest.mark.slow) for f in sorted(FAULTS)]
)
def test_each_fault_is_found_and_named(fault):
    candidate, which, case = FAULTS[fault]
    with pytest.raises(ValueError, match=rf"of \d+ cases fail: .*({case})"):
        metrics.check(candidate, METRICS[which])


def test_a_reference_may_be_jitted():
    with pytest.raises(ValueError, match="exact moments: got"):
        metrics.check(FAULTS["an unsquared distance of means"][0], jax.jit(metrics.frechet_distance))


def test_the_frechet_distance_of_others_passes():
    metrics.check(frechet_by_sqrtm, metrics.frechet_distance, rtol=5e-3)
