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
# # Variational autoencoders and the evidence lower bound
#
# A latent-variable model draws a code $z \sim p(z) = N(0, I)$ and then data $x \sim p(x|z)$, where a decoder network
# gives the parameters of $p(x|z)$. Its density is an integral,
#
# $$p(x) = \int p(x|z)\, p(z)\, dz,$$
#
# which no closed form gives once the decoder is a network; nor is the posterior $p(z|x) = p(x|z) p(z) / p(x)$ known.
# This chapter bounds $\log p(x)$ from below, finds the size of the gap, trains the bound on real digits, and
# compares the result with an autoencoder. Where the model is linear everything is known, and every claim is checked
# there first.

# %% setup
import math
import os
from functools import partial

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax

from genjax import autoencoder, expectation, metrics, per_example, vae
from genjax.data import digits, views
from genjax.densities import normal_log_prob, standard_normal_log_prob
from genjax.divergences import kl_standard_normal
from genjax.nn import discretized_logistic_head, latent_model
from genjax.oracles import LinearGaussian
from genjax.training import fit, make_step

FAST = "GENJAX_FAST" in os.environ  # small sizes, to see that all runs
jax.config.update("jax_disable_most_optimizations", FAST)  # then compiling takes longer than running
np.set_printoptions(precision=3, suppress=True)

(
    key_noise,
    key_data,
    key_evidence,
    key_plane,
    key_vae,
    key_autoencoder,
    key_draws,
    key_bound,
    key_judge,
) = jax.random.split(jax.random.key(0), 9)


def close(value, reference, digits=6):
    """Equal to a reference given to `digits` decimals: its last digit, or four roundings of a float32."""
    return abs(float(value) - reference) <= max(10.0**-digits, 4 * 2**-23 * abs(reference))


# %% [markdown]
# ## The cost of a code
#
# The encoder answers an example $x$ with a diagonal Gaussian $q(z|x) = N(\mu, \mathrm{diag}\,\sigma^2)$. Its
# divergence from the prior is
#
# $$\mathrm{KL}(q \,\|\, p) = \tfrac12 \sum_j \left(\mu_j^2 + \sigma_j^2 - 1 - \log \sigma_j^2\right)$$
#
# (Kingma and Welling 2014, appendix B). Each coordinate pays for a mean away from zero and for a variance away from
# one. Three worked examples (S03), and the same number as an average over draws of $\log q(z|x) - \log p(z)$:

# %% diagonal-gaussian-kl
examples = [
    ((0.3, -0.5, 1.2), (-0.2, 0.1, -0.5), 0.9552162),
    ((0.2, -0.5, 1.0), (-0.1, 0.3, 0.0), 0.6723481),
    ((0.5, -0.2), (0.0, -1.0), 0.3289397),
]
for mean, log_var, reference in examples:
    kl = kl_standard_normal(jnp.array(mean), jnp.array(log_var))
    print(f"mean {mean}, log-variance {log_var}: KL {kl:.7f}")
    assert close(kl, reference)

mean, log_var = jnp.array(examples[0][0]), jnp.array(examples[0][1])
noise = jax.random.normal(key_noise, (20_000, 3))


@jax.jit
@jax.vmap
def log_ratio(noise):
    """The logarithm of q(z|x) / p(z) at one draw of q."""
    z = vae.reparameterize(mean, log_var, noise)
    return normal_log_prob(z, mean, log_var) - standard_normal_log_prob(z)


terms = np.asarray(log_ratio(noise))
error = terms.std() / math.sqrt(len(terms))
print(f"average over {len(terms):,} draws: {terms.mean():.4f} ± {error:.4f}")
assert abs(terms.mean() - examples[0][2]) < 5 * error  # five standard errors

# %% [markdown]
# ## A draw as a function of its parameters
#
# To differentiate an expectation over $q$, write the draw as a function of the parameters and of noise that does not
# depend on them (S04; Kingma and Welling 2014, section 2.4):
#
# $$z = \mu + \sigma \odot \varepsilon, \qquad \varepsilon \sim N(0, I).$$
#
# With the first example above, the data $x = (1, .5, -.3)$ and a decoder $\hat x = .8 z + .1$, one draw gives one
# value of the bound. The unnormalised likelihood $-\frac12\|x - \hat x\|^2$ and the Gaussian of unit variance differ
# by the constant $\frac{3}{2} \log 2\pi$, which no gradient sees but which a *likelihood* must have.

