"""TODO."""

CASES = {}

EXEMPT = {
    "genjax.metrics.Diversity": "a record",
    "genjax.metrics.ModeCoverage": "a record",
    "genjax.metrics.PrecisionRecall": "a record",
}
