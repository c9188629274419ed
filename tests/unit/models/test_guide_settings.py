import json

import pytest

from diffmvr.models.guide_settings import GuideSettings, check_guide_scales
from diffmvr.structures import PastSelection


@pytest.mark.parametrize(
    ("kinds", "pathway", "expected"),
    [
        (("symmetric", "past"), "attention", 9),
        (("symmetric", "past"), "latents", 17),
        (("past",), "both", 13),
    ],
)
def test_input_channels_over_four_latent_channels(
    kinds: tuple[str, ...], pathway: str, expected: int
) -> None:
    settings = GuideSettings(kinds=kinds, scales=(1.0,) * len(kinds), pathway=pathway)
    assert settings.in_channels(4) == expected
    assert settings.uses_attention == (pathway in ("attention", "both"))
    assert settings.uses_latents == (pathway in ("latents", "both"))


def test_json_and_back() -> None:
    settings = GuideSettings(fusion="gated", tokens="pooled", num_tokens=8, pathway="both")
    assert GuideSettings(**json.loads(json.dumps(settings.to_dict()))) == settings


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kinds": ()}, r"guide\.kinds: .*got \(\)"),
        ({"kinds": ("past", "past")}, r"guide\.kinds: expected distinct.*'past', 'past'"),
        ({"kinds": ("past", "future")}, r"guide\.kinds: .*got 'future'"),
        ({"scales": (1.0,)}, r"guide\.scales: .*\(1\.0,\)"),
        ({"fusion": "mean"}, r"guide\.fusion: .*'learned'.*got 'mean'"),
        ({"tokens": "cls"}, r"guide\.tokens: .*got 'cls'"),
        ({"pathway": "text"}, r"guide\.pathway: .*got 'text'"),
        ({"tokens": "pooled", "num_tokens": 3}, r"guide\.num_tokens: .*at least 4, got 3"),
    ],
)
def test_bad_settings_are_named(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        GuideSettings(**arguments)


def test_user_scales() -> None:
    assert check_guide_scales([1, 0], ("symmetric", "past")) == (1.0, 0.0)
    with pytest.raises(ValueError, match=r"guide_scales: .*got \(1\.0, 2\.0, 3\.0\)"):
        check_guide_scales([1, 2, 3], ("symmetric", "past"))
    for value in ("nan", "inf"):
        with pytest.raises(ValueError, match=rf"guide_scales: .*{value}"):
            check_guide_scales([1, float(value)], ("symmetric", "past"))


def test_the_selection_of_past_frames_is_saved_with_the_model() -> None:
    settings = GuideSettings(past={"select": "bank", "size": 8})
    saved = json.loads(json.dumps(settings.to_dict()))
    assert GuideSettings.from_saved(saved, "config.json") == settings
    assert settings.past == PastSelection("bank", "past", 8)
    # A model of before there was a choice.
    del saved["past"]
    assert GuideSettings.from_saved(saved, "config.json").past == PastSelection("recent")
    with pytest.raises(ValueError, match=r"config\.json.*select"):
        GuideSettings.from_saved({**saved, "past": {"select": "none"}}, "config.json")
