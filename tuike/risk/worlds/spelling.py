"""How identifiers are spelled: network addresses, postal addresses as people enter them, opaque values for the rest."""

from collections.abc import Iterator

from tuike.risk.worlds.hashing import hash_ints, mix
from tuike.risk.worlds.identity import ROOMS
from tuike.risk.worlds.model import Ints

_OCTETS = (36, 39, 42, 49, 58, 59, 60, 61, 101, 106, 110, 111, 112, 113, 114, 115, 116, 117, 118, 119, 120, 121, 122,
           123, 124, 125, 139, 171, 175, 180, 182, 183, 202, 210, 211, 218, 219, 220, 221, 222, 223)  # fmt: skip
_CITY_NAMES = (
    "北京市 上海市 广州市 深圳市 成都市 杭州市 武汉市 西安市 重庆市 南京市 "
    "天津市 长沙市 郑州市 苏州市 青岛市 宁波市 合肥市 昆明市 厦门市 济南市"
)
_DISTRICT_NAMES = "朝阳区 高新区 西湖区 天河区 雁塔区 江北区 武侯区 洪山区 鼓楼区 南山区 城关镇 新城区"
_ROAD_NAMES = (
    "建国路 中山路 人民路 解放路 文一西路 科技路 学院路 长江路 和平街 光明街 滨江大道 幸福里 "
    "新华路 东风路 翠苑 锦绣花园 阳光小区 桂花巷"
)
_CITIES, _DISTRICTS, _ROADS = _CITY_NAMES.split(), _DISTRICT_NAMES.split(), _ROAD_NAMES.split()
_WIDE = str.maketrans("0123456789", "０１２３４５６７８９")


def spell_values(kind: str, number: int, values: Ints, styles: Ints) -> Iterator[str]:
    """Return the text of identifiers of one kind, the `number`th of the kinds."""
    if kind == "ip":
        return (spell_ip(v, s) for v, s in zip(values.tolist(), styles.tolist(), strict=True))
    if kind == "address":
        return _spell_addresses(values, styles)
    return (f"{v:016x}" for v in mix(values, 100 + number).tolist())


def spell_ip(value: int, style: int) -> str:
    """Return a network address; one in twelve is IPv6, where a home keeps its first 64 bits."""
    if value % 12 == 5 and not 40_000_000 <= value < 50_000_000:
        return f"2409:8a{value >> 16 & 0xFF:02x}:{value & 0xFFFF:x}:{value >> 24 & 0xFF:x}::{style:x}"
    low = (value * 2_654_435_761 + 12_345) & 0xFFFFFF
    return f"{_OCTETS[(value >> 24) % len(_OCTETS)]}.{low >> 16}.{low >> 8 & 255}.{low & 255}"


def _spell_addresses(values: Ints, styles: Ints) -> Iterator[str]:
    building, room = values // ROOMS, values % ROOMS
    parts = [hash_ints(building, salt, below).tolist() for salt, below in (
        (61, len(_CITIES)), (62, len(_DISTRICTS)), (63, len(_ROADS)), (64, 998), (65, 30), (66, 4))]  # fmt: skip
    for city, district, road, house, block, unit, flat, style in zip(
            *parts, room.tolist(), styles.tolist(), strict=True):  # fmt: skip
        yield _spell_address(
            _CITIES[city], _DISTRICTS[district], _ROADS[road], house + 1, block + 1, unit + 1, flat, style
        )


def _spell_address(
    city: str, district: str, road: str, house: int, block: int, unit: int, room: int, style: int
) -> str:
    """Return an address as somebody would enter it; three in ten deviate from the usual form."""
    free, how = style % 10 >= 7, style >> 4
    floor = f"{1 + room // 64}{room % 64:02d}" if room else ""
    if not free:
        return f"{city}{district}{road}{house}号{block}栋{unit}单元{floor + '室' if room else ''}"
    text = (
        f"{city}{district}{road}{house}号 {block}号楼{unit}单元 {floor}",
        f"{city} {district} {road}{house}号{block}幢{unit}单元{floor}{'室' if room else ''}",
        f"{district}{road}{house}号{block}栋{unit}单元{floor}{'室' if room else ''}",
        f"{city}{district}{road}{house}号{block}-{unit}" + (f"-{floor}" if room else ""),
        f"{city}{district}{road}{house}号{block}栋{unit}单元{floor + '室' if room else ''}，放门口",
    )[how % 5]
    return text.translate(_WIDE) if how % 11 == 3 else text.strip()
