"""TODO."""

CASES = {}

EXEMPT = {
    "genjax.flow.Bijector": "a protocol",
    "genjax.flow.CheckReport": "a record",
    "genjax.flow.channel_mask": "booleans",
    "genjax.flow.check": "a check: it measures round-off itself",
    "genjax.flow.checkerboard_mask": "booleans",
}
