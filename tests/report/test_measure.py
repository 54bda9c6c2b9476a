"""Numbers of the record: kinds, units, both spreads, and one space for all families."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax import Kind, bits_per_dim, metrics
from genjax.report import Quantity, Summary, likelihood_rows, quantity
from genjax.report.samples import compare


def test_both_spreads_of_a_likelihood():
    log_probs = np.array([[-1.0, -3.0, -2.0], [-2.0, -4.0, -3.0]])
    rows = likelihood_rows("ELBO", log_probs, Kind.LOWER_BOUND, "bits", (2, 2), 1)
    nats, bits = rows["−ELBO"], rows["−ELBO per dimension"]
    assert nats.kind == bits.kind == "upper bound"
    assert nats.per_seed == (2.0, 3.0)
    assert (nats.mean, nats.standard_error) == (2.5, 0.5)
    np.testing.assert_allclose(nats.over_test, [1 / np.sqrt(3)] * 2)
    np.testing.assert_allclose(bits.mean, 2.5 / 4 / np.log(2), rtol=1e-6)
    np.testing.assert_allclose(bits.over_test, np.array(nats.over_test) / 4 / np.log(2), rtol=1e-6)
    assert list(likelihood_rows("log p(x)", log_probs, Kind.EXACT, "points", (2,), None)) == ["−log p(x)"]


def test_the_density_of_dequantised_pixels_is_reported_as_a_bound_on_the_levels():
    """A uniform density on [0, 1)ᵈ gives every image of K levels the probability K⁻ᵈ: there the bound is exact."""
    rows = likelihood_rows("log p(x)", np.zeros((2, 5)), Kind.EXACT, "levels", (3,), 17)
    assert rows["−log p(x)"].kind == "upper bound"
    np.testing.assert_allclose(rows["−log p(x)"].mean, 3 * np.log(17), rtol=1e-6)
    nll = rows["−log p(x) per dimension"].mean
    np.testing.assert_allclose(nll, float(bits_per_dim(0.0, 3, num_levels=17)), rtol=1e-6)


@pytest.mark.usefixtures("standard_promotion")
def test_quality_and_diversity_are_the_metrics_of_each_seed():
    x = jax.random.normal(jax.random.key(0), (4, 60, 3))
    fake, real, train = x[:2], x[2], x[3]
    quality, diversity, warnings = compare(fake, real, train, of="points")
    assert warnings == []
    for seed in range(2):
        support = metrics.precision_recall(real, fake[seed])
        expected = {
            "precision, points": support.precision,
            "recall, points": support.recall,
            "Fréchet distance, points": metrics.frechet_distance(real, fake[seed]),
            "pairwise distance, points": metrics.diversity(fake[seed]).pairwise_distance,
        }
        for name, value in expected.items():
            row = {**quality.rows, **diversity.rows}[name]
            np.testing.assert_allclose(row.per_seed[seed], value, rtol=2e-5)
    np.testing.assert_allclose(
        quality.rows["Fréchet distance, points"].baseline, metrics.frechet_distance(real, train), rtol=2e-5
    )
    apart = metrics.diversity(real).pairwise_distance
    np.testing.assert_allclose(diversity.rows["pairwise distance, points"].baseline, apart, rtol=2e-5)


@pytest.mark.usefixtures("standard_promotion")
def test_what_went_wrong_is_told():
    real = jax.random.normal(jax.random.key(0), (60, 3))
    collapsed = 1e-3 * jax.random.normal(jax.random.key(1), (1, 60, 3))
    _, _, warnings = compare(collapsed, real, real, of="points")
    assert any("Mode collapse" in warning for warning in warnings)
    assert any("Recall is near zero" in warning for warning in warnings)


@pytest.mark.usefixtures("standard_promotion")
def test_a_frechet_distance_of_few_examples_says_that_it_is_far_above_zero():
    wide = jax.random.normal(jax.random.key(2), (2, 20, 30))
    row = compare(wide[:1], wide[1], None, of="points")[0].rows["Fréchet distance, points"]
    assert row.mean > 10
    assert "too small for 30 dimensions" in row.note


@pytest.mark.parametrize(
    ("row", "text"),
    [
        (Quantity((87.5376,), "nats"), "87.54 nats"),
        (quantity([87.366, 87.709], "nats"), "87.54 ± 0.17 nats"),
        (quantity([97.8, 97.9], "nats", kind="upper bound"), "≤ 97.850 ± 0.050 nats"),
        (quantity([94.0, 94.4], kind="estimate"), "≈ 94.20 ± 0.20"),
        (quantity([3.0, 3.0]), "3"),
        (quantity([1.0, 1e9]), "500,000,000 ± 499,999,999"),
        (quantity(jnp.array([float("nan"), 1.0])), "nan"),
    ],
)
def test_numbers_as_a_reader_wants_them(row, text):
    assert str(row) == text


def test_a_record_survives_its_file_and_another_is_refused():
    sections = {"Likelihood": {"text": "", "rows": {"a": {"per_seed": ["nan", 1.0], "unit": "nats"}}}}
    content = {
        "schema_version": 2,
        "family": "f",
        "model": "m",
        "data": "d",
        "warnings": [],
        "provenance": {},
    }
    with pytest.raises(ValueError, match=r"a summary has the sections Objective, .*; got Likelihood"):
        Summary.from_json(content | {"sections": sections})
    with pytest.raises(ValueError, match="schema version 1; this version of the library reads 2"):
        Summary.from_json(content | {"schema_version": 1, "sections": {}})
    for broken in (
        {},
        {"schema_version": 2},
        content | {"sections": [1]},
        content | {"sections": {"Cost": 3}},
    ):
        with pytest.raises(ValueError, match="not one of a run"):
            Summary.from_json(json.loads(json.dumps(broken)))