# %% reparameterize
epsilon = jnp.array([0.49671415, -0.1382643, 0.64768854])
x = jnp.array([1.0, 0.5, -0.3])
decode = lambda z: 0.8 * z + 0.1
unnormalised = lambda x, z: -jnp.sum((x - decode(z)) ** 2) / 2
unit_variance = lambda x, z: normal_log_prob(x, decode(z), jnp.zeros(3))

z = vae.reparameterize(mean, log_var, epsilon)
print("z =", z)
assert all(close(a, b) for a, b in zip(z, (0.7494456, -0.6453533, 1.7044203), strict=True))
print(f"half the squared error: {-unnormalised(x, z):.7f}")
assert close(-unnormalised(x, z), 2.0199502)
for name, log_likelihood, reference in [
    ("unnormalised", unnormalised, -2.9751663),
    ("unit-variance Gaussian", unit_variance, -5.7319820),
]:
    elbo = vae.elbo_terms(lambda _: (mean, log_var), log_likelihood, x, epsilon).elbo
    print(f"one-draw bound, {name} likelihood: {elbo:.7f}")
    assert close(elbo, reference)

z = vae.reparameterize(jnp.array([0.5, -0.2]), jnp.array([0.0, -1.0]), jnp.array([0.1257302, -0.1321049]))
print("the third example: z =", z)
assert all(close(a, b) for a, b in zip(z, (0.6257302, -0.2801257), strict=True))

# %% [markdown]
# ## The bound and its gap
#
# Jensen's inequality moves the logarithm inside an average over $q$ (S02):
#
# $$\log p(x) = \log \mathbb{E}_{q}\!\left[\frac{p(x, z)}{q(z|x)}\right]
#   \ge \mathbb{E}_{q}\!\left[\log \frac{p(x, z)}{q(z|x)}\right]
#   = \underbrace{\mathbb{E}_{q}[\log p(x|z)]}_{\text{reconstruction}}
#   - \underbrace{\mathrm{KL}(q(z|x) \,\|\, p(z))}_{\text{cost of the code}} = \mathrm{ELBO}.$$
#
# Replacing $p(x, z)$ by $p(z|x) p(x)$ shows what was lost: $\log p(x) - \mathrm{ELBO} = \mathrm{KL}(q(z|x) \,\|\,
# p(z|x))$. With a log-likelihood of $-1.25$ and the third KL above, the bound is $-1.5789397$.
#
# In a linear model with Gaussian noise, $x = Wz + b + \sigma\varepsilon$, the evidence and the posterior are known.
# The noise of the bound is an argument, so that Gauss–Hermite nodes in place of random draws make the expectation
# exact: the integrand is quadratic in $\varepsilon$, and five nodes per dimension integrate polynomials up to degree
# nine.

# %% elbo-gap
terms = vae.ElboTerms(jnp.array(-1.25), kl_standard_normal(jnp.array([0.5, -0.2]), jnp.array([0.0, -1.0])))
print(f"reconstruction −1.25, KL {terms.kl:.7f}: ELBO {terms.elbo:.7f}")
assert close(terms.elbo, -1.5789397)

nodes, weights = np.polynomial.hermite_e.hermegauss(5)
grid = jnp.asarray(np.stack(np.meshgrid(nodes, nodes), -1).reshape(-1, 2), jnp.float32)
grid_weights = jnp.asarray(np.outer(weights, weights).ravel() / (2 * math.pi), jnp.float32)


@jax.jit
def exact_elbo(model, mean, log_var, x):
    """The ELBO of N(mean, exp(log_var)), its expectation taken by quadrature."""
    one = lambda noise: vae.elbo_terms(lambda _: (mean, log_var), model.log_likelihood, x, noise).elbo
    return grid_weights @ jax.vmap(one)(grid)


orthogonal = LinearGaussian(  # columns at right angles: the posterior has independent coordinates
    weights=jnp.array([[1.0, 0.8], [0.5, -1.0], [1.0, -0.3]]), bias=jnp.zeros(3), log_var=jnp.zeros(())
)
x = jnp.array([1.0, -0.5, 0.7])
log_p = orthogonal.log_evidence(x)
rounding = 1e-5  # some ten roundings, each of 2⁻²⁴ of terms as large as 10
for name, q in [
    ("the prior", (jnp.zeros(2), jnp.zeros(2))),
    ("some q", (jnp.array([1.0, -0.5]), jnp.array([-0.5, 0.3]))),
    ("the posterior", orthogonal.optimal_encode(x)),
]:
    elbo, kl = exact_elbo(orthogonal, *q, x), orthogonal.kl_to_posterior(*q, x)
    print(f"{name:>14}: log p(x) {log_p:.6f}, ELBO {elbo:.6f}, gap {log_p - elbo:.6f}, KL {kl:.6f}")
    assert abs((log_p - elbo) - kl) < rounding
    assert elbo <= log_p + rounding
