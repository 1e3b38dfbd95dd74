"""The same as `routed`, of the path that Django routes, with every setting that makes it believe a header."""

import django
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.urls import re_path
from django.views.decorators.csrf import csrf_exempt

import routed


@csrf_exempt
def answer(request):
    if request.path_info == "/__rules" and request.headers.get("X-Control-Key", "").encode() == routed.KEY:
        routed.replace_rules(request.body)
        return HttpResponse(status=204)
    rule = routed.rule_of(request.path_info, request.method)
    if rule is None:
        return HttpResponse(status=405)
    meta = request.META
    target = meta.get("RAW_URI") or request.get_full_path()
    user = request.headers.get("X-User-Id", "")
    # What RemoteUserMiddleware reads, and what its documentation has readers make of it behind a proxy.
    remote_user = [meta.get(name) for name in ("REMOTE_USER", "HTTP_REMOTE_USER")]
    origin = (request.scheme, request.get_host(), meta.get("SCRIPT_NAME"))
    seen = (request.method, *origin, meta.get("REMOTE_ADDR"), remote_user)
    path = request.path_info
    return HttpResponse(headers=routed.facts(rule, path, target.encode("utf-8", "surrogateescape"), user, seen))


settings.configure(
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="unused",
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
    APPEND_SLASH=False,
    USE_X_FORWARDED_HOST=True,
    USE_X_FORWARDED_PORT=True,
    SECURE_PROXY_SSL_HEADER=("HTTP_X_FORWARDED_PROTO", "https"),
)
urlpatterns = [re_path(r"(?s)^.*$", answer)]
django.setup()
wsgi = get_wsgi_application()
asgi = get_asgi_application()
