"""Restoration of a recording (paper 3.2, Mod_4): plan, walk, self-check, paste-back, report."""
