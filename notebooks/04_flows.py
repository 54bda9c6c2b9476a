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
# # Normalizing flows: exact densities by the change of variables
#
# A flow carries noise $z \sim N(0, I)$ to data by an invertible map $x = f(z)$. Mass is conserved, so that the
# density is known exactly:
#
# $$\log p(x) = \log p_Z(z) + \log \left|\det \frac{\partial z}{\partial x}\right|, \qquad z = f^{-1}(x).$$
#
# The art is in maps that are rich, invertible, and cheap in their determinant. This chapter checks the rule on maps
# that are solved by hand, then on layers of RealNVP, Glow and neural spline flows, and trains flows on densities
# that are known, so that what they miss can be given in nats.

# %% setup
import math
import os
from functools import partial
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax
from jax.flatten_util import ravel_pytree

from genjax import expectation, flow, metrics, nn, per_example, vae
from genjax.data import Circle, TwoMoons, digits, views
from genjax.densities import normal_log_prob, standard_normal_log_prob
from genjax.flow import Affine, Chain, RationalQuadraticSpline
from genjax.training import fit, make_step

FAST = "GENJAX_FAST" in os.environ  # small sizes, to see that all runs
jax.config.update("jax_disable_most_optimizations", FAST)  # then compiling takes longer than running

(
    key_spline,
    key_layers,
    key_affine,
    key_moons,
    key_circle,
    key_order,
    key_prior,
) = jax.random.split(jax.random.key(0), 7)


def close(value, reference, digits=6):
    """Equal to a reference given to `digits` decimals: its last digit, or four roundings of a float32."""
    return abs(float(value) - reference) <= max(10.0**-digits, 4 * 2**-23 * abs(reference))


# %% [markdown]
# ## Two maps by hand (S08)
#
# For $x = 2z + 1$, the point $x = 3$ comes from $z = 1$, and $\log p(3) = \log N(1; 0, 1) - \log 2 = -2.1120857$: a
# density of $.1209854$. The map $x = 2z - 1$ sends $z = 1$ to $x = 1$, with the same density there.

# %% change-of-variables
double = jnp.log(jnp.array([2.0]))
for shift, x in [(1.0, 3.0), (-1.0, 1.0)]:
    log_p = flow.log_prob(Affine(shift=jnp.array([shift]), log_scale=double), jnp.array([x]))
    print(f"x = 2z {shift:+.0f} at x = {x:.0f}: log p = {log_p:.7f}, p = {jnp.exp(log_p):.7f}")
    assert close(log_p, -2.1120857)
    assert close(jnp.exp(log_p), 0.1209854)

# %% [markdown]
# ## Mass is conserved (S08)
#
# The probability of an interval under the flow is that of its pre-image under the base. Take a monotone
# rational-quadratic spline (Durkan et al. 2019), the element of a neural spline flow, with arbitrary knots. For
# random intervals $[a, b]$, the integral of the density over $[a, b]$ is compared with $\Phi(f^{-1}(b)) -
# \Phi(f^{-1}(a))$; and the whole integrates to one.

# %% mass-of-intervals
key_knots, key_ends = jax.random.split(key_spline)
spline = RationalQuadraticSpline(jax.random.normal(key_knots, (1, 3 * 8 - 1)), bound=4.0)
density = jax.jit(jax.vmap(lambda x: jnp.exp(flow.log_prob(spline, x[None]))))
pre_image = jax.jit(jax.vmap(lambda x: spline.inverse(x[None])[0][0]))

cells = 2000
ends = jnp.sort(jax.random.uniform(key_ends, (20, 2), minval=-4.0, maxval=4.0), axis=1)
midpoints = ends[:, :1] + (ends[:, 1:] - ends[:, :1]) * (jnp.arange(cells) + 0.5) / cells
lengths = np.asarray(ends[:, 1] - ends[:, 0])
integral = np.asarray(density(midpoints.ravel())).reshape(20, cells).mean(axis=1) * lengths
below = np.asarray(jax.scipy.stats.norm.cdf(pre_image(ends.ravel()))).reshape(20, 2)
base = below[:, 1] - below[:, 0]
worst = np.abs(integral - base).max()
print(f"20 intervals of mass {base.min():.4f} to {base.max():.4f}; the two differ by up to {worst:.1e}")
# The midpoint rule errs by h²/24 (p′(b) − p′(a)), and by h²/8 times a kink of p at each of nine knots; h ≤ .004.
assert worst < 1e-4
line = np.linspace(-8, 8, 16_001, dtype=np.float32)
total = np.asarray(density(line)).sum() * 0.001
print(f"the whole line: {total:.5f}")
assert abs(total - 1) < 1e-4

