# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Evaluation
#
# No single number says whether a generator is good. A set of samples can be faulty in two ways that have little
# to do with each other: its members may not look like data, or they may look like data and be all alike. This
# chapter holds the measures of both against sets whose faults are known, because they are made on purpose, and
# asks of each number how far it moves by chance.

# %% setup
import os

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

from genjax import metrics
from genjax.data import GaussianRing
from genjax.divergences import gaussian_frechet_distance
from genjax.report import CHECKLIST, Section, Summary, quantity

FAST = "GENJAX_FAST" in os.environ  # small sizes, to see that all runs
if FAST:
    jax.config.update("jax_disable_most_optimizations", True)  # which compiles sooner
keys = iter(jax.random.split(jax.random.key(0), 64))
ring, n = GaussianRing(), 300 if FAST else 1000
centers = jnp.asarray(ring.centers)

# %% [markdown]
# ## The Fréchet distance
#
# Between two Gaussians the squared Fréchet distance is $d^2 = \lVert m_1 - m_2 \rVert^2 + \mathrm{tr}(\Sigma_1
# + \Sigma_2 - 2 (\Sigma_1^{1/2} \Sigma_2 \Sigma_1^{1/2})^{1/2})$ (S24; Heusel et al., 2017). Between sets of
# samples it is taken of the Gaussians fitted to them; of features of images it is FID.
#
# Its estimate is biased. Two sets of the same law are at distance 0, and their estimated distance is positive,
# the more so the fewer the samples: to first order the means contribute $2d/n$ and the covariances $d(d +
# 1)/2n$ for a standard normal in $d$ dimensions. The cell averages the estimate over fresh sets and compares.
# Distances at different $n$ do not compare.

# %% frechet-distance
value = gaussian_frechet_distance(
    jnp.zeros(2), jnp.eye(2), jnp.array([0.5, -0.25]), jnp.diag(jnp.array([1.2, 0.8]))
)
print(f"means (0, 0), (.5, −.25), covariances I, diag(1.2, .8): {value:.7f}")
assert np.isclose(value, 0.3327554, atol=1e-6)

d, repeats = 4, 50 if FAST else 300
distance = jax.jit(jax.vmap(metrics.frechet_distance))
for size in (100, 200, 400):
    a, b = jax.random.normal(next(keys), (2, repeats, size, d))
    values = distance(a, b)
    error = float(values.std() / np.sqrt(repeats))
    bias = (2 * d + d * (d + 1) / 2) / size
    print(f"n = {size}: mean estimate {values.mean():.4f} ± {error:.4f}, by the formula {bias:.4f}, truth 0")
    assert abs(values.mean() - bias) < 4 * error + 20 / size**2 * d  # and terms of second order

# %% [markdown]
# ## A healthy and a collapsed set
#
# The data are eight Gaussians on a ring. The healthy set is a fresh draw of the same law. The collapsed set
# comes from one mode alone: each of its members is as good as data. The cell prints every measure of both
# (S25). Precision and the share of high quality stay high; recall, coverage, the number of modes, variance and
# pairwise distance fall.

# %% healthy-and-collapsed
real, healthy = ring.sample(next(keys), n), ring.sample(next(keys), n)
collapsed = centers[3] + ring.std * jax.random.normal(next(keys), (n, 2))


@jax.jit
def measured(fake):
    """All measures of one set of samples against the real one."""
    support, density = metrics.precision_recall(real, fake), metrics.density_coverage(real, fake)
    modes, spread = metrics.mode_coverage(fake, centers, std=ring.std), metrics.diversity(fake)
    return {
        "precision": support.precision,
        "density": density.density,
        "high quality": modes.high_quality,
        "recall": support.recall,
        "coverage": density.coverage,
        "modes": modes.num_covered,
        "variance": spread.variance,
        "pairwise distance": spread.pairwise_distance,
        "Fréchet distance": metrics.frechet_distance(real, fake),
        "kernel distance": metrics.kernel_distance(real, fake),
    }


