"""Changes of the schema, in order. Each can be undone."""
