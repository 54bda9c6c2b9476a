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
# # Guidance
#
# A class-conditional diffusion model can be pushed towards its class. Two ways are in use: adding the gradient
# of a classifier to the score, and extrapolating from an unconditional to a conditional prediction. In score
# space both are Bayes' rule with an exponent. This chapter verifies that on mixtures of Gaussians, where every
# score is exact, and then shows what is often left unsaid: the density that the guided score belongs to is not
# what a sampler draws.
#
# The scale $s$ multiplies conditional less unconditional, so that $s = 1$ is plain conditional sampling. Papers
# that write $(1 + w)$ times the conditional prediction have $s = 1 + w$.

# %% setup
import os

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax

import genjax
from genjax import diffusion, nn
from genjax.diffusion import Prediction
from genjax.metrics import diversity
from genjax.oracles import GaussianMixture
from genjax.training import fit, make_step

FAST = "GENJAX_FAST" in os.environ  # small sizes, to see that all runs
if FAST:
    jax.config.update("jax_disable_most_optimizations", True)  # which compiles sooner
keys = iter(jax.random.split(jax.random.key(0), 32))
angles = jnp.pi / 2 + 2 * jnp.pi * jnp.arange(3) / 3
means = jnp.stack([jnp.cos(angles), jnp.sin(angles)], 1)
covs = 0.2 * jnp.stack([jnp.eye(2)] * 3)
everything = GaussianMixture(jnp.full(3, 1 / 3), means, covs)
classes = [GaussianMixture(jnp.ones(1), means[k : k + 1], covs[k : k + 1]) for k in range(3)]


@jax.jit
def classify(x):
    """The label of largest p(y|x) by Bayes' rule with equal shares, of each row."""
    return jnp.stack([jax.vmap(one.log_prob)(x) for one in classes]).argmax(0)


# %% [markdown]
# ## Classifier guidance
#
# By Bayes' rule $\nabla \log p(x_t | y) = \nabla \log p(x_t) + \nabla \log p(y | x_t)$. Multiplying the last
# term by $w$ gives the score of the density proportional to $p(x_t)\, p(y | x_t)^w$ (S13; Dhariwal and Nichol,
# 2021). For the mixture the classifier of noised points is known. The cell compares `classifier_guidance` with
# the gradient of that log-density, taken by automatic differentiation, at random points and times, for
# predictions of the score and of the noise.

# %% classifier-guidance
schedule = diffusion.variance_preserving()


def class_log_prob(x, t):
    return (
        jnp.log(1 / 3)
        + classes[0].diffused(schedule, t).log_prob(x)
        - everything.diffused(schedule, t).log_prob(x)
    )


points, times, w = (
    jax.random.normal(next(keys), (50, 2)),
    jax.random.uniform(next(keys), (50,), minval=0.1),
    1.7,
)
tilted = lambda x, t: jax.grad(
    lambda x: everything.diffused(schedule, t).log_prob(x) + w * class_log_prob(x, t)
)(x)
guided = diffusion.classifier_guidance(everything.predict(schedule, Prediction.SCORE), class_log_prob, w)
of_noise = diffusion.classifier_guidance(
    everything.noise_fn(schedule), class_log_prob, w, schedule=schedule, prediction=Prediction.NOISE
)
as_score = diffusion.converted(of_noise, schedule, source=Prediction.NOISE, target=Prediction.SCORE)
expected, a, b = (jax.jit(jax.vmap(f))(points, times) for f in (tilted, guided, as_score))
worst = [float(jnp.abs(f - expected).max() / jnp.abs(expected).max()) for f in (a, b)]
print(f"worst relative difference: {worst[0]:.1e} of the score, {worst[1]:.1e} by way of the noise")
assert max(worst) < 1e-4  # float32

# %% [markdown]
# ## Classifier-free guidance
#
# By Bayes' rule again, $\nabla \log p(y|x_t) = \nabla \log p(x_t|y) - \nabla \log p(x_t)$: no classifier is
# needed where a network knows both scores (S14; Ho and Salimans, 2022). The guided prediction $u + s(c - u)$ is
# then $\nabla \log [p(x_t)\, p(y|x_t)^s]$, the same as classifier guidance of scale $s$. Since every kind of
# prediction is an affine map of every other, it does not matter in which one the extrapolation is made.

