"""A server that answers as the documentation of DigitalOcean's and Hetzner's APIs says, for an address that is theirs to give. It
runs on a host of a rig, beside the recipe that asks it."""

from __future__ import annotations

import json

import msgspec

from tests.real.rig import RealHost
from tests.real.world import listening, until, write

TOKEN = "dop_v1_0123456789abcdef"
IP, FLOATING = "203.0.113.7", "4711"

_SERVER = r"""
import glob, json, re, threading, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOKEN, IP, FLOATING = %r
LOCK = threading.Lock()
state = {"holder": 1, "actions": {}, "faults": [], "delay": 0.2, "assigned": False, "fail": False, "seen": [], "leaks": 0}


class Api(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    log_message = lambda *_: None

    def do_POST(self):
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        if self.path == "/control":
            with LOCK:
                state.update(json.loads(body))
            return self.say(200, {})
        self.answer(json.loads(body) if body else {})

    def do_GET(self):
        if self.path == "/control":
            settle()
            return self.say(200, state)
        self.answer(None)

    def answer(self, body):
        with LOCK:
            settle()
            state["seen"].append("GET" if body is None else "POST")
            for file in glob.glob("/proc/[0-9]*/cmdline") + glob.glob("/proc/[0-9]*/environ"):
                try:
                    state["leaks"] += TOKEN.encode() in open(file, "rb").read()
                except OSError:
                    pass
            hetzner = self.path.startswith("/v1/")
            fault = state["faults"].pop(0) if state["faults"] else None
            if self.headers.get("Authorization") != "Bearer " + TOKEN:
                fault = 401
            if fault in ("lost", "lost after"):
                if fault == "lost after" and body is not None:
                    (self.hetzner if hetzner else self.digitalocean)(body)
                self.close_connection = True
                return
            if fault is not None:
                return self.say(fault, self.error(hetzner, fault))
            self.say(*(self.hetzner if hetzner else self.digitalocean)(body))

    def error(self, hetzner, status, code=None, message=None):
        codes = {
            401: ("unauthorized", "Unable to authenticate you."), 404: ("not_found", "The resource you requested could not be found."),
            409: ("conflict", "The resource has changed during the request"), 422: ("unprocessable_entity", "Droplet already has a floating IP."),
            423: ("locked", "The item you are trying to access is locked"), 429: ("too_many_requests", "API Rate limit exceeded."),
            500: ("server_error", 'Unexpected "server-side" error'), 503: ("unavailable", "Service Unavailable"),
        }
        code, message = code or codes[status][0], message or codes[status][1]
        return {"error": {"code": code, "message": message, "details": None}} if hetzner else {"id": code, "message": message}

    def begin(self, kind, to):
        number = 68212728 + len(state["actions"])
        state["actions"][number] = {"kind": kind, "to": to, "until": time.time() + state["delay"], "status": "running", "failed": state["fail"]}
        return number

    def pending(self):
        return [n for n, a in state["actions"].items() if a["status"] == "running"]

    def digitalocean(self, body):
        region = {"name": "New York 3", "slug": "nyc3", "features": ["backups", "ipv6"], "available": True, "sizes": ["s-1vcpu-1gb"]}

        def shown(number):
            a = state["actions"][number]
            status = {"running": "in-progress", "success": "completed", "error": "errored"}[a["status"]]
            return {"action": {"id": number, "status": status, "type": a["kind"] + "_ip", "started_at": "2015-11-12T17:51:03Z",
                    "completed_at": None, "resource_id": 758604968, "resource_type": "reserved_ip", "region": region, "region_slug": "nyc3"}}

        base = "/v2/reserved_ips/" + IP
        if self.path == base and body is None:
            droplet = state["holder"] and {"id": state["holder"], "name": "old \"one\", {here}", "region": region, "networks": {"v4": [{"ip_address": IP}]}}
            return 200, {"reserved_ip": {"ip": IP, "droplet": droplet or None, "region": region, "locked": bool(self.pending())}}
        if self.path == base + "/actions" and body is not None:
            if self.pending():
                return 422, self.error(False, 422, message="The reserved IP already has a pending event.")
            return 201, shown(self.begin(body["type"], body.get("droplet_id", 0)))
        found = re.fullmatch(base + "/actions/([0-9]+)", self.path)
        if found and int(found[1]) in state["actions"]:
            return 200, shown(int(found[1]))
        return 404, self.error(False, 404)

    def hetzner(self, body):
        def shown(number):
            a = state["actions"][number]
            error = {"code": "action_failed", "message": "Action failed"} if a["status"] == "error" else None
            return {"id": number, "command": a["kind"] + "_floating_ip", "status": a["status"], "progress": 0, "started": "2016-01-30T23:55:00+00:00",
                    "finished": None, "resources": [{"id": 42, "type": "server"}, {"id": 4711, "type": "floating_ip"}], "error": error}

        base = "/v1/floating_ips/" + FLOATING
        if self.path == base and body is None:
            return 200, {"floating_ip": {"id": 4711, "name": "a \"name\"", "description": "server: 9", "ip": IP, "type": "ipv4", "server": state["holder"] or None,
                         "dns_ptr": [{"ip": IP, "dns_ptr": "shop.example.test"}], "blocked": False, "protection": {"delete": False}, "labels": {}}}
        if self.path == base + "/actions?status=running":
            return 200, {"actions": [shown(n) for n in self.pending()], "meta": {"pagination": {"page": 1}}}
        if self.path in (base + "/actions/assign", base + "/actions/unassign") and body is not None:
            if self.pending():
                return 423, self.error(True, 423)
            if state["assigned"] and state["holder"] and self.path.endswith("/assign"):
                return 422, self.error(True, 422, "floating_ip_assigned", "The Floating IP is already assigned")
            kind = self.path.rpartition("/")[2]
            return 201, {"action": shown(self.begin(kind, body.get("server", 0)))}
        found = re.fullmatch(base + "/actions/([0-9]+)", self.path)
        if found and int(found[1]) in state["actions"]:
            return 200, {"action": shown(int(found[1]))}
        return 404, self.error(True, 404)

    def say(self, status, value):
        text = json.dumps(value, indent=2).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


def settle():
    for a in state["actions"].values():
        if a["status"] == "running" and time.time() >= a["until"]:
            a["status"] = "error" if a["failed"] else "success"
            if not a["failed"]:
                state["holder"] = a["to"]


ThreadingHTTPServer(("127.0.0.1", 8080), Api).serve_forever()
"""


class Cloud(msgspec.Struct):
    """The API on a host, and what it does wrong."""

    host: RealHost

    def start(self) -> None:
        """Start it."""
        write(self.host, "/srv/cloud.py", _SERVER % ((TOKEN, IP, FLOATING),))
        self.host.spawn("/usr/bin/python3", "/srv/cloud.py")
        until(lambda: listening(self.host, 8080), lambda: f"cloud: {self.host.said()[-800:]}", 30)

    def does(self, **what: object) -> None:
        """Change who holds the address, or what goes wrong next."""
        self.host.run(f"curl -qsf -d '{json.dumps(what)}' http://127.0.0.1:8080/control")

    def state(self) -> dict[str, object]:
        """What it knows."""
        told: dict[str, object] = json.loads(self.host.run("curl -qsf http://127.0.0.1:8080/control"))
        return told
