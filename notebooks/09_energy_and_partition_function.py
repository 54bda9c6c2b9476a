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
# # Energies and the partition function
#
# Any function can be made a density: $p(x) = e^{-E(x)} / Z$ with $Z = \int e^{-E(x)}\, dx$. The energy is free,
# and the price is $Z$. In the plane a grid finds it. The cost of a grid grows as $n^d$, which rules it out for
# images. Annealed chains go further, and bracket $\log Z$ between two bounds. Each of the three is shown here
# against a known answer.

# %% setup
import os

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax

import genjax
from genjax import energy, nn
from genjax.data import Circle
from genjax.densities import normal_log_prob
from genjax.training import fit, make_step

FAST = "GENJAX_FAST" in os.environ  # small sizes, to see that all runs
if FAST:
    jax.config.update("jax_disable_most_optimizations", True)  # which compiles sooner
keys = iter(jax.random.split(jax.random.key(0), 32))

# %% [markdown]
# ## A circle as an energy
#
# Let $E(x) = (|x| - R)^2 / 2s^2$ with $R = 2$ and $s = .1$: a ring-shaped valley (S18). In polar coordinates $Z
# = \int_0^\infty 2\pi r\, e^{-(r - R)^2 / 2s^2}\, dr$, which is $2\pi R\, s \sqrt{2\pi}$ but for the tail below
# $r = 0$, twenty standard deviations off. Quadrature in the plane (S19) is held against it. A second check: the
# library's circle is a normalised density, so that its $\log Z$ is 0.

# %% circle-as-an-energy
radius, width = 2.0, 0.1
corner = 4 * jnp.ones(2)
valley = lambda x: (jnp.linalg.norm(x) - radius) ** 2 / (2 * width**2)
points = 200 if FAST else 400
quadrature = jax.jit(
    lambda fn: energy.log_partition_quadrature(fn, -corner, corner, num_points=points), static_argnums=0
)
grid = quadrature(valley)
exact = np.log(2 * np.pi * radius * width * np.sqrt(2 * np.pi))
print(f"log Z by quadrature {grid.log_z:.6f}, in closed form {exact:.6f}, stated error {grid.error:.1e}")
assert abs(grid.log_z - exact) < max(1e-4, float(grid.error))
one = quadrature(lambda x: -Circle().log_prob(x))
print(f"log Z of the normalised circle {one.log_z:.6f}, stated error {one.error:.1e}")
assert abs(one.log_z) < max(1e-4, float(one.error))

# %% [markdown]
# ## Data on a curve have no density
#
# The ring-shaped cloud is a density because it has a width (S18). As the radial noise $s$ goes to 0, the
# log-density on the circle grows like $-\log s$: the likelihood of data that lie on a curve has no bound, and a
# model that can choose its own width will be pushed to narrow it. With noise $.1$, $95.45\,\%$ of the points
# lie within $.2$ of the circle.

# %% no-bound-without-noise
widths = np.array([0.1, 0.01, 0.001, 1e-4])
heights = np.array([Circle(noise=float(s)).log_prob(jnp.array([2.0, 0.0])) for s in widths])
print("log p on the circle:", {float(s): round(float(h), 2) for s, h in zip(widths, heights, strict=True)})
assert np.allclose(np.diff(heights), np.log(10), atol=1e-3)  # −log s, in float32
n = 10_000
x = Circle().sample(next(keys), n)
inside = float((jnp.abs(jnp.linalg.norm(x, axis=1) - 2) < 0.2).mean())
print(f"share within .2 of the circle: {inside:.4f} ± {np.sqrt(inside * (1 - inside) / n):.4f}")
assert abs(inside - 0.9545) < 4 * np.sqrt(0.9545 * 0.0455 / n)

# %% [markdown]
# ## Learning an energy without its partition function
#
# Noise-contrastive estimation (Gutmann and Hyvärinen, 2012) tells data from noise of a known density by a
# logistic regression whose logit is $-E(x) - \log Z - \log p_n(x)$, with $\log Z$ a parameter like any other.
# At the minimum the density is right, and so is $\log Z$. The cell learns the circle, then takes $\log Z$ of
# the learned energy by quadrature, which is possible in the plane, and compares. The figure has the truth
# beside the learned density.

# %% learned-circle
init, apply = nn.functional(lambda rngs: nn.MLP(2, (64, 64), 1, rngs=rngs))
noise_scale, ratio = 1.8, 8
noise_log_prob = lambda x: normal_log_prob(x, jnp.zeros(2), jnp.full(2, 2 * jnp.log(noise_scale)))
energy_of = lambda params: lambda x: apply(params["net"], x)[0] + jnp.sum(x**2) / 8  # integrable


def loss(params, key, batch):
    one = lambda key, x: energy.noise_contrastive_estimation(
        energy_of(params),
        noise_log_prob,
        params["log_z"],
        x,
        noise_scale * jax.random.normal(key, (ratio, 2)),
    )
    return genjax.expectation(one)(key, batch)


