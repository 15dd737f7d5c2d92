"""Tests of what runs in a process, and when."""
