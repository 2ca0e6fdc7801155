<?php
// A WebSocket client on PHP's streams: one session with an echo server, and what it saw.
//
// websocket_client.php HOST

[, $host] = $argv;
$name = 'php';
$stream = stream_socket_client("ssl://$host:443", $number, $error, 10);
if ($stream === false) {
    echo json_encode(['client' => $name, 'error' => $error]), "\n";
    exit;
}
$fields = ["Host: $host", 'Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13'];
$fields[] = 'Sec-WebSocket-Key: ' . base64_encode(random_bytes(16));
fwrite($stream, "GET /$name HTTP/1.1\r\n" . implode("\r\n", $fields) . "\r\n\r\n");
while (trim(fgets($stream)) !== '');

function send($stream, int $opcode, string $payload): void
{
    // A key of zeros leaves the payload as it is.
    fwrite($stream, chr(0x80 | $opcode) . chr(0x80 | strlen($payload)) . "\0\0\0\0" . $payload);
}

function receive($stream): string
{
    $length = ord(stream_get_contents($stream, 2)[1]);
    return stream_get_contents($stream, $length);
}

$received = [];
foreach (['hello', 'bye'] as $text) {
    send($stream, 1, $text);
    $received[] = receive($stream);
}
$close = receive($stream);
send($stream, 8, substr($close, 0, 2));
$code = unpack('n', $close)[1];
echo json_encode(['client' => $name, 'received' => $received, 'code' => $code]), "\n";
