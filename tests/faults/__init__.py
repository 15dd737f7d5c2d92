"""Faults with real processes: nothing is lost, nothing counts twice."""
