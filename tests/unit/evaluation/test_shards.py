"""Parts of an evaluation: who gets which clips, and when they are not one evaluation."""

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
import torch

from diffmvr.evaluation.shards import Part, join_parts
from diffmvr.metrics.set_distances import CollectedFeatures, FeatureSet
from diffmvr.reporting.rows import rows_frame
from diffmvr.runs.shard import Shard, check_all


@pytest.mark.parametrize(("length", "count"), [(7, 1), (7, 3), (8, 4), (5, 5)])
def test_the_parts_in_order_are_the_whole(length: int, count: int) -> None:
    parts = [Shard(number, count).of(range(length)) for number in range(1, count + 1)]
    assert [item for part in parts for item in part] == list(range(length))
    sizes = [len(part) for part in parts]
    assert max(sizes) - min(sizes) <= 1


def test_a_shard_is_written_as_it_is_read() -> None:
    assert str(Shard.parse("2/4")) == "2/4" and Shard.parse("2/4") == Shard(2, 4)


@pytest.mark.parametrize("text", ["", "2", "a/4", "2/", "-1/4", "1.0/2"])
def test_what_is_no_shard_is_named(text: str) -> None:
    with pytest.raises(ValueError, match=f"shard: expected the number .* as 1/4, got '{text}'"):
        Shard.parse(text)


@pytest.mark.parametrize("text", ["0/4", "5/4"])
def test_a_shard_that_is_none_of_them(text: str) -> None:
    with pytest.raises(ValueError, match=f"shard: expected 1/4 to 4/4, got {text}"):
        Shard.parse(text)


def test_more_jobs_than_clips() -> None:
    with pytest.raises(ValueError, match="shard: 4 jobs for 3 clips; use at most 3"):
        Shard(1, 4).of("abc")


def test_all_jobs_of_one_division() -> None:
    check_all([Shard(2, 2), Shard(1, 2)])
    with pytest.raises(ValueError, match=r"shard: 2/3, 3/3 not finished"):
        check_all([Shard(1, 3)])
    with pytest.raises(ValueError, match=r"shard: the parts are of \[2, 3\] jobs"):
        check_all([Shard(1, 3), Shard(2, 2)])
    with pytest.raises(ValueError, match="shard: 1/2 there twice"):
        check_all([Shard(1, 2), Shard(2, 2), Shard(1, 2)])


def rows(*clips: str) -> pl.DataFrame:
    keys = {"restorer": "telea", "seed": 0, "mask_type": "bbox", "resolution": 64, "clip_length": 4}
    return rows_frame(
        {**keys, "clip_id": clip, "subject_id": f"of {clip}", "psnr": 20.0} for clip in clips
    )


def features(*clips: str) -> CollectedFeatures:
    made = {clip: torch.full((2, 3), float(ord(clip))) for clip in clips}
    # As for frames without a hole: the restored features are the truth's own memory.
    own = FeatureSet("net", "abc", dict(made), {"telea": dict(made)})
    return CollectedFeatures(5, {clip: f"of {clip}" for clip in clips}, {"fd_net": own})


def part(number: int, *clips: str) -> Part:
    return Part(Shard(number, 2), "telea", rows(*clips), features(*clips), {"lama": "not there"})


def test_a_part_is_read_as_it_was_written(tmp_path: Path) -> None:
    written = part(1, "a", "b")
    written.save(tmp_path)
    read = Part.load(tmp_path)
    assert (read.shard, read.reference, read.missing) == (Shard(1, 2), "telea", written.missing)
    assert read.rows.equals(written.rows)
    assert read.features is not None and written.features is not None
    assert (read.features.replicates, read.features.subjects) == (5, written.features.subjects)
    got, expected = read.features.sets["fd_net"], written.features.sets["fd_net"]
    assert (got.extractor, got.weight_hash) == ("net", "abc")
    for clip in ("a", "b"):
        assert torch.equal(got.truth[clip], expected.truth[clip])
        assert torch.equal(got.restored["telea"][clip], expected.restored["telea"][clip])

    replace(written, features=None).save(tmp_path)
    assert Part.load(tmp_path).features is None
    assert not (tmp_path / "part.safetensors").exists(), "nothing is left of an earlier part"


def test_parts_are_joined_in_their_order() -> None:
    whole = join_parts([part(2, "c"), part(1, "a", "b")])
    assert whole.rows["clip_id"].to_list() == ["a", "b", "c"]
    assert whole.distances is not None
    assert set(whole.distances.collected().sets["fd_net"].truth) == set("abc")


def test_parts_that_are_not_of_one_evaluation() -> None:
    first, second = part(1, "a"), part(2, "b")
    assert second.features is not None
    with pytest.raises(ValueError, match=r"2/2 and 1/2 did not run the same restorers \(lama\)"):
        join_parts([first, replace(second, missing={})])
    other = FeatureSet("net", "xyz")
    with pytest.raises(ValueError, match=r"fd_net: .* net \(abc\) and net \(xyz\)"):
        join_parts(
            [first, replace(second, features=replace(second.features, sets={"fd_net": other}))]
        )
    with pytest.raises(ValueError, match="replicates: the parts have 5 and 6"):
        join_parts([first, replace(second, features=replace(second.features, replicates=6))])
    with pytest.raises(ValueError, match="'a' is of 'of a' and of 'another'"):
        join_parts(
            [first, replace(second, features=replace(second.features, subjects={"a": "another"}))]
        )


def test_a_folder_without_a_part(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=f"no part.json in {tmp_path}; evaluate with shard"):
        Part.load(tmp_path)
