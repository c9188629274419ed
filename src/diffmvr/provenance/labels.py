"""How an output names itself synthetic, in words that other programs read.

IPTC's "digital source type" is what news agencies, C2PA and search engines go by: a recording of
which a trained model made some pixels is a *composite with trained algorithmic media*.
Source: https://cv.iptc.org/newscodes/digitalsourcetype/
"""

from pathlib import Path

from diffmvr.preprocessing.media_files import open_to_read
from diffmvr.preprocessing.stored_pixels import png_chunk

SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"

STATEMENT = (
    "Synthetic media: a model has filled in what was hidden in these pictures; it is no evidence "
    "of what was there. manifest.json says which pixels of which frames."
)

TAGS = {"comment": STATEMENT, "description": f"DigitalSourceType: {SOURCE_TYPE}"}
"""Tags of a video's container; mp4, mov and Matroska hold them all."""

_XMP = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
    'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
    'xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" '
    f'Iptc4xmpExt:DigitalSourceType="{SOURCE_TYPE}"/></rdf:RDF></x:xmpmeta>'
)


PNG_CHUNKS = png_chunk(b"tEXt", b"Comment\0" + STATEMENT.encode("latin-1")) + png_chunk(
    b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + _XMP.encode()
)
"""The same for a PNG: a comment, and IPTC's property in an XMP packet."""


_OF_THE_FILE = ("major_brand", "minor_version", "compatible_brands", "encoder", "duration")
"""Tags that say how a file is built, not what it shows."""


def own_tags(path: Path) -> dict[str, str]:
    """Return what a recording's container says of place, device, date and names; empty without."""
    if not path.is_file():
        return {}
    with open_to_read(path) as container:
        return {k: v for k, v in container.metadata.items() if k.lower() not in _OF_THE_FILE}


def is_labelled(path: Path) -> bool:
    """Return whether a video's container still names it synthetic."""
    with open_to_read(path) as container:
        return any(SOURCE_TYPE in value for value in container.metadata.values())
