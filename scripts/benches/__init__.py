"""What scripts/bench runs, a program each."""
