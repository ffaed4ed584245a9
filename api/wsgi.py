"""The application as a server imports it: `granian --interface wsgi api.wsgi:application`."""

from api import create_app
from tuike.app import build_app
from tuike.config import read_config
from tuike.shared.logs import configure_logs

_config = read_config()
configure_logs(_config.log_level)
application = create_app(build_app(_config, application_name="tuike-api"))
