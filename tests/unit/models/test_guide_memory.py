"""Each image is encoded once, and no more is kept than was asked for."""

import pytest
import torch
from torch import Tensor

from diffmvr.models.guide_memory import GuideMemory

IMAGES = torch.rand(6, 3, 4, 4, generator=torch.Generator().manual_seed(0))


class Doubler:
    """Doubles images, and remembers how many it was given at a time."""

    def __init__(self) -> None:
        self.given: list[int] = []

    def __call__(self, images: Tensor) -> Tensor:
        self.given.append(len(images))
        return 2 * images


def check(memory: GuideMemory, encode: Doubler, numbers: list[int], kind: str = "tokens") -> None:
    images = IMAGES[numbers]
    assert torch.equal(memory.encode(kind, images, encode), 2 * images)


def test_an_image_is_encoded_once() -> None:
    memory, encode = GuideMemory(), Doubler()
    check(memory, encode, [0, 1, 0])
    check(memory, encode, [2, 1, 2, 3])
    check(memory, encode, [3, 0, 2])
    assert encode.given == [2, 2], "what comes again is not encoded, nor is nothing"
    other = IMAGES[:1].clone()
    other[0, 2, 3, 3] += 1e-6
    memory.encode("tokens", other, encode)
    assert encode.given == [2, 2, 1], "every pixel counts"


def test_those_used_last_are_kept() -> None:
    memory, encode = GuideMemory(limit=2), Doubler()
    check(memory, encode, [0, 1])
    check(memory, encode, [0, 2])  # 1 was used longest ago
    check(memory, encode, [0, 1])
    assert encode.given == [2, 1, 1]
    check(memory, encode, [5, 4, 3, 2, 1])  # more at a time than are kept
    check(memory, encode, [2, 1])
    assert encode.given == [2, 1, 1, 4]
    assert sum(len(kept) for kept in memory._kept.values()) == 2
    for kept in memory._kept["tokens"].values():
        assert kept.untyped_storage().nbytes() == IMAGES[0].nbytes, "of one image alone"


def test_what_is_made_of_an_image_is_told_apart() -> None:
    memory, first, second = GuideMemory(limit=1), Doubler(), Doubler()
    for _ in range(2):
        check(memory, first, [0])
        check(memory, second, [0], "latents")
    assert first.given == second.given == [1]


def test_half_precision() -> None:
    memory, encode, images = GuideMemory(), Doubler(), IMAGES.bfloat16()
    for _ in range(2):
        assert torch.equal(memory.encode("tokens", images[:2], encode), 2 * images[:2])
    assert encode.given == [2]


def test_a_memory_holds_something() -> None:
    with pytest.raises(ValueError, match=r"limit: expected a number in \[1, 100000\], got 0"):
        GuideMemory(limit=0)
