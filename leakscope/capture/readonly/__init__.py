"""Counting a target's objects by reading its memory: nothing runs in it, and nothing stops it.

`capture` is what the rest of leakscope uses. `census` goes through the memory that `regions` finds,
window by window; in each, `headers` recognises the collector's headers, `types` what is behind
them, and `sizes` how large and how long that is.
"""