assert abs(log_p - elbo) < rounding  # tight at the posterior

# %% [markdown]
# ## Exercise: when is the bound tight? (S15)
#
# *Show that the ELBO equals $\log p(x)$ if and only if $q(z|x) = p(z|x)$.*
#
# The gap is $\mathrm{KL}(q \| p(\cdot|x)) = \mathbb{E}_q[-\log (p(z|x)/q(z|x))]$. As $-\log u \ge 1 - u$, with
# equality only at $u = 1$, the gap is at least $1 - \int p(z|x)\,dz = 0$, and it is zero only where the ratio is one
# for almost every $z$ under $q$; both integrate to one, so $q$ is the posterior. Two consequences can be seen:
#
# 1. If the family of $q$ holds the posterior, maximising the ELBO over $q$ closes the gap.
# 2. If it does not, a gap stays. With correlated columns of $W$ the posterior is not diagonal; the best diagonal
#    Gaussian has the posterior's mean, and variances $1/P_{jj}$ with $P$ the posterior's precision.
#
# Gradient ascent on $(\mu, \log\sigma^2)$ for either model:

# %% elbo-tightness
correlated = LinearGaussian(
    weights=jnp.array([[1.0, 0.8], [0.5, -1.0], [1.0, 1.0]]), bias=jnp.zeros(3), log_var=jnp.zeros(())
)


@jax.jit
def ascend(model, x):
    """The gap after each of 200 steps of ascent on the exact ELBO, and the q that it ends at."""
    gradient = jax.grad(lambda q: exact_elbo(model, *q, x))

    def step(q, _):
        q = jax.tree.map(lambda a, g: a + 0.2 * g, q, gradient(q))
        return q, model.log_evidence(x) - exact_elbo(model, *q, x)

    return jax.lax.scan(step, (jnp.array([-1.0, 1.5]), jnp.array([1.0, 1.0])), length=200)


figure, axes = plt.subplots(figsize=(6, 3), layout="constrained")
for name, model in [("posterior in the family", orthogonal), ("posterior outside", correlated)]:
    (q_mean, q_log_var), gaps = ascend(model, x)
    least = model.kl_to_posterior(*model.optimal_encode(x), x)
    distance = max(
        jnp.abs(q_mean - model.optimal_encode(x)[0]).max(),
        jnp.abs(q_log_var - model.optimal_encode(x)[1]).max(),
    )
    print(f"{name}: the gap falls to {gaps[-1]:.6f}; least KL of a diagonal Gaussian {least:.6f}")
    assert abs(gaps[-1] - least) < rounding
    assert distance < 1e-3  # where the gap is flat to rounding, q is known to the root of it
    axes.semilogy(np.maximum(gaps, 1e-6), label=name)
assert model.kl_to_posterior(*model.optimal_encode(x), x) > 0.01
axes.set(xlabel="step of gradient ascent", ylabel="log p(x) − ELBO / nats")
axes.legend()

# %% [markdown]
# ## Two gradients of one bound (S04)
#
# The gradient of the ELBO in $\mu$ and $\log \sigma^2$ is, by the identity above, minus the gradient of
# $\mathrm{KL}(q \| p(z|x))$, here in closed form. The *pathwise* gradient differentiates through $z = \mu +
# \sigma\varepsilon$; the *score-function* gradient holds $z$ fixed and differentiates $\log q$ instead. Both are
# unbiased. Over many draws:

# %% pathwise-gradient
q = (jnp.array([1.0, -0.5]), jnp.array([-0.5, 0.3]))
truth = -jnp.concatenate(jax.jit(jax.grad(lambda q: correlated.kl_to_posterior(*q, x)))(q))
log_joint = lambda z: correlated.log_likelihood(x, z) + standard_normal_log_prob(z)
draws = jax.random.normal(key_data, (20_000, 1, 2))


@partial(jax.jit, static_argnums=0)
def gradients(estimator, q, draws):
    """The gradient in (mean, log_var) at each draw, `[n, 4]`."""
    gradient = jax.grad(lambda q, noise: estimator(log_joint, *q, noise))
    return jax.vmap(lambda noise: jnp.concatenate(gradient(q, noise)))(draws)


