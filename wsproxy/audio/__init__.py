"""Audio: the one package that knows formats, containers and samples. Pure: bytes in, facts out.

encodings           the format of streams, and encodings under the names of providers
pcm, g711           samples as arrays: 16-bit PCM, 32-bit floats, mu-law and A-law
containers          containers and compressed streams, and the formats in their headers
base64_text         audio as base64 text
sniff               what a stream of bytes is: a container, text, samples or silence
sample_statistics   the encoding of raw samples, inferred from the bytes, and their levels
noise               noise that replaces samples
container_noise     noise that replaces the audio of containers
similarity          whether two streams are the same audio
report              figures, regions and faults of a stream of audio
analyzer            a stream of audio, analyzed while it is read
synthetic_speech    synthetic audio that resembles speech
chunk               the audio of one message, and its position
arrival             the sample rate that the arrival of audio implies
rows                sums over the rows of arrays
regions             stretches of a stream for which something holds
stream_analysis     the analysis of a stream in large blocks, with numpy
segment             what the segments of a stream report to
raw_segment         a segment of raw samples
container_segment   a segment of compressed audio, or of a container with it
signal_meter        levels over a complete stream: silence, clipping, offset, speech
predictability      how well samples are predicted by those before them
whiteness           whether samples are noise
format_guess        what raw samples really are, window by window
voice_pitch         pitch and bandwidth of voices
fault_list          the faults of a stream, in the order of positions
pcm_decoding        raw samples of any encoding as numpy arrays
container_decoding  compressed audio, decoded with PyAV
demuxing            packets of Ogg, WebM, AMR and MP4
sample_listener     what receives the decoded samples of a stream
waveform            the lowest and the highest sample of each short interval
kept_samples        the samples of a stream, kept for listening
wav_file            WAV files of 16-bit PCM or mu-law
"""