good, bad = measured(healthy), measured(collapsed)
print(f"{'':20}{'healthy':>10}{'collapsed':>10}")
for name in good:
    print(f"{name:20}{good[name]:10.3f}{bad[name]:10.3f}")
fig, axes = plt.subplots(1, 3, figsize=(7, 2.6), sharex=True, sharey=True, layout="constrained")
for ax, (title, points) in zip(
    axes, {"data": real, "healthy": healthy, "collapsed": collapsed}.items(), strict=True
):
    ax.scatter(*points.T, s=1)
    ax.set(title=title, aspect="equal")
share = 1 - np.exp(-4.5)  # of a Gaussian of the plane within three standard deviations
assert abs(good["high quality"] - share) < 4 * np.sqrt(share * (1 - share) / n)
assert abs(bad["high quality"] - share) < 4 * np.sqrt(share * (1 - share) / n)
assert bad["precision"] > 0.9
assert good["recall"] > 0.9
assert bad["recall"] < 1 / 8 + 4 * np.sqrt(7 / 64 / n)  # the share of the real points in the one mode
assert bad["coverage"] < 1 / 8 + 4 * np.sqrt(7 / 64 / n)
assert good["modes"] == 8
assert bad["modes"] == 1
assert bad["variance"] < 0.05 * good["variance"]
assert bad["pairwise distance"] < 0.2 * good["pairwise distance"]

# %% [markdown]
# ## Quality against diversity
#
# Many generators have a knob that trades one for the other: the truncation of a GAN, the temperature of an
# autoregressive model, the scale of guidance. Here the knob is the standard deviation of each mode as a
# multiple of the true one. Figure 4 of Kynkäänniemi et al. (2019) draws precision and recall of a generator
# along such a knob; the plot is the same, the generator is ours. Narrow modes have high precision and low
# recall, wide ones the reverse. The Fréchet distance hardly sees the knob: the variance of the ring as a whole
# is $R^2 + 2 s^2$, and $s$ is small beside $R$.

# %% quality-against-diversity
factors = [0.25, 1.0, 3.0] if FAST else [0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0]
curve = []
for factor in factors:
    key_mode, key_noise = jax.random.split(next(keys))
    fake = centers[jax.random.randint(key_mode, (n,), 0, 8)]
    fake = fake + factor * ring.std * jax.random.normal(key_noise, (n, 2))
    curve.append(measured(fake))
    print(
        f"width {factor:4g}: precision {curve[-1]['precision']:.3f}, recall {curve[-1]['recall']:.3f}, "
        f"Fréchet distance {curve[-1]['Fréchet distance']:.4f}"
    )
fig, ax = plt.subplots(figsize=(4.5, 3), layout="constrained")
ax.plot([c["recall"] for c in curve], [c["precision"] for c in curve], "o-")
for factor, c in zip(factors, curve, strict=True):
    ax.annotate(f"{factor:g}", (c["recall"], c["precision"]))
ax.set(xlabel="recall (diversity)", ylabel="precision (quality)")
assert curve[0]["precision"] > curve[-1]["precision"] + 0.1
assert curve[0]["recall"] < curve[-1]["recall"] - 0.1
assert max(c["Fréchet distance"] for c in curve) < 0.1 * bad["Fréchet distance"]

# %% [markdown]
# ## How far a number moves by chance
#
# The kernel distance (Bińkowski et al., 2018) has no bias: over fresh sets of one law its mean is 0, and half
# of its values are negative. What it has is a spread, and a difference smaller than the spread means nothing.
# `standard_error` estimates it from one pair of sets, by subsets drawn without replacement. The cell compares
# it with the truth, the standard deviation over fresh sets of the size of a subset, where the laws differ.

# %% standard-error-of-the-kernel-distance
size, repeats = 50, 200 if FAST else 1000
pool = 1000 if FAST else 4000


def sets(count, size):
    """Sets of a standard normal, and of one that is shifted."""
    shift = jnp.array([0.5, 0.0])
    return jax.random.normal(next(keys), (count, size, 2)), shift + jax.random.normal(
        next(keys), (count, size, 2)
    )


