"""How much one request, one repository and one user may ask of the embedded Hub.

Everything a stranger sends is measured against these before any work is done on it.
"""

from __future__ import annotations

ADDRESS = 2**14
"""Most bytes of an address."""
HEADERS = 2**16
"""Most bytes of a request's headers."""
BODY = 4 * 2**20
"""Most bytes of a JSON body or a form."""
LINE = 16 * 2**20
"""Most bytes of one line of a commit: 10 MiB of a regular file in base64, and its path."""
MARKS = 200_000
"""Most brackets, braces, commas and colons of a JSON text: they, not bytes, cost time to read."""
DEPTH = 32
"""Most levels of a JSON text or a card's metadata."""
IDLE_SECONDS = 30.0
"""Longest pause of a client that is sending a request."""
UNREAD = 4 * 2**20
"""Most bytes that a client whose request was refused may go on sending."""
UNREAD_SECONDS = 2.0
"""How long it may."""
SLOWEST = 10_000.0
"""Fewest bytes a second of a body, averaged, after the first `IDLE_SECONDS`."""

HANDLERS = 4
"""Requests of one account that are worked on at once; all anonymous ones together are one."""

METADATA = 64 * 2**10
"""Most characters of a card's metadata."""
CARD = 2**20
"""Most bytes of a README or config.json that is read to describe a repository."""
LAID_OUT = 128 * 2**10
"""Most characters of a card that is laid out; a longer one is shown as it was written."""
DIFF = 2**18
"""Largest file, in bytes, of which changed lines are shown; all files of one change together."""
TEXT_SECONDS = 1.0
"""Processor time for laying out one card or comparing two files."""
TEXT_BYTES = 2**30
"""Memory of the process that does it."""

PATHS = 10_000
"""Most paths of one question about paths, and most objects of one question about LFS."""
OPERATIONS = 25_000
"""Most operations of one commit."""
REMOVALS = 10_000_000
"""Most files that are looked at to remove the folders of one commit."""
FILES = 20_000
"""Most files of one repository."""
FOLDERS = 64
"""Most folders within each other."""
LARGEST_FILE = 2**40
"""Most bytes of one file."""
HISTORY = 200_000
"""Most files of past commits, summed, that are compared to answer one request."""
PAGE = 50
"""Commits per page of a history."""
LISTED = 1_000
"""Repositories per page of a listing."""
SHOWN = 1_000
"""Files and discussions that a page shows."""

SENT = 200 * 2**30
"""Most bytes that a user who is not the owner may send, ever: files, and lists of commits."""
FREE = 2 * 2**30
"""Bytes of the disk that other users than the owner leave free."""
REPOSITORIES = 500
"""Most repositories of a user who is not the owner."""
REFS = 2_000
"""Most branches, tags and pull requests of one repository."""
TITLE = 200
"""Most characters of a discussion's title."""
SUMMARY = 1_000
"""Most characters of a commit's title."""
TEXT = 64 * 2**10
"""Most characters of a comment, or of a commit's description."""
VARIABLES = 100
"""Most variables of a Space."""
VARIABLE = 4096
"""Most characters of one."""
STATE = 2**20
"""Bytes of a repository's settings and discussions after which nothing is added to them."""

JOBS = 2
"""Jobs that run at once."""
JOBS_KEPT = 100
"""Jobs that are remembered."""
JOB_SECONDS = 24 * 3600
"""Longest time limit of a job."""
JOB_VOLUMES = 40
"""Most volumes of a job."""
JOB_ORDER = 2**20
"""Most bytes of what a job is asked to do."""
JOB_LINE = 2**14
"""Longest line of a job that is kept whole, in bytes."""
JOB_LINES = 50_000
"""Most lines of a job that are kept."""
