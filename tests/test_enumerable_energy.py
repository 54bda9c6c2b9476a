"""The oracle itself, against NumPy and SciPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
import scipy.stats

from genjax.oracles import EnumerableEnergy

SHAPE = (2, 3, 2)


def random_model(seed=0):
    return EnumerableEnergy(jnp.asarray(np.random.default_rng(seed).normal(size=SHAPE)))


def probabilities(model):
    return scipy.special.softmax(-np.asarray(model.energies, np.float64), axis=None)


def test_probabilities_are_the_softmax_of_the_negative_energies(x64):
    model = random_model()
    p = probabilities(model)
    np.testing.assert_allclose(model.probabilities(), p, rtol=1e-12)
    np.testing.assert_allclose(
        model.log_partition().log_z, scipy.special.logsumexp(-np.asarray(model.energies)), rtol=1e-12
    )
    assert model.log_partition().error == 0
    np.testing.assert_allclose(jax.vmap(model.log_prob)(model.states), np.log(p.ravel()), rtol=1e-12)


def test_the_table_holds_the_energy_of_each_state_in_its_place(x64):
    energy = lambda x: x @ jnp.array([100.0, 10.0, 1.0]) if x.dtype == float else energy(x.astype(float))
    model = EnumerableEnergy.tabulate(energy, SHAPE)
    assert model.energies[1, 2, 0] == 120
    assert model.energy(jnp.array([0, 2, 1])) == 21


def test_the_gradient_of_the_log_likelihood_is_the_data_less_the_model(x64):
    model, x = random_model(), jnp.array([1, 0, 1])
    gradient = jax.grad(lambda model: model.log_prob(x))(model)
    expected = probabilities(model)
    expected[1, 0, 1] -= 1  # ∂ log p(x) / ∂E_y = p(y) − [x = y]
    np.testing.assert_allclose(gradient.energies, expected, rtol=1e-12)


def test_moments_and_expectations_are_weighted_sums(x64):
    model = random_model(1)
    states, p = np.asarray(list(np.ndindex(SHAPE))), probabilities(random_model(1)).ravel()
    mean, cov = model.moments()
    np.testing.assert_allclose(mean, p @ states, rtol=1e-12)
    np.testing.assert_allclose(cov, np.cov(states.T, aweights=p, ddof=0), rtol=1e-10)
    expected = p @ np.exp(states[:, 0] * states[:, 1])
    np.testing.assert_allclose(
        model.expectation(lambda x: jnp.exp((x[0] * x[1]).astype(float))), expected, rtol=1e-12
    )


def test_samples_have_their_frequencies_and_never_an_infinite_energy():
    model = EnumerableEnergy(random_model(2).energies.astype(jnp.float32).at[0, 1, 1].set(jnp.inf))
    p = probabilities(model)
    assert model.log_prob(jnp.array([0, 1, 1])) == -jnp.inf
    n = 50_000
    counts = np.zeros(SHAPE)
    np.add.at(counts, tuple(np.asarray(model.sample(jax.random.key(0), n)).T), 1)
    assert counts[0, 1, 1] == 0
    possible = p > 0
    assert scipy.stats.chisquare(counts[possible], n * p[possible]).pvalue > 1e-4


@pytest.mark.usefixtures("untyped")
def test_faults_name_the_table():
    model = random_model()
    with pytest.raises(ValueError, match=r"each axis of the table \(2, 3, 2\); got \(2,\)"):
        model.log_prob(jnp.array([0, 1]))
    with pytest.raises(
        ValueError, match=r"x must be a state of the table \(2, 3, 2\); got 3 at flat position 1"
    ):
        model.log_prob(jnp.array([0, 3, 1]))
    for bad in (jnp.nan, -jnp.inf):
        with pytest.raises(ValueError, match="energies must be numbers or"):
            EnumerableEnergy(jnp.array([0.0, bad])).log_partition()
