"""A real OpenAI-compatible server on loopback for tests of whole jobs: it answers as told, counts, and fails as
planned."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import uvicorn
from fastapi import FastAPI, Request, Response


class Server:
    """Answers `say(messages)`; with `dies_after` set it answers so many requests and then fails all others."""

    def __init__(self, say: Callable[[list[dict[str, Any]]], str]) -> None:
        self.say, self.asked = say, []
        self.dies_after: int | None = None
        self.tokens = (100, 10)
        app = FastAPI()

        @app.post("/v1/chat/completions")
        async def completions(request: Request):
            body = await request.json()
            self.asked.append(body)
            if self.dies_after is not None and len(self.asked) > self.dies_after:
                return Response("<html>gone</html>", 503, headers={"retry-after": "0.01"}, media_type="text/html")
            message = {"role": "assistant", "content": self.say(body["messages"])}
            return {
                "id": "1",
                "object": "chat.completion",
                "created": 1,
                "model": body["model"],
                "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
                "usage": {
                    "prompt_tokens": self.tokens[0],
                    "completion_tokens": self.tokens[1],
                    "total_tokens": sum(self.tokens),
                },
            }

        self.server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error"))
        self.thread = threading.Thread(target=self.server.run, daemon=True)
        self.thread.start()
        while not self.server.started:
            time.sleep(0.01)
        self.url = f"http://127.0.0.1:{self.server.servers[0].sockets[0].getsockname()[1]}/v1"

    def stop(self) -> None:
        self.server.should_exit = True
        self.thread.join(5)
