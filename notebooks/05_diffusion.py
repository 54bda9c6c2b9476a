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
# # Diffusion
#
# A diffusion model destroys data by small steps of Gaussian noise, in a way that has a closed form, and learns
# to undo one step at a time. This chapter derives the closed form, states the training objective in both of its
# forms (a variational bound and a plain squared error), trains a small network, and measures how many calls of
# a network a good sample needs. Wherever the answer can be computed without a network, it is: the data are
# mixtures of Gaussians, which stay mixtures of Gaussians under noise, so that the best prediction is known
# exactly at every time.
#
# Time runs from data at $t = 0$ to noise at $t = T$, and $x_t = \alpha_t x_0 + \sigma_t \epsilon$ with
# $\alpha_t^2 = \bar\alpha_t$ and $\sigma_t^2 = 1 - \bar\alpha_t$ in the notation of Ho et al. (2020).

# %% setup
import itertools
import os

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax

import genjax
from genjax import diffusion, nn, vae
from genjax.data import GaussianRing
from genjax.densities import normal_log_prob
from genjax.diffusion import Prediction
from genjax.metrics import mode_coverage
from genjax.oracles import GaussianMixture, check_sampler
from genjax.training import fit, make_step, with_ema

FAST = "GENJAX_FAST" in os.environ  # small sizes, to see that all runs
if FAST:
    jax.config.update("jax_disable_most_optimizations", True)  # which compiles sooner
keys = iter(jax.random.split(jax.random.key(0), 32))
linear, cosine = diffusion.linear_schedule(1000), diffusion.cosine_schedule(1000)

# %% [markdown]
# ## The marginal of the forward process, by induction
#
# The forward process adds noise step by step: $x_t = \sqrt{1 - \beta_t}\, x_{t-1} + \sqrt{\beta_t}\, z_t$ with
# independent $z_t \sim N(0, I)$. The claim (S09; exercise 5 of S15) is that $q(x_t \mid x_0) =
# N(\sqrt{\bar\alpha_t}\, x_0, (1 - \bar\alpha_t) I)$ with $\bar\alpha_t = \prod_{i \le t} (1 - \beta_i)$.
#
# *Base.* At $t = 0$ the product is empty, $\bar\alpha_0 = 1$, and the law is a point mass at $x_0$.
#
# *Step.* Let $x_{t-1} = \sqrt{\bar\alpha_{t-1}}\, x_0 + \sqrt{1 - \bar\alpha_{t-1}}\, \epsilon$. Then
# $$x_t = \sqrt{1 - \beta_t} \sqrt{\bar\alpha_{t-1}}\, x_0 + \sqrt{(1 - \beta_t)(1 - \bar\alpha_{t-1})}\,
# \epsilon + \sqrt{\beta_t}\, z_t .$$
# The factor of $x_0$ is $\sqrt{\bar\alpha_t}$. The two noises are independent Gaussians, so their sum is
# Gaussian with variance $(1 - \beta_t)(1 - \bar\alpha_{t-1}) + \beta_t = 1 - (1 - \beta_t)\bar\alpha_{t-1} = 1
# - \bar\alpha_t$. $\square$
#
# The cell runs the recursion of mean and variance for a thousand steps and compares with the library's closed
# form. It then runs the chain itself, on many copies of one $x_0$, and compares the sample mean and variance.

# %% marginal-by-induction
betas = np.linspace(1e-4, 0.02, 1000)
mean, variance, means, variances = 1.0, 0.0, [1.0], [0.0]
for beta in betas:
    mean, variance = np.sqrt(1 - beta) * mean, (1 - beta) * variance + beta
    means.append(mean)
    variances.append(variance)
assert np.allclose(linear.alphas, means, rtol=1e-6)  # tables are float32
assert np.allclose(np.square(linear.sigmas), variances, rtol=1e-6)

