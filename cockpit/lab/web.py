"""The lab's web servers: HTTP/1.1 for one host, with an access log and a bridge to another host. What is served a stage says."""

from __future__ import annotations

import asyncio
import contextlib
import mimetypes
import time
from email.utils import formatdate
from pathlib import Path

import msgspec

from cockpit.lab.host import LabHost

HEAD_LIMIT = 16 * 1024
BODY_LIMIT = 1024 * 1024
CONNECTIONS = 256
IDLE = 15.0
REASONS = {200: "OK", 201: "Created", 400: "Bad Request", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed"}
REASONS |= {413: "Content Too Large", 502: "Bad Gateway", 503: "Service Unavailable", 507: "Insufficient Storage"}


class Request:
    """A parsed request: the bytes of its head, and what the server needs of it."""

    def __init__(self, head: bytes, body: bytes, method: str, path: str, headers: dict[str, str]) -> None:
        self.peer = ""
        """The address that it came from."""
        self.head = head
        self.body = body
        self.method = method
        self.path = path
        self.headers = headers

    @property
    def name(self) -> str:
        """The name in the Host header, in small letters and without its port."""
        return self.headers.get("host", "").partition(":")[0].lower().rstrip(".")

    def below(self, domain: str) -> str:
        """What stands before the domain in the name; '' when the name is not below it, or could leave a folder."""
        label = self.name.removesuffix(f".{domain}")
        return label if label != self.name and "/" not in label and not label.startswith(".") else ""


class Answer:
    """What goes back: a status, a body and headers beside the usual ones."""

    def __init__(self, status: int, body: bytes | str = b"", kind: str = "text/plain", **headers: str) -> None:
        self.status = status
        self.body = body.encode() if isinstance(body, str) else body
        self.kind = kind
        self.logged = True
        """Whether it stands in the access log."""
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


class Onward(msgspec.Struct, frozen=True):
    """Where a request is handed to."""

    target: str
    """`address:port`."""
    bridge: bool = True
    """Another host, which the answer tells with a Via; else an application of this one."""
    patience: float = 0.0
    """Seconds for which a target that does not listen is asked again: it may be starting."""


class Site:
    """What a host serves: a stage's own application."""

    def onward(self, request: Request) -> Onward | None:
        """Where the request is handed to; None when this host answers itself."""
        return None

    async def answer(self, request: Request) -> Answer:
        """The answer of this host."""
        raise NotImplementedError


class WebServer:
    """Serves one host at `host.address:port`."""

    def __init__(self, host: LabHost, port: int, site: Site) -> None:
        self.name = f"web on {host.id}"
        self._host = host
        self._port = port
        self._site = site
        self._server: asyncio.Server | None = None
        self.held: dict[str, asyncio.Server] = {}
        """Listeners at addresses beside the host's own."""
        self._open: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self.refused = 0

    async def start(self) -> None:
        """Listen. Raises OSError."""
        self._server = await self._listen(self._host.address)

    async def stop(self) -> None:
        """Close the listeners and every connection."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for address in list(self.held):
            await self.let_go(address)
        tasks = list(self._open)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def hold(self, address: str) -> None:
        """Listen at another address, too. Raises OSError when somebody else does."""
        self.held[address] = await self._listen(address)

    async def let_go(self, address: str) -> None:
        """Listen there no more; who is connected is answered and then left."""
        self.held.pop(address).close()

    async def _listen(self, address: str) -> asyncio.Server:
        return await asyncio.start_server(self._serve, address, self._port, limit=HEAD_LIMIT, backlog=128)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        if len(self._open) >= CONNECTIONS:
            self.refused += 1
            writer.close()
            return
        self._open[task] = writer
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError):
                while await self._one(reader, writer):
                    pass
        except asyncio.CancelledError:
            writer.transport.abort()
        finally:
            del self._open[task]
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request and its answer. Returns whether the connection stays open."""
        async with asyncio.timeout(IDLE):
            head = await reader.readuntil(b"\r\n\r\n")
        request, trouble = await _parse(head, reader)
        request.peer = (writer.get_extra_info("peername") or ("",))[0]
        await self._host.thawed.wait()
        onward = self._site.onward(request) if trouble is None else None
        if trouble is not None:
            answer = trouble
        elif onward:
            answer = await self._forward(request, onward, writer)
        else:
            answer = await self._site.answer(request)
        keep = (
            trouble is None and request.headers.get("connection", "").lower() != "close" and "HTTP/1.1" in _first(head)
        )
        await self._host.thawed.wait()
        writer.write(_encode(answer, self._host.name, keep, request.method))
        await writer.drain()
        if answer.logged:
            self._log(request, answer, writer, onward.target if onward and onward.bridge else None)
        return keep

    async def _forward(self, request: Request, onward: Onward, writer: asyncio.StreamWriter) -> Answer:
        """Hand the request on and bring back what is said to it; 502 when nobody can be reached."""
        bridge = onward.target
        client = writer.get_extra_info("peername")[0]
        kept = [line for line in request.head.split(b"\r\n")[:-2] if not line.lower().startswith(b"connection:")]
        extra = [f"X-Forwarded-For: {client}", f"Via: 1.1 {self._host.fqdn}", "Connection: close", "", ""]
        try:
            async with asyncio.timeout(10 + onward.patience):
                reader, out = await self._reach(onward)
                try:
                    out.write(b"\r\n".join([*kept, *(line.encode() for line in extra)]) + request.body)
                    await out.drain()
                    raw = await reader.read(BODY_LIMIT * 4)
                    while chunk := await reader.read(BODY_LIMIT):
                        raw += chunk
                        if len(raw) > BODY_LIMIT * 8:
                            return Answer(502, f"{bridge} sends too much.\n")
                finally:
                    out.close()
        except (OSError, TimeoutError, ValueError) as error:
            return Answer(502, f"The bridge to {bridge} is broken: {error or 'no answer in time'}.\n")
        return _passed_on(raw, bridge, self._host.fqdn if onward.bridge else "")

    async def _reach(self, onward: Onward) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        address, _, port = onward.target.partition(":")
        ends = asyncio.get_running_loop().time() + onward.patience
        while True:
            try:
                return await asyncio.open_connection(address, int(port or "80"), local_addr=(self._host.address, 0))
            except ConnectionRefusedError:
                if asyncio.get_running_loop().time() >= ends:
                    raise
            await asyncio.sleep(0.05)

    def _log(self, request: Request, answer: Answer, writer: asyncio.StreamWriter, bridge: str | None) -> None:
        peer = writer.get_extra_info("peername") or ("-",)
        stamp = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime())
        first = _first(request.head).replace('"', "'")
        agent = request.headers.get("user-agent", "-").replace('"', "'")
        via = request.headers.get("x-forwarded-for", "")
        note = f" bridge={bridge}" if bridge else f" for={via}" if via else ""
        site = request.headers.get("host", "-").partition(":")[0]
        self._host.log(
            "access.log",
            f'{site} {peer[0]} - - [{stamp}] "{first}" {answer.status} {len(answer.body)} "-" "{agent}"{note}',
        )


