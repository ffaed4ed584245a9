"""Where the providers tell us what happened: no credentials, the signature is all, and answers in their own words.

Not part of the API that callers use, so no idempotency key, no error shape of ours, no place in OpenAPI.
"""

import json
from urllib.parse import parse_qsl

import structlog
from flask import Blueprint, Response, current_app, request

from api.errors import is_busy
from api.routing import Services
from tuike import payments
from tuike.shared.clock import read_clock
from tuike.shared.errors import Malformed, TuikeError

notifies = Blueprint("notifies", __name__, url_prefix="/notify")

MAX_NOTIFY_BYTES = 64 * 1024

log = structlog.get_logger("api")


@notifies.route("/wechat-pay", methods=["POST"])
@notifies.route("/wechat-pay/refunds", methods=["POST"])
@notifies.route("/wechat-pay/transfers", methods=["POST"])
def take_wechat_pay() -> Response:
    """Take in a notify of WeChat Pay: 204 once it is kept, else FAIL and it comes again."""
    services: Services = current_app.extensions["tuike"]
    try:
        payments.receive_wechat(
            services.db, services.app.counter, headers=dict(request.headers), body=_read_body(), now=read_clock()
        )
    except TuikeError as error:
        return _fail(error.status, error.code, str(error))
    except Exception as error:  # noqa: BLE001 - whatever it is, it will come again
        return _fail(_judge("wechat", error), "not_kept", "try again")
    return Response(status=204)


@notifies.route("/alipay", methods=["POST"])
def take_alipay() -> Response:
    """Take in a notify of Alipay: `success` once it is kept, else `failure` and it comes again."""
    services: Services = current_app.extensions["tuike"]
    try:
        body = _read_body()
        payments.receive_alipay(services.db, services.app.counter, params=_read_form(body), body=body, now=read_clock())
    except TuikeError as error:
        log.warning("notify.refused", provider="alipay", code=error.code)
        return Response("failure", error.status, mimetype="text/plain")
    except Exception as error:  # noqa: BLE001 - whatever it is, it will come again
        return Response("failure", _judge("alipay", error), mimetype="text/plain")
    return Response("success", mimetype="text/plain")


def _judge(provider: str, error: Exception) -> int:
    """Return the status for a notify that could not be kept: 503 while others are in the way, else our own fault."""
    if is_busy(error):
        log.warning("notify.busy", provider=provider)
        return 503
    log.error("notify.failed", provider=provider, exc_info=error)
    return 500


def _read_body() -> bytes:
    if (request.content_length or 0) > MAX_NOTIFY_BYTES:
        raise Malformed("The notify is too large.")
    body = request.get_data(cache=False)
    if len(body) > MAX_NOTIFY_BYTES:
        raise Malformed("The notify is too large.")
    return body


def _read_form(body: bytes) -> dict[str, str]:
    """Return the fields of a form in UTF-8. Raises Malformed, also for a field given twice."""
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=200, errors="strict")
    except ValueError:
        raise Malformed("The notify is no form.") from None
    form = dict(pairs)
    if len(form) != len(pairs):
        raise Malformed("The notify has a field twice.")
    return form


def _fail(status: int, code: str, message: str) -> Response:
    log.warning("notify.refused", provider="wechat", code=code)
    return Response(
        json.dumps({"code": "FAIL", "message": message}, ensure_ascii=False), status, mimetype="application/json"
    )
