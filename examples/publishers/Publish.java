// Publishes a batch of events over HTTP: `java Publish.java events.json`, with Java 17 or later.
// INGEST is the address of ingest, and KEY the publisher's key.

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Set;
import java.util.zip.GZIPOutputStream;

public final class Publish {
    private static final Set<Integer> TRY_AGAIN = Set.of(429, 500, 503);
    private static final HttpClient CLIENT = HttpClient.newBuilder()
            .version(HttpClient.Version.HTTP_1_1)
            .connectTimeout(Duration.ofSeconds(5))
            .build();

    public static void main(String[] arguments) throws Exception {
        byte[] events = Files.readAllBytes(Path.of(arguments[0]));
        System.out.println(publish(events));
    }

    /** Return the answer once Kafka has acknowledged the valid events; throw if none is accepted. */
    static String publish(byte[] events) throws IOException, InterruptedException {
        String ingest = System.getenv().getOrDefault("INGEST", "http://localhost:8600");
        HttpRequest request = HttpRequest.newBuilder(URI.create(ingest + "/v1/events"))
                .header("Authorization", "Bearer " + System.getenv("KEY"))
                .header("Content-Type", "application/cloudevents-batch+json")
                .header("Content-Encoding", "gzip")
                .header("Prefer", "handling=lenient") // refuse only the events that are wrong
                .timeout(Duration.ofSeconds(30))
                .POST(BodyPublishers.ofByteArray(compressed(events)))
                .build();
        while (true) {
            long pause = 2;
            try {
                HttpResponse<String> response = CLIENT.send(request, BodyHandlers.ofString());
                if (response.statusCode() == 202) {
                    return response.body();
                }
                if (!TRY_AGAIN.contains(response.statusCode())) {
                    throw new IllegalArgumentException(response.body()); // correct the events
                }
                pause = response.headers().firstValueAsLong("Retry-After").orElse(pause);
            } catch (IOException noConnectionOrNoAnswer) {
                // then the same events with the same ids
            }
            Thread.sleep(pause * 1000);
        }
    }

    private static byte[] compressed(byte[] content) throws IOException {
        ByteArrayOutputStream buffer = new ByteArrayOutputStream();
        try (GZIPOutputStream gzip = new GZIPOutputStream(buffer)) {
            gzip.write(content);
        }
        return buffer.toByteArray();
    }
}
