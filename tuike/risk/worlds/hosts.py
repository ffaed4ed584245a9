"""The shapes of honest trade that rings hide in. Each is another shop; a detector has to cope with all of them."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Host:
    """One shape of honest trade. Shares are 0–1; coverage says how likely an account shows a kind of identifier."""

    name: str
    says: str
    days: int = 150
    promoters_per_buyer: float = 0.2
    orders_mean: float = 3.2
    orders_sigma: float = 0.9
    lines_mean: float = 1.35
    skus_per_buyer: float = 0.25
    sku_exponent: float = 0.95
    categories: int = 24
    promoter_tail: float = 1.15
    credited: float = 0.72
    loyal: float = 0.7
    posted: float = 0.3
    post_hours: float = 9.0
    repeated: float = 0.25
    browsing: float = 1.1
    same_person: float = 0.55
    refunded: float = 0.04
    price_log_mean: float = 8.6
    price_log_sigma: float = 0.95
    season_days: int = 0
    season_share: float = 0.0
    town: float = 0.0
    cities: int = 40
    nat_ips_per_city: int = 12
    device_shared: float = 0.035
    card_shared: float = 0.042
    coverage: dict[str, float] = field(default_factory=dict)
    missing_columns: tuple[tuple[str, str], ...] = ()
    missing_files: tuple[str, ...] = ()
    plain_ids: bool = False

    def get_coverage(self, kind: str) -> float:
        """Return how likely an account shows an identifier of this kind at all."""
        return self.coverage.get(kind, 0.92)


_ALL = (
    Host("town", "a college town: few goods, everybody buys them, many behind few IPs and addresses",
         days=120, orders_mean=5.0, skus_per_buyer=0.05, sku_exponent=1.15, categories=6, town=0.35, cities=2,
         nat_ips_per_city=25, device_shared=0.04, posted=0.35),
    Host("longtail", "a nation-wide shop with a long tail of goods and few orders each",
         days=200, orders_mean=2.0, orders_sigma=0.8, skus_per_buyer=1.1, sku_exponent=0.75, categories=80, cities=120),
    Host("seasonal", "a third of the year's orders falls on three days",
         days=180, season_days=3, season_share=0.34, posted=0.2),
    Host("livestream", "orders come in bursts after a few hosts' shows, of what the show is about",
         days=100, promoter_tail=0.85, posted=0.75, post_hours=0.6, skus_per_buyer=0.1, credited=0.9, orders_mean=3.6),
    Host("grocery", "weekly shopping: heavy repeat buyers with many lines, always the same goods",
         days=150, promoters_per_buyer=0.1, orders_mean=7.5, orders_sigma=1.1, lines_mean=2.4, repeated=0.65,
         credited=0.5, posted=0.1, price_log_mean=7.6, price_log_sigma=0.7),
    Host("carrier", "nearly everybody comes through a few carrier addresses",
         cities=6, nat_ips_per_city=4, coverage={"ip": 0.99, "device": 0.7, "payment_account": 0.6}),
    Host("fashion", "dear goods, one buyer in six sends back",
         orders_mean=2.6, refunded=0.17, price_log_mean=9.9, price_log_sigma=0.7, skus_per_buyer=0.6),
    Host("young", "a shop of thirty days: everybody is new and most have one order",
         days=30, orders_mean=1.5, orders_sigma=0.6, promoters_per_buyer=0.3, same_person=0.8),
    Host("few_ids", "few identifiers, no receipts, no registration dates",
         coverage={"device": 0.3, "ip": 0.0, "phone": 0.45, "address": 0.5, "payment_account": 0.0,
                   "payout_account": 0.6},
         missing_columns=(("buyers.csv", "registered_at"), ("orders.csv", "received_at"),
                          ("identifiers.csv", "seen_at"), ("touches.csv", "parent_touch_id")),
         plain_ids=True),
    Host("bare", "orders and promoters, nothing else",
         missing_files=("identifiers.csv", "touches.csv", "same_person.csv", "buyers.csv"),
         missing_columns=(("orders.csv", "paid_at"),), plain_ids=True),
)  # fmt: skip

HOSTS: dict[str, Host] = {host.name: host for host in _ALL}
"""Every host by its name."""
