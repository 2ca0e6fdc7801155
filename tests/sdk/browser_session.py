"""A session of Chromium with an echo server, and what its page saw.

browser_session.py BROWSER HOST NAME FLAGS...

Serves the page itself, as a development server does. Prints a line of JSON.
"""

import http.server
import subprocess
import sys
import threading

BROWSER, HOST, NAME = sys.argv[1:4]
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
PATIENCE = 60  # seconds
PAGE = """<!DOCTYPE html><script>
const received = [];
const ws = new WebSocket("wss://%s/%s");
ws.onopen = () => ws.send("hello");
ws.onmessage = ({ data }) => { received.push(data); if (received.length === 1) ws.send("bye"); };
ws.onclose = ({ code }) => {
  const seen = JSON.stringify({ client: "%s", received, code });
  fetch("/seen", { method: "POST", body: seen });
};
</script>"""
done = threading.Event()


class Handler(http.server.BaseHTTPRequestHandler):
    # The names are the library's.
    def do_GET(self):
        self.answer((PAGE % (HOST, NAME, NAME)).encode())

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if not done.is_set():
            print(body.decode(), flush=True)
        self.answer(b"")
        done.set()

    def answer(self, body):
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}/"
    browser = subprocess.Popen(
        [BROWSER, *FLAGS, *sys.argv[4:], url], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    in_time = done.wait(PATIENCE)
    browser.terminate()
    browser.wait()
    server.shutdown()
sys.exit(not in_time)