x0, n = 1.5, 20_000
step = lambda x, at: (jnp.sqrt(1 - at[0]) * x + jnp.sqrt(at[0]) * jax.random.normal(at[1], x.shape), None)
chain = (jnp.float32(betas[:300]), jax.random.split(next(keys), 300))
end, _ = jax.jit(lambda x, chain: jax.lax.scan(step, x, chain))(jnp.full(n, x0), chain)
sigma = float(linear.sigma(300))
print(f"after 300 steps: mean {end.mean():.4f}, closed form {linear.alpha(300) * x0:.4f}")
print(f"             variance {end.var():.4f}, closed form {sigma**2:.4f}")
assert abs(end.mean() - linear.alpha(300) * x0) < 4 * sigma / np.sqrt(n)  # four standard errors
assert abs(end.var() / sigma**2 - 1) < 4 * np.sqrt(2 / n)

times = [1, 101, 251, 501, 751, 1000]
alpha_bars = [0.9999, 0.8951416, 0.5214230, 0.0777967, 0.0033002, 4.035830e-5]
ratios = [9999, 8.5366696, 1.0895280, 0.0843595, 0.0033111, 4.03599e-5]
print(f"{'t':>5} {'alpha bar':>13} {'SNR':>13}")
for t, alpha_bar, ratio in zip(times, alpha_bars, ratios, strict=True):
    print(f"{t:5} {linear.alpha(t) ** 2:13.7g} {jnp.exp(linear.log_snr(t)):13.7g}")
    assert np.isclose(linear.alpha(t) ** 2, alpha_bar, rtol=1e-5)  # float32, and the digits of the reference
    assert np.isclose(jnp.exp(linear.log_snr(t)), ratio, rtol=2e-5)

level = diffusion.schedule_from_betas([0.3])  # one step, after which the product is .7
x_t = diffusion.add_noise(level, jnp.array([1.0, -0.5]), 1, jnp.array([1.7640523, 0.4001572]))
print("x_t at .7:", x_t)
assert np.allclose(x_t, [1.8028713, -0.1991549], atol=1e-6)
x_t = diffusion.add_noise(
    level, jnp.array([1.0, -0.5, 0.25]), 1, jnp.array([0.6404227, 0.1049001, -0.5356694])
)
assert np.allclose(x_t, [1.1874340, -0.3608739, -0.0842332], atol=1e-6)

# %% [markdown]
# ## Two schedules side by side
#
# Figure 5 of Nichol and Dhariwal (2021) draws $\bar\alpha_t$ of the linear schedule beside their cosine
# schedule; the left panel is that figure. The linear schedule destroys most of the signal in its first half: in
# the last quarter of its steps hardly anything happens. The right panel shows the same on the scale of the
# logarithm of the signal-to-noise ratio, on which a network feels the time. Nothing of the signal is left at
# $T$ in either.

# %% schedules-side-by-side
tables = {"linear": linear, "cosine": cosine}
fig, (left, right) = plt.subplots(1, 2, figsize=(8, 3), layout="constrained")
for name, schedule in tables.items():
    grid = np.arange(1, 1001)
    left.plot(grid / 1000, np.square(schedule.alphas[1:]), label=name)
    right.plot(grid / 1000, schedule.log_snrs[1:], label=name)
left.set(xlabel="t / T", ylabel=r"$\bar\alpha_t$")
right.set(xlabel="t / T", ylabel="log SNR")
left.legend()
for name, schedule in tables.items():
    faint = float(jnp.mean(schedule.alphas[1:] ** 2 < 0.05))
    print(
        f"{name}: alpha bar is {schedule.alpha(500) ** 2:.3f} halfway and {schedule.alpha(1000) ** 2:.1e} at the end;"
    )
    print(f"        {faint:.0%} of the steps have less than 5 % of the signal's variance")
    assert schedule.alpha(1000) ** 2 < 5e-5
assert linear.alpha(500) ** 2 < 0.1 < 0.4 < cosine.alpha(500) ** 2