# %% [markdown]
# ## Composition, and exercise: the log-determinant of composed affine maps (S08, S15)
#
# *Show that for $f = f_K \circ \dots \circ f_1$ with $f_k(z) = A_k z + b_k$, $\log|\det J_f| = \sum_k \log|\det
# A_k|$.*
#
# The composition is affine again, with the matrix $A_K \cdots A_1$: substituting $f_1$ into $f_2$ gives $A_2 A_1 z +
# A_2 b_1 + b_2$, and so on by induction. The determinant of a product is the product of the determinants, and its
# logarithm their sum. For maps that are not affine the chain rule makes the Jacobian the product of the Jacobians at
# the intermediate points, and the same sum holds. In numbers, for two maps of one dimension, $x = 3(2z + 1) - 4 = 6z
# - 1$, and for five maps of four:

# %% composed-affine-maps
first = Affine(shift=jnp.array([1.0]), log_scale=jnp.log(jnp.array([2.0])))
second = Affine(shift=jnp.array([-4.0]), log_scale=jnp.log(jnp.array([3.0])))
both = Chain((first, second))
x, log_det = both.forward(jnp.array([0.5]))
print(f"6 · .5 − 1 = {x[0]:.4f}; log 6 = {math.log(6):.7f}, sum of log-determinants {log_det:.7f}")
assert close(x[0], 2.0)
assert close(log_det, math.log(6))
together = Affine(shift=jnp.array([-1.0]), log_scale=jnp.log(jnp.array([6.0])))
difference = flow.log_prob(both, jnp.array([0.3])) - flow.log_prob(together, jnp.array([0.3]))
assert abs(difference) < 8 * 2**-23  # roundings of numbers of about 3

key_matrices, key_shifts, key_z = jax.random.split(key_affine, 3)
matrices = jnp.eye(4) + jax.random.normal(key_matrices, (5, 4, 4)) / 3
shifts = jax.random.normal(key_shifts, (5, 4))
layers = [
    Chain((flow.invertible_linear(matrix), Affine(shift=shift, log_scale=jnp.zeros(4))))
    for matrix, shift in zip(matrices, shifts, strict=True)
]
chain = Chain(tuple(layers))
z = jax.random.normal(key_z, (4,))
log_det = chain.forward(z)[1]
by_autodiff = jnp.linalg.slogdet(jax.jit(jax.jacfwd(lambda z: chain.forward(z)[0]))(z))[1]
by_matrices = jnp.sum(jnp.linalg.slogdet(matrices)[1])
print(f"five maps of four dimensions: {log_det:.6f}; Jacobian {by_autodiff:.6f}; matrices {by_matrices:.6f}")
assert abs(log_det - by_autodiff) < 1e-4  # 80 products of float32 entries, and a condition number below 100
assert abs(log_det - by_matrices) < 1e-4

# %% [markdown]
# ## Layers of real flows (S08)
#
# RealNVP (Dinh et al. 2017) moves half of the coordinates by a shift and a scale that a network computes from the
# other half: the Jacobian is triangular, and the inverse needs no inverse of the network. Glow (Kingma and Dhariwal
# 2018) puts invertible 1×1 convolutions between such couplings of images. Neural spline flows (Durkan et al. 2019)
# replace shift and scale by a spline. For each, `flow.check` compares both log-determinants with the Jacobian of
# automatic differentiation, runs the inverse after the map, and in the plane integrates the density. A map that is
# not invertible is refused.

