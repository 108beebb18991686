// Publishes a batch of events over HTTP: `node publish.mjs events.json`, with Node 18 or later.
// INGEST is the address of ingest, and KEY the publisher's key.
import { readFile } from "node:fs/promises";
import { gzipSync } from "node:zlib";

const { INGEST = "http://localhost:8600", KEY } = process.env;

/** Resolve to the answer once Kafka has acknowledged the valid events; throw if none is accepted. */
export async function publish(events) {
  const body = gzipSync(JSON.stringify(events));
  for (;;) {
    const pause = await attempt(body);
    if (typeof pause === "object") return pause;
    await new Promise((resume) => setTimeout(resume, pause * 1000)); // then with the same ids
  }
}

async function attempt(body) {
  let response;
  try {
    response = await fetch(`${INGEST}/v1/events`, {
      method: "POST",
      headers: {
        Authorization: `Bearer ${KEY}`,
        "Content-Type": "application/cloudevents-batch+json",
        "Content-Encoding": "gzip",
        Prefer: "handling=lenient", // refuse only the events that are wrong
      },
      body,
      signal: AbortSignal.timeout(30_000),
    });
  } catch {
    return 2; // no connection, or no answer
  }
  if (response.status === 202) return response.json();
  if ([429, 500, 503].includes(response.status)) {
    await response.body?.cancel();
    return Number(response.headers.get("Retry-After") ?? 2);
  }
  throw new Error(await response.text()); // correct the events
}

const answer = await publish(JSON.parse(await readFile(process.argv[2], "utf8")));
console.log(`${answer.accepted} accepted, ${answer.refused} refused`);
for (const { index, field, detail } of answer.errors) console.log(`${index} ${field} ${detail}`);