# %% [markdown]
# ## The reverse process
#
# Given $x_0$, one step back is a Gaussian too (S10): $q(x_{t-1} \mid x_t, x_0) \propto q(x_t \mid x_{t-1})\,
# q(x_{t-1} \mid x_0)$. The cell multiplies these two densities on a grid and compares the mean and the variance
# with `diffusion.posterior`.
#
# Without $x_0$ the step back, $q(x_{t-1} \mid x_t) \propto q(x_{t-1})\, q(x_t \mid x_{t-1})$, is not Gaussian
# when the data are not. What makes diffusion work is that it becomes Gaussian as the step becomes small. The
# second half of the cell takes a mixture of two Gaussians on the line, computes this law on a grid for steps of
# different $\beta$, and measures its KL divergence to the Gaussian of the same mean and variance, averaged over
# $x_t$.

# %% reverse-step
with jax.enable_x64(True):
    grid = np.linspace(-8, 8, 3001 if FAST else 6001)
    spacing = grid[1] - grid[0]
    s, t, clean, seen = 399, 400, 0.7, -0.4
    density = lambda at, mean, variance: (
        np.exp(-((at - mean) ** 2) / (2 * variance)) / np.sqrt(2 * np.pi * variance)
    )
    beta = betas[t - 1]
    product = density(seen, np.sqrt(1 - beta) * grid, beta) * density(grid, means[s] * clean, variances[s])
    product /= product.sum()
    mean = product @ grid
    variance = product @ (grid - mean) ** 2
    predicted, spread = diffusion.posterior(linear, jnp.array([clean]), jnp.array([seen]), s, t)
    print(f"q(x_399 | x_400, x_0): mean {mean:.6f}, closed form {predicted[0]:.6f}")
    print(f"                       variance {variance:.6f}, closed form {spread:.6f}")
    assert np.isclose(mean, predicted[0], atol=1e-5)
    assert np.isclose(variance, spread, rtol=1e-4)

    mixture = GaussianMixture(jnp.array([0.4, 0.6]), jnp.array([[-1.0], [1.0]]), jnp.full((2, 1, 1), 0.04))
    marginal = np.exp(jax.vmap(mixture.log_prob)(jnp.asarray(grid)[:, None]))

    def divergence(beta):
        """E over x_t of KL(q(x_{t-1}|x_t) || the Gaussian of its own moments)."""
        seen = np.linspace(-2, 2, 81)
        joint = marginal * density(seen[:, None], np.sqrt(1 - beta) * grid, beta)
        evidence = joint.sum(1)
        law = joint / evidence[:, None]
        mean = law @ grid
        variance = (law * (grid - mean[:, None]) ** 2).sum(1)
        gaussian = density(grid, mean[:, None], variance[:, None]) * spacing
        terms = np.where(
            law > 1e-200, law * np.log(np.maximum(law, 1e-300) / np.maximum(gaussian, 1e-300)), 0
        )
        return float((evidence * terms.sum(1)).sum() / evidence.sum())

    steps = [0.3, 0.1, 0.03, 0.01, 0.003, 0.001]
    divergences = [divergence(beta) for beta in steps]
for beta, value in zip(steps, divergences, strict=True):
    print(f"beta {beta:5}: KL to the nearest Gaussian {value:.2e} nats")
assert all(a > b >= 0 for a, b in itertools.pairwise(divergences))
fig, ax = plt.subplots(figsize=(5, 3), layout="constrained")
ax.loglog(steps, divergences, "o-")
ax.set(xlabel=r"$\beta$", ylabel="KL to a Gaussian, nats")

# %% [markdown]
# ## The variational bound
#
# The chain of $T$ steps is a latent-variable model, and its negative ELBO is a sum of KL divergences between
# Gaussians (S10; Ho et al., equation 5):
# $$-\log p(x_0) \le \underbrace{KL(q(x_T|x_0) \,\|\, p(x_T))}_{\text{prior}} + \sum_{t=2}^T
# \underbrace{KL(q(x_{t-1}|x_t, x_0) \,\|\, p(x_{t-1}|x_t))}_{\text{diffusion}} \underbrace{- \log
# p(x_0|x_1)}_{\text{reconstruction}} .$$
#
# The first half of the cell evaluates it with the exact noise prediction of a mixture of Gaussians: the three
# terms add up to the total, and in the mean the total lies above the exact $-\log p(x_0)$.
#
# The second half shows that with a single step the bound is the ELBO of a variational autoencoder whose encoder
# is fixed, $z = x_1 \sim N(\alpha_1 x_0, \sigma_1^2)$, and whose decoder is $N(\hat x_0(x_1), \sigma_1^2)$. The
# VAE's ELBO is averaged over the noise by Gauss–Hermite quadrature, the bound by random draws.

