"""Alipay: login, payments, refunds, transfers to people, notifies, bills."""

from tuike.providers.alipay.client import Alipay, AlipayUser
from tuike.providers.alipay.core import Application, build_application

__all__ = ["Alipay", "AlipayUser", "Application", "build_application"]
