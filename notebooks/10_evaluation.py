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
# # Evaluation: quality against diversity
#
# A generative model can fail in two ways: its samples may lie where there are no data, or data may lie where it
# draws no samples. One number cannot tell the two apart. This chapter works through the usual measures on sets
# whose fault is known, because it was put in by hand.

# %% setup
import os

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

from genjax import metrics
from genjax.data import DENSITIES
from genjax.divergences import gaussian_frechet_distance
from genjax.report import CHECKLIST

FAST = "GENJAX_FAST" in os.environ  # small sizes, to see that all runs
jax.config.update("jax_disable_most_optimizations", FAST)  # then compiling takes longer than running
ring = DENSITIES["ring"]  # eight Gaussians on a circle of radius 2
n = 400 if FAST else 2000
key_real, key_fresh, key_noise, key_fake, key_subsets, key_pairs = jax.random.split(jax.random.key(0), 6)
real = ring.sample(key_real, n)

# %% [markdown]
# ## The Fréchet distance between Gaussians
#
# Two sets are summarised by their means and covariances, and compared as Gaussians (S24; Heusel et al. 2017,
# equation 6):
#
# $$d^2 = \|\mu_a - \mu_b\|^2 + \operatorname{tr}\left(\Sigma_a + \Sigma_b - 2 (\Sigma_a \Sigma_b)^{1/2}\right).$$
#
# Between $N(0, I)$ and $N(m, s^2 I)$ in $d$ dimensions it is $\|m\|^2 + d (1 - s)^2$. The estimate from samples is
# biased upwards: two sets of the same law have a positive distance, which falls as $1/n$. A distance therefore means
# something only beside that of real data at the same $n$.

# %% frechet-distance
mean, std = jnp.array([1.0, -2.0, 0.5]), 1.5
value = gaussian_frechet_distance(jnp.zeros(3), jnp.eye(3), mean, std**2 * jnp.eye(3))
expected = float(jnp.sum(mean**2)) + 3 * (1 - std) ** 2
print(f"closed form {expected:.4f}, computed {value:.4f}")
assert abs(value - expected) < 1e-4  # float32

sizes, rounds = (50, 200, 800), 50 if FAST else 200
between = jax.jit(jax.vmap(metrics.frechet_distance))
floors = []
for size in sizes:
    pairs = jax.random.normal(jax.random.fold_in(key_pairs, size), (2, rounds, size, 3))
    draws = np.asarray(between(*pairs))
    floors.append(draws.mean())
    print(f"two sets of {size} from one law: {draws.mean():.4f} ± {draws.std() / np.sqrt(rounds):.4f}")
slope = np.polyfit(np.log(sizes), np.log(floors), 1)[0]
print(f"the floor falls as n to the power {slope:.2f}")
assert abs(slope + 1) < 0.15

# %% [markdown]
# ## Four sets
#
# The first is fresh data. The second has noise that carries points off the modes: its quality is poor. The third
# has lost five of eight modes: its quality is perfect and its diversity is not. The fourth is a handful of training
# points, repeated: it copies.

