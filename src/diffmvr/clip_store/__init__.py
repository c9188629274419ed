"""The clip store: what preprocessing writes and everything else reads.

A folder in DAVIS layout with one manifest row a frame.  Writing is safe against interruption and
several processes; a store that reads is whole.
"""

from diffmvr.clip_store.info import StoreInfo
from diffmvr.clip_store.layout import sheet_path
from diffmvr.clip_store.manifest import MANIFEST_SCHEMA, track_columns, track_of
from diffmvr.clip_store.reader import ClipStore
from diffmvr.clip_store.recording_writer import RecordingWriter
from diffmvr.clip_store.writer import ClipStoreWriter, StoreBusyError

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
