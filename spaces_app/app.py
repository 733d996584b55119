"""What a Hugging Face Space starts: `python app.py`."""

from __future__ import annotations

from spaces_app.start import on_space

if __name__ == "__main__":
    on_space()