# %% bayes-rule-in-score-space
kinds = (Prediction.NOISE, Prediction.DATA, Prediction.V, Prediction.SCORE, Prediction.VELOCITY)
for kind in kinds:
    free = diffusion.classifier_free_guidance(
        classes[0].predict(schedule, kind), everything.predict(schedule, kind), w
    )
    scores = jax.jit(jax.vmap(diffusion.converted(free, schedule, source=kind, target=Prediction.SCORE)))(
        points, times
    )
    difference = float(jnp.abs(scores - expected).max() / jnp.abs(expected).max())
    print(f"{kind.name:9} worst relative difference from classifier guidance {difference:.1e}")
    assert difference < 3e-4  # float32; velocities are differences of larger numbers

# %% [markdown]
# ## The guided density, and what a sampler draws
#
# Figure 2 of Ho and Salimans (2022) shows three Gaussian classes and the normalised guided densities $p(x)\,
# p(y|x)^s$ for growing strength. The cell draws the same on a mixture of our own, and below each density the
# points that a sampler draws with the exact guided prediction, class by class.
#
# The two rows agree at $s = 1$ and at no other scale. The sampler follows $p_t(x_t)\, p_t(y|x_t)^s$ at every
# noise level. These densities are not the noised versions of one density: noising and raising to a power do not
# commute. The cell compares, for one class, the mean of the normalised guided density, by quadrature on a grid,
# with the mean of the samples.

# %% guided-density-and-samples
karras, n = diffusion.edm(), 100 if FAST else 2000
num_steps = 10 if FAST else 40


@jax.jit
def draw(key, scale):
    """Samples of the three classes, [3, n, 2], with exact predictions."""
    noise = karras.sigma_max * jax.random.normal(key, (n, 2))
    both = []
    for k in range(3):
        guided = diffusion.classifier_free_guidance(
            classes[k].noise_fn(karras), everything.noise_fn(karras), scale
        )
        one = lambda x, guided=guided: diffusion.sample(
            key, guided, karras, x, num_steps=num_steps, sampler=diffusion.heun()
        )  # a deterministic rule, which leaves the key unused
        both.append(jax.vmap(one)(noise))
    return jnp.stack(both)


axis = jnp.linspace(-4, 4, 161)
grid = jnp.stack(jnp.meshgrid(axis, axis), -1).reshape(-1, 2)
scales = [1.0, 2.0, 4.0]
fig, axes = plt.subplots(2, 3, figsize=(8, 5), sharex=True, sharey=True, layout="constrained")
distance = {}
for column, s in zip(axes.T, scales, strict=True):
    density = lambda k, s=s: jax.nn.softmax(
        (1 - s) * jax.vmap(everything.log_prob)(grid) + s * jax.vmap(classes[k].log_prob)(grid)
    )
    densities, samples = [density(k) for k in range(3)], draw(next(keys), s)
    column[0].imshow(sum(densities).reshape(161, 161), origin="lower", extent=(-4, 4, -4, 4))
    column[0].set_title(f"s = {s:g}")
    for points_of_class in samples:
        column[1].scatter(*points_of_class.T, s=1)
    column[1].set(xlim=(-3, 3), ylim=(-3, 3), aspect="equal")
    exact, drawn = densities[0] @ grid, samples[0].mean(0)
    error = float(jnp.linalg.norm(samples[0].std(0)) / np.sqrt(n))
    distance[s] = float(jnp.linalg.norm(exact - drawn)) / error
    print(f"s = {s:g}: mean of the guided density {exact}, of the samples {drawn} ± {error:.3f}")
axes[0, 0].set_ylabel("guided density")
axes[1, 0].set_ylabel("samples")
print("distance in standard errors:", {s: round(d, 1) for s, d in distance.items()})
if not FAST:
    assert distance[1.0] < 4
    assert min(distance[2.0], distance[4.0]) > 10

