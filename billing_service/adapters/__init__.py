"""The world outside: database, broker, documents. They implement ``services.ports``."""