kernel = jax.jit(jax.vmap(metrics.kernel_distance))
first, second = sets(2 * repeats, size)
same = kernel(first[:repeats], first[repeats:])
error = float(same.std() / np.sqrt(repeats))
negative = float((same < 0).mean())
print(f"one law: mean {same.mean():.4f} ± {error:.4f}; {negative:.0%} of the values are negative")
assert abs(same.mean()) < 4 * error
assert negative > 0.4  # right-skewed: somewhat more than half
fresh = kernel(first, second)
(a,), (b,) = sets(1, pool)
stated = metrics.standard_error(
    next(keys), metrics.kernel_distance, a, b, subset_size=size, num_subsets=100 if FAST else 500
)
print(f"two laws: spread over fresh sets {fresh.std(ddof=1):.4f}, stated from one pair {stated:.4f}")
if not FAST:
    assert abs(stated / fresh.std(ddof=1) - 1) < 0.25  # 1/√(2·500) of each, and more for heavy tails

# %% [markdown]
# ## Samples that are copies
#
# A generator that returns its training data scores well on quality and on diversity. `data_copying` asks how
# often a sample lies nearer to the training data than a test example does: one half of fresh samples, near 1 of
# copies.

# %% copies
train, test = ring.sample(next(keys), n), ring.sample(next(keys), n)
fresh, copies = ring.sample(next(keys), n), train + 0.001 * jax.random.normal(next(keys), (n, 2))
shares = {
    name: float(metrics.data_copying(train, test, x))
    for name, x in {"fresh": fresh, "copies": copies}.items()
}
recall = {name: measured(x)["recall"] for name, x in {"fresh": fresh, "copies": copies}.items()}
for name, value in shares.items():
    print(f"{name:7} nearer than a test example: {value:.3f}; recall {recall[name]:.3f}")
assert abs(shares["fresh"] - 0.5) < 4 * np.sqrt(
    1 / (6 * n)
)  # the spread of a rank statistic of two sets of n
assert shares["copies"] > 0.9
assert recall["copies"] > 0.9

# %% [markdown]
# ## The checklist
#
# A report answers the same questions for every family (S27): the kind of objective; the likelihood, only where
# there is one; quality and diversity apart; controls; the cost of sampling; the failures that belong to
# timesteps. Every run of this library writes a `Summary` with these headings, and one that lacks a heading is
# refused. The cell writes one for the collapsed generator. Each number carries a baseline, here the healthy set
# of the same size.

# %% checklist
row = lambda name: quantity(float(bad[name]), baseline=float(good[name]), baseline_of="a healthy set")
sections = {
    "Objective": Section("None: the generator is made by hand, one of eight modes."),
    "Likelihood": Section("Not reported: only samples are compared."),
    "Quality": Section("", {name: row(name) for name in ("precision", "high quality")}),
    "Diversity and mode collapse": Section(
        "", {name: row(name) for name in ("recall", "coverage", "modes", "variance")}
    ),
    "Controls": Section("None."),
    "Cost": Section("", {"network calls per sample": quantity(0.0)}),
    "Timesteps": Section("Does not apply: no time is involved."),
}
lost = [
    name
    for heading, name, q in (Summary("by hand", "one mode", "ring", sections)).rows
    if heading.startswith("Diversity") and q.mean < 0.5 * q.baseline
]
warning = f"collapse: {', '.join(lost)} below half of the baseline"
summary = Summary("by hand", "one mode", "ring", sections, (warning,))
for heading in CHECKLIST:
    print(f"{heading}: {summary.sections[heading].text}")
    for name, q in summary.sections[heading].rows.items():
        print(f"    {name}: {q}" + (f" (baseline {q.baseline:.3g})" if q.baseline is not None else ""))
print("Warning:", *summary.warnings)
assert lost == ["recall", "coverage", "modes", "variance"]
try:
    Summary("by hand", "one mode", "ring", {"Quality": sections["Quality"]})
except ValueError as error:
    print("Refused:", error)
else:
    raise AssertionError("a summary without all headings was accepted")
