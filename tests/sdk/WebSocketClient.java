import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.WebSocket;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;

/** A session of java.net.http with an echo server, and what it saw, as a line of JSON. */
class WebSocketClient {
    public static void main(String[] urls) {
        for (String url : urls) {
            CompletableFuture<String> ended = new CompletableFuture<>();
            List<String> received = new ArrayList<>();
            HttpClient.newHttpClient().newWebSocketBuilder().buildAsync(URI.create(url), new WebSocket.Listener() {
                @Override
                public void onOpen(WebSocket socket) {
                    socket.request(10);
                    socket.sendText("hello", true);
                }

                @Override
                public CompletionStage<?> onText(WebSocket socket, CharSequence data, boolean last) {
                    received.add("\"" + data + "\"");
                    if (received.size() == 1) {
                        socket.sendText("bye", true);
                    }
                    return null;
                }

                @Override
                public CompletionStage<?> onClose(WebSocket socket, int code, String reason) {
                    ended.complete("{\"received\": " + received + ", \"code\": " + code + "}");
                    return null;
                }

                @Override
                public void onError(WebSocket socket, Throwable error) {
                    ended.completeExceptionally(error);
                }
            }).exceptionally(error -> {
                ended.completeExceptionally(error);
                return null;
            });
            System.out.println(ended.handle((seen, error) -> error == null ? seen : "{\"error\": \"" + error + "\"}").join());
        }
        System.exit(0);
    }
}
