"""One verb per script; `rig` runs a whole site for the demo and the end-to-end tests."""
