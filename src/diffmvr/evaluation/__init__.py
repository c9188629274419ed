"""Restorers on clips, and the score rows that come of it."""
