"""Mod_4 of the paper: sampling, compositing and paste-back."""