variances = {}
for name, estimator in [("pathwise", vae.pathwise), ("score function", vae.score_function)]:
    each = np.asarray(gradients(estimator, q, draws))
    error = each.std(axis=0) / math.sqrt(len(each))
    variances[name] = each.var(axis=0)
    print(f"{name:>14}: {each.mean(axis=0)} ± {error}, variance of one draw {variances[name]}")
    assert np.all(np.abs(each.mean(axis=0) - truth) < 5 * error)  # five standard errors
print(f"{'closed form':>14}: {np.asarray(truth)}")
# The variances are known to about 3 % from so many draws; the ratios are far from 1.
assert np.all(variances["score function"] > 2 * variances["pathwise"])

# %% [markdown]
# ## Why a decoder is not enough (S20)
#
# In principle the decoder alone gives the evidence: draw $z_k \sim p(z)$ and average $p(x|z_k)$. But almost no code
# from the prior explains a given $x$. An encoder proposes codes that do, and importance weights $p(x, z_k)/q(z_k|x)$
# keep the average unbiased. Below a linear model with 8 latents and 30 data dimensions is asked for $\log p(x)$ with
# the same number of samples either way. The logarithm of an unbiased average is biased downwards, by about half its
# variance where that is small.
#
# The two networks of a VAE, drawn: the encoder is used for inference, the prior and the decoder for generation.

# %% evidence-with-and-without-encoder
key_weights, key_x, key_estimates = jax.random.split(key_evidence, 3)
wide = LinearGaussian(
    weights=jax.random.normal(key_weights, (30, 8)), bias=jnp.zeros(30), log_var=jnp.full((), -2.0)
)
x_wide = wide.sample(key_x, 1)[0]
num_samples = 200 if FAST else 2000


@jax.jit
def estimates(keys, q):
    """One estimate of log p(x) for each key, by draws of q = (mean, log_var)."""
    options = {"num_samples": num_samples}
    one = lambda key: vae.log_evidence(key, lambda _: q, wide.log_likelihood, x_wide, **options)
    return jax.lax.map(one, keys)


truth = jax.jit(LinearGaussian.log_evidence)(wide, x_wide)
keys_estimates = jax.random.split(key_estimates, (2, 50))
results = {}
proposals = {"prior": (jnp.zeros(8), jnp.zeros(8)), "encoder": wide.optimal_encode(x_wide)}
for keys, (name, q) in zip(keys_estimates, proposals.items(), strict=True):
    values = np.asarray(estimates(keys, q))
    results[name] = values.mean(), values.std(ddof=1) / math.sqrt(len(values)), values.var(ddof=1)
    print(f"by {num_samples} draws of the {name:>7}: {results[name][0]:.3f} ± {results[name][1]:.3f}")
print(f"the truth: {truth:.3f}")
average, error, variance = results["encoder"]
assert abs(average - truth) < 5 * error + variance  # five standard errors, and twice the bias
average, error, _ = results["prior"]
assert truth - average > 5 * error  # the prior's estimate is far too low
assert results["prior"][2] > 10 * results["encoder"][2]

figure, axes = plt.subplots(figsize=(6, 1.5), layout="constrained")
boxes = ["x", "encoder\nμ, log σ²", "z = μ + σ ε", "decoder", "p(x|z)"]
for i, text in enumerate(boxes):
    axes.text(i, 0, text, ha="center", va="center", fontsize=9, bbox={"boxstyle": "round", "fc": "white"})
    if i:
        axes.annotate("", (i - 0.33, 0), (i - 0.67, 0), arrowprops={"arrowstyle": "->"})
axes.text(2, 0.55, "z ~ N(0, I) when generating", ha="center", fontsize=8)
axes.annotate("", (2, 0.2), (2, 0.48), arrowprops={"arrowstyle": "->"})
axes.set(xlim=(-0.5, 4.5), ylim=(-0.5, 0.8))
axes.axis("off")

# %% [markdown]
# ## The manifold of digits
#
# Figure 4 of Kingma and Welling (2014) shows what a decoder learned with two latents: a grid of codes, evenly spaced
# on the unit square and carried through the inverse Gaussian distribution function, so that every cell holds the
# same prior mass, decoded one by one. The same here: two latents, that grid, decoded means. Different: the data are
# 1,297 digits of 8×8 pixels with 17 grey levels, so the likelihood is a discretised logistic, and the optimizer is
# Adam.