# %% four-sets
fresh = ring.sample(key_fresh, n)
noisy = fresh + 0.5 * jax.random.normal(key_noise, fresh.shape)
centers = 2 * jnp.stack([jnp.cos(jnp.pi / 4 * jnp.arange(8)), jnp.sin(jnp.pi / 4 * jnp.arange(8))], 1)
mode = jnp.argmin(jnp.sum((fresh[:, None] - centers[None]) ** 2, -1), 1)
collapsed = jnp.resize(fresh[mode < 3], fresh.shape)
copied = jnp.tile(real[:20], (n // 20, 1))
sets = {"fresh data": fresh, "noisy": noisy, "collapsed": collapsed, "copied": copied}
fig, axes = plt.subplots(1, 4, figsize=(9, 2.4), sharex=True, sharey=True, layout="constrained")
for axis, (name, points) in zip(axes, sets.items(), strict=True):
    axis.scatter(*points.T, s=1)
    axis.set(title=name, aspect="equal")

# %% [markdown]
# ## Quality and diversity, apart
#
# *Precision* is the share of samples in the neighbourhood of real data, *recall* the share of real data in the
# neighbourhood of samples (Kynkäänniemi et al. 2019); *density* and *coverage* are their successors, which a single
# outlier does not move (Naeem et al. 2020). Where modes are known they can be counted. *Diversity* is the variance
# and the mean distance between samples (S25).
#
# The collapsed set keeps a precision near one. What flags it is recall, coverage and the count of modes. The noisy
# set is the other way round.

# %% quality-and-diversity


@jax.jit
def judge(points):
    support, balls = metrics.precision_recall(real, points), metrics.density_coverage(real, points)
    modes = metrics.mode_coverage(points, centers, std=0.1)
    return (
        support.precision,
        support.recall,
        balls.coverage,
        modes.num_covered,
        metrics.diversity(points).pairwise_distance,
        metrics.frechet_distance(real, points),
    )


names = ("precision", "recall", "coverage", "modes", "distance", "Fréchet")
print(f"{'':12}" + "".join(f"{name:>11}" for name in names))
table = {}
for name, points in sets.items():
    table[name] = dict(zip(names, map(float, judge(points)), strict=True))
    print(f"{name:12}" + "".join(f"{value:11.3f}" for value in table[name].values()))
assert table["fresh data"]["modes"] == 8
assert table["noisy"]["precision"] < 0.6 < table["noisy"]["recall"]
assert table["collapsed"]["modes"] == 3
assert table["collapsed"]["precision"] > 0.9  # collapsed, and each sample is perfect
assert max(table["collapsed"][name] for name in ("recall", "coverage")) < 0.6
assert table["collapsed"]["distance"] < table["fresh data"]["distance"]

# %% [markdown]
# ## Copies
#
# Recall and coverage find the fourth set poor, but do not say what it is: twenty training points, with a precision
# of one. The test for copies compares how far samples and test data lie from the training set: the probability that
# a sample lies nearer is one half for fresh data and one for copies (Meehan et al. 2020).

# %% copies
test = ring.sample(key_fake, n)
copying = jax.jit(metrics.data_copying)
shares = {name: float(copying(real, test, points)) for name, points in sets.items()}
for name, share in shares.items():
    print(f"{name:12} nearer to training data than test data are: {share:.3f}")
assert abs(shares["fresh data"] - 0.5) < 4 / np.sqrt(6 * n)  # the spread of a rank statistic of n and n
assert shares["copied"] > 0.99

# %% [markdown]
# ## A distance with a standard error
#
# The kernel distance (Bińkowski et al. 2018) is unbiased: between sets of one law its mean is zero, at any number of
# samples, and half of its values are negative. Its spread is told by subsampling without replacement; drawn with
# replacement, equal points would count as evidence.

# %% kernel-distance
subset, num_subsets = n // 4, 20 if FAST else 100
distance = jax.jit(metrics.kernel_distance)
spread = metrics.standard_error(
    key_subsets, metrics.kernel_distance, real, fresh, subset_size=subset, num_subsets=num_subsets
)
draws = jnp.stack([ring.sample(k, subset) for k in jax.random.split(key_pairs, 2 * num_subsets)])
values = np.asarray(jax.jit(jax.vmap(metrics.kernel_distance))(draws[:num_subsets], draws[num_subsets:]))
print(f"standard error at {subset} points: {spread:.4f} by subsets, {values.std():.4f} over fresh sets")
print(f"mean over fresh sets {values.mean():.4f}, negative in {np.mean(values < 0):.0%}")
assert abs(values.mean()) < 5 * values.std() / np.sqrt(num_subsets)
assert values.min() < 0
if not FAST:
    assert (
        0.5 < spread / values.std() < 1.6
    )  # subsets of a quarter share points, and 100 tell a spread to a tenth
for name, points in sets.items():
    print(f"{name:12} {distance(real, points):9.4f}, {distance(real, points) / spread:7.1f} standard errors")

# %% [markdown]
# ## The checklist
#
# A report is honest when it says, for every model, what was minimised, how good and how diverse the samples are,
# what the likelihood is a likelihood of and whether it is exact, what can be controlled, what a sample costs, and
# what went wrong (S27). Every run of `experiments/` writes a page with exactly these headings, filled from
# measurements.

# %% checklist
for heading in CHECKLIST:
    print(heading)
assert set(CHECKLIST) >= {"Likelihood", "Quality", "Diversity and mode collapse", "Cost"}
