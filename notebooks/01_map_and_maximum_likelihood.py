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
# # A map of generative models, and maximum likelihood
#
# A generative model is a distribution $p_\theta(x)$ that can be sampled, fitted to data from an unknown $p(x)$. The
# families differ in what they can compute: some give $\log p_\theta(x)$ exactly, some bound it, some give samples
# alone. This chapter draws the map, then treats the principle from which most of it follows, and ends with two
# families trained on one data set whose density is known, so that their numbers can be compared.

# %% setup
import math
import os
import time
from functools import partial

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax

from genjax import Kind, expectation, flow, nn, per_example, vae
from genjax.data import Circle
from genjax.divergences import kl_normal
from genjax.report.families import FAMILIES
from genjax.training import fit, make_step

FAST = "GENJAX_FAST" in os.environ  # small sizes, to see that all runs
jax.config.update("jax_disable_most_optimizations", FAST)  # then compiling takes longer than running
np.set_printoptions(precision=4, suppress=True)

key_normal, key_repeats, key_circle, key_vae, key_flow, key_draws = jax.random.split(jax.random.key(0), 6)

# %% [markdown]
# ## The map (S01)
#
# What each family minimises, the mathematics it rests on, and what it says of the likelihood of a datum. The last
# column decides which numbers may be compared: an exact value with a bound only as an inequality.

# %% family-map
print(f"{'family':<15} {'objective':<22} {'tool':<46} likelihood")
for name, family in FAMILIES.items():
    print(f"{name:<15} {family.objective:<22} {family.tool:<46} {family.likelihood}")
assert FAMILIES["vae"].likelihood == "lower bound"
assert FAMILIES["flow"].likelihood == "exact"
assert FAMILIES["gan"].likelihood == "implicit"
assert {"vae", "gan", "flow", "diffusion"} <= set(FAMILIES)

# %% [markdown]
# ## Maximum likelihood by gradient descent (S16)
#
# Given samples $x_1, \dots, x_n$ of $p$, maximum likelihood minimises
#
# $$-\frac1n \sum_i \log p_\theta(x_i) \;\to\; -\mathbb{E}_{p}[\log p_\theta(x)]
#   = H(p) + \mathrm{KL}(p \,\|\, p_\theta),$$
#
# so that with many samples it minimises the divergence from the truth. The simplest case is a normal law with
# unknown mean and scale: an affine map of noise. Its maximum is known, the sample's mean and (uncorrected) standard
# deviation. Gradient descent finds them, and they agree with the truth to their standard errors, $\sigma/\sqrt n$
# and $\sigma/\sqrt{2n}$.

# %% maximum-likelihood-recovers-a-normal
true_mean, true_std = jnp.array([1.5, -0.5]), jnp.array([0.7, 2.0])
n = 5000
x = true_mean + true_std * jax.random.normal(key_normal, (n, 2))


def negative_log_likelihood(model, x):
    """The mean of −log p(x) over a sample."""
    return jnp.mean(jax.vmap(partial(flow.negative_log_likelihood, model))(x))


@jax.jit
def descend(x):
    """The affine flow after 600 steps of gradient descent on all data, and the cost on the way."""
    start = flow.Affine(shift=jnp.zeros(2), log_scale=jnp.zeros(2))
    step_size = 0.2

    def step(model, _):
        cost, gradient = jax.value_and_grad(negative_log_likelihood)(model, x)
        return jax.tree.map(lambda a, g: a - step_size * g, model, gradient), cost

    return jax.lax.scan(step, start, length=600)


model, costs = descend(x)
mean, std = np.asarray(model.shift), np.exp(np.asarray(model.log_scale))
print("mean: learned", mean, "sample", np.asarray(x.mean(axis=0)), "truth", np.asarray(true_mean))
print("standard deviation: learned", std, "sample", np.asarray(x.std(axis=0)), "truth", np.asarray(true_std))
# Sums of 5,000 terms in float32, whose roundings move the optimum by some 1e-6.
assert np.abs(mean - x.mean(axis=0)).max() < 1e-5
assert np.abs(std - x.std(axis=0)).max() < 1e-5
assert np.all(np.abs(mean - true_mean) < 5 * true_std / math.sqrt(n))  # five standard errors
assert np.all(np.abs(std - true_std) < 5 * true_std / math.sqrt(2 * n))

