"""Stand-ins for WeChat, WeChat Pay and Alipay: for development and tests, on loopback, with play money.

One process mirrors the hosts under path prefixes: `/wechat` (api.weixin.qq.com), `/pay` (api.mch.weixin.qq.com) and
`/alipay/gateway.do` (openapi.alipay.com). It verifies every signature as the real ones do, signs what it answers and
what it tells by itself, keeps its state in a directory, and misbehaves when it is asked to at `/_control`. The page at
`/` lets a person pay and confirm. It shares no code with what it stands in for the sake of: two readings of the same
documents, each a check on the other.

world      everything a stand-in knows: keys, clock, records, faults, the postman
keys       key material, made at the first start
records    a small store: dictionaries in memory, written through to SQLite
faults     what goes wrong next, on request
postman    notifies: signed, delivered, repeated by the documented schedule
serving    the way of every call: fault, verify, act, sign, fault
wechat pay transfers bills alipay     the hosts
people     the simulated persons: paying, confirming
control page     what tests and people use
"""
