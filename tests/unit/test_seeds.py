"""Seeds are what published runs were drawn from, and none is another's."""

from diffmvr.seeds import number_seed, step_seed


def test_they_are_those_of_published_runs() -> None:
    assert number_seed(3, 7) == 3_000_016
    assert step_seed(3, 7) == 3_027_016_144
    assert step_seed(3, 7, 2) == 3_027_016_146


def test_torch_takes_the_largest() -> None:
    assert 0 <= step_seed(2**32 - 1, 10**9, 7) < 2**63


def test_steps_and_processes_of_a_run_draw_apart() -> None:
    seeds = {
        step_seed(seed, step, rank) for seed in (0, 1) for step in range(50) for rank in (0, 7)
    }
    assert len(seeds) == 200