# %% [markdown]
# ## The cost is entropy and divergence (S16)
#
# The cost on the training sample is *below* the entropy's counterpart on that sample, because the fit follows the
# sample; what counts is $\mathrm{KL}(p \| p_\theta)$, here in closed form. Over repeated samples its mean is about
# (number of parameters)$/(2n)$, whatever the truth: four parameters, $n = 5000$, $.0004$ nats. A hundred fits at
# once by `jax.vmap`:

# %% divergence-of-the-fit
true_log_var = 2 * jnp.log(true_std)
entropy = float(jnp.sum(0.5 + 0.5 * math.log(2 * math.pi) + jnp.log(true_std)))
small = 200
samples = true_mean + true_std * jax.random.normal(key_repeats, (100, small, 2))
fits, _ = jax.jit(jax.vmap(descend))(samples)
divergences = np.asarray(
    jax.vmap(lambda fit: kl_normal(true_mean, true_log_var, fit.shift, 2 * fit.log_scale))(fits)
)
error = divergences.std(ddof=1) / math.sqrt(len(divergences))
print(f"entropy {entropy:.4f}; cost of the fit on its sample {costs[-1]:.4f} nats")
print(
    f"n = {small}: mean KL of 100 fits {divergences.mean():.5f} ± {error:.5f}; 4 / (2n) = {4 / (2 * small):.5f}"
)
# Five standard errors, and the next order in 1/n: of a variance's estimate some 5/n of the leading term.
assert abs(divergences.mean() - 4 / (2 * small)) < 5 * error + 5 / small * 4 / (2 * small)
assert divergences.min() >= 0
per_point = -np.asarray(jax.vmap(partial(flow.log_prob, flow.Affine(true_mean, jnp.log(true_std))))(x))
assert abs(per_point.mean() - entropy) < 5 * per_point.std(ddof=1) / math.sqrt(n)
print(f"the truth on the sample of the fit costs {per_point.mean():.4f} nats, more than the fit itself")
assert costs[-1] < per_point.mean()

# %% [markdown]
# ## One data set for two families
#
# Points near a circle of radius 2 with radial noise .1: the density is known, and so is its entropy to any
# precision, by an average over test points. Both models see the same training points, and take the same number of
# steps on batches of one size. The VAE has a latent of two dimensions; its bound is trained, and its evidence
# estimated with importance weights. The flow is an autoregressive neural spline flow, whose likelihood is exact.

# %% train-a-vae-and-a-flow
circle = Circle(radius=2.0, noise=0.1)
key_train, key_test = jax.random.split(key_circle)
x_train, x_test = circle.sample(key_train, 20_000), circle.sample(key_test, 200 if FAST else 2000)
num_steps = 10 if FAST else 4000
schedule = optax.cosine_decay_schedule(2e-3, num_steps)
hidden = (8,) if FAST else (64, 64)


def train(key, params, loss):
    """The parameters after training, and the seconds it took."""
    init, step = make_step(loss, optax.adam(schedule))
    begin = time.perf_counter()
    state, _ = fit(key, step, init(params), x_train, num_steps=num_steps, batch_size=256)
    jax.block_until_ready(state)
    return state.params, time.perf_counter() - begin


net = nn.latent_model(2, hidden, 2, nn.normal_head)


def negative_elbo(params, key, x):
    """The VAE's loss of one example."""
    return vae.negative_elbo(key, partial(net.encode, params), partial(net.log_likelihood, params), x)


key_init, key_fit = jax.random.split(key_vae)
vae_params, vae_seconds = train(
    key_fit,
    jax.jit(net.init)(key_init),
    lambda params, key, batch: expectation(partial(negative_elbo, params))(key, batch),
)
key_init, key_fit = jax.random.split(key_flow)
layers, bins = (1, 4) if FAST else (2, 16)
build = lambda key: nn.spline_autoregressive_flow(key, 2, num_layers=layers, hidden=hidden, num_bins=bins)
bijector, flow_seconds = train(
    key_fit, jax.jit(build)(key_init), lambda model, key, batch: negative_log_likelihood(model, batch)
)