# %% layers-are-bijectors
sizes = {"num_layers": 2, "hidden": (8,)}
flows = {
    "RealNVP": (lambda key: nn.real_nvp(key, 2, **sizes), (2,)),
    "neural spline flow": (lambda key: nn.spline_coupling_flow(key, 2, num_bins=4, **sizes), (2,)),
    "Glow": (lambda key: nn.glow(key, (4, 4, 1), num_scales=1, num_steps=1, channels=4), (4, 4, 1)),
}
if FAST:
    flows = {"Glow": flows["Glow"]}  # the other two are trained below
for (name, (build, shape)), key in zip(flows.items(), jax.random.split(key_layers, len(flows)), strict=True):
    key_build, key_move = jax.random.split(key)
    # Flows start near the identity, where a wrong determinant would hardly show: all parameters are moved.
    parameters, unravel = ravel_pytree(jax.jit(build)(key_build))
    bijector = unravel(parameters + 0.1 * jax.random.normal(key_move, parameters.shape))
    compiled = SimpleNamespace(forward=jax.jit(bijector.forward), inverse=jax.jit(bijector.inverse))
    report = flow.check(
        compiled, jnp.full(shape, 0.3), grid_limits=(-12.0, 12.0), grid_size=100 if FAST else 400
    )
    mass = "" if report.mass is None else f", mass {report.mass:.5f}"
    worst = max(report.forward_log_det_error, report.inverse_log_det_error, report.round_trip_error)
    print(f"{name}: largest error {worst:.1e}{mass}")  # above 1e-4 in float32 the check raises
    assert (
        FAST or report.mass is None or abs(report.mass - 1) < 1e-3
    )  # cells of .06, across kinks of the networks


class Square:
    """z ↦ z², which forgets the sign."""

    def forward(self, z):
        """Noise to data."""
        return z**2, jnp.sum(jnp.log(jnp.abs(2 * z)))

    def inverse(self, x):
        """Data to one of the two candidates."""
        return jnp.sqrt(x), -jnp.sum(jnp.log(2 * jnp.sqrt(x)))


try:
    flow.check(Square(), jnp.array([1.0]))
    raise AssertionError("a map that is not invertible was accepted")
except ValueError as error:
    print("refused:", str(error).split(",")[0])

# %% [markdown]
# ## Two flows on two moons (S08)
#
# Training minimises $-\log p(x)$; on average this is the entropy of the data plus $\mathrm{KL}(\text{data} \,\|\,
# \text{flow})$. The moons' true density is known, so that the KL itself is estimated from test points, $\log
# p_{\text{true}}(x) - \log p_{\text{flow}}(x)$, with a standard error. Affine couplings must bend the plane to tear
# the moons apart and leave a bridge between them; splines leave less.

# %% two-moons
num_steps = 10 if FAST else 2500
num_layers = 1 if FAST else 6
hidden = (8,) if FAST else (32, 32)
num_test = 1600 if FAST else 5000
loss = lambda bijector, key, batch: jnp.mean(jax.vmap(partial(flow.negative_log_likelihood, bijector))(batch))
init, step = make_step(loss, optax.adam(optax.cosine_decay_schedule(2e-3, num_steps)))
log_probs = jax.jit(jax.vmap(flow.log_prob, (None, 0)))


def train(key, bijector, x):
    """The flow after maximum likelihood."""
    return fit(key, step, init(bijector), x, num_steps=num_steps, batch_size=256)[0].params


def miss(bijector, true_log_prob, x):
    """KL(data ‖ flow) in nats, and its standard error over test points."""
    gaps = np.asarray(true_log_prob(x) - log_probs(bijector, x))
    return gaps.mean(), gaps.std(ddof=1) / math.sqrt(len(gaps))


def draw(axes, title, log_prob, limits, size=40 if FAST else 150):
    """A density as a picture, on a scale of its square root."""
    left, right, low, high = limits
    points = np.stack(np.meshgrid(np.linspace(left, right, size), np.linspace(low, high, size)), -1).reshape(
        -1, 2
    )
    values = np.exp(np.asarray(log_prob(jnp.asarray(points, jnp.float32)))).reshape(size, size)
    axes.imshow(np.sqrt(values), extent=limits, origin="lower", cmap="magma")
    axes.set(title=title, xlabel="x₁")