# %% bound-of-the-chain
mixture = GaussianMixture(
    jnp.array([0.3, 0.7]),
    jnp.array([[-1.0, 0.5], [1.5, -0.5]]),
    jnp.array([[[0.25, 0.1], [0.1, 0.3]], [[0.1, 0.0], [0.0, 0.4]]]),
)
short, n = diffusion.linear_schedule(30), 500 if FAST else 4000
x = mixture.sample(next(keys), n)
bound = genjax.per_example(diffusion.variational_bound, mixture.noise_fn(short), short)
terms = jax.jit(bound)(next(keys), x)
assert np.allclose(terms.total, terms.prior + terms.diffusion + terms.reconstruction, rtol=1e-5, atol=1e-5)
gaps = terms.total + jax.vmap(mixture.log_prob)(x)
error = gaps.std() / np.sqrt(n)
print(
    "prior {:.4f} + diffusion {:.4f} + reconstruction {:.4f}".format(*(float(term.mean()) for term in terms))
)
print(f"  = {terms.total.mean():.4f} nats; above the exact −log p by {gaps.mean():.4f} ± {error:.4f}")
assert gaps.mean() > 3 * error

beta, x0, n = 0.4, jnp.array([0.3, -0.8]), 20_000
once = diffusion.schedule_from_betas([beta])
denoise = lambda x, t: jnp.tanh(x)  # some prediction of the data; any will do
encode = lambda x: (np.sqrt(1 - beta) * x, jnp.full_like(x, np.log(beta)))
decoder = lambda x, z: normal_log_prob(x, jnp.tanh(z), jnp.full_like(x, np.log(beta)))
nodes, weights = np.polynomial.hermite_e.hermegauss(30)
noise = jnp.float32(np.stack(np.meshgrid(nodes, nodes), -1).reshape(-1, 2))
share = np.outer(weights, weights).ravel() / (2 * np.pi)
elbo = share @ np.asarray(jax.vmap(lambda e: vae.elbo_terms(encode, decoder, x0, e).elbo)(noise))
one = lambda key: diffusion.variational_bound(key, denoise, once, x0, prediction=Prediction.DATA).total
totals = jax.jit(jax.vmap(one))(jax.random.split(next(keys), n))
error = totals.std() / np.sqrt(n)
print(f"T = 1: bound {totals.mean():.4f} ± {error:.4f}, negative ELBO of the VAE {-elbo:.4f}")
assert abs(totals.mean() + elbo) < 4 * error

# %% [markdown]
# ## Where the gap goes
#
# For data $N(0, v)$ every term is a Gaussian integral, so the gap of the bound with the best possible network
# has a closed form for any $T$: the expected KL between two Gaussians of variances $q$ and $p$ whose means
# differ by an error of variance $e$ is $\tfrac12 [q/p - 1 - \log(q/p) + e/p]$. The cell first holds the formula
# against the library's bound at $T = 60$, then lets $T$ grow (S10), in three settings:
#
# - linear schedule, reverse variance $\beta_t$: the gap goes to 0;
# - linear schedule, the posterior's variance: it goes to $\gamma/2 \approx .2886$ nats per dimension, $\gamma$
#   Euler's constant. The first few steps, where the signal-to-noise ratio changes by a factor and not by a
#   little, never go away;
# - the ends of the log signal-to-noise ratio held fixed at $\pm 12$, the posterior's variance: it goes to 0
#   too, up to what the two ends themselves leave.

