"""IP addresses and postal addresses are text as people enter them; the same place should read the same."""

import ipaddress
import re
import unicodedata

_WORDS = {
    "street": "st", "str": "st", "road": "rd", "avenue": "ave", "av": "ave", "boulevard": "blvd", "lane": "ln",
    "drive": "dr", "court": "ct", "square": "sq", "building": "bldg", "block": "blk", "apartment": "apt", "flat": "apt",
    "suite": "apt", "ste": "apt", "unit": "apt", "room": "rm", "floor": "fl", "flr": "fl", "number": "no", "nr": "no",
    "north": "n", "south": "s", "east": "e", "west": "w", "saint": "st", "place": "pl", "district": "dist",
}  # fmt: skip
_DROPPED = frozenset({"no", "the", "of", "and", "at"})
_CJK = str.maketrans(
    "號樓棟幢單層區縣鎮鄉臺灣廣東國莊園",
    "号楼栋栋单层区县镇乡台湾广东国庄园",
)
_CHINESE = re.compile(r"^(?P<head>[\u3400-\u9fff]{2,})(?P<rest>\d.*)$", re.DOTALL)
"""Province, city, district and road, then numbers: what stands between the numbers (号, 栋, 楼, -) is habit."""
_PROVINCE = re.compile(r"^(?:[\u3400-\u9fff]{2,7}?(?:省|自治区))?(?:[\u3400-\u9fff]{2,4}?市)?(?=[\u3400-\u9fff]{2,})")
_ACCENTED = re.compile(r"[\u00c0-\u036f\u1e00-\u1eff]")
_NUMBERS = re.compile(r"\d+")
_PIECES = re.compile(r"[a-z]+|\d+|[^\W\d_a-z]+")


def normalise_ip(text: str) -> str:
    """Return one spelling of an IP address; an IPv6 address stands for its /64, which is what one line is given."""
    plain = text.strip().strip("[]").split("%", 1)[0].split("/", 1)[0]
    if plain.count(":") == 1 and "." in plain:
        plain = plain.split(":", 1)[0]
    if plain.count(".") == 3 and ":" not in plain:
        plain = ".".join(part.lstrip("0") or "0" for part in plain.split("."))
    try:
        address = ipaddress.ip_address(plain)
    except ValueError:
        return text.strip().casefold()
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return f"{int(address) >> 64:x}/64"
    return str(address)


def normalise_address(text: str) -> str:
    """Return one spelling of a postal address: width, case, accents, punctuation, order and usual short forms aside."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    if _ACCENTED.search(folded):
        folded = unicodedata.normalize("NFKD", folded)
        folded = "".join(letter for letter in folded if not unicodedata.combining(letter))
    folded = folded.translate(_CJK)
    place = _CHINESE.match(folded.replace(" ", ""))
    if place:
        head = _PROVINCE.sub("", place["head"])
        return head + "|" + "-".join(number.lstrip("0") for number in _NUMBERS.findall(place["rest"]))
    pieces = []
    for piece in _PIECES.findall(folded):
        word = _WORDS.get(piece, piece)
        if word not in _DROPPED:
            pieces.append(word.lstrip("0") or word if word.isdigit() else word)
    if not pieces:
        return folded.strip()
    return " ".join(sorted(pieces)) if all(piece.isascii() for piece in pieces) else "".join(pieces)
