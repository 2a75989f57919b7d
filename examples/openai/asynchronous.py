"""The asynchronous client: a file in parts, several jobs at once, all of them listed page by page."""

import asyncio
import json

from openai import AsyncOpenAI

client = AsyncOpenAI()


def lines(word: str) -> bytes:
    rows = [
        {"messages": [{"role": "user", "content": f"{word} {n}?"}, {"role": "assistant", "content": f"{n} {word}"}]}
        for n in range(14)
    ]
    return "\n".join(map(json.dumps, rows)).encode()


async def uploaded(data: bytes, name: str) -> str:
    """In two parts."""
    upload = await client.uploads.create(purpose="fine-tune", filename=name, bytes=len(data), mime_type="text/jsonl")
    middle = len(data) // 2
    parts = [await client.uploads.parts.create(upload.id, data=piece) for piece in (data[:middle], data[middle:])]
    done = await client.uploads.complete(upload.id, part_ids=[part.id for part in parts])
    assert (await client.files.content(done.file.id)).content == data
    return done.file.id


async def trained(word: str) -> str:
    file = await uploaded(lines(word), f"{word}.jsonl")
    job = await client.fine_tuning.jobs.create(
        model="gpt-4o-mini", training_file=file, suffix=word, hyperparameters={"n_epochs": 1}
    )
    while job.status not in ("succeeded", "failed", "cancelled"):
        await asyncio.sleep(1)
        job = await client.fine_tuning.jobs.retrieve(job.id)
    if job.status != "succeeded":
        raise SystemExit(f"{job.status}: {job.error}")
    return job.fine_tuned_model


async def asked(model: str) -> str:
    stream = await client.chat.completions.create(
        model=model, messages=[{"role": "user", "content": "plum 3?"}], max_tokens=10, stream=True
    )
    return "".join([chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices])


async def main() -> None:
    models = await asyncio.gather(*[trained(word) for word in ("plum", "fig", "quince")])
    for model, answer in zip(models, await asyncio.gather(*map(asked, models)), strict=True):
        print(model, "says", answer)
    jobs = [job.id async for job in client.fine_tuning.jobs.list(limit=1)]
    files = [file.id async for file in client.files.list(purpose="fine-tune", limit=2)]
    print(len(jobs), "jobs,", len(files), "files, none twice:", len({*jobs, *files}) == len(jobs) + len(files))
    for model in models:
        await client.models.delete(model)


asyncio.run(main())
