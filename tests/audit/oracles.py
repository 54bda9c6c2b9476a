"""TODO."""

CASES = {}

EXEMPT = {}
