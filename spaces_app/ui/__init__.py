"""The page: views render plain values as HTML, panels hold components and events."""
