"""Networks of one example, as pure functions of a plain dictionary."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from genjax.densities import bernoulli_log_prob, discretized_logistic_log_prob, normal_log_prob
from genjax.nn import MLP, GaussianMLP, bernoulli_head, discretized_logistic_head, functional, normal_head


def test_several_seeds_are_initialised_by_vmap_and_differ():
    init, apply = functional(lambda rngs: MLP(3, (5,), 2, rngs=rngs))
    params = jax.vmap(init)(jax.random.split(jax.random.key(0), 4))
    assert all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(params))
    outputs = jax.vmap(apply, (0, None))(params, jnp.ones(3))
    assert outputs.shape == (4, 2)
    assert len(np.unique(np.asarray(outputs)[:, 0])) == 4
    alone = init(jax.random.split(jax.random.key(0), 4)[2])
    np.testing.assert_allclose(apply(alone, jnp.ones(3)), outputs[2], rtol=1e-5)


def test_an_mlp_is_its_matrices():
    init, apply = functional(lambda rngs: MLP(4, (3,), 2, activation=jnp.tanh, rngs=rngs))
    params = init(jax.random.key(1))
    x = jnp.arange(4.0).reshape(2, 2)
    first, last = (params["layers"][i] for i in (0, 1))
    expected = jnp.tanh(x.ravel() @ first["kernel"] + first["bias"]) @ last["kernel"] + last["bias"]
    np.testing.assert_allclose(apply(params, x), expected, rtol=1e-5)


def test_log_variance_is_bounded_without_a_dead_gradient():
    init, apply = functional(lambda rngs: GaussianMLP(1, (), 1, rngs=rngs))
    params = init(jax.random.key(0))
    log_var = lambda scale: apply(params, jnp.array([scale]))[1][0]
    assert abs(log_var(1e4)) <= 12
    assert jax.grad(log_var)(0.1) != 0


class Normalised(nnx.Module):
    def __init__(self, rngs):
        self.norm = nnx.BatchNorm(3, rngs=rngs)

    def __call__(self, x):
        return self.norm(x)


def test_state_beside_parameters_is_refused_by_name():
    with pytest.raises(ValueError, match="norm/mean"):
        functional(lambda rngs: Normalised(rngs))


def test_heads_are_the_densities_they_name():
    key = jax.random.key(0)
    raw = jax.random.normal(key, (4,))
    x = jnp.array([[0.0, 1.0], [1.0, 0.0]])
    np.testing.assert_allclose(
        bernoulli_head.log_prob(x, raw), bernoulli_log_prob(x, raw.reshape(2, 2)), rtol=1e-6
    )
    mean, scale = raw[:2], raw[2:]
    y = jnp.array([0.5, -1.0])
    np.testing.assert_allclose(
        normal_head.log_prob(y, raw), normal_log_prob(y, mean, 12 * jnp.tanh(scale / 12)), rtol=1e-6
    )
    log_scale = -7 + jax.nn.softplus(scale + 5.5)
    np.testing.assert_allclose(
        discretized_logistic_head(17).log_prob(y, raw),
        discretized_logistic_log_prob(y, mean, log_scale, num_levels=17),
        rtol=1e-6,
    )
    for head in (bernoulli_head, normal_head, discretized_logistic_head(17)):
        assert head.mean(jnp.zeros(3 * head.num_outputs)).shape == (3,)
