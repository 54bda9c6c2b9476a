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
# # Score matching and Langevin dynamics
#
# The score of a density is the gradient of its logarithm, $s(x) = \nabla \log p(x)$. It does not know the
# normalising constant, which makes it easy to learn, and it says in which direction the density grows, which
# makes it useful for sampling. This chapter shows what the score of noised data has to do with the noise, that
# three objectives have the same minimiser, and where a chain that follows a score goes wrong: Figures 2 and 3
# of Song and Ermon (2019).

# %% setup
import os

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax

import genjax
from genjax import diffusion, nn, score
from genjax.densities import normal_log_prob
from genjax.diffusion import Prediction
from genjax.energy import metropolis_langevin
from genjax.oracles import GaussianMixture
from genjax.training import fit, make_step

FAST = "GENJAX_FAST" in os.environ  # small sizes, to see that all runs
if FAST:
    jax.config.update("jax_disable_most_optimizations", True)  # which compiles sooner
keys = iter(jax.random.split(jax.random.key(0), 32))

# %% [markdown]
# ## The score is minus the noise over sigma
#
# Let $x_t = \alpha x_0 + \sigma \epsilon$ (S12; exercise 6 of S15). Given $x_0$ this is $N(\alpha x_0, \sigma^2
# I)$, and
# $$\nabla_{x_t} \log q(x_t \mid x_0) = -\frac{x_t - \alpha x_0}{\sigma^2} = -\frac{\epsilon}{\sigma} .$$
# Without $x_0$, differentiate $p_t(x_t) = \int p(x_0)\, q(x_t \mid x_0)\, dx_0$ under the integral:
# $$\nabla \log p_t(x_t) = \frac{\int p(x_0)\, q(x_t|x_0)\, \nabla \log q(x_t|x_0)\, dx_0}{p_t(x_t)} =
# E\left[-\frac{\epsilon}{\sigma} \,\middle|\, x_t\right] .$$
# The score of noised data is thus the mean of $-\epsilon/\sigma$ over all the noises that may have led to
# $x_t$. A network that predicts the noise in the least squares is a network that predicts the score.
#
# The cell differentiates the conditional density, and then takes the conditional mean by weighting draws of
# $x_0$ with $q(x_t \mid x_0)$, and compares it with the score of the diffused mixture, which is also the
# gradient of its log-density.

# %% score-is-minus-noise-over-sigma
schedule, t = diffusion.linear_schedule(), 501
alpha, sigma = schedule.alpha(t), schedule.sigma(t)
x0, noise = jnp.array([0.4, -1.1]), jnp.array([0.7610377, 0.1216750])
x_t = diffusion.add_noise(schedule, x0, t, noise)
log_q = lambda x_t: normal_log_prob(x_t, alpha * x0, jnp.full(2, 2 * jnp.log(sigma)))
by_autodiff = jax.grad(log_q)(x_t)
by_map = diffusion.convert(schedule, noise, x_t, t, source=Prediction.NOISE, target=Prediction.SCORE)
print("∇ log q(x_t|x_0):", by_autodiff, "  −ε/σ:", by_map)
assert np.allclose(by_map, [-0.7924883, -0.1267033], atol=1e-6)
assert np.allclose(by_autodiff, by_map, atol=1e-5)  # float32

mixture = GaussianMixture(
    jnp.array([0.3, 0.7]),
    jnp.array([[-1.0, 0.5], [1.5, -0.5]]),
    jnp.array([[[0.25, 0.1], [0.1, 0.3]], [[0.1, 0.0], [0.0, 0.4]]]),
)
diffused = mixture.diffused(schedule, t)
assert np.allclose(diffused.score(x_t), jax.grad(diffused.log_prob)(x_t), atol=1e-5)
draws = mixture.sample(next(keys), 10_000 if FAST else 100_000)
noises = (x_t - alpha * draws) / sigma  # the noise that leads from each draw to x_t
weights = jax.nn.softmax(-jnp.sum(noises**2, 1) / 2)
mean = weights @ (-noises / sigma)
error = jnp.sqrt(
    jnp.sum((weights[:, None] * (-noises / sigma - mean)) ** 2, 0)
)  # of a ratio, by the delta method
print("E[−ε/σ | x_t]:   ", mean, "±", error)
print("∇ log p_t(x_t):  ", diffused.score(x_t))
assert (abs(mean - diffused.score(x_t)) < 4 * error).all()

