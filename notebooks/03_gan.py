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
# # Generative adversarial networks: a game and its equilibrium
#
# A generator $G$ turns noise $z$ into samples; a discriminator $D$ says how probable it holds that a given point is
# data. They play over one value (Goodfellow et al. 2014, equation 1):
#
# $$\min_G \max_D V(D, G) = \mathbb{E}_{x \sim p_{\text{data}}}[\log D(x)] + \mathbb{E}_{z}[\log(1 - D(G(z)))].$$
#
# No density of the model appears: the model is *implicit*. This chapter computes the losses of both players, finds
# the best discriminator and proves it a maximum, and shows that the generator who faces it descends a Jensen–Shannon
# divergence. On finitely many points every expectation is a finite sum, so that all of it can be checked in numbers.

# %% setup
import math
import os

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

from genjax import gan
from genjax.divergences import js_categorical
from genjax.oracles import DiscreteGan

FAST = "GENJAX_FAST" in os.environ  # small sizes, to see that all runs
jax.config.update("jax_disable_most_optimizations", FAST)  # then compiling takes longer than running
np.set_printoptions(precision=4, suppress=True)

key_pairs, key_laws = jax.random.split(jax.random.key(0))


def close(value, reference, digits=6):
    """Equal to a reference given to `digits` decimals: its last digit, or four roundings of a float32."""
    return abs(float(value) - reference) <= max(10.0**-digits, 4 * 2**-23 * abs(reference))


# %% [markdown]
# ## What each player pays (S05)
#
# The discriminator minimises $-V$. For the generator there are two losses: the *saturating* $\mathbb{E}[\log(1 -
# D(G(z)))]$, which is its part of $V$, and the *non-saturating* $-\mathbb{E}[\log D(G(z))]$. Every loss here takes
# logits, $D = \sigma(\ell)$, because $\log \sigma(\ell)$ keeps its digits where $\log D$ and $\log (1 - D)$ lose
# them. A worked example: $D = (.9, .8, .7)$ on data and $(.2, .3, .4)$ on samples.

# %% players-losses
logit = jax.scipy.special.logit
real, fake = logit(jnp.array([0.9, 0.8, 0.7])), logit(jnp.array([0.2, 0.3, 0.4]))
losses = {
    "discriminator": (gan.minimax.discriminator_loss, 0.5919410),
    "generator, saturating": (gan.minimax.generator_loss, -0.3635480),
    "generator, non-saturating": (gan.non_saturating.generator_loss, 1.2432338),
}
for name, (loss, reference) in losses.items():
    value = jnp.mean(jax.vmap(loss)(real, fake))
    print(f"{name:>26}: {value:.7f}")
    assert close(value, reference)
value = jnp.mean(jax.vmap(gan.minimax_value)(real, fake))
print(f"{'V':>26}: {value:.7f}")
assert close(-value, 0.5919410)

# %% [markdown]
# ## Why the second loss exists (S05)
#
# Early in training the discriminator is sure that samples are fake, $\ell \to -\infty$. The saturating loss then has
# the slope $-\sigma(\ell) \to 0$, just when the generator needs to learn most; the non-saturating one has
# $-\sigma(-\ell) \to -1$. Both push the logit of a sample upwards, and both have the same fixed point.

# %% saturation
logits = jnp.linspace(-10.0, 6.0, 161)
slopes = {}
figure, axes = plt.subplots(figsize=(6, 3), layout="constrained")
for name, game in [("saturating", gan.minimax), ("non-saturating", gan.non_saturating)]:
    slope = jax.grad(game.generator_loss, argnums=1)
    slopes[name] = np.asarray(jax.vmap(lambda fake, slope=slope: slope(jnp.array(0.0), fake))(logits))
    axes.plot(logits, slopes[name], label=name)
    print(f"{name:>15}: slope {slopes[name][0]:.6f} where D = {jax.nn.sigmoid(logits[0]):.6f}")
