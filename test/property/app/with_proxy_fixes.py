"""`routed` behind what hypercorn and granian have for being behind a proxy, and Flask inside of an ASGI server."""

from a2wsgi import WSGIMiddleware
from granian.utils.proxies import wrap_asgi_with_proxy_headers, wrap_wsgi_with_proxy_headers
from hypercorn.middleware import ProxyFixMiddleware

import routed
import with_flask

in_hypercorn = ProxyFixMiddleware(routed.app, mode="legacy", trusted_hops=1)
in_granian = wrap_asgi_with_proxy_headers(routed.app, trusted_hosts="*")
flask_in_granian = wrap_wsgi_with_proxy_headers(with_flask.app, trusted_hosts="*")
flask_in_asgi = WSGIMiddleware(with_flask.app)
