"""Use cases. They speak to the world through the protocols in ``ports`` only."""
