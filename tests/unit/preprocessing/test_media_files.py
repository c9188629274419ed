"""Paths are not URLs: whatever a file is called, that file is read or written, and nothing else."""

import re
import socket
from pathlib import Path

import numpy as np
import pytest
from tests.helpers.recordings import audio_packets, moving_frames, write_video

import diffmvr
from diffmvr.preprocessing.audio import copy_audio
from diffmvr.preprocessing.mask_io import open_masks
from diffmvr.preprocessing.media_files import open_to_read
from diffmvr.preprocessing.video_io import open_frames
from diffmvr.preprocessing.video_writer import VideoWriter

FRAMES = moving_frames(3)
PREFIXES = ("http:", "tcp:", "udp:", "concat:", "file:", "subfile:", "crypto:", "data:", "pipe:")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, so that names begin with what looks like a protocol."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("prefix", PREFIXES)
def test_a_file_named_like_an_address_is_read_and_written(folder: Path, prefix: str) -> None:
    source = Path(f"{prefix}clip.mkv")
    write_video(folder / "plain.mkv", FRAMES, audio="aac").rename(source)

    frames = open_frames(source)
    np.testing.assert_array_equal(np.stack([frame.image for frame in frames]), FRAMES)
    assert len(list(open_masks(source, frames))) == 3

    for target in (Path(f"{prefix}out.mkv"), Path(f"{prefix}folder") / "out.mkv"):
        target.parent.mkdir(exist_ok=True)
        with VideoWriter(target, frames.info, "ffv1", source) as writer:
            for frame in frames:
                writer.write(frame)
        copy_audio(source, target.with_suffix(".mka"))
        assert audio_packets(folder / target) == audio_packets(folder / source)
        assert audio_packets(folder / target.with_suffix(".mka")) == audio_packets(folder / source)


def test_no_connection_is_made(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.05)
        address = f"127.0.0.1:{server.getsockname()[1]}"
        for name in (f"tcp:{address}", f"http:{address}"):
            with pytest.raises(FileNotFoundError, match="there is no file"):
                open_to_read(Path(name))
            write_video(folder / "plain.mp4", FRAMES).rename(folder / name)
            assert len(list(open_frames(Path(name)))) == 3
        # Lists of addresses, whatever they are called.
        for number, text in enumerate(
            (
                f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://{address}/a.ts\n",
                f"ffconcat version 1.0\nfile tcp://{address}\n",
                f"v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 {address}\nm=video 9 RTP/AVP 96\n",
            )
        ):
            path = folder / f"{number}.mp4"
            path.write_text(text)
            with pytest.raises(ValueError, match=r"is not a video"):
                open_frames(path)
        with pytest.raises(TimeoutError):
            server.accept()


@pytest.mark.parametrize("suffix", [".mp4", ".m3u8", ".txt"])
@pytest.mark.parametrize("kind", ["ffconcat", "m3u8"])
def test_a_playlist_reads_no_other_media(folder: Path, kind: str, suffix: str) -> None:
    write_video(folder / "other.ts", FRAMES, codec="libx264", pix_fmt="yuv420p")
    text = "ffconcat version 1.0\nfile other.ts\n"
    if kind == "m3u8":
        text = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nother.ts\n#EXT-X-ENDLIST\n"
    path = folder / f"list{suffix}"
    path.write_text(text)

    with pytest.raises(ValueError, match=r"input: .*list.* is not a video"):
        open_frames(path)
    with pytest.raises(ValueError, match=r"is not a video"):
        copy_audio(path, folder / "audio.mka")


def test_media_are_opened_in_one_place() -> None:
    """Another ``av.open`` would take a name for an address again."""
    opener = re.compile(r"\bav\.open\(|VideoCapture\(|cv2\.VideoWriter\(|torchvision\.io")
    root = Path(diffmvr.__file__).parent
    found = {file.name for file in root.rglob("*.py") if opener.search(file.read_text("utf-8"))}

    # In audio.py a container in memory is tried; in sources.py a camera is opened by its number.
    assert found == {"media_files.py", "audio.py", "sources.py"}