def file_of(root: Path, path: str) -> Answer:
    """A file below a folder; 404 for what is none, or lies outside of it."""
    root = root.resolve()
    target = (root / path.lstrip("/")).resolve() if path != "/" else root / "index.html"
    if not target.is_relative_to(root) or not target.is_file():
        return Answer(404, "No such page.\n")
    return Answer(200, target.read_bytes(), mimetypes.guess_type(target.name)[0] or "application/octet-stream")


def _first(head: bytes) -> str:
    return head.split(b"\r\n", 1)[0].decode("latin-1")


async def _parse(head: bytes, reader: asyncio.StreamReader) -> tuple[Request, Answer | None]:
    """The request with its body; and an answer when it cannot be served as it stands."""
    lines = head.decode("latin-1").split("\r\n")
    parts = lines[0].split(" ")
    headers = {
        name.strip().lower(): value.strip()
        for name, colon, value in (line.partition(":") for line in lines[1:])
        if colon
    }
    if len(parts) != 3 or not parts[2].startswith("HTTP/1."):
        return Request(head, b"", "", "", headers), Answer(400, "Not a request that this server reads.\n")
    request = Request(head, b"", parts[0], parts[1], headers)
    length = headers.get("content-length", "0")
    if not length.isdecimal() or "transfer-encoding" in headers:
        return request, Answer(400, "A body needs a Content-Length here.\n")
    if int(length) > BODY_LIMIT:
        return request, Answer(413, "That is too large.\n")
    async with asyncio.timeout(IDLE):
        request.body = await reader.readexactly(int(length))
    return request, None


def _encode(answer: Answer, server: str, keep: bool, method: str) -> bytes:
    lines = [f"HTTP/1.1 {answer.status} {REASONS.get(answer.status, 'Status')}"]
    headers = {
        "Date": formatdate(usegmt=True),
        "Server": server,
        "X-Served-By": server,
        "Content-Type": answer.kind,
        "Content-Length": str(len(answer.body)),
        "Cache-Control": "no-store",
        "Connection": "keep-alive" if keep else "close",
    } | answer.headers
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + (b"" if method == "HEAD" else answer.body)


def _passed_on(raw: bytes, bridge: str, proxy: str) -> Answer:
    """The target's answer as ours: its status, body and headers, and with a proxy's name a Via that shows the bridge."""
    head, blank, body = raw.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    parts = lines[0].split(" ", 2)
    if not blank or len(parts) < 2 or not parts[1].isdecimal():
        return Answer(502, f"{bridge} closed the connection without an answer.\n")
    answer = Answer(int(parts[1]), body)
    for name, _, value in (line.partition(":") for line in lines[1:]):
        if name.lower() == "content-type":
            answer.kind = value.strip()
        elif name.lower() not in {"connection", "content-length", "date", "keep-alive", "transfer-encoding"}:
            answer.headers[name] = value.strip()
    if proxy:
        answer.headers["Via"] = f"1.1 {proxy}"
    return answer
