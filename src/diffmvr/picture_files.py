"""Open picture files: of the kinds that we support and no other, whatever their names say.

Pillow chooses a reader by what is in a file.  Some readers start other programs (EPS starts
Ghostscript), and a header can promise more pixels than memory holds.  Every place that opens a
picture therefore asks here first.
"""

import struct
import warnings
from pathlib import Path
from typing import BinaryIO

from PIL import Image

FORMATS = ("PNG", "JPEG")
# Pillow's own: ultralytics replaces it by one that installs a package when a picture is damaged.
_open = Image.open


def open_picture(
    file: Path | BinaryIO,
    name: str,
    formats: tuple[str, ...] = FORMATS,
    decode: bool = True,
) -> Image.Image:
    """Open one picture and decode it, as stored.

    Args:
        file: its path, or a stream of its bytes.
        name: the argument's name, for messages.
        formats: Pillow's names of the kinds that it may be of.
        decode: ``False`` reads the header alone: kind, size and pixel type.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is of another kind, damaged, or larger than Pillow takes for harmless.
    """
    if isinstance(file, Path) and not file.is_file():
        raise FileNotFoundError(f"{name}: there is no file {file}; check the path")
    what = file if isinstance(file, Path) else "the data"
    try:
        with warnings.catch_warnings():
            # Pillow warns at half the size that it refuses.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with _open(file, formats=formats) as picture:
                if decode:
                    picture.load()
                return picture
    except Image.DecompressionBombError as error:
        raise ValueError(
            f"{name}: the header of {what} promises too large a picture ({error}); give a smaller "
            "one"
        ) from error
    except (OSError, SyntaxError, ValueError, EOFError, struct.error) as error:
        raise ValueError(
            f"{name}: {what} is not a picture that can be read as {' or '.join(formats)} ({error})"
        ) from error
