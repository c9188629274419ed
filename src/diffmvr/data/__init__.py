"""Clips: where they come from and how they reach the model."""
