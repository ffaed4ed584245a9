"""Media on both kinds of storage: a folder, and a bucket of a real S3-compatible server."""

import io
import struct
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from PIL import Image
from sqlalchemy import text

from tests.integration.catalogue import Catalogue, open_catalogue
from tuike import catalog, fulfilment
from tuike.catalog import Storage
from tuike.config import Config
from tuike.embedded import PostgresServer


@pytest.fixture(scope="module")
def shop(postgres: PostgresServer) -> Iterator[Catalogue]:
    with open_catalogue(postgres, "catalog_media") as opened:
        yield opened


@pytest.fixture(scope="module")
def bucket() -> Iterator[Config]:
    """The configuration of a bucket on a server of this test run."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    config = Config(
        media_storage="s3://pictures/shop",
        media_endpoint=f"http://{host}:{port}",
        media_key="key",
        media_secret="secret",
    )
    client = boto3.client(
        "s3",
        endpoint_url=config.media_endpoint,
        region_name="us-east-1",
        aws_access_key_id="key",
        aws_secret_access_key="secret",
    )
    client.create_bucket(Bucket="pictures")
    client.close()
    yield config
    server.stop()


@pytest.fixture(params=["folder", "bucket"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    """Each kind of storage in turn."""
    if request.param == "folder":
        return catalog.open_storage(Config(media_storage=str(tmp_path / "media")))
    return catalog.open_storage(request.getfixturevalue("bucket"))


def picture(colour: str = "red", size: tuple[int, int] = (30, 20), kind: str = "PNG", **options) -> io.BytesIO:
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, kind, **options)
    return buffer


def read(storage: Storage, name: str, **part: int) -> bytes | None:
    opened = storage.open(name, **part)
    return None if opened is None else b"".join(opened.chunks)


def add(shop, storage, content, *, at=None) -> catalog.Media:
    with shop.db.transaction() as tx:
        return catalog.add_media(tx, storage, prepared=catalog.prepare_media(content), now=at or datetime.now(UTC))


def test_a_file_is_kept_under_the_hash_of_its_content_and_read_in_parts(shop, storage):
    media = add(shop, storage, picture())
    content = read(storage, media.name)
    assert content is not None
    assert Image.open(io.BytesIO(content)).size == (30, 20)
    assert read(storage, media.name, first=2, last=5) == content[2:6]
    assert read(storage, media.name, first=len(content) - 3) == content[-3:]
    assert read(storage, media.name, last=4) == content[-4:]
    with pytest.raises(catalog.RangeNotSatisfiable):
        storage.open(media.name, first=len(content))
    assert add(shop, storage, picture(kind="WEBP", lossless=True)).name.endswith(".webp")
    assert add(shop, storage, picture()) == catalog.Media(
        **{**_as_dict(media), "created_at": _latest(shop, media.name)}
    )
    missing = f"{'0' * 64}.webp"
    assert storage.open(missing) is None
    storage.delete(missing)


def _as_dict(media):
    return {name: getattr(media, name) for name in catalog.Media.__dataclass_fields__}


def _latest(shop, name):
    return shop.do(catalog.get_media, name=name).created_at


def test_what_nothing_uses_is_cleared_away_after_a_day_and_nothing_else(shop, storage):
    now = datetime.now(UTC)
    used, unused, young = (add(shop, storage, picture(colour)) for colour in ("green", "blue", "yellow"))
    shop.make_product(pictures=(used.name,))
    with shop.db.transaction() as tx:
        tx.execute(
            text("UPDATE media SET created_at = :then WHERE name <> :young"),
            {"then": now - timedelta(days=2), "young": young.name},
        )
    assert fulfilment.clear_media(shop.db, storage, now=now) >= 1
    assert read(storage, used.name) is not None
    assert read(storage, young.name) is not None
    assert read(storage, unused.name) is None
    assert read(storage, catalog.thumbnail_of(unused.name)) is None
    with pytest.raises(catalog.MediaNotFound):
        shop.do(catalog.get_media, name=unused.name)
    assert read(storage, add(shop, storage, picture("blue")).name) is not None


def test_a_product_may_drop_a_picture_that_a_checkout_is_just_taking(shop, storage):
    now = datetime.now(UTC)
    old, new = (add(shop, storage, picture(colour)) for colour in ("navy", "teal"))
    product = shop.make_product(pictures=(old.name,))
    with shop.db.transaction() as tx:
        tx.execute(text("UPDATE media SET created_at = :then"), {"then": now - timedelta(days=2)})
    draft = catalog.ProductDraft(
        name="d", pictures=(new.name,), skus=(catalog.SkuDraft(spec=(), price_minor=1, id=product.skus[0].id),)
    )
    shop.do(catalog.edit_product, product_id=product.id, draft=draft, version=1, made_by="staff", now=now)
    fulfilment.clear_media(shop.db, storage, now=now + timedelta(hours=1))
    assert read(storage, old.name) is not None
    assert _latest(shop, old.name) == now
    assert _latest(shop, new.name) < now
    fulfilment.clear_media(shop.db, storage, now=now + timedelta(hours=25))
    assert read(storage, old.name) is None
    assert read(storage, new.name) is not None


def test_a_picture_that_only_a_description_shows_stays_as_long_as_it_does(shop, storage):
    now = datetime.now(UTC)
    shown = add(shop, storage, picture("olive"))
    described = f'<p>龙井</p><img src="https://shop.example/media/{catalog.thumbnail_of(shown.name)}">'
    product = shop.make_product(description=described)
    fulfilment.clear_media(shop.db, storage, now=now + timedelta(days=2))
    assert read(storage, shown.name) is not None
    draft = catalog.ProductDraft(
        name="d", description="<p>龙井</p>",
        skus=(catalog.SkuDraft(spec=(), price_minor=1, id=product.skus[0].id),),
    )  # fmt: skip
    shop.do(catalog.edit_product, product_id=product.id, draft=draft, version=1, made_by="staff", now=now)
    fulfilment.clear_media(shop.db, storage, now=now + timedelta(days=2))
    assert read(storage, shown.name) is None


def test_a_description_may_show_what_is_not_there_and_show_it_twice(shop, storage):
    shown = add(shop, storage, picture("plum")).name
    twice = f'<img src="/media/{shown}"><img src="/media/{shown}"><img src="/media/{"0" * 64}.webp">'
    product = shop.make_product(description=twice)
    assert product.description.count(shown) == 2


def test_what_an_upload_left_behind_is_cleared_away(shop, storage):
    prepared = catalog.prepare_media(picture("purple"))
    for file in prepared.files:
        storage.put(file)
    fulfilment.clear_media(shop.db, storage, now=datetime.now(UTC))
    assert read(storage, prepared.name) is not None
    fulfilment.clear_media(shop.db, storage, now=datetime.now(UTC) + timedelta(days=2))
    assert read(storage, prepared.name) is None
    assert read(storage, catalog.thumbnail_of(prepared.name)) is None


def test_a_server_that_is_down_is_said_to_be_down(shop):
    away = catalog.open_storage(
        Config(media_storage="s3://pictures", media_endpoint="http://127.0.0.1:9", media_key="k", media_secret="s")
    )
    with pytest.raises(catalog.MediaUnavailable):
        away.open("x.webp")
    with pytest.raises(catalog.MediaUnavailable):
        add(shop, away, picture("orange"))
    with pytest.raises(ValueError, match="TUIKE_MEDIA_STORAGE"):
        catalog.open_storage(Config(media_storage="ftp://x"))


# What uploads are


def test_pictures_come_upright_small_and_without_what_they_carried():
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    exif[0x010E] = "taken at home, 39.9 N 116.4 E"
    prepared = catalog.prepare_media(picture(size=(3000, 1500), kind="JPEG", exif=exif))
    assert (prepared.width, prepared.height) == (1024, 2048)
    kept = b"".join(file.content.read() for file in prepared.files)
    assert b"taken at home" not in kept
    assert not Image.open(io.BytesIO(kept)).getexif()


def test_of_a_polyglot_only_the_picture_is_left():
    gif = picture(kind="GIF").getvalue() + b"<script>alert(1)</script>"
    jpeg = picture(kind="JPEG", comment=b"<html><script>alert(1)</script>").getvalue() + b"PK\3\4<?php evil(); ?>"
    for content in (gif, jpeg):
        prepared = catalog.prepare_media(io.BytesIO(content))
        for file in prepared.files:
            kept = file.content.read()
            assert kept[:4] == b"RIFF"
            assert b"script" not in kept
            assert b"php" not in kept


def test_transparency_is_kept():
    buffer = io.BytesIO()
    Image.new("RGBA", (10, 10), (255, 0, 0, 0)).save(buffer, "PNG")
    kept = Image.open(catalog.prepare_media(buffer).files[0].content)
    assert kept.mode == "RGBA"
    assert kept.getpixel((0, 0))[3] == 0


def make_bomb(width: int, height: int) -> io.BytesIO:
    """A PNG of few bytes that says it is enormous."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return io.BytesIO(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 10_000_000, 9))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(("width", "height"), [(30_000, 30_000), (2**31 - 1, 1), (2**31 - 1, 2**31 - 1), (0, 10)])
def test_decompression_bombs_are_refused_before_they_go_off(width, height):
    with pytest.raises(catalog.MediaUnreadable):
        catalog.prepare_media(make_bomb(width, height))


@pytest.mark.parametrize("cut", [8, 33, 60, 200])
def test_broken_pictures_are_refused(cut):
    whole = picture(size=(300, 300)).getvalue()
    with pytest.raises(catalog.MediaUnreadable):
        catalog.prepare_media(io.BytesIO(whole[:cut]))


def test_names_that_are_none_of_ours_have_no_type():
    for name in (
        "",
        "x",
        "../x.webp",
        "a" * 64,
        f"{'a' * 64}.svg",
        f"{'A' * 64}.webp",
        f"{'a' * 64}_t.mp4",
        f"{'a' * 64}.webp\n",
    ):
        assert catalog.type_of(name) is None, name
