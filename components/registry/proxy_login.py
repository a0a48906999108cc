"""Who somebody is, as a proxy before MLflow's server says it: single sign-on, by OIDC or otherwise.

Concept: the proxy asks people to log in, and names them in a header. A header is easily made, so it
counts only beside another that carries the key which the proxy and this server share. Without the
first header it is MLflow's own login, by password.

Promise: nobody comes in by a header alone, nobody without an account, and not the administrator.
"""

from __future__ import annotations

import hmac
import os
from typing import Any

from components.registry.accounts import ADMIN

USER_HEADER, KEY = "RATCHET_USER_HEADER", "RATCHET_PROXY_KEY"
"""The environment of the server: the header that names people, and the key."""

KEY_HEADER = "X-Ratchet-Proxy"
"""The header in which the proxy sends the key."""


def authenticate() -> Any:
    """Return who asks, as MLflow's setting `authorization_function` wants it, or a refusal."""
    from flask import make_response, request
    from mlflow.server.auth import authenticate_request_basic_auth, store
    from werkzeug.datastructures import Authorization

    name = request.headers.get(os.environ[USER_HEADER], "").strip()
    if not name:
        return authenticate_request_basic_auth()
    sent = request.headers.get(KEY_HEADER, "").encode()
    if not hmac.compare_digest(sent, os.environ[KEY].encode()):
        return make_response(f"The key in {KEY_HEADER} is not this server's.\n", 401)
    if name == ADMIN or not store.has_user(name):
        return make_response(f"{name} has no account here: `ratchet person add {name}`.\n", 403)
    return Authorization("basic", {"username": name, "password": ""})
