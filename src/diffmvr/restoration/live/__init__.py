"""Restoring while the camera runs: the walk of a recording with a short look-ahead."""
