"""Networks of one example, as pure functions of a plain dictionary."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from genjax import expectation, vae
from genjax.densities import bernoulli_log_prob, discretized_logistic_log_prob, normal_log_prob
from genjax.nn import (
    MLP,
    Classifier,
    ConvDecoder,
    ConvEncoder,
    GaussianMLP,
    bernoulli_head,
    discretized_logistic_head,
    functional,
    normal_head,
)


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


def test_images_and_outputs_keep_their_places():
    """Each image's outputs come one after the other, as the heads split them."""
    init, apply = functional(lambda rngs: ConvDecoder(2, (4, 4), (8, 8), num_outputs=2, rngs=rngs))
    params = init(jax.random.key(0))
    last = params["convs"][1]["kernel"]
    params["convs"][1]["kernel"] = last.at[..., 1].set(0.0)
    mean, scale = jnp.split(apply(params, jnp.ones(2)), 2)
    assert (scale == 0).all()
    assert (mean != 0).any()


def test_sizes_that_do_not_halve_are_refused():
    with pytest.raises(ValueError, match=r"divisible by 8.*got \(28, 28\)"):
        ConvEncoder((28, 28), (4, 4, 4), 2, rngs=nnx.Rngs(0))


def lowers_the_loss(init, loss):
    """A few steps of gradient descent on eight fixed images."""
    images = (jax.random.uniform(jax.random.key(5), (8, 8, 8)) < 0.3).astype(jnp.float32)
    objective = lambda p, key: expectation(lambda key, x: loss(p, key, x))(key, images)

    def step(params, key):
        value, gradient = jax.value_and_grad(objective)(params, key)
        return jax.tree.map(lambda p, g: p - 3e-3 * g, params, gradient), value

    run = jax.jit(lambda p, keys: jax.lax.scan(step, p, keys)[1])
    values = run(init(jax.random.key(0)), jax.random.split(jax.random.key(1), 40))
    assert jnp.isfinite(values).all()
    assert values[-5:].mean() < values[:5].mean() - 1


def test_convolutional_networks_train():
    encoder_init, encoder = functional(lambda rngs: ConvEncoder((8, 8), (4, 8), 3, rngs=rngs))
    decoder_init, decoder = functional(lambda rngs: ConvDecoder(3, (8, 4), (8, 8), rngs=rngs))

    def loss(p, key, x):
        log_likelihood = lambda x, z: bernoulli_head.log_prob(x, decoder(p[1], z))
        return vae.negative_elbo(key, lambda x: encoder(p[0], x), log_likelihood, x)

    lowers_the_loss(lambda key: (encoder_init(key), decoder_init(key)), loss)


def test_two_stochastic_layers_train():
    shapes = {"q1": (64, 4), "q2": (4, 2), "p1": (2, 4)}
    nets = {
        name: functional(lambda rngs, i=i, o=o: GaussianMLP(i, (16,), o, rngs=rngs))
        for name, (i, o) in shapes.items()
    }
    nets["x"] = functional(lambda rngs: MLP(4, (16,), 64, rngs=rngs))

    def loss(p, key, x):
        net = {name: lambda v, n=name: nets[n][1](p[n], v) for name in nets}
        log_likelihood = lambda x, z: bernoulli_head.log_prob(x, net["x"](z))
        return -vae.hierarchical_elbo(key, [net["q1"], net["q2"]], [net["p1"]], log_likelihood, x).elbo

    lowers_the_loss(lambda key: {name: init(key) for name, (init, _) in nets.items()}, loss)


def linear(spectral):
    return lambda rngs: MLP(6, (5,), 4, activation=lambda x: x, spectral=spectral, rngs=rngs)


def test_spectral_normalisation_leaves_every_layer_a_largest_singular_value_of_one():
    init, apply = functional(linear(True), constants=nnx.BatchStat)
    for scale in (0.01, 1.0, 100.0):
        params = jax.tree.map(lambda leaf, s=scale: s * leaf, init(jax.random.key(0)))
        jacobian = jax.jacobian(apply, 1)(params, jnp.ones(6))
        one, two = (np.asarray(params["layers"][i]["layer_instance"]["kernel"], float) for i in (0, 1))
        expected = (one / np.linalg.norm(one, 2)) @ (two / np.linalg.norm(two, 2))
        # The value that is found is within a few per cent of the true one.
        np.testing.assert_allclose(np.linalg.norm(jacobian, 2), np.linalg.norm(expected, 2), rtol=0.05)
    gradient = jax.grad(lambda p: jnp.sum(apply(p, jnp.ones(6))))(init(jax.random.key(0)))
    kernels = [gradient["layers"][i]["layer_instance"]["kernel"] for i in (0, 1)]
    assert all(np.isfinite(k).all() and (k != 0).any() for k in kernels)


def test_constants_are_no_parameters_and_state_must_be_named():
    init, apply = functional(linear(True), constants=nnx.BatchStat)
    plain, _ = functional(linear(False))
    assert len(jax.tree.leaves(init(jax.random.key(0)))) == len(jax.tree.leaves(plain(jax.random.key(0))))
    params = jax.vmap(init)(jax.random.split(jax.random.key(0), 3))
    assert jax.vmap(apply, (0, None))(params, jnp.ones(6)).shape == (3, 4)
    with pytest.raises(ValueError, match="state other than parameters"):
        functional(linear(True))


def test_a_classifier_s_logits_are_its_features_times_its_head():
    init, apply = functional(lambda rngs: Classifier(4, (8, 3), 5, rngs=rngs))
    params = init(jax.random.key(0))
    said = apply(params, jnp.ones((2, 2)))
    assert (said.features >= 0).all()
    head = params["head"]
    np.testing.assert_allclose(said.logits, said.features @ head["kernel"] + head["bias"], rtol=1e-5)
