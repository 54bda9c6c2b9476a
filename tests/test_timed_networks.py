"""Networks of one example, one time and one label."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from genjax.nn import DiT, TimedMLP, UNet, functional, time_features
from genjax.nn.unet import Attention, OneImageNorm

SHAPE = (4, 4)
NETWORKS = {
    "TimedMLP": lambda rngs: TimedMLP(16, width=8, num_layers=2, num_classes=4, rngs=rngs),
    "TimedMLP, skip": lambda rngs: TimedMLP(16, width=8, num_layers=2, num_classes=4, skip=True, rngs=rngs),
    "DiT": lambda rngs: DiT(
        SHAPE, patch_size=2, width=8, num_layers=2, num_heads=2, num_classes=4, rngs=rngs
    ),
    "UNet": lambda rngs: UNet(SHAPE, channels=(4, 6), num_blocks=1, num_heads=2, num_classes=4, rngs=rngs),
}


def moved(params):
    """Parameters off the zeros that some of them start at."""
    leaves, treedef = jax.tree.flatten(params)
    keys = jax.random.split(jax.random.key(1), len(leaves))
    noisy = [leaf + 0.2 * jax.random.normal(k, leaf.shape) for leaf, k in zip(leaves, keys, strict=True)]
    return jax.tree.unflatten(treedef, noisy)


@pytest.fixture(
    scope="module",
    params=[pytest.param(name, marks=[pytest.mark.slow] * (name == "UNet")) for name in NETWORKS],
)
def network(request):
    """Parameters as initialised, the same moved off their zeros, and the function."""
    init, apply = functional(NETWORKS[request.param])
    params = init(jax.random.key(0))
    return params, moved(params), jax.jit(apply)


X = jax.random.normal(jax.random.key(2), SHAPE)


def test_an_untrained_network_predicts_zero_and_a_trained_one_hears_time_and_label(network):
    untrained, trained, apply = network
    np.testing.assert_array_equal(apply(untrained, X, jnp.array(0.2), label=1), np.zeros(SHAPE))
    at = lambda t, label: np.asarray(apply(trained, X, jnp.array(t), label=label))
    assert np.abs(at(0.2, 1) - at(0.7, 1)).max() > 1e-3
    assert np.abs(at(0.2, 1) - at(0.2, 4)).max() > 1e-3  # the last row is "no label"


@pytest.mark.parametrize("skip", [False, True])
def test_a_noise_of_more_coordinates_than_the_width_needs_the_skip(skip):
    """Where data stand still the noise is (x − alpha x0) / sigma, whose slope in x has full rank."""
    init, apply = functional(lambda rngs: TimedMLP(16, width=8, num_layers=2, skip=skip, rngs=rngs))
    params = moved(init(jax.random.key(0)))
    slope = jax.jacobian(lambda x: apply(params, x, jnp.array(0.4)))(jnp.ravel(X))
    rank = np.linalg.matrix_rank(slope, rtol=1e-4)
    assert rank == 16 if skip else rank <= 8


def test_every_pixel_reaches_every_pixel(network):
    _, trained, apply = network
    jacobian = jax.jacobian(lambda x: apply(trained, x, jnp.array(0.4), label=1))(X)
    assert (np.asarray(jacobian) != 0).all()


def test_a_label_is_for_a_network_with_classes(network):
    _, trained, apply = network
    with pytest.raises(ValueError, match="a label is for a network with num_classes"):
        apply(trained, X, jnp.array(0.4))


def test_labels_out_of_range_are_named():
    net = TimedMLP(2, width=4, num_layers=1, num_classes=3, rngs=nnx.Rngs(0))
    with pytest.raises(ValueError, match="labels are 0 to 2, and 3 stands for none; got 4"):
        net(jnp.ones(2), jnp.array(0.5), label=4)


def test_two_times_are_both_heard():
    net = TimedMLP(2, width=4, num_layers=1, num_times=2, rngs=nnx.Rngs(0))
    vector = lambda r, t: np.asarray(net.condition(jnp.array(r), jnp.array(t)))
    assert np.abs(vector(0.1, 0.5) - vector(0.2, 0.5)).max() > 1e-3
    assert np.abs(vector(0.1, 0.5) - vector(0.1, 0.6)).max() > 1e-3
    assert net(jnp.ones(2), jnp.array(0.1), jnp.array(0.5)).shape == (2,)


@pytest.mark.parametrize("shape", [(4, 6), (4, 6, 3)])
def test_patches_are_put_back_where_they_were(shape):
    net = DiT(shape, patch_size=2, width=4, num_layers=1, num_heads=1, rngs=nnx.Rngs(0))
    x = jnp.arange(float(np.prod(shape))).reshape(shape)
    rows = net.patches(x)
    np.testing.assert_array_equal(rows[1], x[:2, 2:4].ravel())  # the second patch of the first line
    np.testing.assert_array_equal(net.image(rows, shape), x)


def test_a_transformer_without_positions_does_not_know_the_order_of_patches():
    init, apply = functional(NETWORKS["DiT"])
    params = jax.tree.map(lambda leaf: leaf + 0.1, init(jax.random.key(0)))
    params |= {"positions": jax.tree.map(jnp.zeros_like, params["positions"])}
    call = lambda x: apply(params, x, jnp.array(0.3), label=2)
    swapped = lambda x: jnp.concatenate([x[2:], x[:2]])
    np.testing.assert_allclose(call(swapped(X)), swapped(call(X)), atol=1e-5)


def test_groups_are_normalised_over_one_image():
    """Flax leaves the first axis out by default, as if it were a batch: each line of pixels for itself."""
    init, apply = functional(lambda rngs: OneImageNorm(16, rngs=rngs))
    x = 3 + 2 * jax.random.normal(jax.random.key(0), (5, 7, 16)) * jnp.arange(1.0, 6.0)[:, None, None]
    groups = np.asarray(apply(init(jax.random.key(1)), x)).reshape(5, 7, 8, 2)
    np.testing.assert_allclose(groups.mean((0, 1, 3)), np.zeros(8), atol=1e-5)
    np.testing.assert_allclose(groups.var((0, 1, 3)), np.ones(8), rtol=1e-4)
    assert groups[0].var() < 0.2 < groups[4].var()


def test_attention_does_not_know_where_a_pixel_is():
    init, apply = functional(lambda rngs: Attention(6, 2, rngs=rngs))
    params = jax.tree.map(lambda leaf: leaf + 0.1, init(jax.random.key(0)))
    x = jax.random.normal(jax.random.key(1), (2, 3, 6))
    np.testing.assert_allclose(
        apply(params, x[::-1, ::-1]), apply(params, x)[::-1, ::-1], rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            lambda rngs: DiT((5, 4), patch_size=2, width=4, num_layers=1, num_heads=1, rngs=rngs),
            r"patch_size; got \(5, 4\)",
        ),
        (
            lambda rngs: DiT((4, 4), patch_size=2, width=4, num_layers=1, num_heads=3, rngs=rngs),
            "num_heads; got 4 and 3",
        ),
        (
            lambda rngs: UNet((6, 6), channels=(4, 4, 4), num_blocks=1, num_heads=1, rngs=rngs),
            r"divisible by 4.*\(6, 6\)",
        ),
        (
            lambda rngs: UNet((4, 4), channels=(4, 5), num_blocks=1, num_heads=2, rngs=rngs),
            r"num_heads; got \(4, 5\)",
        ),
    ],
)
def test_sizes_that_do_not_fit_are_refused(build, message):
    with pytest.raises(ValueError, match=message):
        functional(build)[0](jax.random.key(0))


def test_time_is_seen_at_geometric_frequencies():
    features = time_features(jnp.array(0.3), 6, largest=100.0)
    np.testing.assert_allclose(
        features, np.concatenate([np.sin([0.3, 3, 30]), np.cos([0.3, 3, 30])]), rtol=1e-4
    )
