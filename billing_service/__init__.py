"""The billing service: frames in, sessions rated, bills out."""
