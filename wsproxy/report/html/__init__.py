"""A session as one HTML file, to look at and to listen to.

reading         a trace read once: the session, its frames, its audio
frame_table     the frames of a session in columns, their contents shortened to a budget
track_recorder  the audio of a track: peaks, arrival, and samples to embed
arrival_map     when each position of a stream of audio was carried
placement       when the audio of a track is heard
embedded_audio  the audio of a page, encoded within a number of bytes
seconds         times and sides, as the data of a page has them
json_block      JSON inside HTML
handshake_data  the opening handshake, as data of a page
speech_data     transcript, control events and latencies, as data of a page
track_data      the audio of a track, as data of a page
page_data       the data of a page: its contract with the scripts
static_frames   the frames that a page lists without scripts
page            the page: templates, style, scripts and data as one file
pair_page       the page of two sessions
index_charts    the charts of the page of many sessions
index_page      the page of many sessions
static          style and scripts
templates       Jinja2 templates
"""
