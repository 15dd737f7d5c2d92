"""What goes over the wire as JSON, a module a subject."""