# %% [markdown]
# ## Three objectives, one minimiser
#
# The error $\tfrac12 E\lVert s(x) - \nabla \log p(x) \rVert^2$ cannot be computed, as the second score is not
# known. Three objectives differ from it by a constant alone (S12), on the density of data with noise of level
# $\sigma$:
#
# - denoising: $\tfrac12 \lVert s(x + \sigma\epsilon) + \epsilon/\sigma \rVert^2$ (Vincent, 2011);
# - implicit: $\nabla \cdot s(y) + \tfrac12 \lVert s(y) \rVert^2$ (Hyvärinen, 2005);
# - sliced: $v^\top (\nabla s) v + \tfrac12 (v^\top s)^2$ along a random direction (Song et al., 2019).
#
# Along the family $a \cdot \nabla \log p$ each is a parabola in $a$. The cell draws the three, shifted to a
# common height, and checks that the derivative at $a = 1$ is zero within four standard errors.

# %% one-minimiser
sigma, n = 0.4, 2000 if FAST else 40_000
noised = GaussianMixture(mixture.weights, mixture.means, mixture.covs + sigma**2 * jnp.eye(2)[None])
x, noise = mixture.sample(next(keys), n), jax.random.normal(next(keys), (n, 2))
y, direction = x + sigma * noise, jax.random.rademacher(next(keys), (n, 2)).astype(jnp.float32)
objectives = {
    "denoising": lambda fn: jax.vmap(lambda x, e: score.denoising_score_matching(fn, x, e, sigma=sigma))(
        x, noise
    ),
    "implicit": lambda fn: jax.vmap(lambda y: score.implicit_score_matching(fn, y))(y),
    "sliced": lambda fn: jax.vmap(lambda y, v: score.sliced_score_matching(fn, y, v))(y, direction),
}
scales = np.array([0.5, 0.75, 1.0, 1.25, 1.5])
fig, ax = plt.subplots(figsize=(6, 3), layout="constrained")
for name, objective in objectives.items():
    at = jax.jit(lambda a, objective=objective: objective(lambda y: a * noised.score(y)))
    values = np.array([at(a) for a in scales])
    slope = values[-1] - values[0]  # the derivative at 1 of each parabola, example by example
    error = slope.std() / np.sqrt(n)
    ax.plot(scales, values.mean(1) - values[2].mean(), "o-", label=name)
    print(
        f"{name:10} mean at a = 1: {values[2].mean():8.4f}   derivative at a = 1: {slope.mean():7.4f} ± {error:.4f}"
    )
    assert abs(slope.mean()) < 4 * error
    assert values[2].mean() < min(values[0].mean(), values[-1].mean())
ax.set(xlabel="a", ylabel="objective, shifted")
ax.legend()

# %% [markdown]
# ## Langevin dynamics
#
# The unadjusted Langevin update follows the score with noise (S23): $x \leftarrow x + \eta\, s(x) +
# \sqrt{2\eta}\, \epsilon$. On $N(0, 1)$ it is a linear recursion, $x \leftarrow (1 - \eta) x + \sqrt{2\eta}\,
# \epsilon$, whose stationary variance solves $V = (1 - \eta)^2 V + 2\eta$, that is $V = 1/(1 - \eta/2)$: too
# wide, by an amount that vanishes with the step. Accepting each step with the probability of Metropolis and
# Hastings makes it exactly 1 at any step size.

# %% langevin-variance
x = score.langevin_step(
    lambda x: -x, jnp.array([2.0, -1.0]), jnp.array([0.3615951, 1.3040001]), step_size=0.1
)
print("one update of (2, −1):", x)
assert np.allclose(x, [1.9617102, -0.3168335], atol=1e-6)

n, error = 4000 if FAST else 20_000, np.sqrt(2 / (4000 if FAST else 20_000))  # relative, of a variance
sizes = [0.5] if FAST else [0.1, 0.5, 1.0]
for eta in sizes:
    length = int(20 / eta)  # the start is forgotten by a factor (1 − η)^length
    plain = lambda key, eta=eta, length=length: score.langevin(
        key, lambda x: -x, jnp.zeros(1), step_size=eta, num_steps=length
    )
    adjusted = lambda key, eta=eta, length=length: (
        metropolis_langevin(
            key, lambda x: jnp.sum(x**2) / 2, jnp.zeros(1), step_size=eta, num_steps=2 * length
        ).x
    )
    v, w = (jax.jit(jax.vmap(f))(jax.random.split(next(keys), n)).var() for f in (plain, adjusted))
    print(
        f"η = {eta}: variance {v:.4f}, 1/(1 − η/2) = {1 / (1 - eta / 2):.4f}; with Metropolis {w:.4f} (±{error:.4f})"
    )
    assert abs(v * (1 - eta / 2) - 1) < 4 * error
    assert abs(w - 1) < 4 * error

# %% [markdown]
# ## Scores where there are no data
#
# Figure 2 of Song and Ermon (2019): the true score of $.8\, N((5, 5), I) + .2\, N((-5, -5), I)$ beside one
# learned by sliced score matching. A loss that is a mean over data says nothing of places without data, and
# there the learned field is arbitrary. The figure has the same mixture, the same objective and the same plot;
# the network and its training are our own. The cell measures the relative error of the field near the modes and
# in the two empty corners.

