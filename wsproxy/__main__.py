"""`python -m wsproxy` is the `wsproxy` command."""

from wsproxy.cli.entry import main

if __name__ == "__main__":
    main()
