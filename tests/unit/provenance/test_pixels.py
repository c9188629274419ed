"""Hashes of decoded pixels: FFmpeg's own, whatever the container."""

import hashlib
import io
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image
from tests.helpers.recordings import moving_frames, write_video

from diffmvr.preprocessing.stored_pixels import StoredPixels
from diffmvr.provenance.pixels import hash_frames, hash_mask, hash_picture, hash_sound


def by_ffmpeg(path: Path) -> list[str]:
    """What FFmpeg's muxer ``framehash`` says of each frame of a video."""
    text = io.BytesIO()
    with av.open(str(path)) as source, av.open(text, "w", format="framehash") as output:
        stream = source.streams.video[0]
        raw = output.add_stream("rawvideo", rate=25)
        raw.width, raw.height = stream.width, stream.height
        raw.pix_fmt = stream.codec_context.pix_fmt
        for frame in source.decode(stream):
            output.mux(raw.encode(frame))
        output.mux(raw.encode(None))
    lines = text.getvalue().decode().splitlines()
    return [line.split(",")[-1].strip() for line in lines if not line.startswith("#")]


@pytest.mark.parametrize(
    ("codec", "pix_fmt"),
    [
        ("libx264", "yuv420p"),
        ("libx264", "yuv444p"),
        ("ffv1", "bgr0"),
        ("ffv1", "gbrp16le"),
    ],
)
def test_hashes_are_those_of_ffmpegs_framehash(tmp_path: Path, codec: str, pix_fmt: str) -> None:
    # 90 pixels: the decoder pads rows.
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as output:
        stream = output.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 90, 62, pix_fmt
        for image in moving_frames(4, 90, 62):
            output.mux(stream.encode(av.VideoFrame.from_ndarray(image, "rgb24")))
        output.mux(stream.encode(None))

    found = [one for _, one in hash_frames(path)]

    assert found == by_ffmpeg(path)
    assert len(set(found)) == 4


def test_a_remux_changes_no_hash(tmp_path: Path) -> None:
    frames, coding = moving_frames(5), {"codec": "libx264", "pix_fmt": "yuv420p"}
    before = write_video(tmp_path / "a.mp4", frames, audio="aac", **coding)
    after = tmp_path / "b.mkv"
    with av.open(str(before)) as source, av.open(str(after), "w") as output:
        copies = {s.index: output.add_stream_from_template(s) for s in source.streams}
        for packet in source.demux():
            if packet.size:
                packet.stream = copies[packet.stream_index]
                output.mux(packet)

    assert [one for _, one in hash_frames(after)] == [one for _, one in hash_frames(before)]
    assert hash_sound(after) == hash_sound(before) != ""


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_picture_is_its_pixels_however_they_are_packed(
    tmp_path: Path, dtype: type, channels: int
) -> None:
    values = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, (5, 7, channels), dtype)
    StoredPixels(values).write(tmp_path / "a.png")
    big_endian = values.astype(values.dtype.newbyteorder(">")).tobytes()

    found = hash_picture(tmp_path / "a.png")

    assert found == hashlib.sha256(big_endian).hexdigest()
    if dtype == np.uint8 and channels == 3:
        Image.fromarray(values).save(tmp_path / "b.png", compress_level=9)
        assert hash_picture(tmp_path / "b.png") == found
    values[2, 3, 0] ^= 1
    StoredPixels(values).write(tmp_path / "c.png")
    assert hash_picture(tmp_path / "c.png") != found


def test_a_mask_is_a_grey_picture(tmp_path: Path) -> None:
    mask = np.eye(6, 5, dtype=np.uint8)
    Image.fromarray(255 * mask).save(tmp_path / "mask.png")

    assert hash_mask(mask) == hash_picture(tmp_path / "mask.png")


def test_what_holds_no_pictures_is_told(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.mka"), "w", format="matroska") as output:
        stream = output.add_stream("pcm_s16le", rate=8000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), "s16", "mono")
        sound.rate = 8000
        output.mux(stream.encode(sound))
        output.mux(stream.encode(None))

    with pytest.raises(ValueError, match=r"film: .*a\.mka holds no pictures"):
        next(hash_frames(tmp_path / "a.mka", "film"))
