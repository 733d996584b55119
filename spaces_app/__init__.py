"""The Space: a face on `hubmerge.run` for people who do not write code.

`service/` knows people, jobs and processes, and nothing of Gradio; `ui/` knows what is shown.
Neither knows how models are merged.
"""