moons = TwoMoons(noise=0.1)
moons_log_prob = jax.jit(jax.vmap(moons.log_prob))
key_data, key_test, *keys = jax.random.split(key_moons, 4)
x_train, x_test = moons.sample(key_data, 20_000), moons.sample(key_test, num_test)
couplings = {
    "RealNVP": lambda key: nn.real_nvp(key, 2, num_layers=num_layers, hidden=hidden),
    "spline flow": lambda key: nn.spline_coupling_flow(
        key, 2, num_layers=num_layers // 2 + 1, hidden=hidden, num_bins=8
    ),
}
figure, panels = plt.subplots(1, 3, figsize=(8, 2.3), layout="constrained")
limits = (-1.6, 2.6, -1.1, 1.6)
draw(panels[0], "truth", moons_log_prob, limits)
panels[0].set(ylabel="x₂")
gaps = {}
for axes, key, (name, build) in zip(panels[1:], keys, couplings.items(), strict=True):
    key_build, key_fit = jax.random.split(key)
    start = jax.jit(build)(key_build)
    learned = train(key_fit, start, x_train)
    before, (gaps[name], error) = (
        miss(start, moons_log_prob, x_test)[0],
        miss(learned, moons_log_prob, x_test),
    )
    print(f"{name}: misses the truth by {gaps[name]:.4f} ± {error:.4f} nats, {before:.2f} before training")
    draw(axes, name, partial(log_probs, learned), limits)
    if not FAST:
        assert gaps[name] > -5 * error  # a KL is not negative
        assert gaps[name] < before / 3
if not FAST:
    assert gaps["spline flow"] < gaps["RealNVP"] - 0.05  # both on the same points, standard errors below .01

# %% [markdown]
# ## Data near a manifold: the circle (S18)
#
# Points near a circle of radius 2, with radial noise of standard deviation .1. An autoregressive neural spline flow
# learns a ring-shaped cloud. Within .2 of the circle lie two standard deviations of the radial noise, $95.4\,\%$ of
# the mass (a little more than nothing is folded through the origin). The mass of the learned density there is summed
# on a grid.

# %% circle
circle = Circle(radius=2.0, noise=0.1)
circle_log_prob = jax.jit(jax.vmap(circle.log_prob))
key_data, key_test, key_flow, key_fit = jax.random.split(key_circle, 4)
x_train, x_test = circle.sample(key_data, 20_000), circle.sample(key_test, num_test)
layers, bins = (1, 4) if FAST else (3, 16)
build = lambda key: nn.spline_autoregressive_flow(key, 2, num_layers=layers, hidden=hidden, num_bins=bins)
start = jax.jit(build)(key_flow)
learned = train(key_fit, start, x_train)
gap, error = miss(learned, circle_log_prob, x_test)

cell = 0.2 if FAST else 0.025
centers = np.arange(-4 + cell / 2, 4, cell)
grid = jnp.asarray(np.stack(np.meshgrid(centers, centers), -1).reshape(-1, 2), jnp.float32)
near = np.abs(np.linalg.norm(grid, axis=1) - 2) <= 0.2
mass = {
    name: float(np.exp(np.asarray(log_prob(grid)))[near].sum()) * cell**2
    for name, log_prob in [
        ("truth", circle_log_prob),
        ("flow", partial(log_probs, learned)),
    ]
}
print(f"the flow misses the truth by {gap:.4f} ± {error:.4f} nats; mass within .2 of the circle: {mass}")
if not FAST:
    assert abs(mass["truth"] - math.erf(math.sqrt(2))) < 0.005  # cells of .025 on the edge of the band
    assert -5 * error < gap < 0.1
    # Pinsker: the masses of one set differ by at most the root of half the KL, here of its 5-error upper end.
    assert abs(mass["flow"] - mass["truth"]) < math.sqrt((gap + 5 * error) / 2) + 0.005

