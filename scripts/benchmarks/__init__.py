"""Benchmarks of the billing service; `scripts/bench` runs them."""
