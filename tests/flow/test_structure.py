"""Masks, permutations and factorised matrices: what the static parts of a flow mean."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg

from genjax import Bound
from genjax.flow import (
    Chain,
    Coupling,
    MaskedAutoregressive,
    Squeeze,
    affine,
    channel_mask,
    checkerboard_mask,
    invertible_linear,
)

from .bijectors import build, coupling


@pytest.mark.parametrize("mask", [checkerboard_mask, channel_mask])
@pytest.mark.parametrize("shape", [(4,), (2, 4), (4, 2, 2)])
def test_masks_halve_the_event_and_flip(mask, shape):
    array, flipped = np.asarray(mask(shape)), np.asarray(mask(shape, flip=True))
    assert array.shape == shape
    assert array.sum() == array.size // 2
    assert (array != flipped).all()
    hash(mask(shape))


def test_a_checkerboard_runs_over_space_and_a_channel_mask_over_channels():
    board = np.asarray(checkerboard_mask((2, 3, 2)))
    np.testing.assert_array_equal(board[..., 0], [[1, 0, 1], [0, 1, 0]])
    np.testing.assert_array_equal(board[..., 0], board[..., 1])
    np.testing.assert_array_equal(np.asarray(channel_mask((2, 3, 2)))[..., 0], 1)
    for make in (checkerboard_mask, channel_mask):
        with pytest.raises(ValueError, match="got "):
            make(())


def test_a_coupling_on_a_checkerboard_is_one_on_channels_after_a_squeeze():
    """Squeezed, the even and odd squares of the board are channels 0, 3 and 1, 2."""
    board = np.asarray(checkerboard_mask((4, 4, 1)))
    squeezed = Squeeze().forward(jnp.asarray(board, float))[0]
    np.testing.assert_array_equal(squeezed, jnp.tile(jnp.array([1.0, 0, 0, 1]), (2, 2, 1)))


@pytest.mark.parametrize("shape", [(5,), pytest.param((2, 3), marks=pytest.mark.slow), (2, 2, 2)])
@pytest.mark.parametrize("mask", [checkerboard_mask, channel_mask])
def test_parameters_of_the_moved_coordinates_alone_give_the_same_layer(shape, mask):
    """By value, log-determinant and gradient, in either direction."""
    mask = mask(shape)
    moved = np.flatnonzero(~np.asarray(mask))
    table = jax.random.normal(jax.random.key(0), (moved.size, 2))
    full = jnp.zeros((np.size(mask), 2)).at[moved].set(table)
    event = jax.random.normal(jax.random.key(1), shape)
    scaled = lambda raw, x: raw * jnp.cos(jnp.sum(x))  # of what passes alone
    alone = Coupling(Bound(table, scaled), affine, mask, moved_only=True)
    among = Coupling(Bound(full, scaled), affine, mask)
    for move in (Coupling.forward, Coupling.inverse):
        total = lambda layer, event, move=move: sum(jnp.sum(jnp.sin(part)) for part in move(layer, event))
        for a, b in zip(move(alone, event), move(among, event), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-6)
        (of_alone, of_event), (of_among, of_same) = (
            jax.grad(total, (0, 1))(f, event) for f in (alone, among)
        )
        np.testing.assert_allclose(
            of_alone.conditioner.params, of_among.conditioner.params[moved], rtol=1e-5, atol=1e-6
        )
        np.testing.assert_allclose(of_event, of_same, rtol=1e-5, atol=1e-6)


def test_parameters_that_cannot_be_dealt_out_to_the_moved_coordinates_are_refused():
    layer = Coupling(Bound(None, lambda params, x: jnp.zeros(4)), affine, (True, False, False, False), True)
    with pytest.raises(
        ValueError, match=r"every moved coordinate, of which there are 3: raw \(4,\), event \(4,\)"
    ):
        layer.forward(jnp.zeros(4))


@pytest.mark.parametrize("wrong", [lambda v: jnp.ones(1), lambda v: jnp.ones(2), lambda v: jnp.ones((1, 1))])
@pytest.mark.parametrize("where", ["value", "log-determinant"])
@pytest.mark.parametrize("num_moved", [1, 2])
def test_a_transformer_must_return_scalars(wrong, where, num_moved):
    """An axis of its own would be summed or broadcast against the coordinates'."""

    class Transformer:
        def forward(self, z):
            return (wrong(z), 0.0 * z) if where == "value" else (z, wrong(z))

        inverse = forward

    conditioner = Bound(None, lambda params, x: jnp.zeros(3))
    transformer = lambda raw: Transformer()
    event = jnp.arange(3.0)
    for layer in (
        Coupling(conditioner, transformer, (True, False, num_moved == 1)),
        MaskedAutoregressive(conditioner, transformer),
    ):
        for move in (layer.forward, layer.inverse):
            with pytest.raises(ValueError, match=r"Transformer returned .*\((1|2|1, 1),?\)"):
                move(event)