# %% gap-of-the-bound
v = 0.25


def gap(log_snr, posterior):
    """Bound less entropy of N(0, v), per dimension, from log SNR at t = 1, ..., T."""
    bars, noise = 1 / (1 + np.exp(-log_snr)), 1 / (1 + np.exp(log_snr))
    lost = -np.expm1(log_snr[1:] - log_snr[:-1])
    true = noise[:-1] * lost
    model = true if posterior else noise[1:] * lost
    error = v * noise / (bars * v + noise)  # of the best prediction of x_0
    kl = 0.5 * (true / model - 1 - np.log(true / model) + bars[:-1] * lost**2 * error[1:] / model)
    reconstruction = 0.5 * (np.log(2 * np.pi * noise[0]) + error[0] / noise[0])
    prior = 0.5 * (bars[-1] * v + noise[-1] - 1 - np.log(noise[-1]))
    return kl.sum() + reconstruction + prior - 0.5 * (np.log(2 * np.pi * v) + 1)


def linear_log_snr(num_steps):
    log_bars = np.cumsum(np.log1p(-np.linspace(0.1 / num_steps, 20 / num_steps, num_steps)))
    return log_bars - np.log(-np.expm1(log_bars))


n, sixty = 500 if FAST else 3000, diffusion.linear_schedule(60)
normal = GaussianMixture(jnp.ones(1), jnp.zeros((1, 1)), jnp.full((1, 1, 1), v))
x = normal.sample(next(keys), n)
for posterior, reverse_variance in (
    (False, diffusion.transition_variance),
    (True, diffusion.posterior_variance),
)[: 1 if FAST else 2]:
    bound = genjax.per_example(
        diffusion.variational_bound, normal.noise_fn(sixty), sixty, reverse_variance=reverse_variance
    )
    differences = jax.jit(bound)(next(keys), x).total + jax.vmap(normal.log_prob)(x)
    error = differences.std() / np.sqrt(n)
    print(
        f"T = 60: {differences.mean():.4f} ± {error:.4f} drawn, {gap(linear_log_snr(60), posterior):.4f} exactly"
    )
    assert abs(differences.mean() - gap(linear_log_snr(60), posterior)) < 4 * error

counts = [100, 1000, 10_000, 100_000, 1_000_000]
curves = {
    r"linear, $\beta_t$": [gap(linear_log_snr(n), False) for n in counts],
    "linear, posterior": [gap(linear_log_snr(n), True) for n in counts],
    "fixed ends, posterior": [gap(np.linspace(12, -12, n), True) for n in counts],
}
fig, ax = plt.subplots(figsize=(6, 3), layout="constrained")
for name, values in curves.items():
    print(f"{name:24}" + "".join(f"{value:10.5f}" for value in values))
    ax.loglog(counts, values, "o-", label=name)
ax.axhline(np.euler_gamma / 2, color="grey", linestyle=":", label=r"$\gamma/2$")
ax.set(xlabel="T", ylabel="gap, nats per dimension")
ax.legend()
at_beta, at_posterior, fixed = curves.values()
assert all(a > b > 0 for a, b in itertools.pairwise(at_beta))
assert at_beta[-1] < 1e-4
assert abs(at_posterior[-1] - np.euler_gamma / 2) < 0.005  # 1e6 steps; the distance falls like T^(-1/2)
assert fixed[-1] < 1e-3

# %% [markdown]
# ## The simple loss
#
# Dropping the weights of the bound's terms leaves the loss that is used in practice (S11),
# $$L_{simple} = E_{t, x_0, \epsilon} \lVert \epsilon - \epsilon_\theta(\alpha_t x_0 + \sigma_t \epsilon, t)
# \rVert^2 .$$
# Its integrand is a sum over the event (S22): with errors $(.1, -.2, .05)$ it is $.0525$; their mean would be
# $.0175$.
#
# The minimiser is $E[\epsilon \mid x_t] = -\sigma_t \nabla \log p_t(x_t)$, which the mixture knows. The least
# value is not 0, because $x_t$ does not determine $\epsilon$: it is $d - \sigma_t^2\, E \lVert \nabla \log p_t
# \rVert^2$, and `optimal_l_simple` takes that integral by quadrature. The cell averages the loss over draws at
# five times at once, by `vmap` over times and over examples, at the optimum and beside it.