figure, panels = plt.subplots(1, 2, figsize=(6, 2.9), layout="constrained")
draw(panels[0], "truth", circle_log_prob, (-3, 3, -3, 3))
draw(panels[1], "learned", partial(log_probs, learned), (-3, 3, -3, 3))
panels[0].set(ylabel="x₂")

# %% [markdown]
# ## Without noise the likelihood has no bound (S18)
#
# Let the data lie exactly on the circle, and fit the family of circles with radial noise $s$. Each tenfold smaller
# $s$ raises the log-likelihood of every point by $\log 10$, without end: the best density does not exist. A flow
# trained on such data would sharpen its ring until the arithmetic fails. Noise in the data, a floor under the scale,
# or a model of the manifold itself prevents it.

# %% likelihood-without-bound
angles = np.linspace(0, 2 * math.pi, 100, endpoint=False)
on_circle = jnp.asarray(2 * np.stack([np.cos(angles), np.sin(angles)], axis=1), jnp.float32)
scales = (1e-1, 1e-2, 1e-3, 1e-4)
averages = [float(jnp.mean(jax.vmap(Circle(radius=2.0, noise=s).log_prob)(on_circle))) for s in scales]
for s, average in zip(scales, averages, strict=True):
    print(f"s = {s:g}: mean log-likelihood {average:.4f} nats")
# A radius of 2 in float32 is off by up to 2⁻²², which at s = 1e-4 is .0024 s and costs 3e-6 nats.
assert np.abs(np.diff(averages) - math.log(10)).max() < 1e-4

# %% [markdown]
# ## The order matters: figure 1 of Papamakarios et al. (2017)
#
# The figure's density is $p(x_1, x_2) = N(x_2; 0, 4)\, N(x_1; \tfrac14 x_2^2, 1)$. A single layer with Gaussian
# conditionals is exact in the order $(x_2, x_1)$, where both conditionals *are* Gaussian. In the order $(x_1, x_2)$
# it cannot be: given $x_1$, the other coordinate has two modes. Five layers stacked, the order reversed from one to
# the next, repair almost all of it in the wrong order. The same here: the density, the single layers in both
# orders, five layers. Different: networks have two hidden layers of 32 units, and the gap is given in nats against
# the closed-form entropy, $\log(2\pi e) + \log 2 = 3.5310$.

# %% order-matters


class Banana:
    """The density of the figure, coordinates in the order (x₁, x₂)."""

    def sample(self, key, n):
        """Draw n points."""
        noise = jax.random.normal(key, (n, 2))
        second = 2 * noise[:, 1]
        return jnp.stack([second**2 / 4 + noise[:, 0], second], axis=1)

    def log_prob(self, x):
        """The log-density of one point."""
        second = normal_log_prob(x[1], jnp.zeros(()), jnp.log(jnp.array(4.0)))
        return second + normal_log_prob(x[0], x[1] ** 2 / 4, jnp.zeros(()))


banana = Banana()
banana_log_prob = jax.jit(jax.vmap(banana.log_prob))
key_data, key_test, *keys = jax.random.split(key_order, 8)
x_train, x_test = banana.sample(key_data, 20_000), banana.sample(key_test, num_test)
own = -np.asarray(banana_log_prob(x_test))
entropy = math.log(2 * math.pi * math.e) + math.log(2)
error = own.std(ddof=1) / math.sqrt(len(own))
print(f"entropy {entropy:.4f}; of {len(own)} test points {own.mean():.4f} ± {error:.4f}")
assert abs(own.mean() - entropy) < 5 * error
build = jax.jit(
    lambda key, num_layers: nn.maf(key, 2, num_layers=num_layers, hidden=hidden, norm=None),
    static_argnums=1,
)
settings = {
    "one layer, order (x₂, x₁)": Chain((build(keys[0], 1), flow.Permutation((1, 0)))),
    "one layer, order (x₁, x₂)": Chain((build(keys[1], 1),)),
    "five layers, from (x₁, x₂)": Chain((build(keys[2], 1 if FAST else 5),)),
}
figure, panels = plt.subplots(1, 4, figsize=(9, 2.4), layout="constrained")
limits = (-3, 8, -5.5, 5.5)
draw(panels[0], "truth", banana_log_prob, limits)
results = []
for axes, key, (name, start) in zip(panels[1:], keys[3:], settings.items(), strict=True):
    learned = train(key, start, x_train)
    results.append(miss(learned, banana_log_prob, x_test))
    print(f"{name}: {results[-1][0]:.4f} ± {results[-1][1]:.4f} nats above the entropy")
    draw(axes, name.replace(", ", "\n"), partial(log_probs, learned), limits)
