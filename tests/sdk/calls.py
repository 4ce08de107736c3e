"""Makes calls with httpx and requests and prints what came of each.

Reads a JSON list of calls from stdin: {"library", "url", "headers", "timeout"}. Prints a JSON list in the same
order: {"status", "code"} if the body could be read as JSON (its member "code", if it has one), else {"error",
"chain", "message"}, where chain is the names of the exception's class and its bases, then those of its causes,
outermost first.
"""

import json
import sys

import httpx
import requests


def with_httpx(call):
    with httpx.Client(timeout=call["timeout"], follow_redirects=True) as client:
        response = client.get(call["url"], headers=call["headers"])
        return response.status_code, response.json()


def with_requests(call):
    response = requests.get(call["url"], headers=call["headers"], timeout=call["timeout"])
    return response.status_code, response.json()


def chain(error):
    """Class names of an exception, of its bases, and of what caused it."""
    names = []
    while error is not None and len(names) < 64:
        names += [cls.__name__ for cls in type(error).__mro__ if cls not in (object, BaseException)]
        names += [type(arg).__name__ for arg in error.args if isinstance(arg, BaseException)]
        error = error.__cause__ or error.__context__
    return names


def made(call):
    library = {"httpx": with_httpx, "requests": with_requests}[call["library"]]
    try:
        status, body = library(call)
        return {"status": status, "code": body.get("code")}
    except Exception as error:  # whatever a user of the library would have to catch
        return {"error": type(error).__name__, "chain": chain(error), "message": str(error)}


json.dump([made(call) for call in json.load(sys.stdin)], sys.stdout)
