"""Seeds of generators, mixed from what their draws depend on and nothing else."""


def number_seed(seed: int, number: int) -> int:
    """Return the seed of one epoch, image or step.

    Args:
        seed: of the run, at most 2³² − 1.
        number: of the epoch, the image or the step.
    """
    return seed * 1_000_003 + number


def step_seed(seed: int, step: int, rank: int = 0) -> int:
    """Return the seed of one training step, a number that torch takes.

    Args:
        seed: of the run.
        step: its number.
        rank: of the process; 0 for what all processes share.
    """
    return (number_seed(seed, step) * 1_009 + rank) % 2**63
