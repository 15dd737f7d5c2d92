"""Rows in, domain values out: one repository for each kind of thing."""
