"""What charging, tariffs and bills are. Pure: the standard library and its siblings, nothing else."""
