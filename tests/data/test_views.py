"""Views: the same example as every family sees it leads back to one picture."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax.data import Spec, load, views

SPEC = Spec("digits", (8, 8), num_levels=17)
KEY = jax.random.key(0)
KEYS = jax.random.split(KEY, 300)


@pytest.fixture(scope="module")
def images():
    return load("digits").test


@pytest.mark.parametrize("view", [views.centred(SPEC), views.levels(SPEC), views.dequantized(SPEC)])
def test_grey_levels_of_every_view_are_one_picture(view, images):
    x = jax.vmap(view.observe)(KEYS, images)
    assert x.shape[1:] == view.shape
    np.testing.assert_allclose(jax.vmap(view.show)(x), images.reshape(300, 64) / 16, atol=1e-6)
    assert view.of == "17 grey levels of digits"


def test_black_and_white_is_another_variable(images):
    grey = views.levels(SPEC).of
    split = views.binary(SPEC, split_at=8)
    x = jax.vmap(split.observe)(KEYS, images)
    np.testing.assert_array_equal(x, images >= 8)
    drawn = views.binary(SPEC)
    assert len({grey, split.of, drawn.of}) == 3
    many = jax.vmap(lambda key: drawn.observe(key, images[0]))(jax.random.split(KEY, 4000))
    assert set(np.unique(many)) <= {0.0, 1.0}
    p = images[0] / 16
    assert (np.abs(many.mean(0) - p) <= 5 * np.sqrt(p * (1 - p) / 4000) + 1e-9).all()


def test_two_levels_stay_as_they_are():
    view = views.binary(Spec("bits", (3,), num_levels=2))
    np.testing.assert_array_equal(view.observe(KEY, jnp.array([0, 1, 1], jnp.uint8)), [0.0, 1.0, 1.0])
    assert view.of == views.levels(Spec("bits", (3,), num_levels=2)).of


def test_what_falls_outside_is_shown_as_the_nearest_level():
    view = views.dequantized(Spec("x", (4,), num_levels=17))
    np.testing.assert_allclose(view.show(jnp.array([-0.1, 0.0, 0.9999, 1.2])), [0, 0, 1, 1])


def test_a_reshaped_view_shows_the_same(images):
    view = views.reshaped(views.dequantized(SPEC), (8, 8, 1))
    x = view.observe(KEY, jnp.asarray(images[0]))
    assert x.shape == view.shape == (8, 8, 1)
    np.testing.assert_allclose(view.show(x), images[0].ravel() / 16, atol=1e-6)


def test_real_values_have_no_levels():
    with pytest.raises(ValueError, match="circle has real values; this view needs grey levels"):
        views.levels(Spec("circle", (2,)))


def test_data_sets_have_names():
    with pytest.raises(ValueError, match=r"data sets are .*circle.*; got 'cirkle'"):
        load("cirkle")
    spec = load("digits").spec
    assert spec == Spec("digits", (8, 8), 17, 10)
    assert spec.num_dims == 64
