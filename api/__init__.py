"""The REST API: one file per capability with shapes on top and routes below; no logic of its own."""

from collections.abc import Callable
from typing import Any

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from api import (
    addresses,
    after_sale,
    agreements,
    browsing,
    cart,
    catalog,
    commissions,
    coupons,
    links,
    logins,
    me,
    media,
    notifies,
    orders,
    payments,
    payouts,
    promoters,
    reconciliations,
    risk,
    shop_orders,
    shoppers,
    staff,
    wallets,
    workbench,
)
from api.bodies import MAX_BODY_BYTES, read_to_the_end
from api.caching import AnswerCache, Front
from api.errors import register_error_handlers
from api.keyring import Keyring, Standing
from api.openapi import describe
from api.routing import IdConverter, Routes, Services
from api.system import system
from api.telemetry import Telemetry, watch_requests
from tuike import identity
from tuike.app import App
from tuike.catalog import open_storage

CAPABILITIES: tuple[Routes, ...] = (
    browsing.routes,
    catalog.routes,
    media.routes,
    promoters.routes,
    links.routes,
    orders.routes,
    commissions.routes,
    risk.routes,
    wallets.routes,
    payments.routes,
    payouts.routes,
    reconciliations.routes,
    logins.routes,
    me.routes,
    agreements.routes,
    shoppers.routes,
    staff.routes,
    workbench.routes,
    addresses.routes,
    cart.routes,
    coupons.routes,
    shop_orders.routes,
    after_sale.routes,
)


class SyncFlask(Flask):
    """Flask that does not look, at every call of every function of every request, whether it is a coroutine."""

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function as it is: there is no coroutine here."""
        return func


def create_app(app: App, *, logins: identity.Logins | None = None) -> Flask:
    """Return the WSGI application that serves `app`'s parts; shoppers log in by `logins`, else by its providers."""
    flask = SyncFlask(__name__, static_folder=None)
    flask.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    flask.url_map.merge_slashes = False
    flask.url_map.converters["id"] = IdConverter
    config = app.config
    vault = identity.Vault(token_keys=config.token_keys, data_keys=config.data_keys, digest_key=config.digest_key)
    services = Services(
        app, Keyring(app.db, vault), Standing(app.db), vault, logins or app.providers, AnswerCache(app.db),
        open_storage(config),
    )  # fmt: skip
    telemetry = Telemetry(services)
    flask.extensions["tuike"] = services
    flask.extensions["tuike-telemetry"] = telemetry
    watch_requests(flask, telemetry)
    flask.after_request(read_to_the_end)
    flask.extensions["tuike-openapi"] = describe(flask, CAPABILITIES)
    register_error_handlers(flask)
    flask.wsgi_app = Front(flask.wsgi_app, services.answers, services.standing, telemetry)  # type: ignore[method-assign]
    if config.trusted_proxies:
        flask.wsgi_app = ProxyFix(flask.wsgi_app, x_for=config.trusted_proxies, x_proto=0)  # type: ignore[method-assign]
    flask.register_blueprint(system)
    flask.register_blueprint(links.short_links)
    flask.register_blueprint(notifies.notifies)
    flask.register_blueprint(media.files)
    return flask
