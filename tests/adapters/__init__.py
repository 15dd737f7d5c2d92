"""Tests of the adapters, against the real thing where there is one."""
