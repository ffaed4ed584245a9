"""Where files are: a folder of this machine, or a bucket. Both keep a file under its name and give back parts of it."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from tuike.catalog.media.inspecting import StoredFile, type_of
from tuike.config import Config
from tuike.shared.errors import TuikeError, Unavailable

_CHUNK = 64 * 1024


class MediaUnavailable(Unavailable):
    code, message, part = "media_unavailable", "The store of pictures and videos is down; try again.", "media"


class RangeNotSatisfiable(TuikeError):
    code, status, message = "range_not_satisfiable", 416, "The file has no such part."


@dataclass(frozen=True, slots=True)
class Opened:
    """A file, or bytes `first` to `last` of it, in chunks; `byte_count` is of the whole file."""

    chunks: Iterator[bytes]
    first: int
    last: int
    byte_count: int


class Storage(Protocol):
    """Keeps files by name."""

    def put(self, file: StoredFile) -> None:
        """Keep a file; one of the same name has the same content."""

    def open(self, name: str, *, first: int | None = None, last: int | None = None) -> Opened | None:
        """Return a file or a part of it, None when there is none.

        With `first` None, `last` is how many bytes from the end. Raises RangeNotSatisfiable.
        """

    def delete(self, name: str) -> None:
        """Forget a file, if it is there."""

    def iter_names(self, *, before: datetime) -> Iterator[str]:
        """Yield the names of files that were last written before an instant."""


class LocalStorage:
    """A folder; a file appears whole or not at all."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, file: StoredFile) -> None:
        path = self._path(file.name)
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        try:
            with partial.open("wb") as handle:
                file.content.seek(0)
                while chunk := file.content.read(_CHUNK):
                    handle.write(chunk)
            partial.replace(path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise

    def open(self, name: str, *, first: int | None = None, last: int | None = None) -> Opened | None:
        path = self._path(name)
        try:
            size = path.stat().st_size
        except (FileNotFoundError, NotADirectoryError):
            return None
        start, end = find_part(size, first, last)
        return Opened(_read_part(path, start, end), start, end, size)

    def delete(self, name: str) -> None:
        self._path(name).unlink(missing_ok=True)

    def iter_names(self, *, before: datetime) -> Iterator[str]:
        for path in sorted(self.folder.glob("??/*")):
            with suppress(FileNotFoundError):
                if datetime.fromtimestamp(path.stat().st_mtime, UTC) < before:
                    yield path.name

    def _path(self, name: str) -> Path:
        assert type_of(name) is not None or name.startswith("."), "a media name is one of ours"
        return self.folder / name.lstrip(".")[:2] / name


class S3Storage:
    """A bucket of Amazon S3 or of a server that speaks its protocol."""

    def __init__(self, client: Any, *, bucket: str, prefix: str = "") -> None:
        self._client = client
        self._bucket = bucket
        self._prefix = prefix

    def put(self, file: StoredFile) -> None:
        file.content.seek(0)
        with _telling_when_down():
            self._client.put_object(
                Bucket=self._bucket,
                Key=self._prefix + file.name,
                Body=file.content,
                ContentLength=file.byte_count,
                ContentType=type_of(file.name) or "application/octet-stream",
                CacheControl="public, max-age=31536000, immutable",
            )

    def open(self, name: str, *, first: int | None = None, last: int | None = None) -> Opened | None:
        asked = {"Bucket": self._bucket, "Key": self._prefix + name}
        if first is not None or last is not None:
            asked["Range"] = f"bytes={'' if first is None else first}-{'' if last is None else last}"
        with _telling_when_down():
            try:
                found = self._client.get_object(**asked)
            except self._client.exceptions.ClientError as error:
                code = error.response.get("Error", {}).get("Code")
                if code in ("NoSuchKey", "404"):
                    return None
                if code in ("InvalidRange", "416"):
                    raise RangeNotSatisfiable from error
                raise
        length = int(found["ContentLength"])
        start, whole = 0, length
        if "ContentRange" in found:  # "bytes 0-9/100"
            part, _, size = found["ContentRange"].removeprefix("bytes ").partition("/")
            start, whole = int(part.partition("-")[0]), int(size)
        return Opened(found["Body"].iter_chunks(_CHUNK), start, start + length - 1, whole)

    def delete(self, name: str) -> None:
        with _telling_when_down():
            self._client.delete_object(Bucket=self._bucket, Key=self._prefix + name)

    def iter_names(self, *, before: datetime) -> Iterator[str]:
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=self._prefix)
        with _telling_when_down():
            for page in pages:
                for one in page.get("Contents", ()):
                    if one["LastModified"] < before:
                        yield one["Key"].removeprefix(self._prefix)


def open_storage(config: Config) -> Storage:
    """Return the storage that the configuration names: a folder, or `s3://bucket/prefix`. Nothing is contacted yet.

    Raises ValueError for another kind of address.
    """
    place = urlsplit(config.media_storage)
    if place.scheme == "s3" and place.netloc:
        prefix = place.path.strip("/")
        return S3Storage(_make_client(config), bucket=place.netloc, prefix=f"{prefix}/" if prefix else "")
    if place.scheme in ("", "file") and place.path:
        return LocalStorage(Path(place.path))
    raise ValueError(f"TUIKE_MEDIA_STORAGE must be a folder or s3://bucket/prefix, not {config.media_storage!r}.")


def find_part(size: int, first: int | None, last: int | None) -> tuple[int, int]:
    """Return the first and last byte that a range of a file of `size` bytes means. Raises RangeNotSatisfiable."""
    if first is None:
        start, end = (0 if last is None else max(size - last, 0)), size - 1
    else:
        start, end = first, size - 1 if last is None else min(last, size - 1)
    if start > end:
        raise RangeNotSatisfiable
    return start, end


def _read_part(path: Path, start: int, end: int) -> Iterator[bytes]:
    """Yield bytes `start` to `end` of a file, which is opened when the first of them is asked for."""
    with path.open("rb") as handle:
        handle.seek(start)
        left = end - start + 1
        while left > 0 and (chunk := handle.read(min(_CHUNK, left))):
            left -= len(chunk)
            yield chunk


def _make_client(config: Config) -> Any:
    import boto3
    from botocore.config import Config as ClientConfig

    # Path style: a server of one's own rarely has a host name for each bucket.
    settings = ClientConfig(
        connect_timeout=3, read_timeout=20, retries={"total_max_attempts": 3, "mode": "standard"},
        s3={"addressing_style": "path"}, request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )  # fmt: skip
    return boto3.client(
        "s3",
        endpoint_url=config.media_endpoint or None,
        region_name=config.media_region,
        aws_access_key_id=config.media_key or None,
        aws_secret_access_key=config.media_secret or None,
        config=settings,
    )


@contextmanager
def _telling_when_down() -> Iterator[None]:
    """Turn whatever else the client raises into MediaUnavailable."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise MediaUnavailable from error
