"""The golden messages, and each part tested against them."""
