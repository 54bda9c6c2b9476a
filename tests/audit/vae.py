"""TODO."""

CASES = {}

EXEMPT = {
    "genjax.vae.ElboTerms": "a record, and the difference of its fields",
    "genjax.vae.HierarchicalTerms": "a record, and the difference of its fields",
}
