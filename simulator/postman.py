"""Notifies: signed when they are sent, delivered from threads, repeated by the documented schedule."""

import base64
import hashlib
import json
import random
import secrets
import struct
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlencode

import httpx
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from simulator.faults import Fault, edit_document
from simulator.keys import sign
from simulator.pay import PayDesk
from simulator.records import Record
from simulator.world import ZONE, World

PAY_WAITS = (15, 15, 30, 180, 600, 1_200, 1_800, 1_800, 1_800, 3_600, 10_800, 10_800, 10_800, 21_600, 21_600)
ALIPAY_WAITS = (240, 600, 600, 3_600, 7_200, 21_600, 54_000)
ANSWER_SECONDS = 5.0
_LOOK_EVERY_S = 0.02
_DONE = frozenset({"delivered", "dropped", "given_up"})


class Postman:
    """Sends what `post` gives it. `world.time_factor` shortens the waits between tries."""

    def __init__(self, world: World, desk: PayDesk) -> None:
        self._world = world
        self._desk = desk
        self._stopped = threading.Event()
        self._pool = ThreadPoolExecutor(max_workers=16, thread_name_prefix="post")
        self._client = httpx.Client(timeout=ANSWER_SECONDS, trust_env=False, follow_redirects=False)
        self._thread = threading.Thread(target=self._run, name="postman", daemon=True)
        world.post = self.post
        for notify in world.records.list_all("notify", lambda one: one["state"] == "sending"):
            notify["state"] = "waiting"  # a process before this one died with it

    def start(self) -> None:
        """Begin to deliver."""
        self._thread.start()

    def stop(self) -> None:
        """Stop delivering; what waits is sent after the next start."""
        self._stopped.set()
        self._thread.join(5)
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._client.close()

    def post(self, notify: Record) -> None:
        """Take a notify, under the world's lock."""
        policy = self._world.faults.take_policy()
        if policy.edit:
            notify["resource"] = edit_document(notify["resource"], policy.edit)
        notify.update(
            attempts=[], state="held" if policy.hold else "waiting", due=time.time() + policy.delay_seconds,
            repeats=policy.repeat, fault=policy.kind, created=self._world.now().isoformat(timespec="seconds"),
        )  # fmt: skip
        if policy.drop:
            notify["state"] = "dropped"
        self._world.records.put("notify", notify["id"], notify)

    def release(self, order: str) -> int:
        """Let held notifies go, one after the other: `fifo`, `reverse` or `random`. Return how many."""
        with self._world.lock:
            held = self._world.records.list_all("notify", lambda one: one["state"] == "held")
            if order == "reverse":
                held.reverse()
            elif order == "random":
                random.shuffle(held)
            for number, notify in enumerate(held):
                notify.update(state="waiting", due=time.time() + number * 0.05)
                self._world.records.put("notify", notify["id"], notify)
            return len(held)

    def send_again(self, id_: str) -> bool:
        """Deliver a notify once more whatever became of it."""
        with self._world.lock:
            notify = self._world.records.find("notify", id_)
            if notify is None:
                return False
            notify.update(state="waiting", due=time.time())
            self._world.records.put("notify", id_, notify)
            return True

    def _run(self) -> None:
        while not self._stopped.wait(_LOOK_EVERY_S):
            self._world.ripen()
            with self._world.lock:
                now = time.time()
                undone = self._world.records.list_open("notify", lambda one: one["state"] in _DONE)
                due = [one for one in undone if one["state"] == "waiting" and one["due"] <= now]
                for notify in due:
                    notify["state"] = "sending"
            for notify in due:
                self._pool.submit(self._deliver, notify)

    def _deliver(self, notify: Record) -> None:
        fault = notify["fault"]
        outcome = self._send(notify, fault)
        with self._world.lock:
            if self._world.records.find("notify", notify["id"]) is None:
                return  # forgotten by a reset meanwhile
            notify["attempts"].append({"at": self._world.now().isoformat(timespec="seconds"), "outcome": outcome})
            waits = ALIPAY_WAITS if notify["host"] == "alipay" else PAY_WAITS
            number = len(notify["attempts"])
            notify["fault"] = ""
            if fault in ("probe", "bad_signature", "unsigned", "unknown_serial", "stale", "garbage"):
                notify.update(state="waiting", due=time.time())  # the true one follows
            elif outcome == "ok" and notify["repeats"] > 0:
                notify.update(state="waiting", due=time.time(), repeats=notify["repeats"] - 1)
            elif outcome == "ok":
                notify["state"] = "delivered"
            elif number > len(waits):
                notify["state"] = "given_up"
            else:
                notify.update(state="waiting", due=time.time() + waits[number - 1] * self._world.time_factor)
            self._world.records.put("notify", notify["id"], notify)

    def _send(self, notify: Record, fault: str) -> str:
        """Send it once; return `ok` or what was wrong with the answer."""
        make = {"pay": self._make_pay, "alipay": self._make_alipay, "push": self._make_push}[notify["host"]]
        url, body, headers = make(notify, fault)
        try:
            answer = self._client.post(url, content=body, headers=headers)
        except httpx.HTTPError as error:
            return type(error).__name__
        if notify["host"] in ("alipay", "push"):
            return "ok" if answer.status_code == 200 and answer.text.strip() == "success" else f"{answer.status_code}"
        return "ok" if answer.status_code in (200, 204) else f"{answer.status_code}"

    def _make_pay(self, notify: Record, fault: str) -> tuple[str, bytes, dict[str, str]]:
        resource = json.dumps(notify["resource"], ensure_ascii=False).encode()
        hidden = self._desk.encrypt(resource, notify["original"]) | {"original_type": notify["original"]}
        body = json.dumps({**notify["envelope"], "resource": hidden}, ensure_ascii=False).encode()
        if fault == "garbage":
            body = b"{"
        signed = self._desk.sign_headers(body, fault=Fault("", fault) if fault else None)
        return notify["url"], body, {"Content-Type": "application/json", **signed}

    def _make_alipay(self, notify: Record, fault: str) -> tuple[str, bytes, dict[str, str]]:
        params = {name: str(value) for name, value in notify["resource"].items()}
        moment = self._world.now()
        if "msg_method" in params:  # messages to the gateway keep sign_type under the signature
            params |= {"utc_timestamp": str(int(self._world.wall() * 1_000)), "sign_type": "RSA2"}
        else:
            params["notify_time"] = moment.astimezone(ZONE).strftime("%Y-%m-%d %H:%M:%S")
            if fault == "stale":
                params["notify_time"] = "2020-01-01 00:00:00"
        text = "&".join(f"{name}={params[name]}" for name in sorted(params) if params[name])
        params["sign"] = sign(self._world.keys.alipay, b"other" if fault == "bad_signature" else text.encode())
        params["sign_type"] = "RSA2"
        if fault == "unsigned":
            del params["sign"]
        headers = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
        return notify["url"], urlencode(params).encode(), headers

    def _make_push(self, notify: Record, fault: str) -> tuple[str, bytes, dict[str, str]]:
        names = self._world.keys.names
        message = json.dumps(notify["resource"], ensure_ascii=False).encode()
        encrypted = encrypt_push(message, key=names["push_key"], app_id=names["app_id"])
        timestamp, nonce = str(int(self._world.wall())), secrets.token_hex(5)
        parts = [names["push_token"], timestamp, nonce]
        query = {
            "signature": _sha1(parts), "timestamp": timestamp, "nonce": nonce, "encrypt_type": "aes",
            "msg_signature": "0" * 40 if fault == "bad_signature" else _sha1([*parts, encrypted]),
        }  # fmt: skip
        body = json.dumps({"ToUserName": names["app_id"], "Encrypt": encrypted}).encode()
        return f"{notify['url']}?{urlencode(query)}", body, {"Content-Type": "application/json"}


def encrypt_push(message: bytes, *, key: str, app_id: str) -> str:
    """Return a push in secure mode: 16 random bytes, length, message, app id, padded to 32, AES-256-CBC."""
    raw = base64.b64decode(key + "=")
    plain = secrets.token_bytes(16) + struct.pack(">I", len(message)) + message + app_id.encode()
    padding = 32 - len(plain) % 32
    plain += bytes([padding]) * padding
    encryptor = Cipher(algorithms.AES(raw), modes.CBC(raw[:16])).encryptor()
    return base64.b64encode(encryptor.update(plain) + encryptor.finalize()).decode()


def _sha1(parts: list[Any]) -> str:
    return hashlib.sha1("".join(sorted(parts)).encode(), usedforsecurity=False).hexdigest()
