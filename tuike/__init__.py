"""tuike: promoters for a social shop. The capabilities, upper layers first; each is entered by its door.

risk         rings of cheats, found with their evidence
payments     money in, back and out through WeChat Pay, Alipay and wallets; the comparison with their books
checkout     placing an order: whom it belongs to and what each level would earn, decided once
people       one person over all capabilities: becoming a promoter, export and erasure of one's own data
fulfilment   shop orders on their way: payment, parcels, receipt, after-sale, refunds
commission   plans, splits and entries: pending at payment, available after the holding period, reversed by refunds
cart         carts and address books of shoppers
offers       coupons, freight, and what an order costs
attribution  share links, touches and share paths; which touch counts
wallet       the double-entry ledger, wallets and withdrawals
orders       facts about orders: placed, paid, received, refunded
team         promoters, bindings with validity in time, uplines and teams
catalog      merchants, products and SKUs; stock that a crowd cannot oversell
identity     who calls: API keys, shoppers, staff; sessions, agreements, consents, kept answers
providers    clients of outside services: WeChat, WeChat Pay, Alipay
graph        the graph server, its Cypher files, and the journal that feeds it
db           PostgreSQL: transactions, outbox, migrations
shared       money, instants, ids, pages, errors

Beside them: `reactions` (what follows from what), `app` (builds the parts), `cli` (the `tuike` command), `embedded` (a
local PostgreSQL and graph server) and `demo`.
"""