if not FAST:
    (right, right_error), (wrong, wrong_error), (stacked, _) = results
    assert -5 * right_error < right < 0.02  # nothing but the error of learning is left
    assert wrong - 5 * wrong_error > 0.1  # what no training removes
    assert stacked < wrong / 3

# %% [markdown]
# ## A flow as the prior of a variational autoencoder
#
# The evidence lower bound of chapter 2 asks one thing of the prior, its log-density at a draw of the encoder:
#
# $$\mathrm{ELBO} = \mathbb{E}_{q(z|x)}\left[\log p(x|z) + \log p(z) - \log q(z|x)\right].$$
#
# Any density will do, a flow's among them. On average over data, and with $q(z)$ the law of all codes together (the
# aggregate posterior), the code costs (Hoffman and Johnson 2016)
#
# $$\mathbb{E}_x\,\mathrm{KL}(q(z|x) \,\|\, p(z)) = I_q(x; z) + \mathrm{KL}(q(z) \,\|\, p(z)).$$
#
# The first term is what codes tell of the data. The second is paid because codes do not fill the prior, and a prior
# that learns lowers it: to the flow the draws of the encoder are data, and the bound trains it on them by maximum
# likelihood. In the coordinates $u = f^{-1}(z)$ the prior is $N(0, I)$ again, and the law of $u$ given $x$ is no
# longer Gaussian: a flow in the prior is a flow in the posterior too (Chen et al. 2017, section 3.2).
#
# Take the digits, the networks and the 16 latents of chapter 2, and two priors: a chain of no layers, whose density
# *is* $N(0, I)$, and four affine couplings, trained together with encoder and decoder. Nothing else differs, and one
# seed gives both the same first weights, batches and noise.

# %% flow-as-prior
data = digits()
view = views.centred(data)
observe = jax.jit(jax.vmap(lambda stored: view.observe(None, stored)))  # nothing random: no key
digits_train, digits_test = observe(data.train), observe(data.test)
num_latents, num_seeds = (2, 2) if FAST else (16, 3)
net = nn.latent_model(64, () if FAST else (128, 128), num_latents, nn.discretized_logistic_head(17))
sizes = {"num_layers": 1, "hidden": ()} if FAST else {"num_layers": 4, "hidden": (64,)}
build_flow = lambda key: nn.real_nvp(key, num_latents, **sizes)
priors = {
    "N(0, I)": build_flow if FAST else lambda key: Chain(()),  # in fast mode the same, compiled once
    "flow": build_flow,
}
z = jnp.array([0.5, -2.0])
assert flow.log_prob(Chain(()), z) == standard_normal_log_prob(z)


def bind(params):
    """Encoder, likelihood and prior: the three functions that a VAE is to the library."""
    encode, log_likelihood = partial(net.encode, params["vae"]), partial(net.log_likelihood, params["vae"])
    return encode, log_likelihood, partial(flow.log_prob, params["prior"])


def cost(params, key, x):
    """The negative ELBO of one digit."""
    encode, log_likelihood, log_prior = bind(params)
    return vae.negative_elbo(key, encode, log_likelihood, x, log_prior=log_prior)


init, step = make_step(
    lambda params, key, batch: expectation(partial(cost, params))(key, batch),
    optax.adamw(1e-3, weight_decay=0.1),
)


@partial(jax.jit, static_argnums=0)
@partial(jax.vmap, in_axes=(None, 0, None))
def train_vae(build_prior, key, x):
    """Encoder, decoder and prior of one seed."""
    key_net, key_flow, key_fit = jax.random.split(key, 3)
    start = {"vae": net.init(key_net), "prior": build_prior(key_flow)}
    return fit(key_fit, step, init(start), x, num_steps=1 if FAST else 4000, batch_size=64)[0].params


