"""The domain, with plain objects."""
