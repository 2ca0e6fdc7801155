"""A trace in a notebook: audio, transcript, latency, a table, and its report cut to size."""

from __future__ import annotations

import base64
import builtins
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hostile_traces
import wsproxy
from html_page import MARKUP, MARKUP_PARTS, RATE, listening
from sessions import APP, SERVER, audio, closed, opened, result, write
from speech_sessions import spoken
from wsproxy.api import notebook
from wsproxy.errors import InvalidValue, LimitExceeded, NoAudio, NotebookMissing
from wsproxy.report.safe_text import safe


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> wsproxy.Trace:
    return wsproxy.open(write(tmp_path_factory.mktemp("a") / "a.wstrace", listening()))


# -- audio


def test_audio_is_floats_with_a_row_for_each_time_and_a_column_for_each_channel(
    trace: wsproxy.Trace,
) -> None:
    samples, rate = trace.audio("app")
    assert samples.dtype == np.dtype("float32")
    assert (samples.shape, rate) == ((3 * RATE, 1), RATE)
    sent = np.frombuffer(spoken(3.0, RATE), "<i2")
    assert np.array_equal(samples[:, 0] * 32768, sent)


def test_audio_of_two_channels_at_a_high_rate_is_complete(tmp_path: Path) -> None:
    one = np.frombuffer(spoken(1.0, 48_000), "<i2")
    stereo = np.stack([one, one // 2], axis=1)
    records = opened("/v1/listen?encoding=linear16&sample_rate=48000&channels=2")
    for number, piece in enumerate(np.split(stereo, 10)):
        records.append(audio(100 + number * 100, APP, piece.tobytes()))
    samples, rate = wsproxy.open(write(tmp_path / "a.wstrace", records)).audio("app")
    assert rate == 48_000
    assert np.array_equal(samples * 32768, stereo)


@pytest.mark.parametrize(
    ("side", "error", "said"),
    [("server", NoAudio, "no audio of the server"), ("both", InvalidValue, "'both'")],
)
def test_audio_that_is_not_there_raises(
    trace: wsproxy.Trace, side: str, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        trace.audio(side)


def test_audio_that_cannot_be_decoded_raises_with_the_reason(tmp_path: Path) -> None:
    records = opened("/v1/listen?encoding=speex&sample_rate=16000")
    records += [audio(100 * n, APP, bytes(range(n, n + 160))) for n in range(1, 20)]
    opened_trace = wsproxy.open(write(tmp_path / "a.wstrace", records))
    with pytest.raises(NoAudio, match="no audio of the app can be decoded: "):
        opened_trace.audio("app")


# -- transcript, latency


def test_transcript_and_latency_are_those_of_the_timeline(trace: wsproxy.Trace) -> None:
    timeline = trace.session.timeline
    assert timeline is not None
    assert [(each.text, each.final) for each in trace.transcript] == [
        ("hello", False),
        ("hello world", True),
    ]
    assert trace.latency is timeline.latency
    assert trace.latency.first_final == pytest.approx(3.0)


# -- table


def test_to_pandas_has_a_row_for_each_frame(trace: wsproxy.Trace) -> None:
    table = trace.to_pandas()
    frames = list(trace.frames())
    assert list(table.index) == list(range(1, len(frames) + 1))
    assert list(table.t_s) == [frame.t_ns / 1e9 for frame in frames]
    assert list(table.length) == [len(frame.payload) for frame in frames]
    assert table.text.notna().sum() == 4  # two results, two Close frames
    assert table.loc[len(frames), "opcode"] == "close"
    assert table[table.from_client].wire_length.sum() == trace.session.sent.size
    assert {name: str(kind) for name, kind in table.dtypes.items() if name != "text"} == {
        "t_s": "float64",
        "from_client": "bool",
        "opcode": str(table.opcode.dtype),
        "fin": "bool",
        "length": "int64",
        "wire_length": "int64",
    }


def test_to_pandas_of_a_session_without_frames_has_the_same_columns(
    tmp_path: Path, trace: wsproxy.Trace
) -> None:
    table = wsproxy.open(write(tmp_path / "a.wstrace", [])).to_pandas()
    assert len(table) == 0
    assert list(table.columns) == list(trace.to_pandas().columns)


def test_to_pandas_of_too_many_frames_raises(
    trace: wsproxy.Trace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notebook, "MAX_FRAMES", len(list(trace.frames())))
    trace.to_pandas()
    monkeypatch.setattr(notebook, "MAX_FRAMES", notebook.MAX_FRAMES - 1)
    with pytest.raises(LimitExceeded, match="frames"):
        trace.to_pandas()


def test_to_pandas_without_pandas_says_what_to_install(
    trace: wsproxy.Trace, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = builtins.__import__

    def without_pandas(name: str, *arguments: Any, **options: Any) -> Any:
        if name == "pandas":
            raise ImportError(name)
        return load(name, *arguments, **options)

    monkeypatch.delitem(sys.modules, "pandas", raising=False)
    monkeypatch.setattr(builtins, "__import__", without_pandas)
    with pytest.raises(NotebookMissing, match=r"install it, or the extra wsproxy\[notebook\]"):
        trace.to_pandas()


# -- report


class Shown(HTMLParser):
    """What a browser makes of HTML: its tags, attributes and text."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.sources: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}
        self.sources += [value or "" for name, value in attrs if name == "src"]

    def handle_data(self, data: str) -> None:
        self.text += data


TAGS = {"div", "p", "b", "ul", "li", "code", "br", "table", "tr", "th", "td", "img"}


def shown(path: Path) -> Shown:
    html = wsproxy.open(path)._repr_html_()
    assert len(html) < 100_000
    page = Shown(html)
    assert set(page.tags) <= TAGS
    assert page.attributes <= {"class", "src", "alt", "width"}
    return page


def test_repr_html_has_verdict_findings_numbers_waveform_and_transcript(tmp_path: Path) -> None:
    records = [*listening()[:-2], closed(3050, SERVER, 1011, "internal error")]
    path = write(tmp_path / "a.wstrace", records)
    page, trace = shown(path), wsproxy.open(path)
    assert trace.findings[0].id in page.text
    assert trace.findings[0].title in page.text
    assert "1011" in page.text
    assert "hello world" in page.text
    assert "3.000 s" in page.text
    (source,) = page.sources
    head, _, data = source.partition(",")
    assert head == "data:image/svg+xml;base64"
    picture = base64.b64decode(data).decode()
    assert picture.count("<path") == 1
    assert picture.count("v") > 700  # columns with audio, of 800


def test_repr_html_without_audio_has_no_picture(tmp_path: Path) -> None:
    page = shown(write(tmp_path / "a.wstrace", opened("/v1/listen")))
    assert page.sources == []


def test_repr_html_nothing_in_a_trace_is_markup(tmp_path: Path) -> None:
    records = [
        *opened(f"/v1/listen?x={MARKUP}", **{"X-Odd": MARKUP}),
        audio(100, APP, bytes(3200)),
        *(result(200 + n, f"{part} said", final=True) for n, part in enumerate(MARKUP_PARTS)),
        closed(400, SERVER, 1011, MARKUP[:100]),
    ]
    page = shown(write(tmp_path / "a.wstrace", records))
    for part in MARKUP_PARTS:
        assert safe(part.strip()) in page.text


def test_repr_html_of_a_long_transcript_is_bounded(tmp_path: Path) -> None:
    records = [*opened("/v1/listen"), audio(50, APP, bytes(3200))]
    records += [result(100 + n, "word " * 500, final=True) for n in range(200)]
    page = shown(write(tmp_path / "a.wstrace", records))
    assert "170 more" in page.text


@pytest.mark.cost
@pytest.mark.one_python
@pytest.mark.parametrize(
    "name",
    [
        "many_failures_gaps_and_findings_that_are_kept",
        "a_text_of_15_mb_in_wide_characters",
        "ten_thousand_headers",
        "a_path_of_a_megabyte",
        "times_at_the_edges",
    ],
)
def test_repr_html_of_a_hostile_trace_is_bounded(tmp_path: Path, name: str) -> None:
    hostile_traces.MAKERS[name](tmp_path / "t.wstrace")
    shown(tmp_path / "t.wstrace")
