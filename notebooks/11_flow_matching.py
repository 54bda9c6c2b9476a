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
# # Flow matching
#
# Flow matching learns a velocity that carries noise to data along an ordinary differential equation. Its paths
# for single pairs are straight lines, $x_t = (1 - t)\, x_0 + t\, \epsilon$, with data at $t = 0$ and the source
# at $t = 1$. Papers that run time the other way have $\tau = 1 - t$ and the opposite velocity. This chapter
# shows that it is diffusion with a particular schedule, what the choice of pairs does to the paths, and how an
# average velocity crosses them in one step.

# %% setup
import os

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax

import genjax
from genjax import diffusion, flow_matching, nn
from genjax.data import GaussianRing
from genjax.diffusion import Prediction
from genjax.metrics import sliced_wasserstein
from genjax.oracles import GaussianMixture
from genjax.training import fit, make_step

FAST = "GENJAX_FAST" in os.environ  # small sizes, to see that all runs
if FAST:
    jax.config.update("jax_disable_most_optimizations", True)  # which compiles sooner
keys = iter(jax.random.split(jax.random.key(0), 32))

# %% [markdown]
# ## The marginal velocity
#
# The loss of one pair is $\lVert v(x_t, t) - (\epsilon - x_0) \rVert^2$ (Lipman et al., 2023, equation 23). Its
# minimiser is the conditional mean $E[\epsilon - x_0 \mid x_t]$, which is the velocity prediction of diffusion
# on the schedule $\alpha = 1 - t$, $\sigma = t$. For a mixture of Gaussians it is known. The cell checks that
# it does better than a velocity beside it, and that the density it transports is the mixture's: $\log p(x_0)$
# along the equation equals the exact one.

# %% marginal-velocity
mixture = GaussianMixture(
    jnp.array([0.3, 0.7]),
    jnp.array([[-1.0, 0.5], [1.5, -0.5]]),
    jnp.array([[[0.25, 0.1], [0.1, 0.3]], [[0.1, 0.0], [0.0, 0.4]]]),
)
best = mixture.predict(diffusion.rectified(), Prediction.VELOCITY)
n = 4000 if FAST else 20_000
x0, noise = mixture.sample(next(keys), n), jax.random.normal(next(keys), (n, 2))
draws = jax.random.split(next(keys), n)
at = lambda fn: jax.jit(jax.vmap(lambda k, x, e: flow_matching.conditional_flow_matching(k, fn, x, e)))(
    draws, x0, noise
)
least, beside = at(best), at(lambda x, t: 0.8 * best(x, t))
difference = beside - least
print(f"loss at the conditional mean {least.mean():.4f}, beside it {beside.mean():.4f}")
assert difference.mean() > 4 * difference.std() / np.sqrt(n)
points = x0[:3]
unused = next(keys)  # the exact divergence needs no draw
by_flow = jax.jit(jax.vmap(lambda x: flow_matching.log_prob(unused, best, x)))(points)
exact = jax.vmap(mixture.log_prob)(points)
print("log p by the equation:", by_flow, " exact:", exact)
assert np.allclose(by_flow, exact, atol=2e-3)  # the solver's tolerance

# %% [markdown]
# ## Pairs by optimal transport
#
# The loss leaves open which noise goes with which example. Independent pairs cross one another, and at a
# crossing the velocity can only be the mean of both directions, so that the paths bend. Within a batch, the
# pairing that minimises $\sum_i \lVert x_0^{(i)} - \epsilon^{(p(i))} \rVert^2$ does not cross (Pooladian et
# al., 2023; Tong et al., 2024). The cell draws batches of 128 and pairs each.