keys_train, keys_measure = jax.random.split(key_prior, (2, num_seeds))
learned = {name: train_vae(build, keys_train, digits_train) for name, build in priors.items()}

# %% [markdown]
# On the test digits, which no training saw, are measured
#
# - the negative ELBO, and its terms: the *rate*, which is the cost of the code, and the *distortion*, the cost of the
#   digit given its code; and the importance-weighted estimate of $-\log p(x)$ from 500 codes;
# - how far codes are from the prior, in $u$, where both priors are $N(0, I)$. For any density $r$, the average of
#   $\log r(u) - \log N(u; 0, I)$ over codes is at most $\mathrm{KL}(q \,\|\, p)$, with equality at $r = q$. A second
#   flow, fitted afterwards to codes of training digits and asked about codes of test digits, thus bounds the
#   divergence from below, in nats. Beside it stands the sliced Wasserstein distance of codes from draws of the prior,
#   over all latents and over the active ones, and that of as many draws of the prior itself;
# - precision and recall of decoded draws of the prior among the test digits.
#
# The flow lowers the bound and the estimate, in every seed, and decoded draws of it lie among the test digits more
# often. What it buys is a cheaper code: the rate falls by more than the distortion rises. A second flow finds less
# than half as much to save after the first as under $N(0, I)$. The sliced distance ranks the two the other way round.
# Under $N(0, I)$ some latents go unused, and the codes of those *are* the prior, while with the flow every latent is
# active: the unused ones make the distance small, and over the active ones alone it is larger.

# %% flow-as-prior-measured
init_second, step_second = make_step(
    lambda bijector, key, codes: jnp.mean(jax.vmap(partial(flow.negative_log_likelihood, bijector))(codes)),
    optax.adamw(1e-3, weight_decay=0.1),
)


def second_flow(key, codes_seen, codes_new):
    """Nats a code that a flow fitted to some codes saves on others, of what they cost under N(0, I)."""
    key_flow, key_fit = jax.random.split(key)
    state = init_second(build_flow(key_flow))
    options = {"num_steps": 1 if FAST else 1000, "batch_size": 256}
    bijector = fit(key_fit, step_second, state, codes_seen, **options)[0].params
    return jnp.mean(jax.vmap(lambda u: flow.log_prob(bijector, u) - standard_normal_log_prob(u))(codes_new))


@jax.jit
@partial(jax.vmap, in_axes=(0, 0, None, None))
def measure(params, key, x_seen, x_new):
    """What is measured of one seed, and decoded draws of its prior."""
    encode, log_likelihood, log_prior = bind(params)
    key_seen, key_new, key_draws, key_lines, key_second = jax.random.split(key, 5)

    def code(key, x):
        """A draw of q(z|x), in the coordinates of the prior's noise."""
        mean, log_var = encode(x)
        z = vae.reparameterize(mean, log_var, jax.random.normal(key, mean.shape))
        return params["prior"].inverse(z)[0]

    def one(key, x):
        """The costs of one digit, its code, and mean and log-variance of its encoder."""
        key_terms, key_weights, key_code = jax.random.split(key, 3)
        noise = jax.random.normal(key_terms, (50, num_latents))
        terms = jax.vmap(lambda e: vae.elbo_terms(encode, log_likelihood, x, e, log_prior=log_prior))(noise)
        options = {"num_samples": 10 if FAST else 500, "log_prior": log_prior}
        costs = {
            "negative ELBO": -terms.elbo.mean(),
            "rate": terms.rate.mean(),
            "distortion": terms.distortion.mean(),
            "importance-weighted": -vae.log_evidence(key_weights, encode, log_likelihood, x, **options),
        }
        return costs, code(key_code, x), *encode(x)

    costs, codes, means, log_vars = per_example(one)(key_new, x_new)
    # With a flow each latent has a scale of its own: units are judged on that of their codes.
    spread = jnp.sqrt(jnp.var(means, axis=0) + jnp.mean(jnp.exp(log_vars), axis=0))
    repeated = jnp.tile(x_seen, (1 if FAST else 20, 1, 1))  # of each training digit 20 codes
    noise = jax.random.normal(key_draws, (2000, num_latents))
    decoded = jax.vmap(lambda u: view.show(net.decode(params["vae"], params["prior"].forward(u)[0])))(noise)
    n = len(x_new)
    active = vae.active_units(means / spread)
    distance = partial(metrics.sliced_wasserstein, key_lines)
    of_kept = lambda kept: distance(kept * codes, kept * noise[n:])
    of_all, of_active = jax.vmap(of_kept)(jnp.stack([jnp.ones(num_latents), active.astype(float)]))
    judged = metrics.precision_recall(jax.vmap(view.show)(x_new), decoded[:n])
    return (
        costs,
        {
            "second flow saves": second_flow(key_second, per_example(code)(key_seen, repeated), codes),
            "active units": active.sum(),
            "codes from prior": of_all,
            # The active coordinates hold on average this share of a random direction's squared length.
            "active codes": of_active / jnp.sqrt(active.mean()),
            "prior from prior": distance(noise[:n], noise[n:]),
            "precision": judged.precision,
            "recall": judged.recall,
        },
        decoded[:40],
    )


