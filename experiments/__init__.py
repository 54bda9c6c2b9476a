"""Experiments: one short script a family; wiring and configuration only."""
