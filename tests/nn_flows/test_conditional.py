"""Conditional flows of every architecture: one set of parameters, a density for every context."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
import scipy.stats

from genjax.flow import (
    Chain,
    RationalQuadraticSpline,
    Squeeze,
    fit_actnorm,
    given,
    log_prob,
    negative_log_likelihood,
)
from genjax.nn import (
    continuous_flow,
    glow,
    maf,
    real_nvp,
    spline_autoregressive_flow,
    spline_coupling_flow,
)

from .test_vector_flows import away_from_identity

NUM_CONTEXT = 2
CONTEXTS = np.array([[0.0, 1.0], [2.0, -1.0], [-0.5, 0.5]])
IMAGE = (2, 2, 1)
layers = {"num_layers": 2, "hidden": (5,)}
ARCHITECTURES = {
    "real_nvp": (partial(real_nvp, num_dims=3, **layers), (3,)),
    "spline_coupling_flow": (partial(spline_coupling_flow, num_dims=3, **layers, num_bins=4), (3,)),
    "maf": (partial(maf, num_dims=3, **layers), (3,)),
    "spline_autoregressive_flow": (
        partial(spline_autoregressive_flow, num_dims=3, **layers, num_bins=4),
        (3,),
    ),
    "continuous_flow": (partial(continuous_flow, num_dims=3, hidden=(5,), num_steps=8), (3,)),
    "glow": (partial(glow, image_shape=IMAGE, num_scales=1, num_steps=2, channels=4), IMAGE),
}


def build(name, **options):
    make = partial(ARCHITECTURES[name][0], num_context=NUM_CONTEXT, **options)
    return away_from_identity(jax.jit(make)(jax.random.key(0)))


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=[pytest.mark.slow] * (n != "glow")) for n in sorted(ARCHITECTURES)],
)
def test_every_context_has_a_bijector_its_jacobian_and_a_gradient(name, x64):
    flow, shape = build(name), ARCHITECTURES[name][1]
    size = int(np.prod(shape))
    x = jnp.asarray(np.random.default_rng(0).normal(size=shape) * 0.7)

    @jax.jit
    @jax.vmap
    def measure(context):
        bound = given(flow, context)
        z, log_det = bound.inverse(x)
        back, log_det_back = bound.forward(z)
        to_noise = lambda x, context: given(flow, context).inverse(x)[0]
        in_x, in_context = jax.jacrev(to_noise, (0, 1))(x, context)
        density = lambda context: log_prob(given(flow, context), x)
        value, gradient = jax.value_and_grad(density)(context)
        step = 1e-5 * jnp.eye(NUM_CONTEXT)
        slope = (jax.vmap(density)(context + step) - jax.vmap(density)(context - step)) / 2e-5
        in_x = jnp.reshape(in_x, (size, size))
        return back, log_det, log_det_back, in_x, in_context, value, gradient, slope

    with jax.numpy_rank_promotion("allow"):
        back, log_det, log_det_back, in_x, in_context, value, gradient, slope = measure(CONTEXTS)
    tolerance = 1e-5 if name == "continuous_flow" else 1e-9  # that of eight steps of a solver of order five
    np.testing.assert_allclose(back, np.broadcast_to(x, back.shape), atol=tolerance)
    np.testing.assert_allclose(log_det, np.linalg.slogdet(in_x)[1], atol=tolerance)
    np.testing.assert_allclose(log_det_back, -log_det, atol=tolerance)
    np.testing.assert_allclose(gradient, slope, rtol=1e-5, atol=1e-8)
    assert len(np.unique(value)) == len(CONTEXTS)
    # Every coordinate moves with every number of the context, the first one of an autoregressive layer too; at one
    # context alone the few units of a ReLU network may all be off.
    assert (np.asarray(in_context) != 0).any(axis=0).all()


def test_an_affine_autoregressive_layer_without_hidden_units_is_a_gaussian_for_every_context(x64):
    """x = b + L x + C c + D(c) z with L strictly lower: mean (I − L)⁻¹ (b + C c), in closed form."""
    flow = build("maf", num_layers=1, hidden=())
    params = flow.bijectors[0].conditioner.conditioner.params["layers"][0]
    kernel, bias = (np.array(params[name]) for name in ("kernel", "bias"))
    kernel = kernel.reshape(3 + NUM_CONTEXT, 3, 2)
    kernel[:3, :, 1] = 0  # a log-scale that the context alone decides
    params["kernel"] = jnp.asarray(kernel.reshape(params["kernel"].shape))
    x = np.array([0.4, -0.3, 1.2])
    values = jax.jit(jax.vmap(lambda c: log_prob(given(flow, c), jnp.asarray(x))))(CONTEXTS)
    mixing = np.linalg.inv(np.eye(3) - np.tril(kernel[:3, :, 0].T, -1))
    for context, value in zip(CONTEXTS, values, strict=True):
        shift, raw_scale = (bias.reshape(3, 2) + np.einsum("k,kip->ip", context, kernel[3:])).T
        root = mixing * np.exp(5 * np.tanh(raw_scale / 5))
        expected = scipy.stats.multivariate_normal(mixing @ shift, root @ root.T).logpdf(x)
        np.testing.assert_allclose(value, expected, rtol=1e-10)


@pytest.mark.slow
def test_a_linear_velocity_is_a_gaussian_for_every_context(x64):
    """dx/dt = A x + C c + b + a t: a matrix exponential of (x, t, 1), by value and by gradient in the context."""
    flow = build("continuous_flow", hidden=(), num_steps=60)
    params = flow.velocity.conditioner.params["layers"][0]
    kernel, bias = np.asarray(params["kernel"]).T, np.asarray(params["bias"])
    x = np.array([0.4, -0.3, 1.2])
    density = lambda c: log_prob(given(flow, c), jnp.asarray(x))
    values, gradients = jax.jit(jax.vmap(jax.value_and_grad(density)))(CONTEXTS)

    def expected(context):
        rates = np.zeros((5, 5))
        rates[:3, :3], rates[:3, 3], rates[3, 4] = kernel[:, :3], kernel[:, -1], 1.0
        rates[:3, 4] = kernel[:, 3:-1] @ context + bias
        backwards = scipy.linalg.expm(-rates)
        root = backwards[:3, :3]
        mean = backwards[:3, 3:] @ np.ones(2)
        return scipy.stats.multivariate_normal(mean, root @ root.T).logpdf(x)

    for context, value, gradient in zip(CONTEXTS, values, gradients, strict=True):
        np.testing.assert_allclose(value, expected(context), rtol=1e-8)
        steps = 1e-5 * np.eye(NUM_CONTEXT)
        slope = [(expected(context + h) - expected(context - h)) / 2e-5 for h in steps]
        np.testing.assert_allclose(gradient, slope, rtol=1e-5)


@pytest.mark.slow
def test_a_glow_whose_convolutions_read_the_context_alone_is_a_gaussian(x64):
    flow = build("glow", num_steps=1)
    _, coupling, _, norm, _ = flow.bijectors
    weights = coupling.conditioner.conditioner.params["layers"]
    weights[0]["kernel"] = weights[0]["kernel"].at[:, :, :4].set(0.0)
    x = jnp.array([0.4, -0.3, 1.2, 0.1]).reshape(IMAGE)
    values = jax.jit(jax.vmap(lambda c: log_prob(given(flow, c), x)))(CONTEXTS)
    squeezed = np.ravel(Squeeze().forward(x)[0])
    for context, value in zip(CONTEXTS, values, strict=True):
        h = np.concatenate([np.zeros(4), context])
        for i in range(3):  # of one squeezed pixel the others are padding, and only the centre counts
            taps = np.asarray(weights[i]["kernel"])
            h = np.where(i > 0, np.maximum(h, 0), h) @ taps[taps.shape[0] // 2, taps.shape[1] // 2]
            h = h + np.asarray(weights[i]["bias"])
        shift, raw_scale = h.reshape(4, 2).T
        moved = np.arange(4) >= 2
        mean, scale = np.where(moved, [shift, np.exp(5 * np.tanh(raw_scale / 5))], [[0.0], [1.0]])
        # Then the 1 × 1 convolution and the normalisation, whose own weights have moved too.
        matrix = np.asarray(jax.jacrev(lambda y: flow.bijectors[2].forward(y)[0])(jnp.zeros((1, 1, 4))))
        root = np.exp(np.asarray(norm.log_scale))[:, None] * matrix.reshape(4, 4) * scale
        centre = np.asarray(norm.shift) + np.exp(np.asarray(norm.log_scale)) * (matrix.reshape(4, 4) @ mean)
        expected = scipy.stats.multivariate_normal(centre, root @ root.T).logpdf(squeezed)
        np.testing.assert_allclose(value, expected, rtol=1e-9)


def test_an_autoregressive_spline_that_reads_the_context_alone_is_that_spline(x64):
    flow = build("spline_autoregressive_flow", num_layers=1, hidden=(), bound=3.0)
    params = flow.bijectors[0].conditioner.conditioner.params["layers"][0]
    params["kernel"] = params["kernel"].at[:3].set(0.0)
    x = jnp.array([0.4, -0.3, 1.2])

    def expected(context):
        raw = jnp.reshape(context @ params["kernel"][3:] + params["bias"], (3, -1))
        return log_prob(RationalQuadraticSpline(raw, bound=3.0), x)

    values = jax.jit(jax.vmap(lambda c: (log_prob(given(flow, c), x), expected(c))))(CONTEXTS)
    np.testing.assert_allclose(values[0], values[1], rtol=1e-12)


def test_the_unbound_flow_is_trained_and_two_of_one_size_share_a_structure():
    flows = [jax.jit(partial(ARCHITECTURES["maf"][0], num_context=2))(jax.random.key(i)) for i in (0, 1)]
    loss = lambda flow, x, c: negative_log_likelihood(given(flow, c), x)
    gradient = jax.jit(jax.grad(loss))(away_from_identity(flows[0]), jnp.ones(3), jnp.ones(2))
    assert jax.tree.structure(gradient) == jax.tree.structure(flows[0]) == jax.tree.structure(flows[1])
    assert all(np.any(leaf != 0) for leaf in jax.tree.leaves(gradient))


def test_fit_actnorm_whitens_each_example_in_its_context():
    flow = build("maf")
    x = jax.random.normal(jax.random.key(1), (256, 3)) * 2.0 + 5.0
    contexts = jax.random.normal(jax.random.key(2), (256, NUM_CONTEXT))
    fitted = jax.jit(fit_actnorm)(flow, x, contexts=contexts)
    assert jax.tree.structure(fitted) == jax.tree.structure(flow)
    behind = Chain(fitted.bijectors[2:])  # the normalisation, and the layer between it and the data
    reached = jax.jit(jax.vmap(lambda x, c: given(behind, c).inverse(x)[0]))(x, contexts)
    np.testing.assert_allclose(jnp.mean(reached, 0), 0, atol=1e-4)
    np.testing.assert_allclose(jnp.std(reached, 0), 1, rtol=1e-4)


@pytest.mark.parametrize("name", sorted(ARCHITECTURES))
def test_a_context_that_is_missing_or_of_another_size_is_named(name, untyped):
    make, shape = ARCHITECTURES[name]
    flow = jax.eval_shape(partial(make, num_context=NUM_CONTEXT), jax.random.key(0))
    x = jnp.zeros(shape)
    inverse = lambda flow, x, *context: (given(flow, *context) if context else flow).inverse(x)
    with pytest.raises(ValueError, match="reads a context and has none"):
        jax.eval_shape(inverse, flow, x)
    for wrong in (jnp.zeros(3), jnp.zeros(()), jnp.zeros((1, 2))):
        with pytest.raises(ValueError, match="the context must be a vector of 2; got shape"):
            jax.eval_shape(inverse, flow, x, wrong)


def test_a_flow_without_a_context_is_none_of_them(untyped):
    for make, _ in ARCHITECTURES.values():
        flow = jax.eval_shape(make, jax.random.key(0))
        with pytest.raises(ValueError, match="no conditioner of the bijector reads a context"):
            given(flow, jnp.zeros(2))