axes.set(xlabel="logit of a sample", ylabel="slope of the generator's loss")
axes.legend()
few_roundings = 8 * 2**-23  # of slopes up to one, from an exponential and a quotient
assert np.abs(slopes["saturating"] + jax.nn.sigmoid(logits)).max() < few_roundings
assert np.abs(slopes["non-saturating"] + jax.nn.sigmoid(-logits)).max() < few_roundings

# %% [markdown]
# ## The best discriminator, and exercise: the second derivative at $D^*$ (S06, S15)
#
# With densities $a = p_{\text{data}}(x)$ and $b = p_g(x)$ at one point, the discriminator maximises $f(D) = a \log D
# + b \log(1 - D)$ there.
#
# *Show that $D^* = a / (a + b)$ is a maximum.* The first derivative, $f'(D) = a/D - b/(1 - D)$, vanishes only at
# $D^*$. The second is $f''(D) = -a/D^2 - b/(1 - D)^2 < 0$ for every $D$ in $(0, 1)$, so that $f$ is concave and
# $D^*$ is its one maximum. At $D^*$ it is
#
# $$f''(D^*) = -\frac{(a + b)^2}{a} - \frac{(a + b)^2}{b} = -\frac{(a + b)^3}{ab}.$$
#
# In the logit, the optimum is $\log a - \log b$. For random pairs $(a, b)$, by automatic differentiation:

# %% optimal-discriminator
a, b = jax.random.uniform(key_pairs, (2, 1000), minval=0.05, maxval=2.0)


def payoff(d, a, b):
    """What the discriminator gains at one point."""
    return a * jnp.log(d) + b * jnp.log1p(-d)


best = jax.nn.sigmoid(gan.optimal_logit(jnp.log(a), jnp.log(b)))
first = jax.vmap(jax.grad(payoff))(best, a, b)
second = jax.vmap(jax.grad(jax.grad(payoff)))(best, a, b)
by_hand = -((a + b) ** 3) / (a * b)
print("largest error of D*:", float(jnp.abs(best - a / (a + b)).max()))
print("largest first derivative at D*, over the second:", float(jnp.abs(first / second).max()))
print(
    "second derivative: largest",
    float(second.max()),
    "relative error",
    float(jnp.abs(second / by_hand - 1).max()),
)
# D* is known to a few roundings of a float32; near 1, so is 1 − D* in absolute terms: relative to the least value of
# it here, .05/2.05 = .024, that is 40 times more, and the second derivative takes its square.
assert jnp.abs(best - a / (a + b)).max() < few_roundings
assert jnp.abs(first / second).max() < few_roundings  # a step of Newton's method moves D* by roundings
assert jnp.abs(second / by_hand - 1).max() < 2 * 42 * few_roundings
assert second.max() < 0

# %% [markdown]
# Gradient ascent on a table of logits, one for each of five points, reaches the same optimum. The discriminator's
# loss is summed exactly over every pair of a real and a generated point.

# %% ascent-reaches-the-optimum
p_data = jnp.array([0.1, 0.2, 0.4, 0.2, 0.1])
p_model = jnp.array([0.5, 0.1, 0.1, 0.1, 0.2])
oracle = DiscreteGan(p_data=p_data)


@jax.jit
def ascend(p_model):
    """A table of logits after 1,000 steps of the discriminator alone."""
    loss = lambda logits: oracle.losses(gan.minimax, logits, p_model).discriminator
    step = lambda logits, _: (logits - 4.0 * jax.grad(loss)(logits), loss(logits))
    return jax.lax.scan(step, jnp.zeros(5), length=1000)


logits, history = ascend(p_model)
print("learned D:", np.asarray(jax.nn.sigmoid(logits)))
print("p/(p + q):", np.asarray(p_data / (p_data + p_model)))
# Ascent ends where the gradient is a rounding of at most 2⁻²³; the logit's error is that over the curvature,
# pq/(p + q), at least .06 here.
assert jnp.abs(logits - oracle.optimal_logits(p_model)).max() < 4 * 2**-23 / 0.06

