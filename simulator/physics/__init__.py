"""Sun, clouds, PV, vehicle, supplies and meters. Pure: time and randomness are handed in."""
