"""Audio: the one package that knows formats, containers and samples. Pure: bytes in, facts out.

encodings           the format of streams, and encodings under the names of providers
pcm, g711           samples as arrays: 16-bit PCM, 32-bit floats, mu-law and A-law
containers          containers and compressed streams, and the formats in their headers
sniff               what a stream of bytes is: a container, text, samples or silence
sample_statistics   the encoding of raw samples, inferred from the bytes, and their levels
noise               noise that replaces samples
container_noise     noise that replaces the audio of containers
similarity          whether two streams are the same audio
report              figures, regions and faults of a stream of audio
analyzer            a stream of audio, analyzed while it is read; what follows needs numpy
chunk               the audio of one message
stream_analysis     the analysis in blocks, segment by segment
pcm_decoding        raw samples as numpy arrays
demuxing            the packets in containers
container_decoding  compressed audio, decoded by PyAV
signal_meter        levels, silence, clipping, offset and speech
format_guess        what raw samples really are
predictability      how well samples are predicted by those before them
arrival             the sample rate that the arrival implies
voice_pitch         the pitch of a voice, and its bandwidth
regions             stretches for which something holds, and their frames
fault_list          the faults that are causes, in order
synthetic_speech    synthetic audio that resembles speech
"""
