"""The restricted Boltzmann machine against brute force over both sides, and its log Z between two bounds."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax.energy import (
    RestrictedBoltzmann,
    base_rate_logits,
    boltzmann_bracket,
    contrastive_divergence,
)


def random_machine(n, m, seed=0, scale=1.0):
    rng = np.random.default_rng(seed)
    parts = rng.normal(size=(n, m)) * scale, rng.normal(size=n) * scale, rng.normal(size=m) * scale
    return RestrictedBoltzmann(*map(jnp.asarray, parts))


def states(n):
    return np.array(list(itertools.product([0.0, 1.0], repeat=n)))


def joint(rbm):
    """The table exp(−E(v, h)) and its two lists of states, in NumPy."""
    weights, b, a = map(np.asarray, (rbm.weights, rbm.visible_bias, rbm.hidden_bias))
    v, h = states(len(b)), states(len(a))
    return np.exp(v @ weights @ h.T + (v @ b)[:, None] + (h @ a)[None]), v, h


def test_free_energy_is_the_hidden_side_summed_out(x64):
    rbm = random_machine(4, 3)
    table, visible, hidden = joint(rbm)
    free_energies = jax.jit(jax.vmap(rbm.free_energy))(visible)
    np.testing.assert_allclose(free_energies, -np.log(table.sum(1)), rtol=1e-12)
    np.testing.assert_allclose(
        rbm.energy(jnp.asarray(visible[5]), jnp.asarray(hidden[3])), -np.log(table[5, 3]), rtol=1e-12
    )
    brute = lambda rbm, v: -jax.nn.logsumexp(-jax.vmap(lambda h: rbm.energy(v, h))(jnp.asarray(hidden)))
    v = jnp.asarray(visible[5])
    mine = jax.jit(jax.grad(lambda rbm: rbm.free_energy(v)))(rbm)
    for a, b in zip(*map(jax.tree.leaves, (mine, jax.jit(jax.grad(brute))(rbm, v))), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize(("n", "m"), [(5, 3), (3, 5), (1, 1)])
def test_log_partition_is_the_sum_over_both_sides(n, m, x64):
    rbm = random_machine(n, m, seed=n)
    table, visible, hidden = joint(rbm)
    log_z, gradient = jax.jit(jax.value_and_grad(lambda rbm: rbm.log_partition().log_z))(rbm)
    assert rbm.log_partition().error == 0
    np.testing.assert_allclose(log_z, np.log(table.sum()), rtol=1e-12)
    p = table / table.sum()
    np.testing.assert_allclose(gradient.weights, visible.T @ p @ hidden, rtol=1e-10)  # −E_p[∂E/∂W]
    probabilities = np.exp(jax.jit(jax.vmap(rbm.log_prob))(visible))
    np.testing.assert_allclose(probabilities.sum(), 1.0, rtol=1e-12)


def test_gibbs_has_the_transition_matrix_that_leaves_the_model_invariant(x64):
    rbm = random_machine(3, 2)
    table, visible, _ = joint(rbm)
    p = table.sum(1) / table.sum()
    # T(v, v') = Σ_h p(h|v) p(v'|h)
    matrix = (table / table.sum(1, keepdims=True)) @ (table / table.sum(0, keepdims=True)).T
    np.testing.assert_allclose(p @ matrix, p, rtol=1e-12)
    n = 20_000
    for num_steps, expected in ((1, matrix), (2, matrix @ matrix)):
        step = jax.vmap(lambda key, v, k=num_steps: rbm.gibbs(key, v, num_steps=k))
        for i in (0, 3, 6):
            ends = step(jax.random.split(jax.random.key(i), n), jnp.tile(visible[i], (n, 1)))
            counts = np.bincount((np.asarray(ends) @ [4, 2, 1]).astype(int), minlength=8)
            error = np.sqrt(expected[i] * (1 - expected[i]) / n)
            assert (np.abs(counts / n - expected[i]) < 4.5 * error).all()


@pytest.mark.parametrize(("n", "m"), [(3, 4), (4, 3)])
def test_exact_samples_have_the_models_frequencies(n, m):
    rbm = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), random_machine(n, m))
    table, _, _ = joint(rbm)
    p = table.sum(1) / table.sum()
    num_samples = 50_000
    v = np.asarray(rbm.sample_exact(jax.random.key(0), num_samples))
    counts = np.bincount((v @ 2 ** np.arange(n)[::-1]).astype(int), minlength=2**n)
    assert (np.abs(counts / num_samples - p) < 4.5 * np.sqrt(p * (1 - p) / num_samples)).all()


def test_the_path_runs_from_independent_units_to_the_machine(x64):
    rbm, base_bias = random_machine(4, 3), jnp.array([0.3, -1.0, 2.0, 0.0])
    expected = 3 * np.log(2) + np.log1p(np.exp(base_bias)).sum()
    np.testing.assert_allclose(rbm.tempered(0.0, base_bias).log_partition().log_z, expected, rtol=1e-12)
    for mine, own in zip(*map(jax.tree.leaves, (rbm.tempered(1.0, base_bias), rbm)), strict=True):
        np.testing.assert_array_equal(mine, own)


def test_base_rates_are_smoothed_logits():
    v = jnp.array([[1, 0, 0], [1, 0, 1], [1, 0, 1]])
    expected = np.log([3.5, 0.5, 2.5]) - np.log([0.5, 3.5, 1.5])
    np.testing.assert_allclose(base_rate_logits(v, pseudo_count=0.5), expected, rtol=1e-6)
    np.testing.assert_allclose(base_rate_logits(v.astype(float), pseudo_count=0.5), expected, rtol=1e-6)


def test_the_bracket_holds_the_sum_over_both_sides():
    rbm = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), random_machine(8, 5, seed=3))
    betas = jnp.linspace(0.0, 1.0, 100)
    bracket = jax.jit(lambda key: boltzmann_bracket(key, rbm, jnp.zeros(8), betas, num_chains=100))
    ends = jax.lax.map(bracket, jax.random.split(jax.random.key(0), 50))
    log_z = np.log(joint(rbm)[0].sum())
    for value, side in ((ends.lower.log_z, 1), (ends.upper.log_z, -1)):
        error = np.std(value, ddof=1) / np.sqrt(50)
        assert side * (np.mean(value) - log_z) < 3 * error
        assert abs(np.mean(value) - log_z) < 0.05


@pytest.mark.usefixtures("untyped")
def test_a_machine_too_large_to_enumerate_is_sent_to_what_does_not_enumerate():
    """No function names itself, or another that enumerates, as the way out."""
    rbm = RestrictedBoltzmann(jnp.zeros((30, 25)), jnp.zeros(30), jnp.zeros(25))
    key, betas = jax.random.key(0), jnp.linspace(0.0, 1.0, 3)
    for call in (
        rbm.log_partition,
        lambda: rbm.log_prob(jnp.zeros(30)),
        lambda: rbm.sample_exact(key, 1),
        lambda: boltzmann_bracket(key, rbm, jnp.zeros(30), betas, num_chains=2),
    ):
        with pytest.raises(ValueError, match=r"2\^25 states.*by annealed_bracket") as error:
            call()
        assert "boltzmann_bracket" not in str(error.value)


def trained_on_digits(num_steps=5000, batch_size=100, learning_rate=0.05):
    """A machine of 20 hidden units, by persistent contrastive divergence on binarised 8×8 digits."""
    data = pytest.importorskip("sklearn.datasets").load_digits()
    x = jnp.asarray(data.data > 7, jnp.float32)
    base_bias = base_rate_logits(x)
    weights = 0.01 * jax.random.normal(jax.random.key(0), (64, 20))
    rbm = RestrictedBoltzmann(weights, base_bias, jnp.zeros(20))

    def step(state, k):
        rbm, chains = state
        key_batch, key_gibbs = jax.random.split(jax.random.fold_in(jax.random.key(1), k))
        batch = x[jax.random.randint(key_batch, (batch_size,), 0, len(x))]
        chains = jax.vmap(rbm.gibbs)(jax.random.split(key_gibbs, batch_size), chains)
        loss = lambda v, u, rbm: contrastive_divergence(rbm.free_energy, v, u)
        gradient = jax.grad(lambda rbm: jnp.mean(jax.vmap(loss, (0, 0, None))(batch, chains, rbm)))(rbm)
        rate = learning_rate * (1 - k / num_steps)
        return (jax.tree.map(lambda p, g: p - rate * g, rbm, gradient), chains), None

    (rbm, _), _ = jax.jit(lambda s: jax.lax.scan(step, s, jnp.arange(num_steps)))((rbm, x[:batch_size]))
    return rbm, base_bias, x


@pytest.mark.slow
def test_annealing_brackets_the_enumerated_log_z_of_a_trained_machine():
    rbm, base_bias, x = trained_on_digits()
    log_z = float(rbm.log_partition().log_z)
    log_likelihood = -jnp.mean(jax.vmap(rbm.free_energy)(x)) - log_z
    independent = -jnp.mean(jax.vmap(rbm.tempered(0.0, base_bias).free_energy)(x))
    independent -= rbm.tempered(0.0, base_bias).log_partition().log_z
    assert log_likelihood > independent + 5  # it has learned more than the base rates
    betas = jnp.linspace(0.0, 1.0, 1000)
    bracket = jax.jit(lambda key: boltzmann_bracket(key, rbm, base_bias, betas, num_chains=500))
    for seed in range(3):
        ends = bracket(jax.random.key(seed))
        assert ends.lower.log_z < log_z + 3 * ends.lower.error
        assert ends.upper.log_z > log_z - 3 * ends.upper.error
        assert abs(ends.gap) < 0.1


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_base_rates_are_counted_in_full_in_half_precision(dtype):
    data = jnp.array(np.arange(3000)[:, None] < np.array([0, 1000, 2999]))
    single, half = base_rate_logits(data.astype(jnp.float32)), base_rate_logits(data.astype(dtype))
    assert half.dtype == dtype
    assert bool(jnp.all(half == single.astype(dtype)))
