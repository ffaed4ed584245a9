"""Simulated promoters: who they are and who invited whom. Pure; the same seed makes the same people.

Some promoters are households of the panel (buyer and promoter are one person then), the others only promote. Inviters
are found by preferential attachment, which gives the few large and many small teams that real ones have.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random

FIRST_JOINED_AT = datetime(2016, 9, 1, 2, tzinfo=UTC)
LAST_JOINED_AT = datetime(2016, 12, 30, 12, tzinfo=UTC)

_ROOTS = 0.03
_BY_CHANCE = 0.5
_KNOWN = ("王小明", "李娜", "Alice Chen", "张伟", "陈静", "Bob Martin", "刘洋", "赵敏", "Emma Clark", "周杰")
_SURNAMES = (
    "王李张刘陈杨黄赵周吴徐孙马胡朱郭何罗高林郑梁谢唐许冯宋韩邓彭曹曾田萧潘袁蔡蒋余"
    "于杜叶程魏苏吕丁任卢姚沈钟姜崔谭陆范汪廖石金韦贾夏付方邹熊白孟秦邱侯江尹薛"
)
_GIVEN = (  # noqa: SIM905 - reads better as text
    "伟 芳 娜 敏 静 丽 强 磊 军 洋 勇 艳 杰 娟 涛 明 超 霞 平 刚 桂英 小红 建国 志强 "
    "文博 子涵 雨桐 欣怡 浩然 思远 佳琪 嘉怡 "
    "梓萱 一诺 晨曦 俊杰 宇航 晓东 春梅 海燕 玉兰 美玲 国庆 雪梅 秀英 子轩 若曦 天宇 思琪 小龙"
).split()
_FIRST = (  # noqa: SIM905 - reads better as text
    "Anna Ben Carla David Ella Frank Grace Henry Iris Jack Kate Liam Mia Noah Olivia Paul Quinn Rosa Sam Tina Uma "
    "Victor Wendy Yara Zoe Lucas Nora Oscar Ruby Hugo"
).split()
_LAST = (  # noqa: SIM905 - reads better as text
    "Adams Baker Carter Davis Evans Foster Green Hughes Irwin Jones Kelly Lopez Miller Novak Owens Parker Reed Smith "
    "Turner Walker Young Zhang Wang Li Chen"
).split()
_ENGLISH = 0.18


@dataclass(frozen=True, slots=True)
class Person:
    """A promoter to be: `inviter` is the index of an earlier person; `is_buyer` says that it is a household too."""

    external_id: str
    name: str
    inviter: int | None
    joined_at: datetime
    is_buyer: bool


def count_promoters(orders: int) -> int:
    """Return how many promoters suit a number of orders: dozens for a try-out, thousands for the whole year."""
    return max(24, round(12 * orders**0.5))


def make_people(random: Random, *, buyers: Sequence[str], count: int) -> list[Person]:
    """Return `count` promoters in the order of joining, about half of them among `buyers` if there are enough.

    Every inviter comes before those it invites, and nobody's instant of joining equals another's.
    """
    chosen = random.sample(sorted(buyers), min(count // 2, len(buyers) * 2 // 5))
    ids: list[tuple[str, bool]] = [(buyer, True) for buyer in chosen]
    ids += [(f"koc-{number:04d}", False) for number in range(1, count - len(ids) + 1)]
    random.shuffle(ids)
    inviters = _choose_inviters(random, count, roots=max(2, round(count * _ROOTS)))
    step = (LAST_JOINED_AT - FIRST_JOINED_AT) / count
    jitter = [timedelta(seconds=random.uniform(0, step.total_seconds() * 0.9)) for _ in range(count)]
    return [
        Person(
            external_id,
            make_name(random, index),
            inviters[index],
            FIRST_JOINED_AT + step * index + jitter[index],
            is_buyer,
        )
        for index, (external_id, is_buyer) in enumerate(ids)
    ]


def make_name(random: Random, index: int) -> str:
    """Return a sample name, Chinese or English; the first few are always the same people."""
    if index < len(_KNOWN):
        return _KNOWN[index]
    if random.random() < _ENGLISH:
        return f"{random.choice(_FIRST)} {random.choice(_LAST)}"
    return random.choice(_SURNAMES) + random.choice(_GIVEN)


def _choose_inviters(random: Random, count: int, *, roots: int) -> list[int | None]:
    """Draw an inviter among the earlier ones; half of the time it hands the newcomer over to its own inviter.

    So whoever has invited many is found by more, which is preferential attachment without counting anything.
    """
    inviters: list[int | None] = [None] * min(roots, count)
    for index in range(len(inviters), count):
        drawn = random.randrange(index)
        above = inviters[drawn]
        inviters.append(drawn if above is None or random.random() < _BY_CHANCE else above)
    return inviters


def list_team(people: Sequence[Person], index: int) -> list[int]:
    """Return the indexes of everybody below a person, at any depth, in the order of joining."""
    below = {index}
    team = []
    for number, person in enumerate(people):
        if person.inviter in below:
            below.add(number)
            team.append(number)
    return team
