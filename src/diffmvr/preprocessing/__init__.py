"""Mod_1, video preprocessing: from a recording to face crops, masks and guide images."""