# %% simple-loss
noise = jnp.array([0.3, 0.1, -0.2])
off = lambda x, t: noise + jnp.array([0.1, -0.2, 0.05])
value = diffusion.denoising_error(off, linear, jnp.zeros(3), 500, noise)
print(f"errors (.1, −.2, .05): sum {value:.4f}, mean {value / 3:.4f}")
assert np.isclose(value, 0.0525, rtol=1e-5)
assert np.isclose(value / 3, 0.0175, rtol=1e-5)

n, times = 2000 if FAST else 10_000, jnp.array([50, 150, 300, 500, 900])
x, noise = mixture.sample(next(keys), n), jax.random.normal(next(keys), (n, 2))


best = mixture.noise_fn(linear)


@jax.jit
def losses(scale):
    """The denoising errors of scale times the best prediction, by time and example."""
    error = lambda t, x, e: diffusion.denoising_error(lambda x, t: scale * best(x, t), linear, x, t, e)
    return jax.vmap(jax.vmap(error, (None, 0, 0)), (0, None, None))(times, x, noise)


at_best, beside = losses(1.0), losses(0.9)
with jax.enable_x64(True):
    wide = jax.tree.map(lambda a: jnp.asarray(np.asarray(a), jnp.float64), mixture)
    quadrature = jax.jit(wide.optimal_l_simple, static_argnames="num_points")
    floor = [float(quadrature(linear, t, num_points=60 if FAST else 120)) for t in times]
    finer = [float(quadrature(linear, t, num_points=60 if FAST else 160)) for t in times]
assert np.allclose(floor, finer, atol=1e-6)  # the quadrature has converged
for t, exact, drawn, worse in zip(times, floor, at_best, beside, strict=True):
    error = drawn.std() / np.sqrt(n)
    print(
        f"t = {t:3}: least {exact:.6f}, drawn {drawn.mean():.4f} ± {error:.4f}, beside it {worse.mean():.4f}"
    )
    assert abs(drawn.mean() - exact) < 4 * error
    assert worse.mean() > drawn.mean()

# %% [markdown]
# ## A network, trained
#
# A residual perceptron that is told the time learns the noise of eight Gaussians on a ring. The ring is small
# enough for a CPU and is itself a mixture of Gaussians, so the least loss is known at every time.

# %% train-on-the-ring
T, ring = 40 if FAST else 200, GaussianRing()
schedule = diffusion.linear_schedule(T)
init, apply = nn.functional(lambda rngs: nn.TimedMLP(2, width=64, num_layers=1 if FAST else 3, rngs=rngs))


def loss(params, key, batch):
    noise_fn = lambda x, t: apply(params, x, t / T)
    return genjax.expectation(diffusion.l_simple, noise_fn, schedule)(key, batch)


num_steps = 50 if FAST else 5000
rate = optax.cosine_decay_schedule(2e-3, num_steps)
start, step = with_ema(*make_step(loss, optax.chain(optax.clip_by_global_norm(1.0), optax.adam(rate))), 0.995)
train = ring.sample(next(keys), 20_000)
state, metrics = fit(
    next(keys), step, start(init(next(keys))), train, num_steps=num_steps, batch_size=512, donate=True
)
trained = lambda x, t: apply(state.params, x, t / T)
print(f"loss {metrics['loss'][:20].mean():.3f} at first, {metrics['loss'][-200:].mean():.3f} at the end")
if not FAST:
    assert metrics["loss"][-200:].mean() < 0.6 * metrics["loss"][:20].mean()

