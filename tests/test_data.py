"""Data sets and toy densities."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate
import scipy.stats

from genjax.data import Circle, DataError, Dataset, centred_levels, digits


def test_digits_are_split_without_overlap_and_the_same_each_time():
    a, b, other = digits(), digits(), digits(seed=1)
    assert (len(a.train), len(a.validation), len(a.test)) == (1297, 200, 300)
    assert (a.num_levels, a.num_dims, a.event_shape) == (17, 64, (8, 8))
    assert a.train.max() == 16
    np.testing.assert_array_equal(a.test, b.test)
    assert not np.array_equal(a.test, other.test)
    whole = np.concatenate([a.train, a.validation, a.test]).reshape(1797, -1)
    sort = lambda rows: rows[np.lexsort(rows.T)]
    np.testing.assert_array_equal(
        sort(whole), sort(np.concatenate([other.train, other.validation, other.test]).reshape(1797, -1))
    )
    assert a.train_labels is not None
    assert set(a.train_labels.tolist()) == set(range(10))


def test_levels_land_on_the_grid():
    x = centred_levels(jnp.arange(17), 17)
    np.testing.assert_allclose(x, np.linspace(-1, 1, 17), atol=1e-7)


def test_circle_density_integrates_to_one_and_is_the_samplers(x64):
    circle = Circle()
    log_prob = lambda r: circle.log_prob(jnp.array([r, 0.0]))
    r = np.linspace(1e-6, 4, 8001)
    density = np.exp(np.asarray(jax.vmap(log_prob)(jnp.asarray(r)))) * 2 * np.pi * r
    np.testing.assert_allclose(scipy.integrate.simpson(density, x=r), 1.0, atol=1e-8)
    x = np.asarray(circle.sample(jax.random.key(0), 20_000))
    radius, angle = np.hypot(*x.T), np.arctan2(x[:, 1], x[:, 0])
    assert scipy.stats.kstest(radius, scipy.stats.norm(2, 0.1).cdf).pvalue > 0.01
    assert scipy.stats.kstest(angle, scipy.stats.uniform(-np.pi, 2 * np.pi).cdf).pvalue > 0.01


def test_circle_density_does_not_depend_on_the_angle_and_has_a_radial_gradient():
    circle = Circle()
    a, b = (
        circle.log_prob(jnp.array([1.9, 0.0])),
        circle.log_prob(1.9 * jnp.array([jnp.cos(2.0), jnp.sin(2.0)])),
    )
    np.testing.assert_allclose(a, b, rtol=1e-4)
    gradient = jax.grad(circle.log_prob)(jnp.array([0.0, 1.9]))
    np.testing.assert_allclose(gradient, [0.0, 10.0 - 1 / 1.9], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(
    ("train", "message"),
    [
        (np.zeros((0, 2)), r"train must be \[n, ...\] with at least one example .*; got shape \(0, 2\)"),
        (np.array([[0.0, 1.0], [np.nan, 0.0]]), "train must be finite; example 1 is not"),
        (np.zeros((3, 4)), r"validation must be .* of shape \(4,\); got shape \(2, 2\)"),
    ],
)
def test_bad_data_are_refused_before_training(train, message):
    with pytest.raises(DataError, match=message):
        Dataset("points", train, np.zeros((2, 2)), np.zeros((2, 2)))


PARTS = ("train", "validation", "test")


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.arange(3), r"must have one label for each example, shape \(4,\); got shape \(3,\)"),
        (np.zeros((4, 1), int), r"must have one label for each example, shape \(4,\); got shape \(4, 1\)"),
        (np.eye(4, dtype=int), r"must have one label for each example, shape \(4,\); got shape \(4, 4\)"),
        (np.array([0.0, 1.0, np.nan, 0.0]), "must be integer; got float64"),
        (np.array([True, False, True, True]), "must be integer; got bool"),
        (np.array([0, 1, -1, 0]), r"must (be at least 0|lie in 0\.\.1); got -1"),
    ],
)
def test_labels_that_do_not_fit_their_part_are_refused(part, labels, message):
    points = np.zeros((4, 2))
    good = dict.fromkeys((f"{name}_labels" for name in PARTS), np.array([0, 1, 1, 0], np.uint8))
    Dataset("points", points, points, points, **good)
    with pytest.raises(DataError, match=f"points: {part}_labels {message}"):
        Dataset("points", points, points, points, **good | {f"{part}_labels": labels})


@pytest.mark.parametrize("part", ["validation", "test"])
def test_a_class_that_training_lacks_is_refused(part):
    points, labels = np.zeros((3, 2)), {"train_labels": np.array([0, 2, 1])}
    with pytest.raises(DataError, match=rf"{part}_labels must lie in 0\.\.2; got 3"):
        Dataset("points", points, points, points, **labels, **{f"{part}_labels": np.array([0, 3, 1])})
    assert (
        Dataset("points", points, points, points, **labels, test_labels=np.zeros(3, int)).spec.num_classes
        == 3
    )


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize(
    ("levels", "message"),
    [
        (np.array([[0.0, 3.0]]), "must be integer; got float64"),
        (np.array([[True, False]]), "must be integer; got bool"),
        (np.array([[0, 4]]), r"must lie in 0\.\.3; got 4"),
        (np.array([[0, 255]], np.uint8), r"must lie in 0\.\.3; got 255"),
        (jnp.array([[-1, 2]]), r"must lie in 0\.\.3; got -1"),
    ],
)
def test_levels_outside_their_range_are_refused(part, levels, message):
    good = dict.fromkeys(PARTS, np.array([[0, 3]], np.uint8))
    Dataset("pixels", **good, num_levels=4)
    with pytest.raises(DataError, match=f"pixels: {part} {message}"):
        Dataset("pixels", **good | {part: levels}, num_levels=4)


def test_fewer_test_examples_keep_their_labels_and_all_else():
    points = np.arange(20.0).reshape(10, 2)
    labels = {f"{part}_labels": np.arange(10) for part in ("train", "validation", "test")}
    data = Dataset("points", points, points, points, **labels)
    fewer = data.with_test(4)
    assert len(fewer.test) == 4
    np.testing.assert_array_equal(fewer.test, points[fewer.test_labels])
    np.testing.assert_array_equal(fewer.train, data.train)
    assert data.with_test(None) is data
    assert data.with_test(10) is data