num_parameters = lambda params: sum(leaf[0].size for leaf in jax.tree.leaves(params))
results, by_digit, pictures = (
    {},
    {},
    {"test digits": np.asarray(jax.jit(jax.vmap(view.show))(digits_test))[:40]},
)
for name, params in learned.items():
    costs, others, decoded = jax.tree.map(
        np.asarray, measure(params, keys_measure, digits_train, digits_test)
    )
    results[name] = {row: values.mean(axis=1) for row, values in costs.items()} | others
    by_digit[name] = {row: values.mean(axis=0) for row, values in costs.items()}
    pictures[f"decoded, prior {name}"] = decoded[0]
    print(f"prior {name}: {num_parameters(params):,} parameters")

mean_and_error = lambda values: f"{values.mean():.3f} ± {values.std(ddof=1) / math.sqrt(len(values)):.3f}"
print(f"over {num_seeds} seeds:{'':<10} N(0, I)          flow             difference, seed by seed")
differences = {}
for row in (
    "negative ELBO",
    "distortion",
    "rate",
    "importance-weighted",
    "second flow saves",
    "codes from prior",
    "active codes",
    "prior from prior",
    "active units",
    "precision",
    "recall",
):
    pair = results["N(0, I)"][row], results["flow"][row]
    differences[row] = pair[1] - pair[0]
    print(f"{row:>22}", *(f"{mean_and_error(values):<16}" for values in (*pair, differences[row])))
print(f"over {len(digits_test)} test digits, averaged over seeds:")
for row in ("negative ELBO", "importance-weighted"):
    paired = by_digit["flow"][row] - by_digit["N(0, I)"][row]
    print(f"{row:>22} {'':<33} {mean_and_error(paired)}")
    assert FAST or paired.mean() < -3 * paired.std(ddof=1) / math.sqrt(len(paired))
if not FAST:
    for row in ("negative ELBO", "importance-weighted", "rate", "second flow saves"):
        assert differences[row].max() < 0, row  # in every seed
    assert results["N(0, I)"]["second flow saves"].mean() > 2 * results["flow"]["second flow saves"].mean()
    assert results["N(0, I)"]["active units"].max() < num_latents == results["flow"]["active units"].min()
    assert differences["codes from prior"].mean() > 0
    assert (results["N(0, I)"]["active codes"] > results["N(0, I)"]["codes from prior"]).all()
    assert differences["precision"].mean() > 0

figure, panels = plt.subplots(1, 3, figsize=(9, 2.5), layout="constrained")
for axes, (title, images) in zip(panels, pictures.items(), strict=True):
    tiles = np.pad(images.reshape(5, 8, 8, 8), [(0, 0), (0, 0), (1, 1), (1, 1)])  # a margin around each digit
    axes.imshow(tiles.transpose(0, 2, 1, 3).reshape(50, 80), cmap="gray_r")
    axes.set(title=title, xticks=[], yticks=[])
