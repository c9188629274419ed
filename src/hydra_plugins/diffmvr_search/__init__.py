"""``hydra/sweeper=optuna``: a sweep that chooses its next jobs by what earlier ones have scored.

Hydra takes sweepers from this name space alone, and imports all of them whenever it starts: what
the search needs is imported when it searches.
"""

from hydra_plugins.diffmvr_search.sweeper import OptunaSearch

__all__ = ["OptunaSearch"]