# %% scores-in-empty-regions
means = jnp.array([[5.0, 5.0], [-5.0, -5.0]])
modes = GaussianMixture(jnp.array([0.8, 0.2]), means, jnp.stack([jnp.eye(2)] * 2))
init, apply = nn.functional(lambda rngs: nn.MLP(2, (64, 64), 2, rngs=rngs))


def loss(params, key, batch):
    one = lambda key, x: score.sliced_score_matching_vr(
        lambda x: apply(params, x), x, jax.random.rademacher(key, (2,)).astype(x.dtype)
    )
    return genjax.expectation(one)(key, batch)


start, step = make_step(loss, optax.adam(1e-3))
data = modes.sample(next(keys), 20_000)
state, _ = fit(
    next(keys), step, start(init(next(keys))), data, num_steps=20 if FAST else 4000, batch_size=128
)
axis = jnp.linspace(-8, 8, 17)
grid = jnp.stack(jnp.meshgrid(axis, axis), -1).reshape(-1, 2)
true, learned = jax.jit(lambda x: (jax.vmap(modes.score)(x), jax.vmap(lambda x: apply(state.params, x))(x)))(
    grid
)
fig, axes = plt.subplots(1, 2, figsize=(7, 3.5), sharey=True, layout="constrained")
for ax, field, title in zip(axes, (true, learned), ("exact score", "learned"), strict=True):
    ax.scatter(*data[:500].T, s=2, color="tab:orange", alpha=0.5)
    ax.quiver(*grid.T, *field.T, scale=150)
    ax.set(title=title, aspect="equal")


@jax.jit
def relative(points):
    """Squared error of the learned field over the squared length of the true one."""
    true, learned = jax.vmap(modes.score)(points), jax.vmap(lambda x: apply(state.params, x))(points)
    return jnp.sum((learned - true) ** 2) / jnp.sum(true**2)


near = relative(modes.sample(next(keys), 2000))
corners = jnp.concatenate([jnp.array([[5.0, -5.0]]), jnp.array([[-5.0, 5.0]])])
empty = relative((corners[:, None] + jax.random.normal(next(keys), (1000, 2))).reshape(-1, 2))
print(f"relative squared error: {near:.3f} where the data are, {empty:.3f} in the empty corners")
if not FAST:
    assert near < 0.15
    assert empty > 3 * near

# %% [markdown]
# ## Two modes far apart
#
# Even with the exact score a plain chain gets the weights of separated modes wrong, because between them there
# is nothing to carry it across: it stays in the basin where it starts. Annealed Langevin dynamics starts at a
# noise level at which the modes are one, and lowers it. Figure 3 of Song and Ermon (2019) shows exact samples,
# plain and annealed chains, 1,280 of each from uniform starts. The cell does the same with the exact score
# (S23), at levels from 20 down to 1 where 1 is the data's own standard deviation; the number of levels and
# steps is larger than in the paper, and the step size is in our convention, half of theirs. The larger mode has
# mass .8.

# %% separated-modes
n, levels, steps = (100, 10, 20) if FAST else (1280, 20, 200)
start = jax.random.uniform(next(keys), (n, 2), minval=-8, maxval=8)


def annealed_score(x, sigma):
    return GaussianMixture(modes.weights, means, modes.covs + (sigma**2 - 1) * jnp.eye(2)[None]).score(x)


plain = lambda key, x: score.langevin(key, modes.score, x, step_size=0.05, num_steps=50 if FAST else 1000)
annealed = lambda key, x: score.annealed_langevin(
    key, annealed_score, x, jnp.geomspace(20.0, 1.0, levels), step_size=0.05, num_steps=steps
)
ends = {"exact samples": modes.sample(next(keys), n), "start": start}
for name, chain in (("plain", plain), ("annealed", annealed)):
    ends[name] = jax.jit(jax.vmap(chain))(jax.random.split(next(keys), n), start)
share = {name: float((points.sum(1) > 0).mean()) for name, points in ends.items()}
fig, axes = plt.subplots(1, 3, figsize=(8, 2.8), sharey=True, layout="constrained")
for ax, name in zip(axes, ("exact samples", "plain", "annealed"), strict=True):
    ax.scatter(*ends[name].T, s=1)
    ax.set(title=name, xlim=(-9, 9), ylim=(-9, 9), aspect="equal")
for name, mass in share.items():
    print(f"{name:14} mass on the larger mode {mass:.3f} ± {np.sqrt(mass * (1 - mass) / n):.3f}")
assert abs(share["plain"] - share["start"]) < 0.05  # chains stay in their basin, but near the border
assert abs(share["exact samples"] - 0.8) < 4 * np.sqrt(0.16 / n)
if not FAST:
    assert abs(share["annealed"] - 0.8) < max(0.03, 4 * np.sqrt(0.16 / n))
    assert share["plain"] < 0.6
