// Publishes events straight to Kafka, in structured mode, with Java 17 or later:
// `java -cp "libs/*" PublishToKafka.java events.jsonl`, with one event a line, and with kafka-clients
// and what it depends on in libs. KAFKA has the addresses of the brokers, and TOPIC the name of the
// raw topic.

import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.StringSerializer;

public final class PublishToKafka {
    private static final String TOPIC = setting("TOPIC", "data-access.raw");
    private static final List<Header> STRUCTURED = List.of(new RecordHeader(
            "content-type", "application/cloudevents+json".getBytes(StandardCharsets.UTF_8)));

    /** What is acknowledged is on every in-sync replica, once. */
    private static Producer<String, String> connect() {
        return new KafkaProducer<>(Map.of(
                ProducerConfig.BOOTSTRAP_SERVERS_CONFIG, setting("KAFKA", "localhost:9092"),
                ProducerConfig.CLIENT_ID_CONFIG, "crm",
                ProducerConfig.ACKS_CONFIG, "all",
                ProducerConfig.ENABLE_IDEMPOTENCE_CONFIG, true,
                ProducerConfig.DELIVERY_TIMEOUT_MS_CONFIG, 120_000,
                ProducerConfig.LINGER_MS_CONFIG, 5,
                ProducerConfig.COMPRESSION_TYPE_CONFIG, "gzip",
                ProducerConfig.KEY_SERIALIZER_CLASS_CONFIG, StringSerializer.class,
                ProducerConfig.VALUE_SERIALIZER_CLASS_CONFIG, StringSerializer.class));
    }

    public static void main(String[] arguments) throws IOException {
        AtomicInteger acknowledged = new AtomicInteger();
        AtomicInteger failed = new AtomicInteger();
        try (Producer<String, String> producer = connect();
                BufferedReader lines = Files.newBufferedReader(Path.of(arguments[0]))) {
            int number = 0;
            for (String event; (event = lines.readLine()) != null; ) {
                int line = ++number;
                producer.send(record(event), (at, error) -> {
                    if (error == null) {
                        acknowledged.incrementAndGet();
                    } else {
                        failed.incrementAndGet(); // to send it again with the same id is safe
                        System.err.println("line " + line + ": " + error.getMessage());
                    }
                });
            }
            producer.flush();
        }
        System.out.println(acknowledged + " acknowledged, " + failed + " failed");
        System.exit(failed.get() > 0 ? 1 : 0);
    }

    /** No key and no partition, so that the partitions share the load. */
    private static ProducerRecord<String, String> record(String event) {
        return new ProducerRecord<>(TOPIC, null, (String) null, event, STRUCTURED);
    }

    private static String setting(String name, String otherwise) {
        return System.getenv().getOrDefault(name, otherwise);
    }
}