# %% digits-manifold
data = digits()
view = views.centred(data)
observe = jax.jit(jax.vmap(lambda stored: view.observe(None, stored)))  # nothing random: no key
x_train, x_test = observe(data.train), observe(data.test)
num_steps = 20 if FAST else 4000
hidden = (16,) if FAST else (128, 128)


def train(key, params, one_example):
    """The parameters after training on `one_example(params, key, x)`."""
    loss = lambda params, key, batch: expectation(partial(one_example, params))(key, batch)
    init, step = make_step(loss, optax.adamw(1e-3, weight_decay=0.1))
    state, history = fit(key, step, init(params), x_train, num_steps=num_steps, batch_size=64)
    losses = np.asarray(history["loss"])
    print(f"loss {losses[0]:.1f} → {losses[-50:].mean():.1f} nats")
    return state.params


def vae_loss(net, params, key, x):
    """The negative ELBO of one example."""
    return vae.negative_elbo(key, partial(net.encode, params), partial(net.log_likelihood, params), x)


plane = latent_model(64, hidden, 2, discretized_logistic_head(17))
key_init, key_fit = jax.random.split(key_plane)
plane_params = train(key_fit, jax.jit(plane.init)(key_init), partial(vae_loss, plane))
quantiles = jax.scipy.stats.norm.ppf(jnp.linspace(0.04, 0.96, 12))
codes = jnp.stack(jnp.meshgrid(quantiles, quantiles), axis=-1).reshape(-1, 2)
show = jax.jit(jax.vmap(lambda z: view.show(plane.decode(plane_params, z))))
pictures = np.asarray(show(codes)).reshape(12, 12, 8, 8)
means = np.asarray(jax.jit(jax.vmap(lambda x: plane.encode(plane_params, x)[0]))(x_test))

figure, axes = plt.subplots(1, 2, figsize=(7, 3.4), layout="constrained")
axes[0].imshow(pictures.transpose(0, 2, 1, 3).reshape(96, 96), cmap="gray_r", origin="upper")
axes[0].set(title="decoded grid of codes", xticks=[], yticks=[])
dots = axes[1].scatter(*means.T, c=data.test_labels, cmap="tab10", s=8)
axes[1].set(title="codes of test digits", xlabel="z₁", ylabel="z₂")
figure.colorbar(dots, label="class")

centers = np.stack([means[data.test_labels == c].mean(axis=0) for c in range(10)])
within = np.mean(np.sum((means - centers[data.test_labels]) ** 2, axis=-1))
between = np.mean(np.sum((centers[data.test_labels] - means.mean(axis=0)) ** 2, axis=-1))
print(f"spread of test codes within a class {within:.2f}, between classes {between:.2f}")
if (
    not FAST
):  # the code separates classes that training never named: with no relation it would be 9/299 = .03 of within
    assert between > within

# %% [markdown]
# ## Prior samples, posterior samples, and the evidence of real data (S20)
#
# With 16 latents the model is better. A draw from the prior decodes to a new digit; draws from $q(z|x)$ decode to
# what the model takes $x$ to be. The evidence of test digits is estimated with the encoder and, from as many
# samples, with the prior alone; both estimates are below the truth on average, so that the higher one is the closer
# one. The ELBO lies below the importance-weighted estimate, because the bound tightens as samples are added (Burda
# et al. 2016, theorem 1).

# %% prior-and-posterior-samples
net = latent_model(64, hidden, 16, discretized_logistic_head(17))
key_init, key_fit = jax.random.split(key_vae)
start = jax.jit(net.init)(key_init)
params = train(key_fit, start, partial(vae_loss, net))
decode = jax.jit(jax.vmap(lambda z: view.show(net.decode(params, z)).reshape(8, 8)))
key_prior, key_posterior = jax.random.split(key_draws)
mean, log_var = jax.jit(net.encode)(params, x_test[0])
posterior_noise = jax.random.normal(key_posterior, (8, 16))
rows = [
    decode(jax.random.normal(key_prior, (8, 16))),
    decode(jax.vmap(partial(vae.reparameterize, mean, log_var))(posterior_noise)),
]
figure, axes = plt.subplots(figsize=(6, 1.9), layout="constrained")
axes.imshow(np.concatenate([np.concatenate(list(row), axis=1) for row in rows]), cmap="gray_r")
axes.set(title="decoded: prior draws above, posterior draws of one test digit below", xticks=[], yticks=[])

