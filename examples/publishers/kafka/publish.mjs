// Publishes events straight to Kafka, in binary mode: `node publish.mjs events.jsonl`, with one
// event a line. KAFKA has the addresses of the brokers, and TOPIC the name of the raw topic.
import { readFile } from "node:fs/promises";
import { CompressionTypes, Kafka, Partitioners, logLevel } from "kafkajs";

const { KAFKA = "localhost:9092", TOPIC = "data-access.raw" } = process.env;
const MAX_BATCH_BYTES = 500_000; // Kafka takes batches of up to 1 MiB, decompressed

const kafka = new Kafka({ clientId: "crm", brokers: KAFKA.split(","), logLevel: logLevel.ERROR });
const producer = kafka.producer({
  idempotent: true,
  maxInFlightRequests: 1, // kafkajs keeps the order only so
  retry: { retries: 20 },
  createPartitioner: Partitioners.DefaultPartitioner,
});

/** An event as a message: attributes in headers, `data` as the value, and no key. */
function message({ data, ...attributes }) {
  const headers = { "content-type": "application/json" };
  for (const [name, value] of Object.entries(attributes)) headers[`ce_${name}`] = value;
  return { value: JSON.stringify(data), headers };
}

function* batches(messages) {
  let batch = [];
  let bytes = 0;
  for (const each of messages) {
    const size = Buffer.byteLength(each.value) + 500;
    if (batch.length > 0 && bytes + size > MAX_BATCH_BYTES) {
      yield batch;
      [batch, bytes] = [[], 0];
    }
    batch.push(each);
    bytes += size;
  }
  if (batch.length > 0) yield batch;
}

/** Resolve to the number of events that are on every in-sync replica, and of those that are not. */
export async function publish(events) {
  let [acknowledged, failed] = [0, 0];
  for (const messages of batches(events.map(message))) {
    try {
      await producer.send({ topic: TOPIC, acks: -1, compression: CompressionTypes.GZIP, messages });
      acknowledged += messages.length;
    } catch (error) {
      failed += messages.length; // to send them again with the same ids is safe
      console.error(`${messages.length} events: ${error.message}`);
    }
  }
  return { acknowledged, failed };
}

const lines = (await readFile(process.argv[2], "utf8")).split("\n").filter(Boolean);
await producer.connect();
try {
  const { acknowledged, failed } = await publish(lines.map((line) => JSON.parse(line)));
  console.log(`${acknowledged} acknowledged, ${failed} failed`);
  if (failed > 0) process.exitCode = 1;
} finally {
  await producer.disconnect();
}
