"""HTTP and WebSocket. A route knows no SQL; it turns requests into use cases and back."""