# %% [markdown]
# ## Loss by timestep
#
# One number hides where a model fails. The curve below is the loss of the trained network in bands of time
# (S26), on new points, beside the least loss that any network could have. At small $t$ the two nearly coincide
# with 2, the number of dimensions: noise that is small beside the data's own spread cannot be told from it. At
# large $t$ the noise is all there is, and the loss falls to 0. What the network leaves on the table is the
# distance between the curves.

# %% loss-by-timestep
bands, n = np.linspace(1, T, 2 if FAST else 15).astype(int), 500 if FAST else 4000
x, noise = ring.sample(next(keys), n), jax.random.normal(next(keys), (n, 2))
error = lambda t, x, e: diffusion.denoising_error(trained, schedule, x, t, e)
by_time = jax.jit(jax.vmap(jax.vmap(error, (None, 0, 0)), (0, None, None)))(jnp.asarray(bands), x, noise)
truth = GaussianMixture(jnp.full(8, 1 / 8), jnp.asarray(ring.centers), jnp.stack([0.01 * jnp.eye(2)] * 8))
quadrature = jax.jit(truth.optimal_l_simple, static_argnames="num_points")
least = np.array([float(quadrature(schedule, t, num_points=40 if FAST else 240)) for t in jnp.asarray(bands)])
mean, error = by_time.mean(1), by_time.std(1) / np.sqrt(n)
fig, ax = plt.subplots(figsize=(6, 3), layout="constrained")
ax.errorbar(bands / T, mean, 2 * error, label="network")
ax.plot(bands / T, least, "--", label="the least possible")
ax.set(xlabel="t / T", ylabel=r"$E\,\Vert\epsilon - \epsilon_\theta\Vert^2$")
ax.legend()
excess = float((mean - least).mean())
print(f"mean over times: network {mean.mean():.4f}, least {least.mean():.4f}, excess {excess:.4f}")
if not FAST:  # a coarse grid does not resolve the modes
    assert (mean - least > -4 * error - 1e-3).all()  # standard errors, and the quadrature in float32
    assert excess < 0.1 * least.mean()

# %% [markdown]
# ## Progressive generation
#
# Figure 6 of Ho et al. (2020) shows, for images, the network's guess $\hat x_0$ of the clean data while
# sampling runs. Here the same is drawn in the plane: the upper row holds the states $x_t$, the lower row the
# guesses. Coarse features come first: early guesses lie near the mean of all data, later ones near the ring,
# and in the end each point has chosen a mode. The first times are left out, because $\hat x_0 = (x_t - \sigma_t
# \hat\epsilon)/\alpha_t$ multiplies the error of the network by $\sigma_t/\alpha_t$, which the cell prints.