key_elbo, key_encoder, key_prior_only = jax.random.split(key_bound, 3)
some = x_test[: 5 if FAST else 60]
encode, log_likelihood = partial(net.encode, params), partial(net.log_likelihood, params)
options = {"num_samples": 50 if FAST else 1000}
elbo = -np.asarray(
    jax.jit(per_example(vae.negative_elbo, encode, log_likelihood, num_samples=50))(key_elbo, some)
)


@jax.jit
@per_example
def evidence(key, x, q):
    """An estimate of log p(x) by draws of q = (mean, log_var)."""
    return vae.log_evidence(key, lambda _: q, log_likelihood, x, **options)


of_prior = (jnp.zeros((len(some), 16)), jnp.zeros((len(some), 16)))
by_encoder = np.asarray(evidence(key_encoder, some, jax.jit(jax.vmap(encode))(some)))
by_prior = np.asarray(evidence(key_prior_only, some, of_prior))
for name, values in [("ELBO", elbo), ("encoder", by_encoder), ("prior alone", by_prior)]:
    print(f"{name:>12}: {values.mean():8.2f} ± {values.std(ddof=1) / math.sqrt(len(some)):.2f} nats a digit")
for name, values in [("ELBO", elbo), ("prior alone", by_prior)]:
    gaps = by_encoder - values
    error = gaps.std(ddof=1) / math.sqrt(len(gaps))
    print(f"encoder above {name}: {gaps.mean():.2f} ± {error:.2f}")
    if not FAST:
        assert gaps.mean() > 5 * error  # five standard errors of the paired difference

# %% [markdown]
# ## The autoencoder beside the VAE (S17)
#
# An autoencoder minimises reconstruction alone, $-\log p(x | z = f(x))$, with the same networks from the same start.
# Nothing asks its codes to fill a distribution. It reconstructs the digits it was trained on better; on new digits,
# after so many steps, learning by heart costs it that advantage, because no cost of the code holds it back. But
# codes drawn from $N(0, I)$, or from a Gaussian fitted to its own codes, fall between those that its decoder has
# seen: its latent space has holes. One measure judges both models, the *precision* of Kynkäänniemi et al. (2019):
# the share of decoded samples that lie within the support of test data. The two sets are of equal size.

# %% autoencoder-has-holes


def reconstruction(net, params, key, x):
    """The autoencoder's loss of one example; the code is the encoder's mean, and the key is not used."""
    code = lambda x: net.encode(params, x)[0]
    return autoencoder.reconstruction_loss(code, partial(net.log_likelihood, params), x)


params_autoencoder = train(key_autoencoder, start, partial(reconstruction, net))


@jax.jit
def judge(trained, x_seen, x_new, noise):
    """Costs of reconstruction of seen and new digits, and the precision of what two laws of codes decode to."""
    codes = jax.vmap(lambda x: net.encode(trained, x)[0])(x_seen)
    cost = jax.vmap(lambda x: reconstruction(net, trained, None, x))
    covariance = jnp.cov(codes.T) + 1e-6 * jnp.eye(16)  # an unused latent has almost none
    laws = {"N(0, I)": noise, "fitted": codes.mean(axis=0) + noise @ jnp.linalg.cholesky(covariance).T}
    shown = jax.vmap(lambda z: view.show(net.decode(trained, z)))
    precision = lambda z: metrics.precision_recall(jax.vmap(view.show)(x_new), shown(z)).precision
    return {"seen": cost(x_seen), "new": cost(x_new)}, jax.tree.map(precision, laws)


noise = jax.random.normal(key_judge, (len(x_test), 16))
costs, precisions = {}, {}
for name, trained in [("VAE", params), ("autoencoder", params_autoencoder)]:
    costs[name], precisions[name] = jax.tree.map(np.asarray, judge(trained, x_train, x_test, noise))
    seen, new = costs[name]["seen"].mean(), costs[name]["new"].mean()
    print(f"{name:>12}: reconstruction costs {seen:.1f} nats of training digits, {new:.1f} of test digits")
    for law, precision in precisions[name].items():
        print(f"{name:>12}: precision of decoded codes, {law}: {precision:.2f}")
if not FAST:
    saved = costs["VAE"]["seen"] - costs["autoencoder"]["seen"]
    assert saved.mean() > 5 * saved.std(ddof=1) / math.sqrt(len(saved))  # five standard errors
    for law in ("N(0, I)", "fitted"):
        # The standard error of a share of 300 is at most .03, that of a difference .04.
        assert precisions["VAE"][law] - precisions["autoencoder"][law] > 3 * 0.04
