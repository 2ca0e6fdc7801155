"""Audio: the one package that knows formats, containers and samples. Pure: bytes in, facts out.

encodings          encodings of raw samples under the names of providers
format             the format of a stream: encoding, rate, channels
pcm, g711          samples as arrays: 16-bit PCM, 32-bit floats, mu-law and A-law
containers         containers and compressed streams, and the formats in their headers
sniff              what a stream of bytes is: a container, text, samples or silence
sample_statistics  the encoding of raw samples, inferred from their statistics
levels             how loud samples are
noise              noise that replaces samples
container_noise    noise that replaces the audio of containers
similarity         whether two streams are the same audio
synthetic_speech   synthetic audio that resembles speech
"""
