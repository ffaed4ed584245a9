"""Pictures and videos behind one interface: a local folder, or a bucket of an S3-compatible server.

A file's name is the hash of what is in it, so it never changes and may be cached for ever. What is uploaded is looked
into, not believed: pictures are decoded and written anew, which leaves nothing in them but a picture.
"""

from tuike.catalog.media.inspecting import (
    MAX_PICTURE_BYTES,
    MAX_VIDEO_BYTES,
    MediaTooLarge,
    MediaUnreadable,
    Prepared,
    StoredFile,
    prepare_media,
    thumbnail_of,
    type_of,
)
from tuike.catalog.media.storage import (
    LocalStorage,
    MediaUnavailable,
    Opened,
    RangeNotSatisfiable,
    Storage,
    open_storage,
)

__all__ = [
    "MAX_PICTURE_BYTES",
    "MAX_VIDEO_BYTES",
    "LocalStorage",
    "MediaTooLarge",
    "MediaUnavailable",
    "MediaUnreadable",
    "Opened",
    "Prepared",
    "RangeNotSatisfiable",
    "Storage",
    "StoredFile",
    "open_storage",
    "prepare_media",
    "thumbnail_of",
    "type_of",
]