def test_masked_coordinates_pass_and_alone_are_read():
    flow = coupling(np.random.default_rng(0), (True, False, True))
    z = jnp.array([0.3, -1.0, 2.0])
    x, _ = flow.forward(z)
    np.testing.assert_array_equal(x[::2], z[::2])
    forward = jax.jit(jax.jacfwd(lambda z: flow.forward(z)[0]))
    jacobian = forward(z)
    np.testing.assert_array_equal(jacobian[::2], jnp.eye(3)[::2])
    other = forward(z.at[1].set(5.0))
    np.testing.assert_allclose(jacobian[1, 1], other[1, 1], rtol=1e-6)  # its scale does not depend on itself


def test_raw_parameters_are_read_in_row_major_order():
    """A vector, or [*event, p], or an image of [H, W, C p] from a convolution: the same numbers."""
    raw, mask, z = jnp.arange(16.0) / 10, checkerboard_mask((2, 2, 2)), jnp.arange(8.0).reshape(2, 2, 2)
    layers = [
        Coupling(Bound(jnp.reshape(raw, shape), lambda raw, _: raw), affine, mask)
        for shape in [(16,), (2, 2, 2, 2), (2, 2, 4)]
    ]
    first, *others = [layer.forward(z)[0] for layer in layers]
    for other in others:
        np.testing.assert_array_equal(other, first)
    np.testing.assert_allclose(
        first[0, 1, 0], raw[4] + jnp.exp(5 * jnp.tanh(raw[5] / 5)) * z[0, 1, 0], rtol=1e-6
    )


def test_autoregressive_jacobians_are_triangular_in_both_directions():
    flow = build("MaskedAutoregressive")
    z = jnp.array([0.3, -1.0, 2.0])
    for move in (flow.forward, flow.inverse):
        jacobian = np.asarray(jax.jit(jax.jacfwd(lambda v, move=move: move(v)[0]))(z))
        np.testing.assert_array_equal(np.triu(jacobian, 1), 0)
        assert (np.abs(jacobian[np.tril_indices(3)]) > 1e-4).all()


def test_sampling_takes_one_pass_a_coordinate_and_density_one(x64):
    passes = []

    def conditioner(_, x):
        jax.debug.callback(lambda: passes.append(1))
        return jnp.stack([jnp.cumsum(x) - x, 0 * x], axis=-1)

    flow = MaskedAutoregressive(Bound((), conditioner), affine)
    jax.block_until_ready(flow.inverse(jnp.ones(5)))
    jax.effects_barrier()
    assert len(passes) == 1
    jax.block_until_ready(flow.forward(jnp.ones(5)))
    jax.effects_barrier()
    assert len(passes) == 6


@pytest.mark.parametrize("seed", range(4))
def test_a_matrix_is_recovered_from_its_factors(seed, x64):
    matrix = np.random.default_rng(seed).normal(size=(4, 4))
    layer = invertible_linear(jnp.asarray(matrix))
    z = jnp.asarray(np.random.default_rng(seed + 10).normal(size=(2, 3, 4)))
    x, log_det = layer.forward(z)
    np.testing.assert_allclose(x, np.asarray(z) @ matrix.T, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(log_det, 6 * np.linalg.slogdet(matrix)[1], rtol=1e-12)  # times H · W
    back, _ = layer.inverse(x)
    np.testing.assert_allclose(back, z, rtol=1e-10, atol=1e-11)


def test_an_image_is_convolved_by_one_by_one():
    image = jnp.asarray(np.random.default_rng(0).normal(size=(4, 5, 3)), float)
    kernel = scipy.linalg.expm(np.random.default_rng(1).normal(size=(3, 3)))
    layer = invertible_linear(jnp.asarray(kernel, float))
    convolved = jax.lax.conv_general_dilated(
        image[None],
        jnp.asarray(kernel.T, float)[None, None],
        window_strides=(1, 1),
        padding="VALID",
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )[0]
    np.testing.assert_allclose(layer.forward(image)[0], convolved, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(layer.forward(image)[1], 20 * np.trace(scipy.linalg.logm(kernel)), rtol=1e-4)


@pytest.mark.usefixtures("untyped")
def test_what_cannot_be_factorised_is_refused():
    with pytest.raises(ValueError, match="must be invertible"):
        invertible_linear(jnp.ones((2, 2)))
    with pytest.raises(ValueError, match=r"must be square; got shape \(2, 3\)"):
        invertible_linear(jnp.ones((2, 3)))
    with pytest.raises(TypeError, match="must be concrete"):
        jax.jit(invertible_linear)(jnp.eye(2))


def test_an_empty_chain_is_the_identity():
    x, log_det = Chain(()).forward(jnp.ones(2))
    np.testing.assert_array_equal(x, 1)
    assert log_det == 0
