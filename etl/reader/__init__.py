"""From the bytes of a log to blocks of standard rows and rejects: nothing is believed but the content.

The way of a file: ``files`` (the whole) → ``compression`` → ``blocks`` (whole lines) → ``tsv`` (``header``, ``table``)
or ``jsonl`` (``plan``, and ``careful`` for the lines it is not sure of) → ``etl.mapping``. ``rereading`` takes single
lines out of quarantine the same way. Nothing is imported here: who only asks for a name's field needs no polars.
"""
