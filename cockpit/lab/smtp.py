"""A small SMTP client (RFC 5321): one message, one recipient, one connection."""

from __future__ import annotations

import asyncio


class MailRefused(Exception):
    """The other side did not take the message; the text is its answer, or why there was none."""


async def send(
    target: tuple[str, int],
    sender: str,
    recipient: str,
    content: bytes,
    *,
    source: str = "",
    helo: str = "localhost",
    timeout: float = 10.0,
) -> str:
    """Deliver `content` to `target`. Returns the answer to the message. Raises MailRefused."""
    try:
        async with asyncio.timeout(timeout):
            reader, writer = await asyncio.open_connection(*target, local_addr=(source, 0) if source else None)
            try:
                await _reply(reader, "220")
                for line, expected in (
                    (f"EHLO {helo}", "250"),
                    (f"MAIL FROM:<{sender}>", "250"),
                    (f"RCPT TO:<{recipient}>", "250"),
                    ("DATA", "354"),
                ):
                    writer.write(f"{line}\r\n".encode())
                    await _reply(reader, expected)
                writer.write(_stuffed(content) + b".\r\n")
                answer = await _reply(reader, "250")
                writer.write(b"QUIT\r\n")
                return answer
            finally:
                writer.close()
    except TimeoutError:
        raise MailRefused(f"no answer from {target[0]}:{target[1]} within {timeout:g} s") from None
    except (OSError, ValueError) as error:
        raise MailRefused(f"{target[0]}:{target[1]}: {error}") from None


async def _reply(reader: asyncio.StreamReader, expected: str) -> str:
    while True:
        line = (await reader.readline()).decode("utf-8", "replace").rstrip()
        if not line:
            raise MailRefused("the connection was closed")
        if line[3:4] == "-":
            continue
        if not line.startswith(expected):
            raise MailRefused(line)
        return line


def _stuffed(content: bytes) -> bytes:
    """Lines that end in CRLF, with a leading dot doubled."""
    lines = content.replace(b"\r\n", b"\n").removesuffix(b"\n").split(b"\n")
    return b"".join((b"." + line if line.startswith(b".") else line) + b"\r\n" for line in lines)
