"""A whole site on this machine: broker, billing service, station and a real Home Assistant.

Used by ``scripts/demo`` and by ``tests/e2e``. Everything listens on 127.0.0.1, lives in one
folder and ends with the program that started it.
"""
