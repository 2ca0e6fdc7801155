"""What is fed to wsproxy to break it: four targets, which need nothing but wsproxy itself.

    reader      a trace's bytes, read and diagnosed
    frames      a connection's bytes, cut anywhere, parsed and recorded
    rulebook    a catalog file's text, checked and matched against odd sessions
    exporters   samples with records changed, through every command that reads traces

Each has `one(data)`, which raises nothing if all is well, and `seeds()`, inputs to begin
with. `python -m fuzz` lets atheris, which is guided by coverage, make the inputs; the test
suite gives them hypothesis' inputs and those in `corpus/`. `choices` reads an input as a
series of decisions, `judge` says what may come out.
"""

TARGETS = ("reader", "frames", "rulebook", "exporters")
