"""The matchers. A file registers one, or a family of variants."""
