"""Reports about gateways, proxies, names, certificates and connections that end."""

from __future__ import annotations

from bug_report import Report
from provider_sessions import (
    chunks,
    deepgram,
    deepgram_result,
    gemini,
    openai,
    pcm,
)
from wire_session import BROWSER, NODE, WireSession

CHALLENGE = (
    b'<!DOCTYPE html><html lang="en-US"><head><title>Just a moment...</title></head><body>'
    b"<noscript>Enable JavaScript and cookies to continue</noscript></body></html>"
)
VOICE_STREAM = (
    "wss://claude.ai/api/ws/speech_to_text/voice_stream?encoding=linear16&sample_rate=16000"
)


def voice_stream() -> WireSession:
    """The request; wsproxy's catalog has no such provider."""
    return WireSession(VOICE_STREAM, {"Authorization": "Bearer " + "Synthetic0" * 4}, agent=NODE)


def cloudflare_challenge() -> WireSession:
    headers = {
        "Content-Type": "text/html; charset=UTF-8",
        "Server": "cloudflare",
        "CF-RAY": "98a1b2c3d4e5f678-GRU",
        "cf-mitigated": "challenge",
    }
    return voice_stream().refuse(403, "Forbidden", CHALLENGE, headers)


def refused_by_the_api() -> WireSession:
    headers = {"Server": "cloudflare", "CF-RAY": "98a1b2c3d4e5f678-GRU"}
    body = {"error": {"type": "permission_error", "message": "Voice is not enabled."}}
    return voice_stream().refuse(403, "Forbidden", body, headers)


def direct_connection_blocked() -> WireSession:
    host = "contoso-voice.openai.azure.com"
    path = "/openai/realtime?api-version=2024-10-01-preview&deployment=gpt-4o-realtime-preview"
    session = WireSession(f"wss://{host}{path}", {"api-key": "Synthetic0" * 3 + "ab"})
    return session.fail("connect", "timed out", after=30.0)


def proxy_refuses() -> WireSession:
    return openai().fail("proxy", "407 Proxy Authentication Required", after=0.05)


SELF_HOSTED = "wss://speech.internal.example/v1/listen?encoding=linear16&sample_rate=16000"


def behind_nginx(pause: float) -> WireSession:
    """A server of one's own behind a gateway."""
    session = WireSession(SELF_HOSTED, agent=NODE).accept({"Server": "nginx/1.24.0"})
    session.stream(chunks(pcm(2.0), 3200), 0.1)
    session.server(deepgram_result("good morning", 0.0, 2.0))
    return session.drop(by_client=False, after=pause).drop(by_client=True)


def browser_gone() -> WireSession:
    session = WireSession("wss://stt-rt.soniox.com/transcribe-websocket", agent=BROWSER).accept()
    key = "Synthetic0" * 4
    config = {"api_key": key, "model": "stt-rt-v3", "audio_format": "pcm_s16le"}
    session.app(config | {"sample_rate": 16000, "num_channels": 1})
    for _ in range(3):
        session.stream(chunks(pcm(1.0), 3200), 0.1)
        token = {"text": "good", "is_final": True, "start_ms": 0, "end_ms": 300, "confidence": 0.9}
        session.server({"tokens": [token], "final_audio_proc_ms": 300, "total_audio_proc_ms": 900})
    return session


def certificate_not_trusted() -> WireSession:
    message = "the client does not trust the certificate: unknown ca"
    return deepgram().fail("tls-client", message, from_client=True)


def certificate_expired() -> WireSession:
    return deepgram().fail("tls-server", "certificate verify failed: certificate has expired")


def through_ai_gateway() -> WireSession:
    url = "wss://gateway.ai.cloudflare.com/v1/account/gateway/google?api_key=" + "Synthetic0" * 4
    session = WireSession(url).accept({"Server": "cloudflare", "CF-RAY": "98a1b2c3d4e5f678-GRU"})
    session.app({"setup": {"model": "models/gemini-2.0-flash-live-001"}})
    return session.drop(by_client=False, after=0.02).drop(by_client=True)


REPORTS = [
    Report(
        "cf-challenge",
        "gateway",
        "anthropics/claude-code#34094",
        "Voice mode: WebSocket blocked by Cloudflare bot challenge (403 cf-mitigated)",
        "the app says that the voice connection failed",
        "Cloudflare answers with a challenge, which a client without a browser cannot pass",
        cloudflare_challenge,
        ("cloudflare", "challenge|bot|just a moment"),
        refused_by_the_api,
        "the API itself answers 403, behind Cloudflare",
        ("challenge", r"\bbot\b"),
        ("credentials are",),
    ),
    Report(
        "corporate-network",
        "proxy",
        "Azure-Samples/aisearch-openai-rag-audio#74",
        "Support Corporate Proxy",
        "the sample works at home and not at work",
        "direct connections are blocked; the client does not use the proxy of the network",
        direct_connection_blocked,
        ("connect", "timed out|unreachable|firewall|proxy"),
        proxy_refuses,
        "the proxy is used, and refuses",
        ("timed out",),
        ("credentials",),
    ),
    Report(
        "nginx-60s",
        "gateway",
        "websockets/ws#2283",
        "How to configure timeout? It's 60 seconds but where is it?",
        "the connection ends after exactly 60 seconds without messages",
        "nginx ends it: proxy_read_timeout is 60 seconds",
        lambda: behind_nginx(60.0),
        (r"60(\.\d)? ?s|idle|proxy|gateway", "without a close|close frame|ended"),
        lambda: behind_nginx(1.3),
        "the connection ends in the middle of a session",
        ("60 s", "proxy_read_timeout", "idle"),
    ),
    Report(
        "sx-browser-1006",
        "network",
        "soniox/speech-to-text-web#7",
        "Websocket issue on Soniox web-site app",
        "1006 while recording, in one browser",
        "the connection breaks on the client's side, without a Close",
        lambda: browser_gone().drop(by_client=True, how="reset"),
        ("app|client", "reset|without"),
        lambda: browser_gone().drop(by_client=False, how="reset"),
        "the server's side ends it",
        ("the app reset", "the app ended", "the app's connection"),
        ("Soniox closed", "Soniox reset", "server reset"),
    ),
    Report(
        "dg-certificate",
        "TLS",
        "deepgram-starters/flask-live-transcription#12",
        "WebSocketException with SSL (CERTIFICATE_VERIFY_FAILED) while starting Deepgram listen",
        "the SDK's `start` returns false",
        "the Python of the client has no certificates of authorities",
        certificate_not_trusted,
        ("certificate", "app|client"),
        certificate_expired,
        "the server's certificate has expired",
        ("the app does not trust", "the client does not trust"),
        ("credentials",),
    ),
    Report(
        "cf-ai-gateway",
        "gateway",
        "cloudflare/cloudflare-docs#30949",
        "AI Gateway Realtime WebSockets: Gemini Live docs example doesn't reflect actual behaviour",
        "101, then 1006 as soon as a message is sent",
        "the gateway ends the connection at the first message, without a Close",
        through_ai_gateway,
        ("without a close|close frame|ended the connection|closed the connection",),
        lambda: gemini().server_closes(1007, "API key not valid. Please pass a valid API key."),
        "the API itself closes, with a reason",
        ("without a close",),
    ),
]