# %% minibatch-pairs
ring, size, batches = GaussianRing(), 128, 4 if FAST else 300
data = ring.sample(next(keys), size * batches) / 1.5  # to about unit variance
source = jax.random.normal(next(keys), (size * batches, 2))
chosen = [
    flow_matching.minibatch_ot_pairing(x, e) + i * size
    for i, (x, e) in enumerate(zip(data.reshape(-1, size, 2), source.reshape(-1, size, 2), strict=True))
]
pairs = {"independent": (data, source), "optimal": (data, source[jnp.concatenate(chosen)])}
cost = {name: float(jnp.mean(jnp.sum((x - e) ** 2, 1))) for name, (x, e) in pairs.items()}
fig, axes = plt.subplots(1, 2, figsize=(6, 3), sharey=True, layout="constrained")
for ax, (name, (x, e)) in zip(axes, pairs.items(), strict=True):
    ax.plot(*np.stack([x[:64], e[:64]], 1).T, color="grey", linewidth=0.5)
    ax.scatter(*x[:64].T, s=4)
    ax.set(title=name, aspect="equal")
print("mean squared length of a pair:", {name: round(value, 3) for name, value in cost.items()})
assert cost["optimal"] < 0.5 * cost["independent"]
assert sorted(np.concatenate(chosen).tolist()) == list(
    range(size * batches)
)  # no noise is lost or used twice

# %% [markdown]
# ## What the pairs do to the paths
#
# Two networks that differ in their pairs alone are trained for the same number of steps. `path_energy` gives
# for each path $\int \lVert v \rVert^2 dt$ and its straightness $\int \lVert v(x_t, t) - (x_1 - x_0) \rVert^2
# dt$, which is 0 for a straight line. On straight paths one step of Euler's rule is enough. The cell measures
# the distance of samples from new data (sliced Wasserstein) for one step and for fifty, and draws twenty paths
# of each network.

# %% paths-and-one-step
init, apply = nn.functional(
    lambda rngs: nn.TimedMLP(2, width=16 if FAST else 64, num_layers=1 if FAST else 3, rngs=rngs)
)


def loss(params, key, batch):
    velocity = lambda x, t: apply(params, x, t)
    return genjax.expectation(flow_matching.conditional_flow_matching, velocity)(key, *batch)


num_steps, n = 20 if FAST else 4000, 100 if FAST else 2000
begin, step = make_step(loss, optax.adam(optax.cosine_decay_schedule(2e-3, num_steps)))
params = init(next(keys))
start, test = jax.random.normal(next(keys), (n, 2)), ring.sample(next(keys), n) / 1.5
key_fit, key_lines, bend, error = next(keys), next(keys), {}, {}


@jax.jit
def measure(params):
    """Energy and straightness of each path, and where one and fifty steps end."""
    velocity = lambda x, t: apply(params, x, t)
    paths = jax.vmap(lambda e: flow_matching.path_energy(velocity, e, num_steps=50))(start)
    ends = [jax.vmap(lambda e, c=c: flow_matching.sample(velocity, e, num_steps=c))(start) for c in (1, 50)]
    return paths, ends


fig, axes = plt.subplots(1, 2, figsize=(6, 3), sharey=True, layout="constrained")
for ax, (name, pair) in zip(axes, pairs.items(), strict=True):
    state, _ = fit(
        key_fit, step, begin(params), pair, num_steps=num_steps, batch_size=256
    )  # the same draws for both
    (energy, straightness), ends = measure(state.params)
    error[name] = [float(sliced_wasserstein(key_lines, end, test)) for end in ends]
    bend[name] = float(straightness.mean())
    print(
        f"{name:12} energy {energy.mean():.3f}, straightness {bend[name]:.3f}; "
        f"distance from data: one step {error[name][0]:.3f}, fifty {error[name][1]:.3f}"
    )
    x, states = start[:20], [start[:20]]
    move = jax.jit(jax.vmap(lambda x, t, p=state.params: x - apply(p, x, t) / 20, (0, None)))
    for t in jnp.linspace(1, 0.05, 20):
        x = move(x, t)
        states.append(x)
    ax.plot(*np.stack(states).transpose(2, 0, 1), linewidth=0.8)
    ax.scatter(*ends[0].T, s=1, color="grey")
    ax.set(title=f"{name}: one step (dots)", aspect="equal", xlim=(-2.5, 2.5), ylim=(-2.5, 2.5))
if not FAST:
    assert bend["optimal"] < 0.2 * bend["independent"]
    assert error["optimal"][0] < 0.5 * error["independent"][0]