# %% [markdown]
# ## What the generator then descends (S07)
#
# With $D^*$ put into $V$,
#
# $$C(G) = \max_D V = -\log 4 + 2\, \mathrm{JS}(p_{\text{data}} \,\|\, p_g), \qquad
#   \mathrm{JS}(p \,\|\, q) = \tfrac12 \mathrm{KL}\!\left(p \,\Big\|\, \tfrac{p + q}{2}\right)
#   + \tfrac12 \mathrm{KL}\!\left(q \,\Big\|\, \tfrac{p + q}{2}\right)$$
#
# (Goodfellow et al. 2014, theorem 1). Its least value is $-\log 4 = -1.3862944$, where $p_g = p_{\text{data}}$ and
# $D^* = \frac12$ everywhere. The identity in numbers, for a poor model, a good one, and a perfect one: the game
# played at the best discriminator on the left, the divergence on the right.

# %% value-at-the-optimum
models = {
    "poor": (p_model, 0.1464468, -1.0934007),
    "good": (jnp.array([0.12, 0.18, 0.38, 0.22, 0.10]), 0.0010849, -1.3841246),
    "perfect": (p_data, 0.0, -1.3862944),
}
for name, (q, js_reference, c_reference) in models.items():
    played = -oracle.losses(gan.minimax, oracle.optimal_logits(q), q).discriminator
    js = js_categorical(p_data, q)
    print(f"{name:>8}: V(D*, G) {played:.7f} = C(G) {oracle.value_at_optimum(q):.7f}; JS {js:.7f}")
    assert close(js, js_reference)
    assert close(oracle.value_at_optimum(q), c_reference)
    assert close(played, c_reference)
print(
    f"−log 4 = {-math.log(4):.7f}; D* of the perfect model:",
    np.asarray(jax.nn.sigmoid(oracle.optimal_logits(p_data))),
)
assert jnp.all(oracle.optimal_logits(p_data) == 0)  # D = ½ exactly
speed_d, speed_g = oracle.velocity(gan.minimax, jnp.zeros(5), jnp.log(p_data))
print("pull on either player there:", float(jnp.abs(speed_d).max()), float(jnp.abs(speed_g).max()))
assert max(jnp.abs(speed_d).max(), jnp.abs(speed_g).max()) < 2**-23  # nobody moves: an equilibrium

# %% [markdown]
# ## Exercise: the bounds of the Jensen–Shannon divergence (S15)
#
# *Show that $0 \le \mathrm{JS} \le \log 2$, and when each bound is reached.*
#
# Let $m = (p + q)/2$. Both KL terms are at least zero, and zero only for $p = m$ and $q = m$: so $\mathrm{JS} \ge
# 0$, with equality if and only if $p = q$. For the other side, $m \ge p/2$ at every point, so that $\log(p/m) \le
# \log 2$ and $\mathrm{KL}(p \| m) \le \log 2$, and likewise for $q$. Equality requires $m = p/2$ wherever $p > 0$,
# that is $q = 0$ there: the bound is reached if and only if the supports are disjoint.
#
# For random pairs of laws, and along the path $q_t = (1 - t) p + t r$ from $p$ to a law $r$ on other points, where
# JS takes every value between the bounds:

# %% jensen-shannon-bounds
key_p, key_q = jax.random.split(key_laws)
random_p = jax.random.dirichlet(key_p, jnp.full(6, 0.2), (2000,))
random_q = jax.random.dirichlet(key_q, jnp.full(6, 0.2), (2000,))
values = np.asarray(jax.vmap(js_categorical)(random_p, random_q))
print(f"random pairs: from {values.min():.4f} to {values.max():.4f}; log 2 = {math.log(2):.4f}")
rounding = 8 * 2**-24  # some roundings of terms below one
assert values.min() > 0
assert values.max() < math.log(2) + rounding