num_steps = 20 if FAST else 4000
begin, step = make_step(loss, optax.adam(optax.cosine_decay_schedule(3e-3, num_steps)))
params = {"net": init(next(keys)), "log_z": jnp.zeros(())}
state, _ = fit(
    next(keys), step, begin(params), Circle().sample(next(keys), 20_000), num_steps=num_steps, batch_size=128
)
learned = jax.jit(
    lambda p: energy.log_partition_quadrature(
        energy_of(p), -10 * jnp.ones(2), 10 * jnp.ones(2), num_points=points
    )
)(state.params)
test = Circle().sample(next(keys), 4000)
nats = jax.jit(jax.vmap(lambda x: -energy_of(state.params)(x) - learned.log_z))(test)
gaps = jax.vmap(Circle().log_prob)(test) - nats
print(f"log Z: learned {state.params['log_z']:.3f}, by quadrature {learned.log_z:.3f} ± {learned.error:.3f}")
print(f"nats by which the model misses the truth: {gaps.mean():.3f} ± {gaps.std() / np.sqrt(len(test)):.3f}")
axis = jnp.linspace(-3, 3, 121)
plane = jnp.stack(jnp.meshgrid(axis, axis), -1).reshape(-1, 2)
densities = {
    "truth": jax.vmap(Circle().log_prob)(plane),
    "learned": jax.jit(jax.vmap(lambda x: -energy_of(state.params)(x) - learned.log_z))(plane),
}
fig, axes = plt.subplots(1, 2, figsize=(6, 3), sharey=True, layout="constrained")
for ax, (name, values) in zip(axes, densities.items(), strict=True):
    ax.imshow(jnp.exp(values).reshape(121, 121), origin="lower", extent=(-3, 3, -3, 3), vmin=0, vmax=0.35)
    ax.set_title(name)
if not FAST:
    assert (
        abs(state.params["log_z"] - learned.log_z) < 0.15
    )  # the learned value is a minimum over finite data
    assert 0 < gaps.mean() < 0.05  # nats, of an entropy of 1.65

# %% [markdown]
# ## What a grid costs
#
# A grid has $n^d$ points (S19). Points of an axis must stand closer than the density's features, so $n$ cannot
# be small: the first part shows $\log Z$ of the circle as $n$ grows. The second counts the points of a grid
# with 100 points on an axis. Above three dimensions `log_partition_quadrature` refuses, and says what it would
# cost. An image of $512 \times 512$ pixels and three colours has 786,432 dimensions.

# %% cost-of-a-grid
sizes = [25, 50, 100, 200] if FAST else [25, 50, 100, 200, 400]
errors = []
for n in sizes:
    value = jax.jit(
        lambda n=n: energy.log_partition_quadrature(valley, -corner, corner, num_points=n).log_z
    )()
    errors.append(abs(float(value) - exact))
    print(f"n = {n:3}, {n**2:7,} points: error of log Z {errors[-1]:.1e} nats")
assert errors[-1] < 1e-4 < errors[0]
images = 512 * 512 * 3
assert images == 786_432
messages = []
for d in (4, images):
    try:
        energy.log_partition_quadrature(jnp.sum, -jnp.ones(d), jnp.ones(d), num_points=100)
    except ValueError as error:
        messages.append(str(error))
        print(f"d = {d}: {error}")
assert "10^8.0" in messages[0]
assert "10^1572864.0" in messages[1]  # 100^786432

# %% [markdown]
# ## Annealed importance sampling between two bounds
#
# A restricted Boltzmann machine has $E(v, h) = -v^\top W h - b^\top v - a^\top h$. With few hidden units $\log
# Z$ can be summed exactly, over their states, so an estimator can be tested. Annealed importance sampling
# (Neal, 2001) carries chains from a base whose $Z_0$ is known through a path of temperatures. The mean weight
# is $Z / Z_0$; by Jensen's inequality its logarithm lies below in expectation. Run backwards from exact samples
# of the model it lies above (Grosse et al., 2015). The two bracket $\log Z$ (S19), and close on it as the
# temperatures become more.

# %% annealed-bracket
visible, hidden = 14, 8
key_w, key_b, key_a = jax.random.split(next(keys), 3)
rbm = energy.RestrictedBoltzmann(
    weights=2 * jax.random.normal(key_w, (visible, hidden)),
    visible_bias=jax.random.normal(key_b, (visible,)) - 1,
    hidden_bias=jax.random.normal(key_a, (hidden,)) - 1,
)
exact = float(rbm.log_partition().log_z)
states = jnp.float32((np.arange(2**visible)[:, None] >> np.arange(visible)) & 1)
over_visible = float(energy.log_partition_enumeration(rbm.free_energy, states).log_z)
print(f"exact log Z: {exact:.4f} over the hidden states, {over_visible:.4f} over the 2^14 visible ones")
assert abs(exact - over_visible) < 1e-4 * exact  # float32

counts, n = [3, 100] if FAST else [3, 10, 30, 100, 300, 1000], 100 if FAST else 500
ends = []
for count in counts:
    bracket = jax.jit(
        lambda key, count=count: energy.boltzmann_bracket(
            key, rbm, jnp.zeros(visible), jnp.linspace(0, 1, count), num_chains=n
        )
    )(next(keys))
    ends.append(bracket)
    print(
        f"{count:5} temperatures: {bracket.lower.log_z:.4f} ± {bracket.lower.error:.4f} to "
        f"{bracket.upper.log_z:.4f} ± {bracket.upper.error:.4f}; gap {bracket.gap:.4f}; "
        f"errors may be trusted: {bracket.errors_hold(n)}"
    )
fig, ax = plt.subplots(figsize=(6, 3), layout="constrained")
for name in ("lower", "upper"):
    values = [getattr(b, name) for b in ends]
    ax.errorbar(counts, [v.log_z for v in values], [2 * v.error for v in values], marker="o", label=name)
ax.axhline(exact, color="grey", linestyle=":", label="exact")
ax.set(xscale="log", xlabel="temperatures", ylabel="log Z")
ax.legend()
last = ends[-1]
assert last.lower.log_z < exact + 4 * last.lower.error
assert last.upper.log_z > exact - 4 * last.upper.error
assert last.gap < ends[0].gap
assert last.lower.error < ends[0].lower.error
if not FAST:
    assert abs(last.gap) < 0.2