# %% [markdown]
# ## The map with measured columns (S01)
#
# For each number its kind: exact, a lower bound, or an estimate (of the log-likelihood; its negative is printed).
# Every number is compared with the truth on the same test points, so that the spread of the points themselves falls
# out. In expectation the order must be: entropy $\le$ importance-weighted estimate $\le$ negative ELBO for the VAE,
# and entropy $\le$ exact value for the flow. Seconds include the time of compiling.

# %% measured-map
key_elbo, key_evidence, key_vae_draws, key_flow_draws = jax.random.split(key_draws, 4)
encode, log_likelihood = partial(net.encode, vae_params), partial(net.log_likelihood, vae_params)
options = {"num_samples": 20 if FAST else 500}
elbo = -jax.jit(per_example(vae.negative_elbo, encode, log_likelihood, num_samples=20))(key_elbo, x_test)
evidence = jax.jit(per_example(vae.log_evidence, encode, log_likelihood, **options))(key_evidence, x_test)
exact = jax.jit(jax.vmap(partial(flow.log_prob, bijector)))(x_test)
truth = np.asarray(jax.jit(jax.vmap(circle.log_prob))(x_test))
measured = {
    "ELBO": ("vae", elbo, Kind.LOWER_BOUND, vae_seconds),
    "importance weighted": ("vae", evidence, Kind.ESTIMATE, vae_seconds),
    "log p(x)": ("flow", exact, Kind.EXACT, flow_seconds),
}
print(f"entropy of the circle: {-truth.mean():.4f} ± {truth.std(ddof=1) / math.sqrt(len(truth)):.4f} nats")
print(
    f"{'family':<6} {'objective':<11} {'quantity':<20} {'kind':<12} {'−nats':>8} {'above the truth':>18}  seconds"
)
above = {}
for quantity, (name, values, kind, seconds) in measured.items():
    gaps = truth - np.asarray(values)
    above[quantity] = gaps.mean(), gaps.std(ddof=1) / math.sqrt(len(gaps))
    shown = f"{above[quantity][0]:.4f} ± {above[quantity][1]:.4f}"
    objective = FAMILIES[name].objective
    print(
        f"{name:<6} {objective:<11} {quantity:<20} {kind:<12} {-values.mean():8.4f} {shown:>18}  {seconds:.1f}"
    )
between = np.asarray(evidence - elbo)
if not FAST:
    for average, error in above.values():
        assert average > -5 * error  # no model beats the truth on average
    assert between.mean() > 5 * between.std(ddof=1) / math.sqrt(len(between))  # the bound is not tight
    assert above["log p(x)"][0] < 0.1

# %% [markdown]
# Samples of either, beside data. The VAE draws $z$ from the prior, decodes it to a mean and a variance, and its
# decoded means are shown: without the noise of $p(x|z)$ they lie on a curve or a surface. The flow maps noise. The
# share of flow samples within .2 of the circle, two standard deviations, is compared with the truth's $95.4\,\%$.

# %% samples-of-both
num_draws = 500 if FAST else 4000
codes = jax.random.normal(key_vae_draws, (num_draws, 2))
noise = jax.random.normal(key_flow_draws, (num_draws, 2))
drawn = {
    "data": x_test,
    "VAE, decoded means": jax.jit(jax.vmap(partial(net.decode, vae_params)))(codes),
    "flow": jax.jit(jax.vmap(lambda z: bijector.forward(z)[0]))(noise),
}
figure, panels = plt.subplots(1, 3, figsize=(7, 2.6), sharex=True, sharey=True, layout="constrained")
for axes, (name, points) in zip(panels, drawn.items(), strict=True):
    points = np.asarray(points)
    share = np.mean(np.abs(np.linalg.norm(points, axis=1) - 2) <= 0.2)
    print(f"{name}: {share:.3f} within .2 of the circle")
    axes.plot(*points[:1000].T, ".", markersize=2)
    axes.set(title=name, xlabel="x₁", aspect="equal", xlim=(-3, 3), ylim=(-3, 3))
panels[0].set(ylabel="x₂")
if (
    not FAST
):  # share is the flow's, the last one: five standard errors, and by Pinsker the root of half the KL
    average, error = above["log p(x)"]
    slack = math.sqrt(max(average + 5 * error, 0) / 2)
    assert abs(share - math.erf(math.sqrt(2))) < 5 * math.sqrt(0.25 / num_draws) + slack