p, r = jnp.array([0.5, 0.3, 0.2, 0.0, 0.0]), jnp.array([0.0, 0.0, 0.0, 0.4, 0.6])
t = jnp.linspace(0.0, 1.0, 101)
path = np.asarray(jax.vmap(lambda t: js_categorical(p, (1 - t) * p + t * r))(t))
print(f"equal laws: {path[0]:.7f}; disjoint supports: {path[-1]:.7f}")
assert path[0] == 0
assert abs(path[-1] - math.log(2)) < rounding
assert np.all(np.diff(path) > 0)

figure, axes = plt.subplots(figsize=(6, 3), layout="constrained")
axes.plot(t, path)
axes.axhline(math.log(2), color="grey", linestyle="--", label="log 2")
axes.set(xlabel="share t of the mass outside the support of p", ylabel="JS(p, qₜ) / nats")
axes.legend()

# %% [markdown]
# ## Figure 1 of Goodfellow et al. (2014), in numbers (S06, S07)
#
# The figure shows a generator's density approaching that of the data while the discriminator follows, and ends flat
# at $\frac12$. The same here: a law of data on the line, a generator with one bell, a discriminator at its optimum
# between the generator's steps. Different: the line is cut into 61 points, so that all expectations are sums; the
# generator is given as its density, with a mean and a width to learn, because on a grid there is no map from noise
# to differentiate.
#
# The generator moves with the discriminator held fixed. That its gradient is nevertheless that of $C(G)$, whose
# maximum over $D$ moves with $G$, is the envelope theorem, and is checked on the way: at an optimum of $D$, the
# change of $D$ changes $V$ at second order only.

# %% figure-one
x = jnp.linspace(-3.0, 3.0, 61)


def law(theta):
    """A bell on the grid, of mean θ₀ and standard deviation exp θ₁."""
    return jax.nn.softmax(-(((x - theta[0]) / jnp.exp(theta[1])) ** 2) / 2)


target = jnp.array([0.5, math.log(0.5)])
line = DiscreteGan(p_data=law(target))


def generator_loss(theta, logits):
    """The generator's part of V, the discriminator's logits held fixed."""
    return line.losses(gan.minimax, logits, law(theta)).generator


@jax.jit
def play(theta):
    """The generator's 300 steps, each against the best discriminator."""

    def step(theta, _):
        gradient = jax.grad(generator_loss)(theta, line.optimal_logits(law(theta)))
        of_c = jax.grad(lambda theta: line.value_at_optimum(law(theta)))(theta)
        record = theta, line.value_at_optimum(law(theta)), jnp.abs(gradient - of_c).max()
        return theta - 0.2 * gradient, record

    return jax.lax.scan(step, theta, length=300)


final, (thetas, values, differences) = play(jnp.array([-0.6, math.log(0.6)]))
print(f"C(G) from {values[0]:.5f} to {values[-1]:.7f}; −log 4 = {-math.log(4):.7f}")
print("generator's mean and log-width:", np.asarray(final), "data's:", np.asarray(target))
print("largest difference of the two gradients:", float(differences.max()))
assert differences.max() < 1e-5  # sums of 61 terms, weighted by logits of up to 30: some 80 roundings
assert abs(values[-1] + math.log(4)) < 8 * 2**-23  # float32 roundings of a number above one
assert jnp.abs(final - target).max() < 1e-3  # C is quadratic there: known to the root of its rounding
best = jax.nn.sigmoid(line.optimal_logits(law(final)))
print("D* between", float(best.min()), "and", float(best.max()))
assert jnp.abs(best - 0.5).max() < 0.02  # an error of 1e-3 in either parameter moves a logit by at most .05

figure, panels = plt.subplots(1, 4, figsize=(8, 2.4), sharey=True, layout="constrained")
for axes, n in zip(panels, (0, 5, 15, 299), strict=True):
    axes.plot(x, line.p_data, "k:", label="data")
    axes.plot(x, law(thetas[n]), "g-", label="generator")
    axes.plot(x, jax.nn.sigmoid(line.optimal_logits(law(thetas[n]))) / 10, "b--", label="D* / 10")
    axes.set(title=f"after {n} steps", xlabel="x")
panels[0].legend(fontsize=7)
