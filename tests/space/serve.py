"""The app in a process of its own, to be ended as no test may end itself."""

import sys
from pathlib import Path

from spaces_app.host import Host
from spaces_app.server import serve

if __name__ == "__main__":
    serve(Host(Path(sys.argv[1])), int(sys.argv[2]))
