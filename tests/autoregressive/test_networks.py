"""Networks are exactly normalised, learn a known distribution, and give logits to a mixture of logistics."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from genjax.autoregressive import assert_causal, log_prob, negative_log_likelihood, random_degrees, sample
from genjax.data import centred_levels
from genjax.densities import bernoulli_log_prob, discretized_logistic_mixture_log_prob
from genjax.nn import (
    MADE,
    CausalTransformer,
    functional,
    logistic_mixture_logits,
    logistic_mixture_parameters,
)

from .models import KEY, all_sequences, made, random_table, total_probability, transformer


@pytest.mark.parametrize("num_levels", [2, 3])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"direct": True},
        {"order": (2, 0, 3, 1)},
        {"order": (3, 2, 1, 0), "direct": True, "degrees": partial(random_degrees, KEY)},
    ],
)
def test_a_made_is_normalised(num_levels, options):
    net = made(4, (9, 7), num_levels, scale=3.0, **options)
    np.testing.assert_allclose(total_probability(net, 4, num_levels), 1.0, rtol=1e-5)


@pytest.mark.parametrize("num_classes", [None, pytest.param(2, marks=pytest.mark.slow)])
def test_a_transformer_is_normalised(num_classes):
    params, apply, _, _ = transformer(5, 3, num_classes=num_classes)
    for label in [()] if num_classes is None else [(jnp.array(0),), (jnp.array(1),)]:
        net = lambda x, label=label: apply(params, x, *label)
        np.testing.assert_allclose(total_probability(net, 5, 3), 1.0, rtol=1e-5)


def test_shorter_sequences_have_the_marginal_of_the_longer():
    params, apply, _, _ = transformer()
    net = partial(apply, params)
    probability = jax.jit(jax.vmap(lambda x: jnp.exp(log_prob(net, x))))
    whole, first = np.asarray(probability(all_sequences(5, 3))), probability(all_sequences(2, 3))
    np.testing.assert_allclose(whole.reshape(9, 27).sum(axis=1), first, rtol=1e-5)


def test_binary_made_has_one_logit_an_input():
    net, x = made(6, (8,), 2, scale=2.0), jnp.array([1, 0, 0, 1, 1, 0])
    assert (net(x)[:, 0] == 0).all()
    np.testing.assert_allclose(log_prob(net, x), bernoulli_log_prob(x, net(x)[:, 1]), rtol=1e-5)
    init, _ = functional(lambda rngs: MADE(6, (8,), 2, rngs=rngs))
    assert sum(p.size for p in jax.tree.leaves(init(KEY))) == 6 * 8 + 8 + 8 * 6 + 6


@pytest.mark.slow
@pytest.mark.usefixtures("standard_promotion")
@pytest.mark.parametrize(
    "build",
    [
        pytest.param(lambda rngs: MADE(3, (64,), 3, rngs=rngs), marks=pytest.mark.slow),
        lambda rngs: MADE(3, (64,), 3, order=(2, 0, 1), direct=True, rngs=rngs),
        lambda rngs: CausalTransformer(3, 3, width=16, num_layers=2, num_heads=2, rngs=rngs),
    ],
)
def test_networks_learn_the_table(build):
    """The expected loss is its entropy plus KL(table ‖ network): the KL falls a hundredfold, never below 0."""
    truth = random_table(6)
    x, p = truth.sequences(), jnp.asarray(np.exp(truth.log_probs()).ravel())
    init, apply = functional(build)

    def kl(params):
        return p @ (jnp.log(p) + jax.vmap(partial(negative_log_likelihood, partial(apply, params)))(x))

    optimizer = optax.adam(1e-2)

    def step(carry, _):
        params, state = carry
        value, gradient = jax.value_and_grad(kl)(params)
        updates, state = optimizer.update(gradient, state)
        return (optax.apply_updates(params, updates), state), value

    @jax.jit
    def train(key):
        params = init(key)
        return jax.lax.scan(step, (params, optimizer.init(params)), length=1000)[1]

    values = np.asarray(train(KEY))
    assert values[-1] < 0.01 * values[0]
    assert (values > -1e-5).all()


def test_labels_and_lengths_that_do_not_fit_are_refused():
    params, apply, _, _ = transformer()
    with pytest.raises(ValueError, match="label is for a network with num_classes"):
        apply(params, jnp.zeros(5, int), jnp.array(1))
    params, apply, _, _ = transformer(num_classes=2)
    with pytest.raises(ValueError, match="such a network needs one"):
        apply(params, jnp.zeros(5, int))
    with pytest.raises(ValueError, match=r"must not be longer than 5; got shape \(6,\)"):
        apply(params, jnp.zeros(6, int), jnp.array(1))
    with pytest.raises(ValueError, match=r"x must have shape \(4,\); got \(3,\)"):
        made(4, (5,), 2)(jnp.zeros(3, int))
    with pytest.raises(ValueError, match="width must be divisible by num_heads; got 8 and 3"):
        functional(lambda rngs: CausalTransformer(2, 2, width=8, num_layers=1, num_heads=3, rngs=rngs))


def test_a_mixture_of_logistics_is_the_categorical_of_its_levels(x64):
    raw = jax.random.normal(KEY, (5, 6)) * jnp.array([[1.0, 1.0, 0.7, 0.7, 3.0, 3.0]])
    logits = logistic_mixture_logits(raw, num_levels=17)
    np.testing.assert_allclose(jnp.exp(logits).sum(axis=1), 1.0, rtol=1e-10)

    def density(raw, levels):
        parameters = logistic_mixture_parameters(raw)
        x = 2 * levels.astype(raw.dtype) / 16 - 1
        return discretized_logistic_mixture_log_prob(x, *parameters, num_levels=17)

    categorical = lambda raw, levels: log_prob(lambda x: logistic_mixture_logits(raw, num_levels=17), levels)
    levels = jnp.array([[0, 16, 3, 9, 8], [16, 0, 0, 1, 15]])
    both = (
        jax.jit(jax.vmap(jax.value_and_grad(fn), (None, 0)))(raw, levels) for fn in (density, categorical)
    )
    (value, gradient), (expected, expected_gradient) = both
    np.testing.assert_allclose(value, expected, rtol=1e-10)
    np.testing.assert_allclose(gradient, expected_gradient, rtol=1e-7, atol=1e-9)


@pytest.mark.slow
def test_a_transformer_with_a_mixture_of_logistics_is_autoregressive():
    """Trained by the density of centred levels, checked and sampled by the logits of all levels."""
    params, apply, _, _ = transformer(3, 4, num_outputs=6)
    logits_fn = lambda x: logistic_mixture_logits(apply(params, x), num_levels=4)
    assert_causal(logits_fn, jnp.array([3, 0, 2]))
    x = all_sequences(3, 4)
    density = lambda x: discretized_logistic_mixture_log_prob(
        centred_levels(x, 4), *logistic_mixture_parameters(apply(params, x)), num_levels=4
    )
    log_probs = jax.jit(jax.vmap(density))(x)
    by_levels = jax.jit(jax.vmap(partial(log_prob, logits_fn)))(x)
    np.testing.assert_allclose(log_probs, by_levels, rtol=1e-4)
    np.testing.assert_allclose(jnp.exp(log_probs).sum(), 1.0, rtol=1e-4)
    keys = jax.random.split(KEY, 20_000)
    draws = np.asarray(jax.jit(jax.vmap(lambda key: sample(key, logits_fn, 3)))(keys))
    p = np.exp(log_probs)
    frequency = np.bincount(draws @ [16, 4, 1], minlength=64) / len(keys)
    assert (np.abs(frequency - p) <= 4.5 * np.sqrt(p * (1 - p) / len(keys))).all()
