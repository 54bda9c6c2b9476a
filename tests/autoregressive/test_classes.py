"""Joint, marginal and posterior of one class-conditional model, against tables enumerated."""

import jax
import jax.numpy as jnp
import numpy as np

from genjax.autoregressive import bayes_rule, log_prob

from .models import all_sequences, random_table, transformer

LOG_PRIOR = np.log(np.array([0.5, 0.2, 0.3], np.float32))


def test_bayes_rule_is_the_table_of_the_joint(x64):
    tables = jax.tree.map(lambda *a: jnp.asarray(np.stack(a)), *[random_table(seed) for seed in range(3)])
    log_prior = jnp.asarray(np.log([0.5, 0.2, 0.3]))
    x = all_sequences(3, 3)

    def log_likelihood(x, y):
        return log_prob(jax.tree.map(lambda a: a[y], tables).logits_fn, x)

    terms = jax.jit(jax.vmap(lambda x: bayes_rule(log_likelihood, x, log_prior)))(x)
    each = [np.exp(random_table(seed).log_probs()).ravel() for seed in range(3)]
    joint = np.stack(each, axis=1) * np.array([0.5, 0.2, 0.3])
    np.testing.assert_allclose(np.exp(terms.joint), joint, rtol=1e-10)
    np.testing.assert_allclose(np.exp(terms.marginal), joint.sum(axis=1), rtol=1e-10)
    np.testing.assert_allclose(np.exp(terms.posterior), joint / joint.sum(axis=1, keepdims=True), rtol=1e-10)
    np.testing.assert_allclose(np.exp(terms.joint).sum(), 1.0, rtol=1e-10)
    # The rule errs least: its expected accuracy is the largest joint probability, summed over x.
    accuracy = np.exp(terms.joint)[np.arange(27), np.argmax(terms.posterior, axis=1)].sum()
    np.testing.assert_allclose(accuracy, joint.max(axis=1).sum(), rtol=1e-10)


def test_one_class_conditional_network_gives_all_three():
    params, apply, _, _ = transformer(3, 2, num_classes=3)
    log_likelihood = lambda x, y: log_prob(lambda x: apply(params, x, y), x)
    terms = jax.jit(jax.vmap(lambda x: bayes_rule(log_likelihood, x, jnp.asarray(LOG_PRIOR))))(
        all_sequences(3, 2)
    )
    terms = jax.tree.map(np.asarray, terms)
    np.testing.assert_allclose(np.exp(terms.marginal).sum(), 1.0, rtol=1e-5)
    np.testing.assert_allclose(np.exp(terms.joint).sum(axis=0), np.exp(LOG_PRIOR), rtol=1e-5)
    np.testing.assert_allclose(np.exp(terms.posterior).sum(axis=1), 1.0, rtol=1e-5)
    np.testing.assert_allclose(terms.joint - terms.marginal[:, None], terms.posterior, rtol=1e-5)
    assert np.ptp(np.exp(terms.posterior[:, 0])) > 0.05


def test_likelihoods_of_images_do_not_underflow():
    """Thousands of nats apart and far below the smallest float: the posterior is still exact."""
    log_likelihoods = jnp.array([-5000.0, -5001.0, -9000.0])
    posterior = bayes_rule(
        lambda x, y: log_likelihoods[y], jnp.zeros(1, int), jnp.log(jnp.full(3, 1 / 3))
    ).posterior
    odds = jnp.exp(1.0)
    np.testing.assert_allclose(jnp.exp(posterior), [odds / (1 + odds), 1 / (1 + odds), 0.0], rtol=1e-3)


def test_a_class_without_prior_is_ruled_out():
    log_prior = jnp.log(jnp.array([0.0, 1.0]))
    terms = bayes_rule(lambda x, y: jnp.array([-1.0, -7.0])[y], jnp.zeros(1, int), log_prior)
    np.testing.assert_array_equal(jnp.exp(terms.posterior), [0.0, 1.0])
    assert terms.marginal == -7.0
