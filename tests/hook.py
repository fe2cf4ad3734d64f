"""An HTTP server that partners' messages are sent to, on a free port of this machine."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field


@dataclass
class Hook:
    """Keeps what it was sent, and answers with the statuses it is told to, the last of them for ever."""

    statuses: list[int] = field(default_factory=lambda: [204])
    received: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    port: int = 0
    open_gate: asyncio.Event | None = None
    """When there is one: nothing is answered before it is set."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls) -> AsyncIterator["Hook"]:
        hook = cls()
        server = await asyncio.start_server(hook._serve, "127.0.0.1", 0)
        hook.port = server.sockets[0].getsockname()[1]
        try:
            yield hook
        finally:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
        self.received.append((headers, await reader.readexactly(int(headers["content-length"]))))
        if self.open_gate is not None:
            await self.open_gate.wait()
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        location = "Location: http://127.0.0.1:1/\r\n" if status == 307 else ""
        writer.write(f"HTTP/1.1 {status} x\r\n{location}Content-Length: 0\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        writer.close()
