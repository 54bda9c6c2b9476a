"""TODO."""

CASES = {}

EXEMPT = {
    "genjax.energy.Bracket": "a record, and the difference of its fields",
    "genjax.energy.LogPartition": "a record",
    "genjax.energy.MetropolisChain": "a record",
}