# %% [markdown]
# ## Adherence against diversity
#
# As the scale grows, samples move to where the class is certain, and lose variety (S14). Adherence is measured
# by the exact classifier of clean points: the share of samples that it gives to the class that was asked for.
# Diversity is the mean distance between two samples of a class. At large scales the samples leave the data:
# their mean log-density under the class falls, which for images is seen as burnt-out pixels.

# %% adherence-against-diversity
sweep = [0.5, 1.0, 2.0] if FAST else [0.5, 1.0, 2.0, 4.0, 8.0]
accuracy, spread, likelihood = [], [], []
for s in sweep:
    samples = draw(next(keys), s)
    chosen = classify(samples.reshape(-1, 2))
    accuracy.append(float((chosen == jnp.repeat(jnp.arange(3), n)).mean()))
    spread.append(float(np.mean([diversity(samples[k]).pairwise_distance for k in range(3)])))
    likelihood.append(float(np.mean([jax.vmap(classes[k].log_prob)(samples[k]).mean() for k in range(3)])))
    print(
        f"s = {s:3g}: accuracy {accuracy[-1]:.4f}, distance within a class {spread[-1]:.3f}, "
        f"mean log p(x|y) {likelihood[-1]:.2f} nats"
    )
fig, ax = plt.subplots(figsize=(5, 3), layout="constrained")
ax.plot(spread, accuracy, "o-")
for s, x, y in zip(sweep, spread, accuracy, strict=True):
    ax.annotate(f"s = {s:g}", (x, y))
ax.set(xlabel="mean distance within a class", ylabel="accuracy")
assert accuracy[0] < accuracy[1] < accuracy[2]
assert spread[0] > spread[1] > spread[2]
if not FAST:
    assert likelihood[-1] < likelihood[2]

# %% [markdown]
# ## Training with condition dropout
#
# One network learns both predictions, if its label is hidden in a share of the examples (S14; Ho and Salimans,
# algorithm 1). The label reaches the loss by closure. The network has one more label than there are classes,
# which stands for "no label". The cell trains such a network and samples it at three scales: the trade-off is
# the same as with the exact predictions. For class-conditional digits the same sweep is on the page of
# `experiments/diffusion.py digits`.

# %% condition-dropout
init, apply = nn.functional(
    lambda rngs: nn.TimedMLP(2, width=48, num_layers=1 if FAST else 2, num_classes=3, rngs=rngs)
)


def loss(params, key, batch):
    def one(key, x, label):
        key_loss, key_label = jax.random.split(key)
        label = jnp.where(jax.random.bernoulli(key_label, 0.15), 3, label)
        return diffusion.l_simple(key_loss, lambda x, t: apply(params, x, t, label=label), schedule, x)

    return genjax.expectation(one)(key, *batch)


labels = jnp.arange(15_000) % 3
data = means[labels] + jnp.sqrt(0.2) * jax.random.normal(next(keys), (15_000, 2))
begin, step = make_step(loss, optax.adam(optax.cosine_decay_schedule(2e-3, 3000)))
state, metrics = fit(
    next(keys), step, begin(init(next(keys))), (data, labels), num_steps=20 if FAST else 3000, batch_size=256
)


@jax.jit
def sample_network(key, label, scale):
    predict = diffusion.classifier_free_guidance(
        lambda x, t: apply(state.params, x, t, label=label),
        lambda x, t: apply(state.params, x, t, label=3),
        scale,
    )
    return diffusion.sample(
        key, predict, schedule, jax.random.normal(key, (2,)), num_steps=20, sampler=diffusion.ddim()
    )  # deterministic: the key is used for the start alone


asked, trained = jnp.arange(300 if FAST else 3000) % 3, []
for s in (0.5, 1.0, 2.0):
    samples = jax.vmap(sample_network, (0, 0, None))(jax.random.split(next(keys), len(asked)), asked, s)
    chosen = classify(samples)
    distance = float(np.mean([diversity(samples[asked == k]).pairwise_distance for k in range(3)]))
    trained.append((float((chosen == asked).mean()), distance))
    print(f"s = {s:g}: accuracy {trained[-1][0]:.3f}, distance within a class {distance:.3f}")
if not FAST:
    (low, wide), (middle, plain), (high, narrow) = trained
    assert low < middle < high
    assert wide > plain > narrow