# %% [markdown]
# ## An average velocity crosses in one step
#
# The average velocity from $r$ to $t$ along a path, $u(x_t, r, t) = \frac{1}{t - r} \int_r^t v(x_\tau, \tau)\,
# d\tau$, takes a point across in one step: $x_r = x_t - (t - r)\, u$. Differentiating $(t - r)\, u$ along the
# path gives the identity of mean flows (Geng et al., 2025, equation 6), $u = v - (t - r)\, \frac{du}{dt}$,
# which makes a training target.
#
# For data $N(m, v)$ all of it is known: with $S(t) = \sqrt{(1-t)^2 v + t^2}$ the flow moves a point at a
# constant number of standard deviations from the mean. The cell verifies the identity by a derivative along the
# path, lands exactly by one step, and shows that the mean gradient of `mean_flow_error` is zero at the exact
# $u$. Without the stopped gradient of the target it would not be zero, and the objective would have another
# minimiser.

# %% mean-flow-identity
m, v = 0.7, 0.25
spread = lambda t: jnp.sqrt((1 - t) ** 2 * v + t**2)
velocity = lambda x, t: -m + jax.grad(spread)(t) / spread(t) * (x - m * (1 - t))
carried = lambda x, r, t: m * (1 - r) + spread(r) / spread(t) * (x - m * (1 - t))  # from time t to time r
average = lambda x, r, t: (x - carried(x, r, t)) / (t - r)
with jax.enable_x64(True):
    for r, t, x in ((0.2, 0.9, 0.4), (0.0, 1.0, -1.3), (0.5, 0.6, 2.0)):
        x, r, t = jnp.array([x]), jnp.array(r), jnp.array(t)
        along = (velocity(x, t), jnp.array(0.0), jnp.array(1.0))
        u, slope = jax.jvp(average, (x, r, t), along)
        right = velocity(x, t) - (t - r) * slope
        print(f"r = {r:.1f}, t = {t:.1f}: u = {u[0]:.9f}, v − (t − r) du/dt = {right[0]:.9f}")
        assert np.allclose(u, right, atol=1e-9)  # float64
        fine = jnp.linspace(t, r, 2001)  # the same point by many steps of Heun's rule
        walk = lambda x, ends: (
            x
            - (ends[0] - ends[1])
            * (velocity(x, ends[0]) + velocity(x - (ends[0] - ends[1]) * velocity(x, ends[0]), ends[1]))
            / 2,
            None,
        )
        landed, _ = jax.lax.scan(walk, x, (fine[:-1], fine[1:]))
        assert np.allclose(x - (t - r) * u, landed, atol=1e-6)  # Heun's error at 2,000 steps


def gradient(loss):
    """The derivative in c of the loss of c · u at c = 1: its mean and standard error."""

    def one(key):
        key_x, key_noise, key_t = jax.random.split(key, 3)
        x0, noise = m + np.sqrt(v) * jax.random.normal(key_x, (1,)), jax.random.normal(key_noise, (1,))
        r, t = jnp.sort(jax.random.uniform(key_t, (2,)))
        return jax.grad(lambda c: loss(lambda x, r, t: c * average(x, r, t), x0, r, t, noise))(1.0)

    values = jax.jit(jax.vmap(one))(jax.random.split(next(keys), n))
    return float(values.mean()), float(values.std() / np.sqrt(n))


def unstopped(u, x0, r, t, noise):
    """The same error with the gradient passing through the target."""
    u, slope = jax.jvp(u, ((1 - t) * x0 + t * noise, r, t), (noise - x0, jnp.zeros(()), jnp.ones(())))
    return jnp.sum((u - (noise - x0) + (t - r) * slope) ** 2)


n = 4000 if FAST else 40_000
(stopped, error_a), (passing, error_b) = gradient(flow_matching.mean_flow_error), gradient(unstopped)
print(
    f"mean gradient at the exact u: {stopped:.4f} ± {error_a:.4f}; without the stop {passing:.4f} ± {error_b:.4f}"
)
assert abs(stopped) < 4 * error_a
if not FAST:
    assert abs(passing) > 10 * error_b