# %% progressive-generation
n = 50 if FAST else 2000
noise = jax.vmap(lambda key: diffusion.prior_sample(key, schedule, (2,)))(jax.random.split(next(keys), n))
path = lambda key, x: diffusion.sample(
    key,
    trained,
    schedule,
    x,
    num_steps=T,
    sampler=diffusion.ancestral(diffusion.transition_variance),
    return_trajectory=True,
)
states = jax.jit(jax.vmap(path))(jax.random.split(next(keys), n), noise)  # [n, T + 1, 2], time T first
guess = jax.vmap(
    diffusion.converted(trained, schedule, source=Prediction.NOISE, target=Prediction.DATA), (0, None)
)
shown = [3 * T // 4, 11 * T // 20, 7 * T // 20, 3 * T // 20, 1]
guesses = [guess(states[:, T - t], jnp.asarray(t)) for t in shown]
fig, axes = plt.subplots(2, 5, figsize=(8, 3.6), sharex=True, sharey=True, layout="constrained")
for column, t, clean in zip(axes.T, shown, guesses, strict=True):
    column[0].set_title(f"t = {t}")
    for ax, points in zip(column, (states[:, T - t], clean), strict=True):
        ax.scatter(*points[:1000].T, s=1)
        ax.set(xlim=(-3, 3), ylim=(-3, 3), xticks=[], yticks=[], aspect="equal")
axes[0, 0].set_ylabel("$x_t$")
axes[1, 0].set_ylabel(r"$\hat x_0$")
amplified = {t: round(float(jnp.exp(-schedule.log_snr(t) / 2)), 1) for t in (T, shown[0], shown[2])}
print("sigma/alpha by time:", amplified)
radius = [float(jnp.linalg.norm(clean, axis=1).mean()) for clean in guesses]
print(
    "mean distance of the guess from the centre:", " ".join(f"{r:.2f}" for r in radius), "(the ring's is 2)"
)
coverage = mode_coverage(states[:, -1], jnp.asarray(ring.centers), std=ring.std)
print(
    f"samples reach {coverage.num_covered} of 8 modes; {coverage.high_quality:.3f} lie within three deviations of one"
)
if not FAST:
    assert coverage.num_covered == 8
    assert coverage.high_quality > 0.85
    assert radius[0] < 0.7  # near the centre
    assert abs(radius[-1] - 2) < 0.05  # on the ring

# %% [markdown]
# ## Error against the number of network calls
#
# Sampling cost is the number of network calls. Figure 2 of Karras et al. (2022) draws the quality of
# deterministic samples (FID of images) against it. Here the axes are the same but for the quality: the score is
# exact, and the error is the root-mean-square distance of a sample from where a very fine solution of the same
# equation takes the same noise. What is left is the error of the solver alone. Heun's rule calls the network
# twice per step, the other rules once. The dashed lines have the slopes of first and second order;
# `check_sampler` measures the slopes on a grid on which the asymptotics are clean.

# %% error-by-network-calls
rules = {
    "DDIM": (diffusion.ddim(), 1),
    "Heun": (diffusion.heun(), 2),
    "DPM-Solver++ 2M": (diffusion.dpm_solver_pp_2m(), 2),
}
with jax.enable_x64(True):
    karras, n = diffusion.edm(), 20 if FAST else 200
    wide = jax.tree.map(lambda a: jnp.asarray(np.asarray(a), jnp.float64), mixture)
    start = karras.sigma_max * jax.random.normal(next(keys), (n, 2), jnp.float64)
    unused = next(keys)  # these rules draw nothing

    def run(rule, num_steps):
        one = lambda x: diffusion.sample(
            unused, wide.noise_fn(karras), karras, x, num_steps=num_steps, sampler=rule
        )
        return jax.jit(jax.vmap(one))(start)

    fine = run(diffusion.heun(), 200 if FAST else 2000)
    errors, slopes = {}, {}
    for name, (rule, order) in rules.items():
        counts = [5, 10, 20, 40, 80] if name == "Heun" else [10, 20, 40, 80, 160]
        counts = counts[3:4] if FAST else counts
        distance = [float(jnp.sqrt(jnp.mean(jnp.sum((run(rule, c) - fine) ** 2, 1)))) for c in counts]
        errors[name] = ([rule.num_calls(c) for c in counts], distance)
        slopes[name] = order if FAST else check_sampler(rule, order=order).slope
fig, ax = plt.subplots(figsize=(6, 3.2), layout="constrained")
for name, (calls, distance) in errors.items():
    ax.loglog(calls, distance, "o-", label=name)
    table = ", ".join(f"{c}: {d:.1e}" for c, d in zip(calls, distance, strict=True))
    print(f"{name:16} order {slopes[name]:.2f}; error by calls {table}")
calls = np.array([20, 160])
ax.loglog(calls, 4 / calls, "k--", linewidth=0.7)
ax.loglog(calls, 40 / calls**2, "k--", linewidth=0.7)
ax.set(xlabel="network calls", ylabel="error of the sample")
ax.legend()
last = {name: distance[-1] for name, (_, distance) in errors.items()}
assert last["Heun"] < last["DDIM"] / 3
assert last["DPM-Solver++ 2M"] < last["DDIM"] / 3
if not FAST:
    assert abs(slopes["DDIM"] - 1) < 0.15
    assert abs(slopes["Heun"] - 2) < 0.2
    assert abs(slopes["DPM-Solver++ 2M"] - 2) < 0.2
