"""The same as `routed`, of the path that Flask routes, behind werkzeug's ProxyFix."""

from flask import Flask, Response, request
from werkzeug.middleware.proxy_fix import ProxyFix

import routed

app = Flask(__name__)
app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=1, x_host=1, x_port=0, x_prefix=1)


@app.before_request
def answer():
    if request.path == "/__rules" and request.headers.get("X-Control-Key", "").encode() == routed.KEY:
        routed.replace_rules(request.get_data())
        return Response(status=204)
    rule = routed.rule_of(request.path, request.method)
    if rule is None:
        return Response(status=405)
    environ = request.environ
    target = environ.get("RAW_URI") or environ.get("REQUEST_URI") or request.full_path
    user = request.headers.get("X-User-Id", "")
    origin = (request.scheme, request.host, request.script_root, request.url_root)
    seen = (request.method, *origin, request.remote_addr, request.remote_user)
    return Response(headers=routed.facts(rule, request.path, target.encode(), user, seen))
