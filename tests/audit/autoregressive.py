"""TODO."""

CASES = {}

EXEMPT = {
    "genjax.autoregressive.ClassLogProbs": "a record",
    "genjax.autoregressive.assert_causal": "a check: it returns nothing",
    "genjax.autoregressive.made_masks": "comparisons of integers",
    "genjax.autoregressive.random_degrees": "integers",
    "genjax.autoregressive.sequential_degrees": "integers",
}
