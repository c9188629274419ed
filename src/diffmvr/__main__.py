"""``python -m diffmvr COMMAND …``: what the program ``diffmvr`` does."""

from diffmvr.commands import main

main()
