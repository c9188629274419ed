"""The clip store: what preprocessing writes and everything else reads.

A folder in DAVIS layout with one manifest row a frame.  Writing is safe against interruption and
several processes; a store that reads is whole.

The public names are loaded when first used: who asks where things lie need not wait for the tables.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from diffmvr.clip_store.info import StoreInfo
    from diffmvr.clip_store.layout import sheet_path
    from diffmvr.clip_store.manifest import MANIFEST_SCHEMA, track_columns, track_of
    from diffmvr.clip_store.reader import ClipStore
    from diffmvr.clip_store.recording_writer import RecordingWriter
    from diffmvr.clip_store.writer import ClipStoreWriter, StoreBusyError

_MODULES = {
    "StoreInfo": "info",
    "sheet_path": "layout",
    "MANIFEST_SCHEMA": "manifest",
    "track_columns": "manifest",
    "track_of": "manifest",
    "ClipStore": "reader",
    "RecordingWriter": "recording_writer",
    "ClipStoreWriter": "writer",
    "StoreBusyError": "writer",
}

__all__ = [
    "MANIFEST_SCHEMA",
    "ClipStore",
    "ClipStoreWriter",
    "RecordingWriter",
    "StoreBusyError",
    "StoreInfo",
    "sheet_path",
    "track_columns",
    "track_of",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
