"""Open media: files of this machine, never an address, a device or a list of others by accident.

FFmpeg takes what it opens for an address: ``http:clip.mp4`` connects, ``concat:a.mp4`` reads other
files, and so does a playlist, whatever its name.  Here every name is an absolute path, the ``file``
protocol alone is allowed, and only formats that hold their media themselves are read.
"""

from pathlib import Path
from typing import Any, BinaryIO

import av

READ_FORMATS = (
    *("mov", "matroska", "avi", "mpeg", "mpegts", "flv", "asf", "ogg", "mxf", "nut", "dv", "ivf"),
    *("h264", "hevc", "m4v", "mpegvideo", "mjpeg", "av1", "obu", "vc1", "gif", "wtv"),
    # Single pictures, which are then refused by name.
    *("png_pipe", "jpeg_pipe"),
)
"""FFmpeg's names of what is read; none of them names another file."""

_FILES_ONLY = {"protocol_whitelist": "file"}


def open_to_read(path: Path, name: str = "input") -> Any:
    """Open a media file as a PyAV input container.

    Args:
        path: the file; its name may be anything.
        name: the argument's name, for messages.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is of another kind, or damaged.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{name}: there is no file {path}; check the path")
    options = {**_FILES_ONLY, "format_whitelist": ",".join(READ_FORMATS)}
    try:
        return av.open(str(path.absolute()), options=options)
    except av.ArgumentError as error:
        raise ValueError(
            f"{name}: {path} is not a video of a kind that is read: playlists and other lists of "
            "files are not, nor are rare formats; give an mp4, mov, mkv, webm, avi or mpg that "
            "plays, or a folder of frames"
        ) from error
    except av.FFmpegError as error:
        raise ValueError(
            f"{name}: {path} is not a video that FFmpeg can open ({error.strerror}); "
            "the file may be cut off, or of another kind: give an mp4, mov, mkv or webm that "
            "plays, or a folder of frames"
        ) from error


def open_stream(source: BinaryIO | str, name: str, timeout: tuple[float, float]) -> Any:
    """Open a video that comes through a pipe, or from an address that the user has named.

    Args:
        source: an open binary file, or an ``rtsp://`` address, which is connected to.
        name: what it is called.
        timeout: seconds to open it, and to wait for its next packet.

    Raises:
        ValueError: if it cannot be opened.
    """
    options = {"format_whitelist": ",".join(READ_FORMATS), "protocol_whitelist": "pipe"}
    if isinstance(source, str):
        options = {
            "format_whitelist": "rtsp",
            "protocol_whitelist": "rtsp,rtp,tcp,udp,tls",
            "rtsp_transport": "tcp",
            "fflags": "nobuffer",
        }
    try:
        return av.open(source, options=options, timeout=timeout)
    except av.FFmpegError as error:
        raise ValueError(
            f"input: {name} gives no video that FFmpeg can read ({error}); through a pipe send "
            "Matroska, MPEG-TS, NUT or raw H.264"
        ) from error


def open_pipe_to_write(file: BinaryIO, file_format: str) -> Any:
    """Open a pipe as a PyAV output container that hands on every packet at once."""
    return av.open(file, "w", format=file_format, options={"flush_packets": "1"})


def open_to_write(path: Path, file_format: str | None = None) -> Any:
    """Open a media file as a PyAV output container.

    Args:
        path: the file; its name may be anything.
        file_format: FFmpeg's name of the format; ``None`` goes by the suffix.
    """
    return av.open(str(path.absolute()), "w", format=file_format, options=dict(_FILES_ONLY))
